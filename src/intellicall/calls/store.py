"""All SQL of the calls room but the journal's. Functions of a connection, run by `storage.Database`."""

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
    bindparam,
    func,
    insert,
    select,
    text,
    update,
)

from intellicall.calls.call import Call, Leg, Reason, State
from intellicall.calls.journal import Journal, JournalEntry
from intellicall.calls.request import CallType, Request, plan_from_json, plan_to_json
from intellicall.calls.result import Entry
from intellicall.errors import Code, Refused
from intellicall.storage.schema import UtcTime, metadata
from intellicall.storage.statement import Statement

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
    Column("from_number", String(32), nullable=False),
    Column("disposition", String(128), nullable=False),
    Column("plan", JSON, nullable=False),
    Column("state", String(24), nullable=False),
    Column("agent_leg", String(16), nullable=False),
    Column("customer_leg", String(16), nullable=False),
    Column("live", Boolean, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("answered_at", UtcTime),
    Column("ended_at", UtcTime),
    Column("talk_s", Float, nullable=False),
    Column("reason", String(40)),
    Column("seq", Integer, nullable=False),
    Column("recording_url", String(512)),
)
Index("ix_calls_uuid", calls.c.account_id, calls.c.uuid, unique=True)
Index("ix_calls_account_created", calls.c.account_id, calls.c.created_at)
# SQLite takes a partial index only when the query has the very same term, and SQLAlchemy writes `live = 1` there.
Index("ix_calls_live", calls.c.account_id, sqlite_where=text("live = 1"), postgresql_where=calls.c.live)

_CHANGING = (
    "state",
    "agent_leg",
    "customer_leg",
    "live",
    "answered_at",
    "ended_at",
    "talk_s",
    "reason",
    "seq",
    "recording_url",
)
_INSERT = Statement(insert(calls), calls.c.keys())
_UPDATE = Statement(update(calls).where(calls.c.id == bindparam("call")), _CHANGING)
_BY_ID = select(calls).where(calls.c.id == bindparam("call"))
_BY_UUID = select(calls).where(calls.c.account_id == bindparam("account"), calls.c.uuid == bindparam("uuid"))
_LIVE_COUNT = select(func.count()).select_from(calls).where(calls.c.account_id == bindparam("account"), calls.c.live)
_LIVE_OF_AGENT = select(calls).where(
    calls.c.account_id == bindparam("account"), calls.c.live, calls.c.agent_id == bindparam("agent")
)
_LIVE = select(calls).where(calls.c.live).order_by(calls.c.created_at)


def admit(connection: Connection, journal: Journal, request: Request, limit: int, *, engine_ready: bool) -> tuple[Entry, bool]:
    """Store a new call, or find the one that this request made before. Returns it, and True when it is new.

    Refused: UUID_CONFLICT, ENGINE_UNAVAILABLE, CALL_LIMIT_REACHED; for a softphone also AGENT_BUSY and ALREADY_CALLING,
    both with the living call in `more["entry"]`.
    """
    if request.uuid is not None and (earlier := find_by_uuid(connection, request.account_id, request.uuid)):
        if earlier.request.fingerprint != request.fingerprint:
            raise Refused(Code.UUID_CONFLICT, field="uuid", call_id=earlier.request.call_id)
        return earlier, False
    if not engine_ready:
        raise Refused(Code.ENGINE_UNAVAILABLE, retry_after=3)
    if request.softphone and request.agent_id:
        _check_agent_free(connection, request, request.agent_id)
    if connection.execute(_LIVE_COUNT, {"account": request.account_id}).scalar_one() >= limit:
        raise Refused(Code.CALL_LIMIT_REACHED, f"{limit} calls are live, which is the account's limit.", retry_after=5)
    entry = Entry(request, request.fresh(), seq=1)
    _INSERT.run(connection, _row(entry))
    data = {"call_type": request.call_type, "crm_username": request.crm_username}
    journal.append(connection, [JournalEntry(request.call_id, request.account_id, 1, request.created_at, "initiated", data)])
    return entry, True


def _check_agent_free(connection: Connection, request: Request, agent_id: str) -> None:
    for row in connection.execute(_LIVE_OF_AGENT, {"account": request.account_id, "agent": agent_id}):
        living = _entry(row)
        if living.call.state is State.ENDING or living.request.softphone is None:
            continue
        same = living.request.plan.customer_number == request.plan.customer_number
        raise Refused(Code.ALREADY_CALLING if same else Code.AGENT_BUSY, entry=living)


def save(connection: Connection, journal: Journal, entry: Entry, entries: list[JournalEntry]) -> None:
    """Store what has changed and what happened, together."""
    _UPDATE.run(connection, {"call": entry.call.id, **_changing(entry)})
    journal.append(connection, entries)


def find(connection: Connection, call_id: str, account_id: str) -> Entry | None:
    """Return the account's call, or None: a call of another account is as unknown as one that never was."""
    row = connection.execute(_BY_ID, {"call": call_id}).one_or_none()
    return _entry(row) if row is not None and row.account_id == account_id else None


def find_by_uuid(connection: Connection, account_id: str, uuid: str) -> Entry | None:
    """Return the account's call that was started with this uuid."""
    row = connection.execute(_BY_UUID, {"account": account_id, "uuid": uuid}).one_or_none()
    return _entry(row) if row is not None else None


def find_by_uuid_or_id(connection: Connection, account_id: str, uuid: str) -> Entry | None:
    """Return the account's call whose result carries this uuid: the one sent, or the call's id where none was sent."""
    if found := find_by_uuid(connection, account_id, uuid):
        return found
    entry = find(connection, uuid, account_id)
    return entry if entry and entry.request.uuid is None else None


def live(connection: Connection) -> list[Entry]:
    """Return every call that has not ended, oldest first."""
    return [_entry(row) for row in connection.execute(_LIVE)]


def _changing(entry: Entry) -> dict[str, Any]:
    call = entry.call
    return {
        "state": call.state,
        "agent_leg": call.agent,
        "customer_leg": call.customer,
        "live": call.live,
        "answered_at": call.answered_at,
        "ended_at": call.ended_at,
        "talk_s": call.talk_s,
        "reason": call.reason,
        "seq": entry.seq,
        "recording_url": entry.recording_url,
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
        "disposition": request.disposition,
        "plan": plan_to_json(request.plan),
        "created_at": request.created_at,
        **_changing(entry),
    }


def _entry(row: Row[Any]) -> Entry:
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
        agent=Leg(row.agent_leg),
        customer=Leg(row.customer_leg),
        answered_at=row.answered_at,
        ended_at=row.ended_at,
        talk_s=row.talk_s,
        reason=Reason(row.reason) if row.reason else None,
    )
    return Entry(request, call, row.seq, row.recording_url)
