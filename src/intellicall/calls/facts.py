"""From the engine's words to the call's: one fact for each event, with the reason that the leg's end gives."""

from datetime import datetime

from intellicall.calls.call import Fact, What
from intellicall.calls.table import Party, Reason
from intellicall.telephony.engine import Cause, LegAnswered, LegEnded, LegEvent, LegRinging

AGENT_REASONS: dict[Cause, Reason | None] = {
    Cause.NORMAL: Reason.AGENT_HUNG_UP,
    Cause.BUSY: Reason.AGENT_BUSY,
    Cause.REJECTED: Reason.AGENT_REJECTED,
    Cause.NO_ANSWER: Reason.AGENT_NO_ANSWER,
    Cause.UNAVAILABLE: Reason.AGENT_UNREACHABLE,
    Cause.NUMBER_UNKNOWN: Reason.AGENT_UNREACHABLE,
    Cause.NUMBER_REFUSED: Reason.AGENT_UNREACHABLE,
    Cause.CARRIER_FAILURE: Reason.AGENT_UNREACHABLE,
    Cause.CARRIER_TIMEOUT: Reason.AGENT_UNREACHABLE,
    Cause.UNREACHABLE: Reason.AGENT_UNREACHABLE,
    Cause.NO_AUDIO: Reason.AGENT_NO_AUDIO,
    Cause.TIME_LIMIT: Reason.MAX_LENGTH,
    Cause.VANISHED: Reason.AUDIO_LOST,
    Cause.CANCELED: None,
    Cause.ENGINE_LOST: Reason.ENGINE_LOST,
}

CUSTOMER_REASONS: dict[Cause, Reason | None] = {
    Cause.NORMAL: Reason.CUSTOMER_HUNG_UP,
    Cause.BUSY: Reason.CUSTOMER_BUSY,
    Cause.REJECTED: Reason.CUSTOMER_REJECTED,
    Cause.NO_ANSWER: Reason.CUSTOMER_NO_ANSWER,
    Cause.UNAVAILABLE: Reason.CUSTOMER_UNAVAILABLE,
    Cause.NUMBER_UNKNOWN: Reason.NUMBER_UNKNOWN,
    Cause.NUMBER_REFUSED: Reason.NUMBER_REFUSED,
    Cause.CARRIER_FAILURE: Reason.CARRIER_FAILURE,
    Cause.CARRIER_TIMEOUT: Reason.CARRIER_TIMEOUT,
    Cause.UNREACHABLE: Reason.NO_ROUTE,
    Cause.NO_AUDIO: Reason.CARRIER_FAILURE,
    Cause.TIME_LIMIT: Reason.MAX_LENGTH,
    Cause.VANISHED: Reason.AUDIO_LOST,
    Cause.CANCELED: None,
    Cause.ENGINE_LOST: Reason.ENGINE_LOST,
}


LAG_S = 120.0
"""Longest delay of an event that is believed; more is a clock that was set."""


def tick_of(at: datetime, now: datetime, tick: float) -> float:
    """Return the monotonic moment of an event that is read at `now` and `tick`: earlier by as long as it lay unread.

    It lies while this process is stopped, starved or swapped out, and what it says happened then, not now: talk is timed by it,
    and an old answer must not have a phone rung. The engine's clock is ours: it runs on this machine.
    """
    lag = (now - at).total_seconds()
    return tick - lag if 0.0 < lag <= LAG_S else tick


def fact_of(event: LegEvent, tick: float, seat: Party) -> Fact:
    """Return the event as a fact about who sits there; `tick` is its monotonic moment (`tick_of`)."""
    match event:
        case LegRinging():
            return Fact(What.RINGING, event.at, tick, seat)
        case LegAnswered():
            return Fact(What.ANSWERED, event.at, tick, seat)
        case LegEnded():
            return Fact(What.LEG_ENDED, event.at, tick, seat, _reason(event, seat), cause=event.cause)


def _reason(event: LegEnded, seat: Party) -> Reason | None:
    """A normal end counts only when this leg's own party brought it about; the other leg's end follows from it."""
    if seat is Party.GUEST or (event.cause is Cause.NORMAL and not event.by_far_end):
        return None
    return (AGENT_REASONS if seat is Party.AGENT else CUSTOMER_REASONS)[event.cause]
