"""Why a call ended so, whose fault it was, and what to do: one sentence that needs no knowledge of telephony. Pure.

The ending's own words (calls/endings.py), and what the engine and the browser told besides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from intellicall.calls.endings import ENDINGS, Ending, duration_of
from intellicall.calls.result import Entry
from intellicall.calls.table import Party, Reason, State
from intellicall.calls.traced_words import POOR_LOSS, SOFTPHONE_WORDS, answered_with, failure, loss_of, side
from intellicall.calls.traces import Source, Trace
from intellicall.telephony.engine import Cause, Role

NOTHING_TO_DO = "Nothing to do."


class Fault(StrEnum):
    """Who has something to put right: `whose_fault`. It may be another one than whose doing the end was."""

    NOBODY = "nobody"
    AGENT = "agent"  # the agent, or the agent's computer, microphone or network
    ACCOUNT = "account"  # the CRM's data or settings
    CARRIER = "carrier"
    OPERATOR = "operator"  # the platform's settings
    PLATFORM = "platform"


FAULTS: dict[Reason, Fault] = {
    Reason.AGENT_HUNG_UP: Fault.NOBODY,
    Reason.CUSTOMER_HUNG_UP: Fault.NOBODY,
    Reason.GUEST_HUNG_UP: Fault.NOBODY,
    Reason.ENDED_BY_ACCOUNT: Fault.NOBODY,
    Reason.MAX_LENGTH: Fault.NOBODY,
    Reason.AGENT_LEFT: Fault.AGENT,
    Reason.TRANSFER_FAILED: Fault.AGENT,
    Reason.CUSTOMER_BUSY: Fault.NOBODY,
    Reason.CUSTOMER_REJECTED: Fault.NOBODY,
    Reason.CUSTOMER_NO_ANSWER: Fault.NOBODY,
    Reason.CUSTOMER_UNAVAILABLE: Fault.NOBODY,
    Reason.AGENT_GAVE_UP: Fault.NOBODY,
    Reason.CANCELED_BY_ACCOUNT: Fault.NOBODY,
    Reason.AGENT_NO_ANSWER: Fault.AGENT,
    Reason.AGENT_BUSY: Fault.AGENT,
    Reason.AGENT_REJECTED: Fault.AGENT,
    Reason.AGENT_UNREACHABLE: Fault.AGENT,
    Reason.AGENT_NO_AUDIO: Fault.AGENT,
    Reason.NUMBER_UNKNOWN: Fault.ACCOUNT,
    Reason.NUMBER_REFUSED: Fault.CARRIER,
    Reason.CARRIER_FAILURE: Fault.CARRIER,
    Reason.CARRIER_TIMEOUT: Fault.CARRIER,
    Reason.NO_ROUTE: Fault.OPERATOR,
    Reason.ENGINE_UNAVAILABLE: Fault.PLATFORM,
    Reason.DIALED_TOO_LATE: Fault.PLATFORM,
    Reason.AUDIO_LOST: Fault.CARRIER,
    Reason.ENGINE_LOST: Fault.PLATFORM,
    Reason.PLATFORM_RESTARTED: Fault.PLATFORM,
    Reason.RESTORED: Fault.PLATFORM,
    Reason.CLOCK_SET: Fault.OPERATOR,
    Reason.PLATFORM_ERROR: Fault.PLATFORM,
    Reason.UNEXPLAINED: Fault.PLATFORM,
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """`reason`, `ended_by` and `whose_fault` are None while the call lives."""

    reason: Reason | None
    title: str
    ended_by: Party | None
    whose_fault: Fault | None
    remedy: str
    sentence: str

    def as_json(self) -> dict[str, Any]:
        """Return its JSON members, in the documented order."""
        return {
            "reason": self.reason,
            "title": self.title,
            "ended_by": self.ended_by,
            "whose_fault": self.whose_fault,
            "remedy": self.remedy,
            "sentence": self.sentence,
        }


def explain(entry: Entry, seen: Sequence[Trace]) -> Explanation:
    """Return why the call ended so, or how it stands."""
    call = entry.call
    if call.live:
        title = _LIVE.get(call.state, "The call is going on.")
        return Explanation(None, title, None, None, NOTHING_TO_DO, title)
    reason = call.reason or Reason.UNEXPLAINED
    ending = ENDINGS[reason]
    tries = _tries(reason, seen)
    fault = Fault.CARRIER if reason is Reason.NO_ROUTE and tries else FAULTS[reason]
    sentence = " ".join([_first(entry, ending, tries), *_besides(entry, reason, seen)])
    return Explanation(reason, ending.title, ending.culprit, fault, ending.remedy or NOTHING_TO_DO, sentence)


_LIVE = {
    State.INITIATED: "The call was accepted; the agent's phone is being dialed.",
    State.AGENT_RINGING: "The agent's phone is ringing.",
    State.AGENT_ANSWERED: "The agent has answered; the customer's phone is being dialed.",
    State.CUSTOMER_RINGING: "The customer's phone is ringing.",
    State.ENDING: "The call is ending.",
}


def _first(entry: Entry, ending: Ending, tries: str) -> str:
    """What ended it; of a call in which the two talked, how long they did."""
    if entry.call.answered:
        return f"The two talked for {_spoken(duration_of(entry.call))}. {ending.title}"
    return tries or ending.title


_OF_THE_AGENT = frozenset({Reason.AGENT_UNREACHABLE, Reason.AGENT_BUSY, Reason.AGENT_REJECTED, Reason.AGENT_NO_ANSWER})
_OF_THE_CARRIER = frozenset(
    {Reason.NUMBER_UNKNOWN, Reason.NUMBER_REFUSED, Reason.CARRIER_FAILURE, Reason.CARRIER_TIMEOUT, Reason.NO_ROUTE}
)


def _tries(reason: Reason, seen: Sequence[Trace]) -> str:
    """What each trunk said, where that is why: `The carrier answered 503 on carrier1 and carrier2 was not reachable.`"""
    if reason not in _OF_THE_CARRIER and reason is not Reason.AGENT_UNREACHABLE:
        return ""
    leg = Role.AGENT if reason in _OF_THE_AGENT else Role.CUSTOMER
    of_leg = [trace for trace in seen if trace.source is Source.SIP and trace.data.get("leg") == leg]
    last = _last_try(of_leg)
    failures = [trace.data for trace in of_leg if trace.what == "trunk_failed"] + ([last] if last else [])
    if not failures:
        return ""
    told = " and ".join(_told(data, alone=len(failures) == 1) for data in failures)
    whom = side(leg)
    return f"{told[:1].upper()}{told[1:]}: the call to {whom} could not be put through."


def _last_try(of_leg: Sequence[Trace]) -> Mapping[str, Any] | None:
    """The end of the leg, with the trunk that it was tried through last; None for a softphone."""
    trunks = [trace.data.get("trunk") for trace in of_leg if trace.what == "invite"]
    ends = [trace.data for trace in of_leg if trace.what == "leg_ended"]
    return {**ends[-1], "trunk": trunks[-1]} if ends and trunks and trunks[-1] else None


def _told(data: Mapping[str, Any], *, alone: bool) -> str:
    code = data.get("sip_code")
    if code is None or data.get("cause") == Cause.CARRIER_TIMEOUT:
        return failure(data)
    said = answered_with(int(code)) if alone else str(code)
    return f"the carrier answered {said} on {data.get('trunk') or 'the trunk'}"


_TROUBLES = frozenset(
    {"microphone_denied", "microphone_missing", "microphone_busy", "microphone_ended", "insecure_page", "sip_failed", "ice_failed"}
)
_OF_THE_SOFTPHONE = frozenset({Reason.AGENT_NO_AUDIO, Reason.AGENT_UNREACHABLE, Reason.AGENT_LEFT, Reason.AGENT_NO_ANSWER})


def _besides(entry: Entry, reason: Reason, seen: Sequence[Trace]) -> list[str]:
    """What the browser told where that is why, and a line that was so bad that people hang up."""
    told = []
    if reason in _OF_THE_SOFTPHONE:
        troubles = [trace.what for trace in seen if trace.source is Source.SOFTPHONE and trace.what in _TROUBLES]
        told += [SOFTPHONE_WORDS[troubles[-1]]] if troubles else []
    if entry.call.answered:
        audio = [trace.data for trace in seen if trace.source is Source.SIP and trace.what == "audio"]
        told += [
            f"The line was bad: {100 * loss_of(data):.0f} % of what {side(data.get('leg'))} said was lost on the way."
            for data in audio
            if loss_of(data) >= POOR_LOSS
        ]
    return told


def _spoken(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
