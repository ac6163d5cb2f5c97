"""Every ending: whose doing it was, which of the guide's five statuses it gets, what to tell people, what to do.

One table, from which the result, the softphone's words and docs/endings.md are made.
"""

from dataclasses import dataclass
from enum import StrEnum

from intellicall.calls.call import Call
from intellicall.calls.table import Party, Reason


class Status(StrEnum):
    """The guide's five (section 5, `status`)."""

    ANSWER = "ANSWER"
    NO_ANSWER = "NO_ANSWER"
    BUSY = "BUSY"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


@dataclass(frozen=True, slots=True)
class Ending:
    """`status` holds for a call in which the two never talked; once both have talked the status is ANSWER, whatever ended it."""

    status: Status
    culprit: Party
    title: str
    remedy: str


ENDINGS: dict[Reason, Ending] = {
    Reason.AGENT_HUNG_UP: Ending(Status.ANSWER, Party.AGENT, "The agent hung up.", ""),
    Reason.CUSTOMER_HUNG_UP: Ending(Status.ANSWER, Party.CUSTOMER, "The customer hung up.", ""),
    Reason.GUEST_HUNG_UP: Ending(Status.ANSWER, Party.GUEST, "The person to whom the call was transferred hung up.", ""),
    Reason.ENDED_BY_ACCOUNT: Ending(Status.ANSWER, Party.ACCOUNT, "The account's backend ended the call.", ""),
    Reason.MAX_LENGTH: Ending(
        Status.ANSWER,
        Party.PLATFORM,
        "The call reached the longest time that is allowed.",
        "Call again, or ask the operator for a longer limit.",
    ),
    Reason.AGENT_LEFT: Ending(
        Status.CANCELED,
        Party.AGENT,
        "The agent's softphone was closed.",
        "Keep the softphone's tab open while a call is on; after a reload the call waits 20 seconds.",
    ),
    Reason.TRANSFER_FAILED: Ending(
        Status.ANSWER,
        Party.GUEST,
        "The call was being transferred, the agent had left, and the other party did not answer.",
        "Call the customer back; stay on the line until the other party answers (consult first).",
    ),
    Reason.CUSTOMER_BUSY: Ending(Status.BUSY, Party.CUSTOMER, "The customer's line is busy.", "Try again later."),
    Reason.CUSTOMER_REJECTED: Ending(Status.BUSY, Party.CUSTOMER, "The customer declined the call.", "Try again later."),
    Reason.CUSTOMER_NO_ANSWER: Ending(Status.NO_ANSWER, Party.CUSTOMER, "The customer did not answer.", "Try again later."),
    Reason.CUSTOMER_UNAVAILABLE: Ending(
        Status.NO_ANSWER,
        Party.CUSTOMER,
        "The customer's phone is switched off or out of reach.",
        "Try again later.",
    ),
    Reason.AGENT_GAVE_UP: Ending(Status.CANCELED, Party.AGENT, "The agent hung up before the customer answered.", ""),
    Reason.CANCELED_BY_ACCOUNT: Ending(
        Status.CANCELED, Party.ACCOUNT, "The account's backend ended the call before the customer answered.", ""
    ),
    Reason.AGENT_NO_ANSWER: Ending(
        Status.FAILED,
        Party.AGENT,
        "The agent's phone was not answered; the customer was not called.",
        "Check that the agent is at the phone.",
    ),
    Reason.AGENT_BUSY: Ending(
        Status.FAILED,
        Party.AGENT,
        "The agent's phone was busy; the customer was not called.",
        "Try again when the agent is free.",
    ),
    Reason.AGENT_REJECTED: Ending(
        Status.FAILED,
        Party.AGENT,
        "The agent declined the call; the customer was not called.",
        "Try again when the agent is ready.",
    ),
    Reason.AGENT_UNREACHABLE: Ending(
        Status.FAILED,
        Party.AGENT,
        "The agent's phone could not be reached; the customer was not called.",
        "Check the agent's number, or that the softphone is open and connected.",
    ),
    Reason.AGENT_NO_AUDIO: Ending(
        Status.FAILED,
        Party.AGENT,
        "No sound came from the agent's softphone; the customer was not called.",
        "Check the microphone and that the network lets voice (UDP) through.",
    ),
    Reason.NUMBER_UNKNOWN: Ending(
        Status.FAILED, Party.CARRIER, "The number does not exist.", "Correct the number in the CRM record."
    ),
    Reason.NUMBER_REFUSED: Ending(
        Status.FAILED,
        Party.CARRIER,
        "The carrier refused to call this number.",
        "Ask the operator whether this destination and this caller ID are allowed on the trunk.",
    ),
    Reason.CARRIER_FAILURE: Ending(
        Status.FAILED, Party.CARRIER, "The carrier could not put the call through.", "Try again; if it stays, tell the operator."
    ),
    Reason.CARRIER_TIMEOUT: Ending(
        Status.FAILED, Party.CARRIER, "The carrier did not respond.", "Try again; if it stays, tell the operator."
    ),
    Reason.NO_ROUTE: Ending(
        Status.FAILED,
        Party.PLATFORM,
        "No trunk could take the call.",
        "The operator checks the trunks of this caller ID (`intellicall trunk list`).",
    ),
    Reason.ENGINE_UNAVAILABLE: Ending(
        Status.FAILED, Party.PLATFORM, "The telephone engine was not available; nothing was dialed.", "Try again in a few seconds."
    ),
    Reason.DIALED_TOO_LATE: Ending(
        Status.FAILED,
        Party.PLATFORM,
        "More than 5 seconds passed before the phone could be dialed, so it was not dialed any more.",
        "Call again; if it stays, the operator checks the database's disk (`intellicall doctor`).",
    ),
    Reason.AUDIO_LOST: Ending(
        Status.ANSWER,
        Party.CARRIER,
        "Nothing came from one side any more, no sound and no word, so the call was ended.",
        "Call again; if it stays, the operator checks the network towards that side.",
    ),
    Reason.ENGINE_LOST: Ending(
        Status.FAILED,
        Party.PLATFORM,
        "The telephone engine stopped during the call.",
        "Call again; the engine is restarted by itself.",
    ),
    Reason.PLATFORM_RESTARTED: Ending(
        Status.FAILED, Party.PLATFORM, "The platform restarted before the call was put through.", "Call again."
    ),
    Reason.RESTORED: Ending(
        Status.FAILED,
        Party.PLATFORM,
        "The call was live when the backup was made that the platform was restored from; how it went on is not known.",
        "Ask the agent how the call ended.",
    ),
    Reason.CLOCK_SET: Ending(
        Status.ANSWER,
        Party.PLATFORM,
        "The clock of the telephone engine's machine was set forward, which ended the call before its time.",
        "Call again; the operator has the clock kept by NTP, which moves it gently.",
    ),
    Reason.PLATFORM_ERROR: Ending(
        Status.FAILED, Party.PLATFORM, "Something broke on our side.", "Call again; if it stays, tell the operator."
    ),
    Reason.UNEXPLAINED: Ending(
        Status.FAILED, Party.PLATFORM, "The call ended and nothing said why.", "Call again; if it stays, tell the operator."
    ),
}


def status_of(call: Call) -> Status:
    """Return the guide's status of an ended call."""
    if call.answered:
        return Status.ANSWER
    return _unanswered(ENDINGS[call.reason or Reason.UNEXPLAINED].status)


def _unanswered(status: Status) -> Status:
    """A call that nobody answered is never an ANSWER, whatever reason it carries."""
    return Status.FAILED if status is Status.ANSWER else status


def ended_by(call: Call) -> Party:
    """Return whose doing the end was."""
    return ENDINGS[call.reason or Reason.UNEXPLAINED].culprit


def duration_of(call: Call) -> int:
    """Return the talk time in whole seconds, rounded to the nearest (half up); 0 when not answered."""
    return int(call.talk_s + 0.5) if call.answered else 0
