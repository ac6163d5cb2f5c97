"""The JSON bodies of the calls room: what is sent (strict: an unknown member is refused) and what is answered. Pure."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from intellicall.calls.endings import Status
from intellicall.calls.request import CallType
from intellicall.calls.table import Party, Reason, State
from intellicall.recordings.outcome import Outcome

NOTES_LENGTH = 4_000
DIGITS_LENGTH = 32
KEY_LENGTH = 255  # of an Idempotency-Key

_KEYS = re.compile(r"[0-9A-D*#]+", re.ASCII)


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("control characters are not allowed")
    return text


def _note(text: str) -> str:
    """Lines end with one LF, whatever they were sent with."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    if not lines.replace("\n", "").replace("\t", "").isprintable():
        raise ValueError("control characters are not allowed")
    return lines


Text = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_printable)]
Notes = Annotated[str, StringConstraints(max_length=NOTES_LENGTH), AfterValidator(_note)]
ParticipantId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{1,8}$")]


class Sent(BaseModel):
    """A request's body."""

    model_config = ConfigDict(extra="forbid", strict=True)


class CallOrder(Sent):
    """The body of `POST /calls`. Exactly one of `agent_number` and `crm_username`."""

    from_number: Text = Field(description="One of the account's caller-ID numbers.")
    to_number: Text = Field(description="The customer's number; without a country code it is read in the account's region.")
    agent_number: Text | None = Field(default=None, description="The agent's real phone.")
    crm_username: Text | None = Field(default=None, description="The agent whose open softphone is to be used.")
    uuid: Text | None = Field(default=None, description="Your own id of this call. The same uuid never dials twice.")


class Nothing(Sent):
    """The body of an order that says all by its name: empty, or `{}`."""


class WhoOrder(Sent):
    """Whom an order is about."""

    participant_id: ParticipantId = Field(default="agent", description="A participant of the call; left out: the agent's seat.")


class DigitsOrder(Sent):
    """Keys to press for somebody to hear. Pauses are several orders."""

    digits: str = Field(
        min_length=1,
        max_length=DIGITS_LENGTH,
        json_schema_extra={"pattern": "^[0-9A-D*#]+$"},  # checked by the route, in plain words
        description="The keys, in order. They are never stored, logged or told in an event.",
    )
    participant_id: ParticipantId | None = Field(default=None, description="Who is to hear them; left out: whom the agent hears.")


class TargetOrder(Sent):
    """Whom to call in: exactly one of `to_number`, `crm_username` and `agent_number`."""

    to_number: Text | None = Field(default=None, description="Any phone.")
    crm_username: Text | None = Field(default=None, description="The open softphone of another agent of the account.")
    agent_number: Text | None = Field(default=None, description="An agent's phone.")
    from_number: Text | None = Field(default=None, description="The caller ID that is shown; left out: the call's own.")


class ParticipantOrder(TargetOrder):
    """The body of `POST …/participants`."""

    mode: Literal["consult", "three_way"] = Field(
        description="`consult`: the customer hears music meanwhile. `three_way`: whoever answers joins the conversation."
    )


class TransferOrder(TargetOrder):
    """The body of `POST …/transfer`. With a target: blind. Without one: warm, to the guest who is in the call."""


class NoteOrder(Sent):
    """The body of `PATCH /calls/{call_id}`: at least one member. What is left out stays as it is."""

    disposition: str = Field(default="", description="One of the account's dispositions; any text where it has no list.")
    notes: Notes | None = Field(default=None, description="Free text, line breaks included; null or empty: remove what is there.")


class Participant(BaseModel):
    """Who is or was in a call. The id stays for the whole call."""

    id: str = Field(description="`agent`, `customer`, then `p1`, `p2`, … for everybody who was called in.")
    role: Literal["agent", "customer", "guest"] = Field(description="The seat; who has left keeps the last one.")
    number: str | None = Field(description="As it was sent.")
    crm_username: str | None
    state: Literal["dialing", "ringing", "connected", "left"]
    muted: bool
    on_hold: bool


class CallResult(BaseModel):
    """The record of a call (integration guide, section 5), and what we add to it. Times are ISO 8601 in UTC."""

    call_id: str
    uuid: str = Field(description="As it was sent with the call; the call's id where none was sent.")
    status: Status | None = Field(description="The guide's five; null before the end.")
    duration: int | None = Field(description="Talk time in seconds; null before the end.")
    customer_number: str
    agent_number: str | None
    crm_username: str | None
    call_type: CallType
    disposition: str
    direction: Literal["outbound"]
    start_time: str
    end_time: str | None
    recording_url: str | None = Field(description="Null before the end, and without a recording.")
    answer_time: str | None = Field(description="When the customer answered.")
    reason: Reason | None = Field(description="Why the call ended; null before the end.")
    ended_by: Party | None = Field(description="Whose doing the end was; null before the end.")
    transferred_to: list[str] = Field(description="Who took over from the agent, in order: a `crm_username` or a number.")
    notes: str | None
    recording: Outcome | None = Field(description="What became of the recording; null before the end, where it is not known yet.")


class CallView(CallResult):
    """A call as the API shows it: its record as far as it is known, where it stands and who is in it."""

    state: State
    from_number: str
    recording_paused: bool
    allowed: list[str] = Field(description="The orders that are possible now.")
    participants: list[Participant]


class InvitedView(CallView):
    """The call after somebody was called in."""

    participant_id: str = Field(description="Whom the order called in.")


class TransferView(CallView):
    """The call after it was, or is being, transferred."""

    participant_id: str | None = Field(default=None, description="Whom a blind transfer rings.")


class CallList(BaseModel):
    """A page of calls, newest first."""

    calls: list[CallView]
    next: str | None = Field(description="The `cursor` of the page behind this one; null when there is none.")


def are_keys(digits: str) -> bool:
    """Whether a telephone has these keys."""
    return bool(_KEYS.fullmatch(digits))
