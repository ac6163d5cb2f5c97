"""All SQL of the callbacks room: deliveries and their attempts.

A call has one result, and as many events as its account wants pushed. The events of a call are a queue: the first that is not
finished is due, those behind it wait; who finishes one makes the next one due in the same transaction.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    LargeBinary,
    Row,
    Select,
    String,
    Table,
    Text,
    bindparam,
    cast,
    insert,
    literal_column,
    select,
    update,
)

from intellicall.accounts.account import Endpoint
from intellicall.accounts.store import callback_endpoint
from intellicall.accounts.tables import accounts
from intellicall.callbacks.delivery import Attempt, Delivery, State
from intellicall.calls.events import Event
from intellicall.calls.journal import JournalEntry
from intellicall.errors import Code, Refused
from intellicall.ids import new_id
from intellicall.storage.schema import UtcTime, metadata
from intellicall.storage.statement import Statement

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(24), primary_key=True),
    Column("call_id", String(36), nullable=False),
    Column("account_id", String(36), nullable=False),
    Column("state", String(12), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("url", Text),
    Column("header_name", Text),
    Column("header_value", Text),
    Column("attempts", Integer, nullable=False),
    Column("round_start", Integer, nullable=False),
    Column("due_at", UtcTime),
    Column("created_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime),
    Column("event", String(24)),  # its type; null: a result
    Column("position", BigInteger),  # an event's in the journal
    Column("day", String(10)),  # a result's: the UTC date of its end_time, as 2026-07-03; for callbacks/feed.py, as `status` is
    Column("status", String(12)),  # a result's
)
Index("ix_deliveries_account_created", deliveries.c.account_id, deliveries.c.created_at)
Index("ix_deliveries_created", deliveries.c.created_at)


def _partial_index(name: str, where: ColumnElement[bool], *columns: Column[Any], unique: bool = False) -> None:
    Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)


_IS_RESULT = deliveries.c.event.is_(None)
_IS_EVENT = deliveries.c.event.is_not(None)
_IS_DUE = deliveries.c.state == literal_column(f"'{State.DUE}'")  # the planners take a partial index only for a literal
_partial_index("uq_deliveries_result", _IS_RESULT, deliveries.c.call_id, unique=True)
_partial_index("ix_deliveries_queue", _IS_EVENT, deliveries.c.call_id, deliveries.c.position)
_OF_A_DAY = tuple(deliveries.c[name] for name in ("account_id", "day", "status", "state"))
_partial_index("ix_deliveries_day", deliveries.c.day.is_not(None), *_OF_A_DAY)
# Few rows are ever in these states, however long the history is. Events that nobody takes must not stand in the way of results.
_partial_index("ix_deliveries_due", _IS_DUE & _IS_RESULT, deliveries.c.account_id, deliveries.c.due_at)
_partial_index("ix_deliveries_due_events", _IS_DUE & _IS_EVENT, deliveries.c.account_id, deliveries.c.due_at)
_partial_index(
    "ix_deliveries_undelivered",
    deliveries.c.state == literal_column(f"'{State.UNDELIVERED}'"),
    deliveries.c.account_id,
    deliveries.c.created_at,
)

delivery_attempts = Table(
    "delivery_attempts",
    metadata,
    Column("delivery_id", String(24), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("started_at", UtcTime, nullable=False),
    Column("latency_ms", Integer, nullable=False),
    Column("status", Integer),
    Column("outcome", Text, nullable=False),
    Column("answer", LargeBinary, nullable=False),
)

_CLOCK_SET_BACK = timedelta(seconds=60)
"""A due time further away than any wait was written by a clock that has been set back since: it is due."""


# Statements of every call's way are built once.
def _due(kind: ColumnElement[bool]) -> Select[Any]:
    return (
        select(deliveries)
        .where(_IS_DUE, kind, deliveries.c.account_id == bindparam("account_id"))
        .order_by(deliveries.c.due_at)
        .limit(bindparam("limit"))
    )


def _beside(query: Select[Any]) -> Select[Any]:
    return query.where(deliveries.c.id.not_in(bindparam("skip", expanding=True)))


_LOOK = {False: _due(_IS_RESULT), True: _due(_IS_EVENT)}
_LOOK_BESIDE = {events: _beside(query) for events, query in _LOOK.items()}
_ACCOUNTS_WITH_DUE = {
    events: select(deliveries.c.account_id).where(_IS_DUE, kind).distinct()
    for events, kind in ((False, _IS_RESULT), (True, _IS_EVENT))
}
_UNFINISHED = (
    select(deliveries.c.id)
    .where(_IS_EVENT, deliveries.c.call_id == bindparam("call_id"), deliveries.c.state.in_((State.DUE, State.WAITING)))
    .limit(1)
)
_FIRST_OF_QUEUE = (
    select(deliveries.c.id, deliveries.c.state)
    .where(_IS_EVENT, deliveries.c.call_id == bindparam("call_id"), deliveries.c.state.in_((State.DUE, State.WAITING)))
    .order_by(deliveries.c.state, deliveries.c.position)  # one that is due, sent again by hand, comes before all that wait
    .limit(1)
)
_SUBSCRIBERS = select(accounts.c.id, accounts.c.events).where(
    cast(accounts.c.events, Text) != "[]", accounts.c.callback_url.is_not(None)
)
_INSERT = Statement(insert(deliveries), deliveries.c.keys())
_INSERT_ATTEMPT = Statement(insert(delivery_attempts), delivery_attempts.c.keys())
_OF_DELIVERY = update(deliveries).where(deliveries.c.id == bindparam("delivery_id"))
_CALL_UP = Statement(_OF_DELIVERY, ("state", "due_at"))
_PUT_OFF = Statement(_OF_DELIVERY, ("attempts", "due_at"))
_FINISH = Statement(_OF_DELIVERY, ("attempts", "state", "finished_at", "due_at", "header_name", "header_value"))


@dataclass(frozen=True, slots=True)
class Look:
    """What an account's lane finds: deliveries due now, oldest first, and when the next one falls due (None: no other)."""

    deliveries: list[Delivery]
    next_due: datetime | None


def project(connection: Connection, entries: Sequence[JournalEntry]) -> None:
    """Insert one delivery for every `ended` entry: part of the journal's transaction, so no end exists without it.

    Body, URL and auth header are frozen here. Raises IntegrityError when a call ends twice.
    """
    rows = [_new_row(connection, entry) for entry in entries if entry.kind == "ended"]
    if rows:
        _INSERT.run(connection, *rows)


def _new_row(connection: Connection, entry: JournalEntry) -> dict[str, Any]:
    endpoint = _endpoint(connection, entry.account_id)
    result = entry.data["result"]
    return {
        "id": new_id(),
        "call_id": entry.call_id,
        "account_id": entry.account_id,
        "state": State.DUE if endpoint else State.NO_ENDPOINT,
        "body": orjson.dumps(result),
        "url": endpoint.url if endpoint else None,
        "header_name": endpoint.header_name if endpoint else None,
        "header_value": endpoint.header_value if endpoint else None,
        "attempts": 0,
        "round_start": 0,
        "due_at": entry.at if endpoint else None,
        "created_at": entry.at,
        "finished_at": None if endpoint else entry.at,
        "event": None,
        "position": None,
        "day": result["end_time"][:10],
        "status": result["status"],
    }


def subscribers(connection: Connection) -> dict[str, tuple[str, ...]]:
    """Return the accounts that have a callback URL and want events pushed, with the types that they want (or `all`)."""
    return {row.id: tuple(row.events) for row in connection.execute(_SUBSCRIBERS)}


def queue_events(connection: Connection, account_id: str, events: Sequence[Event]) -> None:
    """Insert a delivery for each of these events of one call: the first is due unless an earlier one is not finished.

    Without a callback URL none is kept: `GET /events` has them all the same.
    """
    endpoint = _endpoint(connection, account_id)
    if endpoint is None or not events:
        return
    free = connection.execute(_UNFINISHED, {"call_id": events[0].call_id}).first() is None
    rows = [_event_row(event, account_id, endpoint, due=free and event is events[0]) for event in events]
    _INSERT.run(connection, *rows)


def _event_row(event: Event, account_id: str, endpoint: Endpoint, *, due: bool) -> dict[str, Any]:
    return {
        "id": new_id(),
        "call_id": event.call_id,
        "account_id": account_id,
        "state": State.DUE if due else State.WAITING,
        "body": orjson.dumps(event.as_json()),
        "url": endpoint.url,
        "header_name": endpoint.header_name,
        "header_value": endpoint.header_value,
        "attempts": 0,
        "round_start": 0,
        "due_at": event.at if due else None,
        "created_at": event.at,
        "finished_at": None,
        "event": event.type,
        "position": event.position,
        "day": None,
        "status": None,
    }


def _endpoint(connection: Connection, account_id: str) -> Endpoint | None:
    """An account that is gone must not keep its last call from ending: its result stays with us."""
    try:
        return callback_endpoint(connection, account_id)
    except Refused:
        return None


def look(
    connection: Connection, account_id: str, now: datetime, skip: Collection[str], limit: int, *, events: bool = False
) -> Look:
    """Return up to `limit` results, or events, of the account that are due now and not among `skip`."""
    if skip:
        rows = connection.execute(_LOOK_BESIDE[events], {"account_id": account_id, "limit": limit, "skip": list(skip)})
    else:
        rows = connection.execute(_LOOK[events], {"account_id": account_id, "limit": limit})
    due: list[Delivery] = []
    later: datetime | None = None
    for row in rows:
        if row.due_at <= now or row.due_at > now + _CLOCK_SET_BACK:
            due.append(_delivery(row))
        else:
            later = later or row.due_at
    return Look(due, later)


def accounts_with_due(connection: Connection, *, events: bool = False) -> list[str]:
    """Return the accounts that have results, or events, due, now or in the next seconds."""
    return list(connection.scalars(_ACCOUNTS_WITH_DUE[events]))


def record(
    connection: Connection, attempt: Attempt, state: State, due_at: datetime | None, at: datetime, queue: str | None = None
) -> None:
    """Store an attempt and what it made of its delivery. The auth header is forgotten as soon as it is needed no more.

    `queue`: the call whose event this was. When it is finished, delivered or given up, the next one that waits is due.
    """
    _INSERT_ATTEMPT.run(
        connection,
        {
            "delivery_id": attempt.delivery_id,
            "number": attempt.number,
            "started_at": attempt.started_at,
            "latency_ms": attempt.latency_ms,
            "status": attempt.status,
            "outcome": attempt.outcome,
            "answer": attempt.answer,
        },
    )
    known = {"delivery_id": attempt.delivery_id, "attempts": attempt.number}
    if state is State.DUE:
        _PUT_OFF.run(connection, {**known, "due_at": due_at})
    else:
        forgotten = dict.fromkeys(("due_at", "header_name", "header_value"))
        _FINISH.run(connection, {**known, **forgotten, "state": state.value, "finished_at": at})
        if queue is not None:
            _call_up_next(connection, queue, at)


def _call_up_next(connection: Connection, call_id: str, at: datetime) -> None:
    first = connection.execute(_FIRST_OF_QUEUE, {"call_id": call_id}).one_or_none()
    if first is not None and first.state == State.WAITING:
        _CALL_UP.run(connection, {"delivery_id": first.id, "state": State.DUE, "due_at": at})


def find(connection: Connection, delivery_id: str) -> Delivery | None:
    row = connection.execute(select(deliveries).where(deliveries.c.id == delivery_id)).one_or_none()
    return _delivery(row) if row else None


def find_by_call(connection: Connection, call_id: str) -> Delivery | None:
    """Return the delivery of the call's result."""
    row = connection.execute(select(deliveries).where(_IS_RESULT, deliveries.c.call_id == call_id)).one_or_none()
    return _delivery(row) if row else None


def attempts_of(connection: Connection, delivery_id: str) -> list[Attempt]:
    """Return the delivery's attempts, first one first."""
    rows = connection.execute(
        select(delivery_attempts).where(delivery_attempts.c.delivery_id == delivery_id).order_by(delivery_attempts.c.number)
    )
    return [Attempt(r.delivery_id, r.number, r.started_at, r.latency_ms, r.status, r.outcome, bytes(r.answer)) for r in rows]


def list_deliveries(
    connection: Connection, account_id: str | None = None, state: State | None = None, limit: int = 100
) -> list[Delivery]:
    """Return deliveries, newest first, of one account or all, in one state or any."""
    query = select(deliveries).order_by(deliveries.c.created_at.desc(), deliveries.c.id).limit(limit)
    if account_id is not None:
        query = query.where(deliveries.c.account_id == account_id)
    if state is not None:
        query = query.where(deliveries.c.state == state.value)
    return [_delivery(row) for row in connection.execute(query)]


def resend(connection: Connection, delivery_id: str, now: datetime) -> Delivery:
    """Make a finished delivery due again: a fresh round, the same bytes, to where the account receives results now.

    An event comes out of its order then; the later ones of its call that are not sent yet wait for it.

    Raises Refused: NOT_FOUND; NOT_POSSIBLE_NOW when it is under way already or the account has no callback URL.
    """
    found = find(connection, delivery_id)
    if found is None:
        raise Refused(Code.NOT_FOUND, "There is no such delivery.")
    if found.state in (State.DUE, State.WAITING):
        raise Refused(Code.NOT_POSSIBLE_NOW, "The delivery is under way already.", state=found.state.value)
    endpoint = _endpoint(connection, found.account_id)
    if endpoint is None:
        raise Refused(Code.NOT_POSSIBLE_NOW, "The account has no callback URL.", state=found.state.value)
    again = replace(
        found,
        state=State.DUE,
        url=endpoint.url,
        header_name=endpoint.header_name,
        header_value=endpoint.header_value,
        round_start=found.attempts,
        due_at=now,
        finished_at=None,
    )
    changed = ("url", "header_name", "header_value", "round_start", "due_at", "finished_at")
    connection.execute(
        update(deliveries)
        .where(deliveries.c.id == delivery_id)
        .values(state=again.state.value, **{name: getattr(again, name) for name in changed})
    )
    return again


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        id=row.id,
        call_id=row.call_id,
        account_id=row.account_id,
        state=State(row.state),
        body=bytes(row.body),
        url=row.url,
        header_name=row.header_name,
        header_value=row.header_value,
        attempts=row.attempts,
        round_start=row.round_start,
        due_at=row.due_at,
        created_at=row.created_at,
        finished_at=row.finished_at,
        event=row.event,
        position=row.position,
    )
