"""Who can be called now: every combination of what is known, in words."""

from itertools import product, starmap

import pytest

from intellicall.softphone.presence import ASLEEP_S, Presence, Seen, presence_of

AWAKE = Seen(connected=True, ready=True, silent_s=0.0)


@pytest.mark.parametrize(
    ("seen", "wrapping_up", "presence"),
    [
        (None, False, Presence.OFFLINE),
        (None, True, Presence.OFFLINE),
        (AWAKE, False, Presence.READY),
        (AWAKE, True, Presence.WRAP_UP),
        (Seen(connected=True, ready=True, silent_s=ASLEEP_S), False, Presence.READY),
        (Seen(connected=True, ready=True, silent_s=ASLEEP_S + 0.1), False, Presence.ASLEEP),
        (Seen(connected=True, ready=True, silent_s=ASLEEP_S + 0.1), True, Presence.ASLEEP),
        (Seen(connected=True, ready=False, silent_s=0.0), False, Presence.ASLEEP),
        (Seen(connected=True, ready=False, silent_s=0.0), True, Presence.ASLEEP),
        (Seen(connected=False, ready=False, silent_s=0.0), False, Presence.ASLEEP),
        (Seen(connected=False, ready=True, silent_s=0.0), False, Presence.ASLEEP),
    ],
)
def test_without_a_call(seen: Seen | None, wrapping_up: bool, presence: Presence) -> None:
    assert presence_of(seen, in_call=False, wrapping_up=wrapping_up) is presence


@pytest.mark.parametrize("wrapping_up", [True, False])
@pytest.mark.parametrize("seen", [None, *starmap(Seen, product((True, False), (True, False), (0.0, 99.0)))])
def test_who_is_in_a_call_is_busy_whatever_the_softphone_does(seen: Seen | None, wrapping_up: bool) -> None:
    assert presence_of(seen, in_call=True, wrapping_up=wrapping_up) is Presence.BUSY
