"""Event streams as Asterisk 22.10.1 sent them, in short form: what is told, and that odd orders change nothing."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from intellicall.telephony.asterisk.legs import CallLegs, LegUp, Outcome, TrunkFailed, channel_call
from intellicall.telephony.engine import Cause, LegAnswered, LegEnded, LegRinging, Role

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
    assert [type(outcome) for outcome in told] == [TrunkFailed]
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


@pytest.mark.parametrize(
    "channel", [{"id": "1.1"}, {"id": "1.1", "channelvars": {}}, {"id": "1.1", "channelvars": {"IC_CALL": ""}}]
)
def test_strangers_channels_are_nobodys(channel: dict[str, Any]) -> None:
    assert channel_call(channel) is None
