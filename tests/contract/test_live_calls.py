"""The promises about a call that lives: further legs, arrangements, keys. Who really hears whom is for tests/asterisk, by tones.

An engine may take a moment between an order and what the far end notices; so whatever must *not* have happened is looked at
after the parties that are to live have each pressed a key and the engine has told it (`Room.lives`).
"""

import itertools
from datetime import datetime

import pytest
from tests.contract.conftest import Harness, MakeRoom
from tests.contract.stage import MUSIC, RINGBACK, SILENCE, TOGETHER, Room, Stage, line

from intellicall.telephony.engine import (
    Arrangement,
    Cause,
    DigitPressed,
    EngineLost,
    EngineUnavailable,
    LegAnswered,
    LegEnded,
    LegPlan,
    LegRinging,
    Place,
)
from intellicall.telephony.testnet.numbers import NUMBERS

WE_ENDED_IT = (Cause.NORMAL, False)
HUNG_UP = (Cause.NORMAL, True)
NEVER_UP = (Cause.CANCELED, False)
AT_ONCE_S = 0.5
FRAMES_OF_A_MOVE_S = 0.04
"""Two frames: what a recording may lose when the customer's leg moves (Asterisk 22.10.1, measured: 30 ms)."""

KINDS: dict[str, dict[str, Place]] = {
    "two": {"agent": TOGETHER, "customer": TOGETHER},
    "held": {"agent": SILENCE, "customer": MUSIC},
    "consulting": {"agent": TOGETHER, "customer": MUSIC, "p1": TOGETHER},
    "consult_held": {"agent": TOGETHER, "customer": TOGETHER, "p1": MUSIC},
    "three_way": {"agent": TOGETHER, "customer": TOGETHER, "p1": TOGETHER},
    "transferred": {"customer": TOGETHER, "p1": TOGETHER},
    "alone": {"customer": RINGBACK},
}
"""Every kind of arrangement that the calls room asks for."""


async def arranged(room: Room, kind: str, vital: str = "customer") -> Room:
    """Bring a call into this arrangement, by the way of a talk of three where there is a third."""
    if "p1" in KINDS[kind]:
        await room.to_three_way()
    else:
        await room.call.to_talk()
    await room.arrange(vital, KINDS[kind])
    return room


# -- a further leg (promises 1, 3, 17) -----------------------------------------------------------------------------------


async def test_a_further_leg_has_the_id_we_chose_and_its_own_life(room: MakeRoom, stage: Stage) -> None:
    here = room()
    stage.waits("p1")
    await here.call.to_talk()
    await here.arrange("customer agent", {"agent": TOGETHER, "customer": MUSIC, "p1": TOGETHER})
    await here.ring()
    await here.call.ringing("p1")
    assert await here.call.seen() == {"agent": True, "customer": True, "p1": False}
    await stage.pick_up(here.id, "p1")
    await here.call.answered("p1")
    await here.lives("agent", "customer", "p1")
    here.hang_up("p1")
    assert await here.ended("p1") == HUNG_UP
    await here.lives("agent", "customer")
    assert [type(event) for event in here.call.said() if event.leg == "p1"] == [LegRinging, LegAnswered, LegEnded]


async def test_a_leg_is_rung_once(room: MakeRoom, stage: Stage) -> None:
    here = room()
    stage.waits("p1")
    await here.call.to_talk()
    await here.arrange("customer", {"agent": TOGETHER, "customer": TOGETHER, "p1": TOGETHER})
    await here.ring()
    await here.ring()
    await here.call.ringing("p1")
    await here.ring()
    await stage.pick_up(here.id, "p1")
    await here.call.answered("p1")
    await here.ring()
    here.hang_up("p1")
    await here.ended("p1")
    await here.ring()
    await here.lives("agent", "customer")
    assert [type(event) for event in here.call.said() if event.leg == "p1"] == [LegRinging, LegAnswered, LegEnded]


@pytest.mark.parametrize("kind", ["two", "held", "three_way"])
@pytest.mark.parametrize(
    ("far_end", "cause"), [("busy", Cause.BUSY), ("reject", Cause.REJECTED), ("unknown", Cause.NUMBER_UNKNOWN)]
)
async def test_a_third_who_refuses_disturbs_nobody(room: MakeRoom, kind: str, far_end: str, cause: Cause) -> None:
    here = await arranged(room(), kind)
    await here.arrange("customer", {**KINDS[kind], "p2": TOGETHER})
    await here.ring("p2", far_end)
    end = await here.call.ended("p2")
    assert (end.cause, end.by_far_end, end.sip_code) == (cause, True, NUMBERS[far_end].sip_code)
    await here.lives(*KINDS[kind])


async def test_a_third_who_does_not_answer_disturbs_nobody(room: MakeRoom, stage: Stage) -> None:
    here = room()
    stage.waits("p1")
    await here.call.to_talk()
    await here.arrange("customer agent", {"agent": TOGETHER, "customer": MUSIC, "p1": TOGETHER})
    await here.ring(ring_s=1)
    rings = await here.call.ringing("p1")
    end = await here.call.ended("p1")
    assert (end.cause, end.by_far_end) == (Cause.NO_ANSWER, False)
    assert 0.7 < (end.at - rings.at).total_seconds() < 1.6
    await here.lives("agent", "customer")


async def test_a_third_who_sends_early_media_is_told_so(room: MakeRoom) -> None:
    here = room()
    await here.call.to_talk()
    await here.arrange("customer agent", {"agent": TOGETHER, "customer": MUSIC, "p1": TOGETHER})
    await here.ring(far_end="early_media")
    await here.call.heard.wait(LegRinging, lambda e: (e.call_id, e.leg, e.early_media) == (here.id, "p1", True))
    assert (await here.call.ended("p1")).cause is Cause.UNAVAILABLE
    await here.lives("agent", "customer")


async def test_two_further_legs_live_beside_each_other(room: MakeRoom) -> None:
    here = room()
    await here.to_three_way()
    await here.arrange("customer", {"agent": TOGETHER, "customer": TOGETHER, "p1": TOGETHER, "p2": TOGETHER})
    await here.ring("p2")
    await here.call.answered("p2")
    await here.lives("agent", "customer", "p1", "p2")
    here.hang_up("p1")
    assert await here.ended("p1") == HUNG_UP
    await here.lives("agent", "customer", "p2")


# -- arrangements (promise 12) -------------------------------------------------------------------------------------------


async def test_every_arrangement_leads_to_every_other(room: MakeRoom) -> None:
    here = room()
    await here.to_three_way()
    kinds = [kind for kind in KINDS if KINDS[kind].keys() >= {"agent", "customer", "p1"}]
    for kind in [kind for pair in itertools.permutations(kinds, 2) for kind in pair]:
        await here.arrange("customer", KINDS[kind])
    await here.lives("agent", "customer", "p1")
    for kind in ("two", "held", "two", "alone"):
        await here.arrange("customer", KINDS[kind])
        await here.lives(*KINDS[kind])


@pytest.mark.parametrize("kind", KINDS)
async def test_to_arrange_the_same_again_changes_nothing(room: MakeRoom, kind: str) -> None:
    here = await arranged(room(), kind)
    gone = {"agent", "customer", "p1"} - KINDS[kind].keys() - (set() if "p1" in KINDS[kind] else {"p1"})
    for leg in gone:
        assert await here.ended(leg) == WE_ENDED_IT
    said = here.call.said()
    await here.arrange("customer", KINDS[kind])
    await here.arrange("customer", KINDS[kind])
    await here.lives(*KINDS[kind])
    assert here.call.said() == said


async def test_a_leg_that_is_not_named_is_ended_and_takes_nobody_along(room: MakeRoom) -> None:
    here = room()
    await here.to_three_way()
    await here.arrange("agent customer", {"agent": TOGETHER, "customer": TOGETHER})
    assert await here.ended("p1") == WE_ENDED_IT
    await here.lives("agent", "customer")


async def test_who_leaves_by_a_transfer_was_vital_and_takes_nobody_along(room: MakeRoom) -> None:
    here = room()
    await here.to_three_way()
    await here.arrange("agent customer", KINDS["three_way"])
    await here.arrange("customer p1", KINDS["transferred"])
    assert await here.ended("agent") == WE_ENDED_IT
    await here.lives("customer", "p1")


async def test_a_ringing_leg_that_is_not_named_is_canceled(room: MakeRoom, stage: Stage) -> None:
    here = room()
    stage.waits("p1")
    await here.call.to_talk()
    await here.arrange("customer agent", {"agent": TOGETHER, "customer": MUSIC, "p1": TOGETHER})
    await here.ring()
    await here.call.ringing("p1")
    await here.arrange("customer agent", {"agent": TOGETHER, "customer": TOGETHER})
    assert await here.ended("p1") == NEVER_UP
    await here.lives("agent", "customer")


async def test_to_arrange_what_is_unknown_or_over_does_nothing(room: MakeRoom, harness: Harness) -> None:
    two = Arrangement(KINDS["two"], frozenset({"agent", "customer"}))
    await harness.engine.arrange("no-such-call", two)
    here = room()
    await here.to_three_way()
    await harness.engine.hang_up(here.id)
    for leg in ("agent", "customer", "p1"):
        await here.ended(leg)
    said = here.call.said()
    await harness.engine.arrange(here.id, two)
    assert (here.call.said(), await here.call.seen()) == (said, {})


async def test_a_place_for_a_leg_that_nobody_rang_is_harmless(room: MakeRoom) -> None:
    here = room()
    await here.call.to_talk()
    await here.arrange("customer p1", {"agent": TOGETHER, "customer": TOGETHER, "p1": TOGETHER})
    await here.lives("agent", "customer")


# -- who takes whom along (promise 5) ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "alone"])
async def test_a_vital_legs_end_ends_the_others_at_once(room: MakeRoom, kind: str) -> None:
    here = await arranged(room(), kind)
    here.hang_up("customer")
    vital = await here.call.ended("customer")
    assert (vital.cause, vital.by_far_end) == HUNG_UP
    for leg in KINDS[kind].keys() - {"customer"}:
        taken = await here.call.ended(leg)
        assert (taken.cause, taken.by_far_end) == WE_ENDED_IT
        assert here.call.said().index(vital) < here.call.said().index(taken)
        assert (taken.at - vital.at).total_seconds() < AT_ONCE_S
    assert await here.call.seen() == {}


@pytest.mark.parametrize("leg", ["agent", "p1"])
@pytest.mark.parametrize("kind", ["consulting", "consult_held", "three_way"])
async def test_any_other_legs_end_ends_nobody(room: MakeRoom, kind: str, leg: str) -> None:
    here = await arranged(room(), kind)
    here.hang_up(leg)
    assert await here.ended(leg) == HUNG_UP
    await here.lives(*(KINDS[kind].keys() - {leg}))


async def test_the_last_arrangement_says_who_is_vital(room: MakeRoom) -> None:
    here = await arranged(room(), "three_way", vital="agent customer p1")
    await here.arrange("customer", KINDS["three_way"])
    here.hang_up("agent")
    assert await here.ended("agent") == HUNG_UP
    await here.arrange("customer p1", KINDS["transferred"])
    here.hang_up("p1")
    assert await here.ended("p1") == HUNG_UP
    assert await here.ended("customer") == WE_ENDED_IT


async def test_two_who_are_alone_again_end_together(room: MakeRoom) -> None:
    here = room()
    await here.to_three_way()
    await here.arrange("agent customer", KINDS["two"])
    await here.ended("p1")
    here.hang_up("agent")
    assert await here.ended("agent") == HUNG_UP
    assert await here.ended("customer") == WE_ENDED_IT


async def test_a_vital_legs_end_cancels_who_is_rung(room: MakeRoom, stage: Stage) -> None:
    here = room()
    stage.waits("p1")
    await here.call.to_talk()
    await here.arrange("customer", {"agent": SILENCE, "customer": RINGBACK, "p1": SILENCE})
    await here.ring()
    await here.call.ringing("p1")
    here.hang_up("customer")
    assert await here.ended("customer") == HUNG_UP
    assert await here.ended("agent") == WE_ENDED_IT
    assert await here.ended("p1") == NEVER_UP


async def test_who_waits_alone_for_a_transfer_may_give_up(room: MakeRoom, stage: Stage) -> None:
    here = room()
    stage.waits("p1")
    await here.call.to_talk()
    await here.arrange("customer", {"customer": RINGBACK, "p1": SILENCE})
    assert await here.ended("agent") == WE_ENDED_IT
    await here.ring()
    await here.call.ringing("p1")
    await stage.pick_up(here.id, "p1")
    await here.call.answered("p1")
    await here.arrange("customer p1", KINDS["transferred"])
    await here.lives("customer", "p1")
    here.hang_up("customer")
    assert await here.ended("p1") == WE_ENDED_IT


async def test_hanging_up_ends_every_leg_once(room: MakeRoom, harness: Harness) -> None:
    here = room()
    await here.to_three_way()
    await harness.engine.hang_up(here.id)
    for leg in ("agent", "customer", "p1"):
        assert await here.ended(leg) == WE_ENDED_IT
    await harness.engine.hang_up(here.id)
    assert await here.call.seen() == {}
    assert [len(here.call.ends(leg)) for leg in ("agent", "customer", "p1")] == [1, 1, 1]


# -- while nobody listens (promises 5, 11) -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "alone"])
async def test_a_vital_legs_end_ends_the_others_while_nobody_listens(
    room: MakeRoom, harness: Harness, stage: Stage, kind: str
) -> None:
    here = await arranged(room(), kind)
    await harness.lose()
    here.hang_up("customer")
    for leg in KINDS[kind].keys() - {"customer"}:
        await stage.gone(here.id, leg)
    await harness.come_back()
    assert await here.call.seen() == {}


async def test_any_other_legs_end_ends_nobody_while_nobody_listens(room: MakeRoom, harness: Harness, stage: Stage) -> None:
    here = await arranged(room(), "three_way")
    await harness.lose()
    here.hang_up("agent")
    await stage.gone(here.id, "agent")
    await harness.come_back()
    assert await here.call.seen() == {"customer": True, "p1": True}
    await here.arrange("customer p1", KINDS["transferred"])
    await here.lives("customer", "p1")
    here.hang_up("p1")
    assert await here.ended("customer") == WE_ENDED_IT


async def test_a_lost_engine_takes_no_hands_on_a_call_and_the_call_goes_on(room: MakeRoom, harness: Harness) -> None:
    here = await arranged(room(), "three_way")
    await harness.lose()
    await harness.heard.wait(EngineLost)
    with pytest.raises(EngineUnavailable):
        await here.arrange("customer", KINDS["two"])
    with pytest.raises(EngineUnavailable):
        await here.ring("p2")
    with pytest.raises(EngineUnavailable):
        await harness.engine.send_digits(here.id, "p1", "1")
    await harness.come_back()
    assert await here.call.seen() == {"agent": True, "customer": True, "p1": True}
    await here.arrange("customer", KINDS["three_way"])
    await here.lives("agent", "customer", "p1")
    assert not any(event.leg == "p2" for event in here.call.said())


@pytest.mark.parametrize("kind", ["two", "held", "consulting", "transferred", "alone"])
async def test_the_maximum_length_is_kept_in_every_arrangement(room: MakeRoom, kind: str) -> None:
    here = await arranged(room(max_length_s=3), kind)
    answered = await here.call.answered("customer")
    customer = await here.call.ended("customer")
    assert (customer.cause, customer.by_far_end) == (Cause.TIME_LIMIT, False)
    assert 2.7 < (customer.at - answered.at).total_seconds() < 3.7
    for leg in KINDS[kind].keys() - {"customer"}:
        assert not (await here.call.ended(leg)).by_far_end
    assert await here.call.seen() == {}


@pytest.mark.parametrize("kind", ["held", "three_way"])
async def test_the_maximum_length_is_kept_while_nobody_listens(room: MakeRoom, harness: Harness, stage: Stage, kind: str) -> None:
    here = await arranged(room(max_length_s=3), kind)
    await harness.lose()
    for leg in KINDS[kind]:
        await stage.gone(here.id, leg)
    await harness.come_back()
    assert await here.call.seen() == {}


# -- the recording (promises 7, 14, 15) ----------------------------------------------------------------------------------


async def test_one_recording_follows_the_customer_to_the_end(room: MakeRoom, harness: Harness) -> None:
    here = room(recording="crm_1234567890")
    raw = harness.recordings / "crm_1234567890.raw"
    raw.unlink(missing_ok=True)
    whole: list[tuple[datetime, int]] = []

    def measure(event: object) -> None:
        if isinstance(event, LegEnded) and (event.call_id, event.leg) == (here.id, "customer"):
            whole.append((event.at, raw.stat().st_size))
        harness.heard(event)  # type: ignore[arg-type]

    harness.engine.listen(measure)
    await here.to_three_way()
    for paused in (False, True, False):
        for kind in ("consulting", "three_way", "consult_held"):
            await here.arrange("customer", KINDS[kind], paused=paused, muted="agent" if paused else "")
            await here.lives("agent", "customer", "p1")
    await here.arrange("customer p1", KINDS["transferred"])
    await here.lives("customer", "p1")
    answered = await here.call.answered("customer")
    here.hang_up("p1")
    await here.call.ended("customer")
    [(at, size)] = whole
    assert size == raw.stat().st_size
    assert size / 32_000 == pytest.approx((at - answered.at).total_seconds(), abs=0.3 + 10 * FRAMES_OF_A_MOVE_S)


# -- keys (promise 16) ---------------------------------------------------------------------------------------------------

KEYS = "0123456789*#ABCD"


async def test_keys_are_told_once_before_any_arrangement(room: MakeRoom, stage: Stage) -> None:
    here = room()
    await here.call.to_talk()
    await stage.press(here.id, "customer", KEYS)
    await here.call.told_keys("customer", KEYS)
    await here.lives("agent", "customer")
    assert (here.call.pressed("customer"), here.call.pressed("agent")) == (KEYS + "9", "9")


@pytest.mark.parametrize("manner", ["plain", "muted", "paused"])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "transferred"])
async def test_keys_are_told_once_in_every_arrangement(room: MakeRoom, stage: Stage, kind: str, manner: str) -> None:
    here = await arranged(room(), kind)
    muted = "customer" if manner == "muted" else ""
    await here.arrange("customer", KINDS[kind], muted=muted, paused=manner == "paused")
    await stage.press(here.id, "customer", "11#1")
    await here.call.told_keys("customer", "11#1")
    others = KINDS[kind].keys() - {"customer"}
    for leg in others:
        await stage.press(here.id, leg, "7")
        await here.call.told_keys(leg, "7")
    assert here.call.pressed("customer") == "11#1"
    assert [here.call.pressed(leg) for leg in others] == ["7" for _ in others]


async def test_no_key_is_shown_where_an_event_is(room: MakeRoom, stage: Stage) -> None:
    here = room()
    await here.call.to_talk()
    await stage.press(here.id, "customer", "D")
    event = await here.call.heard.wait(DigitPressed, lambda e: e.call_id == here.id)
    assert event.digit == "D"
    assert "D'" not in repr(event)


async def test_digits_are_heard_in_order_and_by_that_leg_alone(room: MakeRoom, harness: Harness, stage: Stage) -> None:
    here = await arranged(room(), "three_way")
    await harness.engine.send_digits(here.id, "p1", "1")
    await harness.engine.send_digits(here.id, "p1", "12#0*D")
    await stage.hears_keys(here.id, "p1", "112#0*D")
    assert (stage.keys_heard(here.id, "customer"), stage.keys_heard(here.id, "agent")) == ("", "")
    assert here.call.pressed("p1") == ""
    await here.lives("agent", "customer", "p1")


async def test_digits_reach_a_customer_who_was_never_arranged(room: MakeRoom, harness: Harness, stage: Stage) -> None:
    here = room()
    await here.call.to_talk()
    await harness.engine.send_digits(here.id, "customer", "42#")
    await stage.hears_keys(here.id, "customer", "42#")
    await here.lives("agent", "customer")


@pytest.mark.parametrize("digits", ["a", "12 3", "E", "1,2", "+1", "\u0661", "\uff11", "1\n", "w5"])
async def test_no_other_keys_exist(room: MakeRoom, harness: Harness, stage: Stage, digits: str) -> None:
    here = room()
    await here.call.to_talk()
    with pytest.raises(ValueError, match=r".") as refused:
        await harness.engine.send_digits(here.id, "customer", digits)
    assert digits not in str(refused.value).split()
    await harness.engine.send_digits(here.id, "customer", "6")
    await stage.hears_keys(here.id, "customer", "6")


async def test_digits_for_nobody_do_nothing(room: MakeRoom, harness: Harness) -> None:
    here = await arranged(room(), "three_way")
    here.hang_up("p1")
    await here.ended("p1")
    await harness.engine.send_digits(here.id, "p1", "1")
    await harness.engine.send_digits(here.id, "p2", "1")
    await harness.engine.send_digits("no-such-call", "agent", "1")
    await here.lives("agent", "customer")


# -- orders that come too late -------------------------------------------------------------------------------------------


async def test_nobody_is_rung_for_a_call_that_is_over(room: MakeRoom, harness: Harness) -> None:
    here = room()
    await here.call.to_talk()
    await harness.engine.hang_up(here.id)
    await here.call.over()
    late = LegPlan(here.id, "p1", line("p1"), here.call.plan.caller_id, here.call.plan.customer_number, 10)
    await harness.engine.ring(late)
    assert await here.call.seen() == {}
    assert not any(isinstance(event, LegRinging | LegAnswered) and event.leg == "p1" for event in here.call.said())
