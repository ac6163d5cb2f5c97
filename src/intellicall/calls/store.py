"""All SQL of the calls room but the journal's. Functions of a connection, run by `storage.Database`."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    Row,
    String,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    update,
)

from intellicall.calls.call import Call, Leg, Participant
from intellicall.calls.endings import status_of
from intellicall.calls.journal import Journal, JournalEntry
from intellicall.calls.orders import Ask, Note
from intellicall.calls.people import person_from_json, person_to_json
from intellicall.calls.request import CallType, Request, plan_from_json, plan_to_json
from intellicall.calls.result import Entry
from intellicall.calls.table import Party, Reason, State
from intellicall.errors import Code, Refused
from intellicall.recordings.outcome import Outcome
from intellicall.storage.schema import UtcTime, metadata
from intellicall.storage.statement import Query, Statement

calls = Table(
    "calls",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("account_id", String(36), nullable=False),
    Column("uuid", String(255)),
    Column("fingerprint", String(64), nullable=False),
    Column("call_type", String(16), nullable=False),
    Column("agent_id", String(36)),
    Column("crm_username", String(128)),
    Column("agent_number", String(32)),
    Column("customer_number", String(32), nullable=False),
    Column("customer_e164", String(32), nullable=False),
    Column("agent_e164", String(32)),  # the agent's real phone, where there is one
    Column("from_number", String(32), nullable=False),
    Column("disposition", String(128), nullable=False),
    Column("plan", JSON, nullable=False),
    Column("state", String(24), nullable=False),
    Column("seats", JSON, nullable=False),  # who sits where, as `_seats` writes it
    Column("people", JSON, nullable=False),  # who was called in later: calls/people.py
    Column("transferred_to", JSON, nullable=False),  # ids of participants
    Column("agent_seat", String(36)),  # the agents whose softphones are in the call now
    Column("guest_seat", String(36)),
    Column("live", Boolean, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("answered_at", UtcTime),
    Column("ended_at", UtcTime),
    Column("talk_s", Float, nullable=False),
    Column("reason", String(40)),
    Column("status", String(12)),  # the guide's; null before the end
    Column("notes", Text),
    Column("seq", Integer, nullable=False),
    Column("recording_url", String(512)),
    Column("recording", String(10)),  # what became of it: recordings/outcome.py; null before the end
)
Index("ix_calls_uuid", calls.c.account_id, calls.c.uuid, unique=True)
Index("ix_calls_account_created", calls.c.account_id, calls.c.created_at, calls.c.id)
# SQLite takes a partial index only when the query has the very same term, and SQLAlchemy writes `live = 1` there; with `live` in
# it, it is the best of all indexes for `account_id = ? AND live = 1`.
Index("ix_calls_live", calls.c.account_id, calls.c.live, sqlite_where=text("live = 1"), postgresql_where=calls.c.live)
# For calls/history.py. What comes behind `id` is looked at in the index, without reading the calls.
Index("ix_calls_agent", calls.c.account_id, calls.c.agent_id, calls.c.created_at, calls.c.id, calls.c.status, calls.c.call_type)
Index("ix_calls_agent_number", calls.c.account_id, calls.c.agent_e164, calls.c.created_at, calls.c.id, calls.c.status)
Index("ix_calls_customer", calls.c.account_id, calls.c.customer_e164, calls.c.created_at, calls.c.id)
Index("ix_calls_call_type", calls.c.account_id, calls.c.call_type, calls.c.created_at, calls.c.id)
_ENDED: dict[str, Any] = {"sqlite_where": text("status IS NOT NULL"), "postgresql_where": calls.c.status.is_not(None)}
Index("ix_calls_status", calls.c.account_id, calls.c.status, calls.c.created_at, calls.c.id, **_ENDED)
Index("ix_calls_status_type", calls.c.account_id, calls.c.status, calls.c.call_type, calls.c.created_at, calls.c.id, **_ENDED)

# Agents who were called into another agent's call: for their own history.
guests = Table(
    "guests",
    metadata,
    Column("agent_id", String(36), primary_key=True),
    Column("created_at", UtcTime, primary_key=True),  # the call's
    Column("call_id", String(36), primary_key=True),
)

# Orders that were carried out, by the asker's Idempotency-Key.
call_orders = Table(
    "call_orders",
    metadata,
    Column("account_id", String(36), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("call_id", String(36), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("at", UtcTime, nullable=False, index=True),
)
KEYS_LIVE = timedelta(days=1)

_CHANGING = (
    "state",
    "seats",
    "people",
    "transferred_to",
    "agent_seat",
    "guest_seat",
    "disposition",
    "notes",
    "status",
    "live",
    "answered_at",
    "ended_at",
    "talk_s",
    "reason",
    "seq",
    "recording_url",
    "recording",
)
_INSERT = Statement(insert(calls), calls.c.keys())
_UPDATE = Statement(update(calls).where(calls.c.id == bindparam("call")), _CHANGING)
_BY_ID = Query(select(calls).where(calls.c.id == bindparam("call")))
_BY_UUID = Query(select(calls).where(calls.c.account_id == bindparam("account"), calls.c.uuid == bindparam("uuid")))
_LIVE_COUNT = Query(
    select(func.count().label("live")).select_from(calls).where(calls.c.account_id == bindparam("account"), calls.c.live)
)
_LIVE_OF_AGENT = Query(
    select(calls).where(
        calls.c.account_id == bindparam("account"),
        calls.c.live,
        or_(calls.c.agent_seat == bindparam("agent"), calls.c.guest_seat == bindparam("agent")),
    )
)
_LIVE_SEATS = select(calls.c.id, calls.c.created_at, calls.c.agent_seat, calls.c.guest_seat).where(
    calls.c.account_id == bindparam("account"), calls.c.live
)
_LIVE = select(calls).where(calls.c.live).order_by(calls.c.created_at)


def admit(connection: Connection, journal: Journal, request: Request, limit: int, *, engine_ready: bool) -> tuple[Entry, bool]:
    """Store a new call, or find the one that this request made before. Returns it, and True when it is new.

    Refused: UUID_CONFLICT, ENGINE_UNAVAILABLE, RECORDING_DISK_FULL, CALL_LIMIT_REACHED; for a softphone also AGENT_BUSY and
    ALREADY_CALLING, both with the living call in `more["entry"]`.
    """
    if request.uuid is not None and (earlier := find_by_uuid(connection, request.account_id, request.uuid)):
        if earlier.request.fingerprint != request.fingerprint:
            raise Refused(Code.UUID_CONFLICT, field="uuid", call_id=earlier.request.call_id)
        return earlier, False
    if not engine_ready:
        raise Refused(Code.ENGINE_UNAVAILABLE, retry_after=3)
    if request.refused:
        raise Refused(request.refused, "Nothing was dialed: the account's calls are recorded, and the disk has no room for it.")
    if request.softphone and request.agent_id:
        _check_agent_free(connection, request, request.agent_id)
    if _LIVE_COUNT.row(connection, account=request.account_id).live >= limit:
        raise Refused(Code.CALL_LIMIT_REACHED, f"{limit} calls are live, which is the account's limit.", retry_after=5)
    entry = Entry(request, request.fresh(), seq=1, recording=request.unrecorded)
    _INSERT.run(connection, _row(entry))
    uuid = request.uuid or request.call_id
    data = {"uuid": uuid, "call_type": request.call_type, "crm_username": request.crm_username}
    journal.append(connection, [JournalEntry(request.call_id, request.account_id, 1, request.created_at, "initiated", data)])
    return entry, True


def _check_agent_free(connection: Connection, request: Request, agent_id: str) -> None:
    for row in _LIVE_OF_AGENT.rows(connection, account=request.account_id, agent=agent_id):
        living = entry_of(row)
        if living.call.state is State.ENDING:
            continue
        same = living.request.plan.customer_number == request.plan.customer_number
        raise Refused(Code.ALREADY_CALLING if same else Code.AGENT_BUSY, entry=living)


def save(connection: Connection, journal: Journal, entry: Entry, entries: list[JournalEntry]) -> None:
    """Store what has changed and what happened, together."""
    _UPDATE.run(connection, {"call": entry.call.id, **_changing(entry)})
    _remember_guests(connection, entry)
    if entries:
        journal.append(connection, entries)


def _remember_guests(connection: Connection, entry: Entry) -> None:
    """Store which other agents are in the call, or were."""
    invited = {person.agent_id for person in entry.people if person.agent_id} - {entry.request.agent_id}
    if not invited:
        return
    at = entry.call.created_at
    same = (guests.c.agent_id.in_(invited), guests.c.created_at == at, guests.c.call_id == entry.call.id)
    known = set(connection.execute(select(guests.c.agent_id).where(*same)).scalars())
    if new := invited - known:
        connection.execute(insert(guests), [{"agent_id": one, "created_at": at, "call_id": entry.call.id} for one in new])


def annotate(connection: Connection, journal: Journal, account_id: str, call_id: str, note: Note, at: datetime) -> Entry:
    """Store disposition and notes of a call that has ended, and that they were changed. Refused with NOT_FOUND."""
    entry = find(connection, call_id, account_id)
    if entry is None:
        raise Refused(Code.NOT_FOUND, "There is no such call.")
    after = replace(note.applied(entry), seq=entry.seq + 1)
    request = entry.request
    data = {
        "uuid": request.uuid or request.call_id,
        "state": after.call.state,
        "disposition": after.disposition,
        "notes": after.notes,
    }
    save(connection, journal, after, [JournalEntry(call_id, account_id, after.seq, at, "updated", data)])
    return after


def find(connection: Connection, call_id: str, account_id: str) -> Entry | None:
    """Return the account's call, or None: a call of another account is as unknown as one that never was."""
    row = _BY_ID.row(connection, call=call_id)
    return entry_of(row) if row is not None and row.account_id == account_id else None


def by_id(connection: Connection, call_id: str) -> Entry | None:
    """Return the call, whosever it is."""
    row = _BY_ID.row(connection, call=call_id)
    return entry_of(row) if row is not None else None


def find_by_uuid(connection: Connection, account_id: str, uuid: str) -> Entry | None:
    """Return the account's call that was started with this uuid."""
    row = _BY_UUID.row(connection, account=account_id, uuid=uuid)
    return entry_of(row) if row is not None else None


def find_by_uuid_or_id(connection: Connection, account_id: str, uuid: str) -> Entry | None:
    """Return the account's call whose result carries this uuid: the one sent, or the call's id where none was sent."""
    if found := find_by_uuid(connection, account_id, uuid):
        return found
    entry = find(connection, uuid, account_id)
    return entry if entry and entry.request.uuid is None else None


def live(connection: Connection) -> list[Entry]:
    """Return every call that has not ended, oldest first."""
    return [entry_of(row) for row in connection.execute(_LIVE)]


def _changing(entry: Entry) -> dict[str, Any]:
    call = entry.call
    return {
        "state": call.state,
        "seats": _seats(call),
        "people": [person_to_json(person) for person in entry.people],
        "transferred_to": list(entry.transferred_to),
        "agent_seat": _agent_at(entry, Party.AGENT),
        "guest_seat": _agent_at(entry, Party.GUEST),
        "disposition": entry.disposition or entry.request.disposition,
        "notes": entry.notes,
        "status": None if call.live else status_of(call),
        "live": call.live,
        "answered_at": call.answered_at,
        "ended_at": call.ended_at,
        "talk_s": call.talk_s,
        "reason": call.reason,
        "seq": entry.seq,
        "recording_url": entry.recording_url,
        "recording": entry.recording,
    }


def _row(entry: Entry) -> dict[str, Any]:
    request = entry.request
    return {
        "id": request.call_id,
        "account_id": request.account_id,
        "uuid": request.uuid,
        "fingerprint": request.fingerprint,
        "call_type": request.call_type,
        "agent_id": request.agent_id,
        "crm_username": request.crm_username,
        "agent_number": request.agent_number,
        "customer_number": request.customer_number,
        "from_number": request.from_number,
        "customer_e164": request.plan.customer_number,
        "agent_e164": request.agent_e164,
        "plan": plan_to_json(request.plan),
        "created_at": request.created_at,
        **_changing(entry),
    }


def entry_of(row: Row[Any]) -> Entry:
    """Return the call of a row that has every column."""
    plan = plan_from_json(row.plan)
    request = Request(
        call_id=row.id,
        account_id=row.account_id,
        uuid=row.uuid,
        call_type=CallType(row.call_type),
        agent_id=row.agent_id,
        crm_username=row.crm_username,
        agent_number=row.agent_number,
        customer_number=row.customer_number,
        from_number=row.from_number,
        disposition=row.disposition,
        created_at=row.created_at,
        plan=plan,
    )
    call = Call(
        id=row.id,
        created_at=row.created_at,
        recorded=plan.recording is not None,
        max_length_s=plan.max_length_s,
        state=State(row.state),
        **_seated(row.seats),
        answered_at=row.answered_at,
        ended_at=row.ended_at,
        talk_s=row.talk_s,
        reason=Reason(row.reason) if row.reason else None,
    )
    return Entry(
        request,
        call,
        row.seq,
        row.recording_url,
        row.disposition,
        row.notes,
        tuple(person_from_json(person) for person in row.people),
        tuple(row.transferred_to),
        Outcome(row.recording) if row.recording else None,
    )


def _seats(call: Call) -> dict[str, Any]:
    seats = {seat.value: [one.id, one.leg.value, one.line, one.muted] for seat, one in call.seats.items()}
    return {**seats, "dialed": call.dialed, "paused": call.paused, "late": call.ended_late}


def _seated(stored: dict[str, Any]) -> dict[str, Any]:
    """The members of Call that `_seats` stored."""
    taken = {
        seat.value: Participant(stored[seat][0], Leg(stored[seat][1]), stored[seat][2], stored[seat][3])
        for seat in (Party.AGENT, Party.CUSTOMER, Party.GUEST)
        if seat in stored
    }
    return {**taken, "dialed": stored["dialed"], "paused": stored["paused"], "ended_late": stored["late"]}


def _agent_at(entry: Entry, seat: Party) -> str | None:
    """The agent whose softphone is in this seat."""
    participant = entry.call.seats.get(seat)
    if participant is None or not entry.call.live:
        return None
    if not participant.here and not (seat is Party.AGENT and entry.call.state is State.AGENT_AWAY):
        return None
    person = entry.person(participant.id)
    return person.agent_id if person.softphone else None


def remember(connection: Connection, account_id: str, call_id: str, ask: Ask, at: datetime) -> None:
    """Store that the ask with this key was carried out. Part of the transaction that stores what came of it."""
    row = {"account_id": account_id, "key": ask.key, "call_id": call_id, "fingerprint": ask.fingerprint, "at": at}
    connection.execute(delete(call_orders).where(call_orders.c.at < at - KEYS_LIVE))
    connection.execute(insert(call_orders), row)


def carried_out(connection: Connection, account_id: str, call_id: str, ask: Ask, at: datetime) -> bool:
    """Return whether this very ask was carried out before. Refused with IDEMPOTENCY_CONFLICT when its key was used for another."""
    of_key = (call_orders.c.account_id == account_id, call_orders.c.key == ask.key, call_orders.c.at >= at - KEYS_LIVE)
    row = connection.execute(select(call_orders).where(*of_key)).one_or_none()
    if row is not None and (row.call_id, row.fingerprint) != (call_id, ask.fingerprint):
        raise Refused(Code.IDEMPOTENCY_CONFLICT, field="Idempotency-Key")
    return row is not None


def live_by_agent(connection: Connection, account_id: str) -> dict[str, tuple[str, datetime]]:
    """Return the call, and since when, of each agent whose softphone is in one or is rung for one now."""
    seats: dict[str, tuple[str, datetime]] = {}
    for call_id, created_at, agent_seat, guest_seat in connection.execute(_LIVE_SEATS, {"account": account_id}):
        seats |= {agent_id: (call_id, created_at) for agent_id in (agent_seat, guest_seat) if agent_id}
    return seats
