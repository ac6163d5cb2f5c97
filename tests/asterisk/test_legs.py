"""Event streams as Asterisk 22.10.1 sent them, in short form: what is told, and that odd orders change nothing."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from intellicall.telephony.asterisk.legs import CallLegs, LegUp, Outcome, TrunkFailed, channel_call
from intellicall.telephony.engine import Cause, DigitPressed, LegAnswered, LegEnded, LegRinging, LegTried, Role

START = datetime(2026, 7, 3, 10, 0, tzinfo=UTC)
AGENT = "c-agent-1"

Seen = tuple[str, str, dict[str, Any]]


def dial(channel: str, status: str = "") -> Seen:
    return "Dial", channel, {"dialstatus": status}


def state(channel: str, to: str) -> Seen:
    return "ChannelStateChange", channel, {"state": to}


def asks(channel: str, *, soft: bool = False, **more: int) -> Seen:
    return "ChannelHangupRequest", channel, {"soft": True, **more} if soft else more


def gone(channel: str, cause: int = 16, tech_cause: int | None = None) -> Seen:
    return "ChannelDestroyed", channel, {"cause": cause} | ({"tech_cause": tech_cause} if tech_cause else {})


def tell(legs: CallLegs, *events: Seen, step: float = 1.0) -> list[Outcome]:
    """Let the call see the events, one every `step` seconds."""
    told: list[Outcome] = []
    for position, (kind, channel, more) in enumerate(events):
        at = START + timedelta(seconds=position * step)
        shown = {"id": channel, "state": more.get("state", "Down"), "channelvars": {"IC_CALL": "c"}}
        for outcome in legs.observe(kind, shown, more, at):
            told.append(outcome)
            if isinstance(outcome, LegUp):
                told += legs.answer(legs.legs[outcome.leg], outcome.at)
    return told


def call(**changes: Any) -> CallLegs:
    legs = CallLegs("c", softphone=changes.pop("softphone", False), max_length_s=changes.pop("max_length_s", 60), recording=None)
    for name, value in changes.items():
        setattr(legs, name, value)
    return legs


ANSWERED: tuple[Seen, ...] = (
    dial(AGENT),
    state(AGENT, "Ringing"),
    dial(AGENT, "RINGING"),
    state(AGENT, "Up"),
    dial(AGENT, "ANSWER"),
    ("StasisStart", AGENT, {}),
)


def brief(told: list[Outcome]) -> list[tuple[Any, ...]]:
    """Return kind and role, and of endings cause, far end and SIP code."""
    out: list[tuple[Any, ...]] = []
    for event in told:
        if isinstance(event, LegEnded):
            out.append((event.leg, event.cause, event.by_far_end, event.sip_code))
        elif isinstance(event, LegRinging | LegAnswered):
            out.append((type(event).__name__, event.leg))
    return out


def talking() -> CallLegs:
    legs = call()
    tell(legs, *ANSWERED)
    legs.customer_ordered()
    tell(legs, dial("x"), state("x", "Up"), dial("x", "ANSWER"))
    return legs


def test_each_thing_is_told_once() -> None:
    assert brief(tell(call(), *ANSWERED, *ANSWERED)) == [("LegRinging", Role.AGENT), ("LegAnswered", Role.AGENT)]


def test_the_customer_hangs_up() -> None:
    told = tell(talking(), asks("x", cause=16), gone("x"), asks(AGENT, soft=True), gone(AGENT))
    assert brief(told) == [(Role.CUSTOMER, Cause.NORMAL, True, None), (Role.AGENT, Cause.NORMAL, False, None)]


def test_the_agent_hangs_up_and_is_told_first() -> None:
    told = tell(talking(), asks(AGENT, cause=16), gone("x"), gone(AGENT))
    assert brief(told) == [(Role.AGENT, Cause.NORMAL, True, None), (Role.CUSTOMER, Cause.NORMAL, False, None)]


def test_both_hang_up_at_once_and_one_of_them_was_first() -> None:
    told = tell(talking(), asks("x", cause=16), asks(AGENT, cause=16), gone("x"), gone(AGENT))
    assert [ending.by_far_end for ending in told if isinstance(ending, LegEnded)] == [True, False]


def test_the_limit() -> None:
    told = tell(talking(), asks(AGENT, soft=True), gone("x"), gone(AGENT), step=30)
    assert brief(told)[0] == (Role.CUSTOMER, Cause.NORMAL, False, None)
    told = tell(talking(), asks(AGENT, soft=True), gone("x"), gone(AGENT), step=61)
    assert brief(told)[0] == (Role.CUSTOMER, Cause.TIME_LIMIT, False, None)


def test_a_refusal_seen_before_the_dialing() -> None:
    """On loopback the 404 can overtake the `Dial` event that begins the attempt."""
    for order in itertools.permutations([dial("x"), asks("x", cause=1, tech_cause=404), dial("x", "CHANUNAVAIL")]):
        legs = call()
        tell(legs, *ANSWERED)
        legs.customer_ordered()
        told = tell(legs, *order, gone("x", 1, 404), asks(AGENT, soft=True), gone(AGENT, 1, 404))
        assert brief(told) == [(Role.CUSTOMER, Cause.NUMBER_UNKNOWN, True, 404), (Role.AGENT, Cause.NORMAL, False, None)]


def test_a_refusal_whose_end_comes_after_the_agents() -> None:
    """Two channels' events cross on a busy engine. Neither leg may wait for the other for ever."""
    legs = call()
    tell(legs, *ANSWERED)
    legs.customer_ordered()
    told = tell(legs, dial("x"), asks("x", tech_cause=503), asks(AGENT, soft=True), gone(AGENT), gone("x", 34, 503))
    assert brief(told) == [(Role.CUSTOMER, Cause.CARRIER_FAILURE, True, 503), (Role.AGENT, Cause.NORMAL, False, None)]
    assert legs.over


@pytest.mark.parametrize(("second", "expected"), [(True, Cause.BUSY), (False, Cause.CARRIER_FAILURE)])
def test_a_failed_trunk_is_not_the_customers_end_while_another_is_tried(second: bool, expected: Cause) -> None:
    legs = call()
    tell(legs, *ANSWERED)
    legs.customer_ordered()
    events = [dial("x"), asks("x", tech_cause=503), gone("x", 34, 503)]
    if second:
        events += [dial("y"), asks("y", tech_cause=486), gone("y", 17, 486)]
    told = tell(legs, *events, asks(AGENT, soft=True), gone(AGENT))
    assert brief(told)[0][:2] == (Role.CUSTOMER, expected)
    assert len(brief(told)) == 2


def test_the_agents_trunk_fails_and_the_next_is_asked_for() -> None:
    told = tell(call(), dial(AGENT), asks(AGENT, tech_cause=503), gone(AGENT, 34, 503))
    assert [type(outcome) for outcome in told] == [LegTried, TrunkFailed]
    told = tell(call(), dial(AGENT), dial(AGENT, "RINGING"), asks(AGENT, tech_cause=503), gone(AGENT, 34, 503))
    assert brief(told)[-1] == (Role.AGENT, Cause.CARRIER_FAILURE, True, 503)


def test_a_softphone_without_audio() -> None:
    legs = call(softphone=True)
    list(legs.observe("ChannelStateChange", {"id": AGENT, "state": "Up", "channelvars": {}}, {}, START))
    legs.agent.no_audio = True
    assert brief(tell(legs, asks(AGENT, soft=True), gone(AGENT))) == [(Role.AGENT, Cause.NO_AUDIO, False, None)]


def test_early_media_after_ringing_is_told_too() -> None:
    legs = talking()
    legs = call()
    tell(legs, *ANSWERED)
    legs.customer_ordered()
    told = tell(legs, dial("x"), state("x", "Ringing"), dial("x", "PROGRESS"), dial("x", "PROGRESS"), dial("x", "RINGING"))
    assert [event.early_media for event in told if isinstance(event, LegRinging)] == [False, True]


def test_a_redirection_is_a_refusal() -> None:
    legs = call()
    tell(legs, *ANSWERED)
    legs.customer_ordered()
    forwarded = ("Dial", "x", {"dialstatus": "CANCEL", "forward": "+4420"})
    told = tell(legs, dial("x"), forwarded, dial("x", "BUSY"), asks(AGENT, soft=True), gone("x", 0), gone(AGENT))
    assert brief(told)[0] == (Role.CUSTOMER, Cause.NUMBER_REFUSED, True, 302)


def test_hanging_up_cancels_what_was_not_answered() -> None:
    legs = call()
    tell(legs, *ANSWERED)
    legs.customer_ordered()
    tell(legs, dial("x"), state("x", "Ringing"))
    legs.hanging_up = True
    told = tell(legs, asks(AGENT, soft=True), gone("x"), gone(AGENT))
    assert brief(told) == [(Role.CUSTOMER, Cause.CANCELED, False, None), (Role.AGENT, Cause.NORMAL, False, None)]


def test_after_its_end_nothing_more_is_said_of_a_leg() -> None:
    legs = talking()
    tell(legs, asks("x"), gone("x"), gone(AGENT))
    assert legs.over
    assert tell(legs, *ANSWERED, dial("x", "ANSWER"), gone("x"), gone(AGENT)) == []


def three_way(vital: set[str]) -> CallLegs:
    """A lifted call: agent, customer and `p1` talk."""
    legs = talking()
    legs.further("p1", softphone=False)
    tell(legs, dial(THIRD), state(THIRD, "Up"), dial(THIRD, "ANSWER"))
    legs.lifted = True
    legs.binding = frozenset(vital)
    return legs


THIRD = "c-p1-1"


def test_a_further_leg_is_told_as_any_other() -> None:
    legs = talking()
    legs.further("p1", softphone=False)
    told = tell(legs, ("StasisStart", THIRD, {}), *[dial(THIRD)] * 2, *[state(THIRD, "Ringing")] * 2, *[state(THIRD, "Up")] * 2)
    assert brief(told) == [("LegRinging", "p1"), ("LegAnswered", "p1")]
    assert brief(tell(legs, asks(THIRD, cause=16), gone(THIRD))) == [("p1", Cause.NORMAL, True, None)]
    assert not legs.over


def test_the_cause_is_told_before_its_effect_whatever_the_order() -> None:
    told = tell(three_way({Role.CUSTOMER}), asks("x", cause=16), gone(THIRD), gone(AGENT), gone("x"))
    assert brief(told)[0] == (Role.CUSTOMER, Cause.NORMAL, True, None)
    assert sorted(brief(told)[1:]) == [(Role.AGENT, Cause.NORMAL, False, None), ("p1", Cause.NORMAL, False, None)]


def test_who_leaves_first_does_not_excuse_who_leaves_later() -> None:
    told = tell(three_way({Role.CUSTOMER}), asks(AGENT, cause=16), gone(AGENT), asks("x", cause=16), gone("x"), gone(THIRD))
    assert [(end.leg, end.by_far_end) for end in told if isinstance(end, LegEnded)] == [
        (Role.AGENT, True),
        (Role.CUSTOMER, True),
        ("p1", False),
    ]


def test_a_leg_that_we_drop_did_not_hang_up() -> None:
    legs = three_way({Role.CUSTOMER, "p1"})
    legs.agent.dropped = True
    assert brief(tell(legs, asks(AGENT, soft=True), asks(AGENT), gone(AGENT))) == [(Role.AGENT, Cause.NORMAL, False, None)]


def test_the_limit_of_a_lifted_call() -> None:
    told = tell(
        three_way({Role.CUSTOMER}), asks("x", soft=True), gone("x"), asks(AGENT, soft=True), gone(AGENT), gone(THIRD), step=61
    )
    assert [end.cause for end in told if isinstance(end, LegEnded)] == [Cause.TIME_LIMIT, Cause.NORMAL, Cause.NORMAL]


def test_a_leg_that_rings_when_the_customer_goes_is_canceled() -> None:
    legs = talking()
    legs.binding = frozenset({Role.CUSTOMER})
    legs.further("p1", softphone=False)
    told = tell(legs, dial(THIRD), state(THIRD, "Ringing"), asks("x", cause=16), gone("x"), asks(THIRD, soft=True), gone(THIRD))
    assert brief(told)[-1] == ("p1", Cause.CANCELED, False, None)


def test_a_key_is_told_once_although_its_event_comes_twice() -> None:
    legs = talking()
    first = ("ChannelDtmfReceived", "x", {"digit": "5", "timestamp": "t1"})
    again = ("ChannelDtmfReceived", "x", {"digit": "5", "timestamp": "t2"})
    told = tell(legs, first, first, again, again)
    assert [(event.leg, event.digit) for event in told if isinstance(event, DigitPressed)] == [(Role.CUSTOMER, "5")] * 2
    assert "last_digit" not in repr(legs.customer)


@pytest.mark.parametrize(
    "channel", [{"id": "1.1"}, {"id": "1.1", "channelvars": {}}, {"id": "1.1", "channelvars": {"IC_CALL": ""}}]
)
def test_strangers_channels_are_nobodys(channel: dict[str, Any]) -> None:
    assert channel_call(channel) is None
