"""The public events of a call, made of its journal. Pure; which entry is which event, and with what data, is one table.

Most entries are one event, some are none; none is two. Their meaning: docs/live-calls.md. Digits are never in one.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from intellicall.calls.journal import JournalEntry
from intellicall.calls.result import iso
from intellicall.calls.table import Move, State
from intellicall.event_types import EventType

_CURSOR = re.compile(r"[0-9a-f]{16}", re.ASCII)

Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a call, as the account's backend sees it. `position` is that of its journal entry."""

    position: int
    type: EventType
    call_id: str
    uuid: str
    sequence: int
    at: datetime
    state: str
    data: Data

    def as_json(self) -> dict[str, Any]:
        """Return its JSON members, in the documented order."""
        return {
            "event_id": cursor_of(self.position),
            "type": self.type,
            "call_id": self.call_id,
            "uuid": self.uuid,
            "sequence": self.sequence,
            "at": iso(self.at, "milliseconds"),
            "state": self.state,
            "data": dict(self.data),
        }


def cursor_of(position: int) -> str:
    """Return the cursor (`event_id`) of a position in the journal: as text it grows, too."""
    return f"{position:016x}"


def position_of(cursor: str) -> int | None:
    """Return the position that a cursor stands for; None when it cannot be one of ours."""
    return int(cursor, 16) if _CURSOR.fullmatch(cursor) else None


def event_of(entry: JournalEntry) -> Event | None:
    """Return the event that a stored entry is; None when it is not public."""
    event = _EVENTS.get(entry.kind)
    made = event(entry.data) if event else None
    if made is None:
        return None
    assert entry.position is not None  # noqa: S101 - stored entries have one
    state = str(entry.data.get("state") or (State.INITIATED if entry.kind == "initiated" else State.ENDED))
    uuid = str(entry.data.get("uuid") or entry.call_id)
    return Event(entry.position, made[0], entry.call_id, uuid, entry.seq, entry.at, state, made[1])


_Made = tuple[EventType, Data] | None


def _with(kind: EventType, *names: str) -> Callable[[Data], _Made]:
    """The entry is this event, with these members of its data."""

    def made(data: Data) -> _Made:
        return kind, {name: data.get(name) for name in names}

    return made


def _agent_rings(data: Data) -> _Made:
    """An agent who is rung again because the softphone was gone is no news: `agent_away` told that."""
    return (EventType.AGENT_RINGING, {}) if data.get("state") == State.AGENT_RINGING else None


def _agent_answers(data: Data) -> _Made:
    if data.get("state") == State.AGENT_ANSWERED:
        return EventType.AGENT_ANSWERED, {}
    return EventType.RESUMED, {"participant_id": "customer"}


def _consults(data: Data) -> _Made:
    """The customer goes on hold, unless on hold already."""
    return None if data.get("was") == State.HELD else (EventType.HELD, {"participant_id": "customer"})


def _swaps(data: Data) -> _Made:
    kind = EventType.RESUMED if data.get("state") == State.CONSULT_HELD else EventType.HELD
    return kind, {"participant_id": "customer"}


def _guest_rings(data: Data) -> _Made:
    known = {name: data[name] for name in ("number", "crm_username") if data.get(name)}
    return EventType.PARTICIPANT_RINGING, {"participant_id": data.get("participant_id")} | known


def _left(reason: str) -> Callable[[Data], _Made]:
    """Somebody left for this reason, unless the entry knows a better one."""

    def made(data: Data) -> _Made:
        return EventType.PARTICIPANT_LEFT, {
            "participant_id": data.get("participant_id"),
            "reason": str(data.get("reason") or reason),
        }

    return made


def _agent_leaves(data: Data) -> _Made:
    """While the guest is still rung nobody has taken over yet: `transfer_done` will tell."""
    if data.get("state") == State.TRANSFERRING:
        return _left("hung_up")(data)
    return _TRANSFERRED(data)


def _agent_lost(data: Data) -> _Made:
    if data.get("state") != State.AGENT_AWAY:
        return _agent_leaves(data)
    return None if data.get("was") == State.AGENT_AWAY else (EventType.AGENT_AWAY, {})


_TRANSFERRED = _with(EventType.TRANSFERRED, "participant_id", "to")

_EVENTS: Mapping[str, Callable[[Data], _Made]] = {
    "initiated": _with(EventType.INITIATED, "call_type", "crm_username"),
    Move.AGENT_RINGS: _agent_rings,
    Move.AGENT_ANSWERS: _agent_answers,
    Move.CUSTOMER_RINGS: _with(EventType.CUSTOMER_RINGING),
    Move.CUSTOMER_ANSWERS: _with(EventType.ANSWERED),
    Move.HOLD: _with(EventType.HELD, "participant_id"),
    Move.RESUME: _with(EventType.RESUMED, "participant_id"),
    Move.CONSULT: _consults,
    Move.SWAP: _swaps,
    Move.MUTE: _with(EventType.MUTED, "participant_id"),
    Move.UNMUTE: _with(EventType.UNMUTED, "participant_id"),
    Move.GUEST_RINGS: _guest_rings,
    Move.GUEST_ANSWERS: _with(EventType.PARTICIPANT_JOINED, "participant_id"),
    Move.MERGE: _with(EventType.PARTICIPANT_JOINED, "participant_id"),
    Move.GUEST_LEAVES: _left("hung_up"),
    Move.DROP_GUEST: _left("dropped"),
    Move.COMPLETE: _TRANSFERRED,
    Move.TRANSFER_DONE: _TRANSFERRED,
    Move.COMPLETE_RINGING: _left("transferring"),
    Move.AGENT_LEAVES: _agent_leaves,
    Move.AGENT_LOST: _agent_lost,
    Move.PAUSE_RECORDING: _with(EventType.RECORDING_PAUSED),
    Move.RESUME_RECORDING: _with(EventType.RECORDING_RESUMED),
    "updated": _with(EventType.UPDATED, "disposition", "notes"),
    "ended": _with(EventType.ENDED, "result"),
    "recording_ready": _with(EventType.RECORDING_READY, "recording_url", "seconds", "bytes", "sha256"),
    "recording_failed": _with(EventType.RECORDING_FAILED, "reason"),
    "recording_deleted": _with(EventType.RECORDING_DELETED, "reason"),
}

PRIVATE = frozenset(
    {
        Move.AGENT_BACK,  # the agent is only being rung again
        Move.AGENT_UNREACHED,  # or was, in vain: it was away and still is
        Move.SEND_DIGITS,  # may be part of a card number
        Move.ADD,  # `participant_ringing` follows
        Move.TRANSFER,  # as above
        Move.HANG_UP,  # `ended` follows, as it does on all below
        Move.LEG_ENDS,
        Move.DIAL_FAILS,
        Move.ALL_GONE,
        Move.ALL_GONE_RECORDED,
        Move.SEALED,
        Move.OVERDUE,
    }
)
"""What happens to a call and is no event."""
