"""What is pushed to an account's callback URL, as schemas for the API's description (OpenAPI 3.1, `webhooks`).

The schemas describe what calls/result.py and calls/events.py make; tests hold them against it.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Header, Response
from fastapi.openapi.models import Example
from pydantic import BaseModel, ConfigDict, Field

from intellicall.calls.endings import Status
from intellicall.calls.request import CallType
from intellicall.calls.samples import events, results
from intellicall.calls.table import Party, Reason, State
from intellicall.event_types import EventType
from intellicall.web.openapi import keep_nulls


class _Exact(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ResultPush(_Exact):
    """The complete record of a call that has ended (integration guide, section 5). De-duplicate on `uuid`."""

    call_id: str = Field(description="Our unique id of the call.")
    uuid: str = Field(description="The value passed at initiation; the call_id where none was.")
    status: Status = Field(description="Final status.")
    duration: int = Field(ge=0, description="Talk time in seconds, 0 if not answered.")
    customer_number: str = Field(description="The number that was called, as it was sent.")
    agent_number: str | None = Field(description="The number of the agent who started the call, where it is known.")
    crm_username: str | None = Field(description="The agent who started the call, where it is known.")
    call_type: CallType
    disposition: str = Field(description="The account's default unless one was set before the end.")
    direction: Literal["outbound"]
    start_time: str = Field(description="ISO 8601 in UTC.")
    end_time: str = Field(description="ISO 8601 in UTC.")
    recording_url: str | None = Field(description="Direct download link, where there is a recording. Private data.")
    answer_time: str | None = Field(description="When the two began to talk; null if they did not.")
    reason: Reason = Field(description="Why the call ended.")
    ended_by: Party = Field(description="Whose doing the end was.")
    transferred_to: list[str] = Field(description="Who took over from the agent, in order: crm_usernames or numbers.")
    notes: str | None = Field(description="What was noted before the end.")
    recording: Literal["off", "none", "ready", "pending", "incomplete", "failed", "disk_full"] = Field(
        description="What became of it. With `ready` and `pending` there is a link; the latter answers 202 for a while."
    )


class Nothing(_Exact):
    """The type says all."""


class Initiated(_Exact):
    """How and for whom the call was started."""

    call_type: CallType
    crm_username: str | None


class OfParticipant(_Exact):
    """Whom it is about."""

    participant_id: str


class Ringing(OfParticipant):
    """Who is rung: `number`, `crm_username`, or both."""

    number: str | None = None
    crm_username: str | None = None


class Left(OfParticipant):
    """Who is gone and why: a `reason` of an ending, or `hung_up`, `dropped`, `transferring`."""

    reason: str


class Transferred(OfParticipant):
    """Who left, and the participant who took over."""

    to: str


class Updated(_Exact):
    """What holds now."""

    disposition: str
    notes: str | None


class Ended(_Exact):
    """The record that is also pushed by itself."""

    result: ResultPush


class RecordingReady(_Exact):
    """The complete file."""

    recording_url: str
    seconds: float
    bytes: int
    sha256: str | None = Field(description="Of the WAV file, in hex digits.")


class RecordingFailed(_Exact):
    """No file, or not all of it: `incomplete` and `disk_full` lack a part of the audio; `failed` could not be completed."""

    reason: Literal["incomplete", "disk_full", "failed"]


class RecordingDeleted(_Exact):
    """Nothing is kept of it any more: it was `deleted` by order, or its time was over (`retention`)."""

    reason: Literal["deleted", "retention"]


DATA: dict[EventType, type[BaseModel]] = {
    EventType.INITIATED: Initiated,
    EventType.AGENT_RINGING: Nothing,
    EventType.AGENT_ANSWERED: Nothing,
    EventType.CUSTOMER_RINGING: Nothing,
    EventType.ANSWERED: Nothing,
    EventType.HELD: OfParticipant,
    EventType.RESUMED: OfParticipant,
    EventType.MUTED: OfParticipant,
    EventType.UNMUTED: OfParticipant,
    EventType.PARTICIPANT_RINGING: Ringing,
    EventType.PARTICIPANT_JOINED: OfParticipant,
    EventType.PARTICIPANT_LEFT: Left,
    EventType.TRANSFERRED: Transferred,
    EventType.RECORDING_PAUSED: Nothing,
    EventType.RECORDING_RESUMED: Nothing,
    EventType.AGENT_AWAY: Nothing,
    EventType.UPDATED: Updated,
    EventType.ENDED: Ended,
    EventType.RECORDING_READY: RecordingReady,
    EventType.RECORDING_FAILED: RecordingFailed,
    EventType.RECORDING_DELETED: RecordingDeleted,
}
"""What the `data` of each type is."""


class EventPush(_Exact):
    """One thing that happened to a call. Pushed in the order of each call; also on the stream `GET /events`."""

    event_id: str = Field(description="Unique, and grows: de-duplicate on it. As text it sorts in the order of what happened.")
    type: EventType
    call_id: str
    uuid: str = Field(description="The value passed at initiation; the call_id where none was.")
    sequence: int = Field(ge=1, description="Grows within the call; not every number is a public event.")
    at: str = Field(description="ISO 8601 in UTC, with milliseconds.")
    state: State = Field(description="The state of the call after it.")
    data: (
        Nothing
        | Initiated
        | Left
        | Transferred
        | Ringing
        | OfParticipant
        | Updated
        | Ended
        | RecordingReady
        | RecordingFailed
        | RecordingDeleted
    ) = Field(description="Depends on `type`.")


_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "Any 2xx acknowledges it."},
    "default": {"description": "Everything else, a redirect included, is a failed attempt."},
}

WebhookId = Annotated[str, Header(description="The id of the callback, the same on every attempt: de-duplicate on it.")]
WebhookTimestamp = Annotated[
    str, Header(pattern="^[0-9]+$", description="When this attempt began, in seconds of Unix time. Refuse what is 5 minutes off.")
]
WebhookSignature = Annotated[
    str,
    Header(
        description="`v1,` and the Base64 of the HMAC-SHA256 of `webhook-id.webhook-timestamp.body`; one for each secret that is "
        "valid, separated by spaces (standardwebhooks.com). docs/callbacks.md has it in several languages.",
    ),
]
"""Sign every callback: Standard Webhooks 1.0."""

_RESULTS: dict[str, Example] = {name: {"value": keep_nulls(sample)} for name, sample in results().items()}
_EVENTS: dict[str, Example] = {sample.type: {"value": keep_nulls(sample.as_json())} for sample in events()}

webhooks = APIRouter(tags=["webhooks"])
"""For the application's `webhooks`: never called, only described."""


@webhooks.post("result", status_code=200, response_class=Response, responses=_ANSWERS)
def result(
    body: Annotated[ResultPush, Body(openapi_examples=_RESULTS)],
    webhook_id: WebhookId,
    webhook_timestamp: WebhookTimestamp,
    webhook_signature: WebhookSignature,
) -> None:
    """The result of a call, pushed once as soon as the call has ended.

    Any 2xx within 10 seconds acknowledges it; otherwise it is sent again after 1, 2 and 4 seconds (with the policy `extended` for
    most of a day), the same to the byte. The header that you asked for comes with it. It waits for no event. A test that you asked
    for is sent like it; its `uuid` begins with `test-`.
    """


@webhooks.post("event", status_code=200, response_class=Response, responses=_ANSWERS)
def event(
    body: Annotated[EventPush, Body(openapi_examples=_EVENTS)],
    x_intellicall_event: Annotated[EventType, Header(description="The `type`.")],
    webhook_id: WebhookId,
    webhook_timestamp: WebhookTimestamp,
    webhook_signature: WebhookSignature,
) -> None:
    """A lifecycle callback, for the types that the account chose. One at a time for each call, in the order in which they happened.

    Acknowledged and repeated as a result is; the next event of the call follows when it is delivered or given up.
    """
