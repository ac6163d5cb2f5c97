"""How a call is shown: to the account's backend, to the softphone, and, once, as the result of integration guide section 5."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from intellicall.accounts.numbers import display
from intellicall.calls.call import Call
from intellicall.calls.endings import ENDINGS, duration_of, ended_by, status_of
from intellicall.calls.request import Request


@dataclass(frozen=True, slots=True)
class Entry:
    """A call, whole: what was asked for, where it stands, the number of its last journal entry, and its recording's link."""

    request: Request
    call: Call
    seq: int
    recording_url: str | None = None


def result(entry: Entry) -> dict[str, Any]:
    """Return the record that is pushed, in the guide's order, then our additions; what is not known before the end is None."""
    request, call = entry.request, entry.call
    over = not call.live
    return {
        "call_id": request.call_id,
        "uuid": request.uuid or request.call_id,
        "status": status_of(call) if over else None,
        "duration": duration_of(call) if over else None,
        "customer_number": request.customer_number,
        "agent_number": request.agent_number,
        "crm_username": request.crm_username,
        "call_type": request.call_type,
        "disposition": request.disposition,
        "direction": "outbound",
        "start_time": iso(call.created_at),
        "end_time": iso(call.ended_at) if over else None,
        "recording_url": entry.recording_url,
        "answer_time": iso(call.answered_at),
        "reason": call.reason if over else None,
        "ended_by": ended_by(call) if over else None,
    }


def api_view(entry: Entry) -> dict[str, Any]:
    """Return the call for `GET /calls/{call_id}`: the result as far as it is known, the state and the caller ID."""
    return result(entry) | {"state": entry.call.state, "from_number": entry.request.from_number}


def softphone_view(entry: Entry) -> dict[str, Any]:
    """Return the call for the agent's page (docs/softphone-protocol.md, `call`)."""
    request, call = entry.request, entry.call
    return {
        "call_id": request.call_id,
        "uuid": request.uuid or request.call_id,
        "state": call.state,
        "customer_number": display(request.plan.customer_number),
        "from_number": display(request.plan.caller_id),
        "started_at": iso(call.created_at, "milliseconds"),
        "answered_at": iso(call.answered_at, "milliseconds"),
        "answer_token": request.softphone.answer_token if request.softphone else None,
        "recording": call.recorded,
        "end": None if call.live else _end(call),
    }


def _end(call: Call) -> dict[str, Any]:
    assert call.reason is not None  # noqa: S101 - calls.call gives every end a reason
    ending = ENDINGS[call.reason]
    return {
        "status": status_of(call),
        "reason": call.reason,
        "ended_by": ended_by(call),
        "title": ending.title,
        "remedy": ending.remedy,
        "duration": duration_of(call),
    }


def iso(at: datetime | None, timespec: str = "seconds") -> str | None:
    """Return ISO 8601 in UTC, by default in whole seconds as the guide writes it: 2026-07-03T10:00:00Z."""
    return at.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z") if at else None
