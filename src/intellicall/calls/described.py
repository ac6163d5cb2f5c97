"""What the API's description says of each route of calls/http.py, by its handler's name: examples, and every error it can give."""

from collections.abc import Iterable, Mapping
from typing import Any

from intellicall.calls.bodies import (
    KEY_LENGTH,
    CallList,
    CallOrder,
    CallView,
    DigitsOrder,
    InvitedView,
    NoteOrder,
    Nothing,
    ParticipantOrder,
    TransferOrder,
    TransferView,
    WhoOrder,
)
from intellicall.calls.endings import Status
from intellicall.calls.filters import LIVE, MOST, USUAL, Position
from intellicall.calls.request import CallType
from intellicall.calls.samples import BEGAN, CALL_ID, FIRST_CONSULTED, shown
from intellicall.calls.table import State
from intellicall.errors import Code, Refused
from intellicall.web.cursor import broken
from intellicall.web.openapi import Answer, Body, operation, parameter

NO_CALL = Refused(Code.NOT_FOUND, "There is no such call.")
NO_PARTICIPANT = Refused(Code.NOT_FOUND, "There is no such participant in the call now.", field="participant_id")
_UNKNOWN_QUERY = Refused(Code.UNKNOWN_FIELD, field="page")
_ENGINE = Refused(Code.ENGINE_UNAVAILABLE, "The call goes on as it is.", retry_after=3)
_KEY = parameter(
    "Idempotency-Key",
    "header",
    "A word of your own for this order. Sent again, the order is carried out once; kept for a day.",
    "hold-5deb67aa-1",
    schema={"type": "string", "minLength": 1, "maxLength": KEY_LENGTH, "pattern": "^[ -~]+$"},
)
_REPLAYED = {"Idempotent-Replayed": "`true` when the order was carried out before; the call is shown as it is now."}
_DIALING = (
    Code.INVALID_NUMBER,
    Code.TEMPLATE_NOT_FILLED,
    Refused(Code.DESTINATION_NOT_ALLOWED, field="to_number"),
    Refused(Code.NUMBER_NOT_ASSIGNED, field="from_number"),
    Refused(Code.UNKNOWN_AGENT, field="crm_username"),
    Refused(Code.AGENT_OFFLINE, field="crm_username"),
)


_LIST_PARAMETERS = (
    parameter("crm_username", "query", "The agent who started the call.", "agent.017"),
    parameter("agent_number", "query", "The agent's real phone, written in any way.", "2025550101"),
    parameter("number", "query", "The customer's number, written in any way.", "+12025550100"),
    parameter("status", "query", "How the call ended.", "ANSWER", schema={"type": "string", "enum": list(Status)}),
    parameter("state", "query", "Where it stands; `live`: not ended.", LIVE, schema={"type": "string", "enum": [LIVE, *State]}),
    parameter("from", "query", "Accepted at this time or later: ISO 8601 with its zone.", "2026-07-03T00:00:00+05:30"),
    parameter("to", "query", "Accepted before this time: ISO 8601 with its zone.", "2026-07-04T00:00:00+05:30"),
    parameter("uuid", "query", "The `uuid` of the call; its `call_id` where none was sent.", "your-own-call-id"),
    parameter("call_type", "query", "How it was started.", "server", schema={"type": "string", "enum": list(CallType)}),
    parameter(
        "limit", "query", "Calls on a page.", USUAL, schema={"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL}
    ),
    parameter("cursor", "query", "`next` of the page before."),
)


def _calls(description: str, *names: str, **headers: str) -> Answer:
    return Answer(description, CallView, {name: shown(name) for name in names}, headers)


def _not_now(state: str) -> Refused:
    call = shown(state)
    return Refused(Code.NOT_POSSIBLE_NOW, f"The call is {call['state']}.", state=call["state"], allowed=call["allowed"])


def _order(
    name: str,
    summary: str,
    after: Iterable[str],
    refused_in: str,
    *,
    body: Body | None = None,
    errors: Iterable[Code | Refused] = (),
    answers: Mapping[int, Answer] | None = None,
) -> dict[str, Any]:
    """An order: what the call can be after it, and a state in which it has no sense."""
    good = answers or {200: _calls("The call after it.", *after, **_REPLAYED)}
    return operation(
        name,
        summary,
        good,
        [NO_CALL, _not_now(refused_in), Code.IDEMPOTENCY_CONFLICT, _ENGINE, *errors],
        body=body or Body(Nothing, {"nothing": {}}, required=False),
        parameters=[_KEY],
    )


_WHO = Body(WhoOrder, {"the_agent": {}, "the_customer": {"participant_id": "customer"}}, required=False)
_TARGETS: dict[str, dict[str, str]] = {
    "any_phone": {"to_number": FIRST_CONSULTED},
    "another_agents_softphone": {"crm_username": "agent.018"},
    "an_agents_phone": {"agent_number": "2025550101", "from_number": "+12025550190"},
}


def _invited(name: str) -> dict[str, Any]:
    return shown(name) | {"participant_id": "p1"}


OPERATIONS: dict[str, dict[str, Any]] = {
    "start_call": operation(
        "startCall",
        "Start a call",
        {
            201: _calls("The call was accepted: the agent's phone is being dialed.", "initiated"),
            200: _calls("The call that this `uuid` made before.", "talking"),
        },
        [
            *_DIALING,
            Refused(Code.UUID_CONFLICT, field="uuid", call_id=CALL_ID),
            Refused(Code.AGENT_BUSY, call_id=CALL_ID),
            Refused(Code.ALREADY_CALLING, call_id=CALL_ID),
            Refused(Code.CALL_LIMIT_REACHED, "5 calls are live, which is the account's limit.", retry_after=5),
            Refused(Code.ENGINE_UNAVAILABLE, retry_after=3),
            Refused(Code.PLATFORM_STALLED, retry_after=3),
            Code.RECORDING_DISK_FULL,
        ],
        body=Body(
            CallOrder,
            {
                "an_agents_phone": {
                    "from_number": "+12025550190",
                    "to_number": "2025550100",
                    "agent_number": "2025550101",
                    "uuid": "your-own-call-id",
                },
                "an_agents_softphone": {
                    "from_number": "+12025550190",
                    "to_number": "2025550100",
                    "crm_username": "agent.017",
                    "uuid": "lead-4711",
                },
            },
        ),
    ),
    "find_calls": operation(
        "findCalls",
        "List and search calls",
        {
            200: Answer(
                "A page of them.",
                CallList,
                {
                    "some": {"calls": [shown("talking"), shown("ended")], "next": Position(BEGAN, CALL_ID).cursor},
                    "none": {"calls": [], "next": None},
                },
            )
        },
        [
            _UNKNOWN_QUERY,
            broken(),
            Refused(Code.INVALID_NUMBER, field="number"),
            Refused(Code.TEMPLATE_NOT_FILLED, field="number"),
        ],
        parameters=_LIST_PARAMETERS,
    ),
    "show_call": operation(
        "showCall",
        "Show a call",
        {200: _calls("The call.", "talking", "consulting", "ended")},
        [NO_CALL, _UNKNOWN_QUERY],
    ),
    "annotate_call": operation(
        "annotateCall",
        "Set disposition and notes",
        {
            200: Answer(
                "The call with them.",
                CallView,
                {"ended": shown("ended", disposition="INTERESTED", notes="Wants a quote by Friday.\nCall on his mobile.")},
            )
        },
        [NO_CALL, Refused(Code.INVALID_FIELD, "The dispositions are: INTERESTED, NOT_INTERESTED.", field="disposition")],
        body=Body(
            NoteOrder,
            {
                "both": {"disposition": "INTERESTED", "notes": "Wants a quote by Friday.\nCall on his mobile."},
                "remove_the_notes": {"notes": None},
            },
        ),
    ),
    "hold": _order("hold", "Hold", ["held"], "held"),
    "resume": _order("resume", "Resume", ["talking"], "talking"),
    "mute": _order("mute", "Mute a participant", ["muted"], "customer_ringing", body=_WHO, errors=[NO_PARTICIPANT]),
    "unmute": _order("unmute", "Unmute a participant", ["talking"], "customer_ringing", body=_WHO, errors=[NO_PARTICIPANT]),
    "dtmf": _order(
        "sendDigits",
        "Press keys",
        ["talking"],
        "held",
        body=Body(
            DigitsOrder, {"to_the_other_side": {"digits": "12#"}, "to_a_participant": {"digits": "1", "participant_id": "p1"}}
        ),
        errors=[NO_PARTICIPANT],
    ),
    "add_participant": _order(
        "addParticipant",
        "Call somebody in",
        [],
        "three_way",
        body=Body(
            ParticipantOrder,
            {
                "consult": _TARGETS["any_phone"] | {"mode": "consult"},
                "consult_an_agent": _TARGETS["another_agents_softphone"] | {"mode": "consult"},
                "three_way": _TARGETS["an_agents_phone"] | {"mode": "three_way"},
            },
        ),
        errors=[*_DIALING, Refused(Code.AGENT_BUSY, field="crm_username")],
        answers={
            201: Answer("Rung; the call after it.", InvitedView, {"consult_ringing": _invited("consult_ringing")}),
            200: Answer("Carried out before; the call now.", InvitedView, {"consulting": _invited("consulting")}, _REPLAYED),
        },
    ),
    "swap": _order("swap", "Swap in a consultation", ["consult_held", "consulting"], "talking"),
    "merge": _order("merge", "Merge to a three-way call", ["three_way"], "talking"),
    "transfer": _order(
        "transfer",
        "Transfer, warm or blind",
        [],
        "initiated",
        body=Body(TransferOrder, {"warm": {}, **{f"blind_to_{name}": target for name, target in _TARGETS.items()}}, required=False),
        errors=[*_DIALING, Refused(Code.AGENT_BUSY, field="crm_username")],
        answers={
            200: Answer(
                "The call after it.",
                TransferView,
                {"warm": shown("transferred"), "blind": _invited("transferring")},
                _REPLAYED,
            )
        },
    ),
    "pause_recording": _order("pauseRecording", "Pause the recording", ["recording_paused"], "customer_ringing"),
    "resume_recording": _order("resumeRecording", "Resume the recording", ["talking"], "customer_ringing"),
    "hang_up": _order("hangUp", "End the call for everybody", ["ending"], "ended"),
    "drop_participant": _order("dropParticipant", "Let a participant go", ["talking", "ending"], "ended", errors=[NO_PARTICIPANT]),
}
