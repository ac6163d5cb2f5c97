"""All SQL of the callbacks room: deliveries and their attempts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import (
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    Text,
    bindparam,
    insert,
    literal_column,
    select,
    update,
)

from intellicall.accounts.account import Endpoint
from intellicall.accounts.store import callback_endpoint
from intellicall.callbacks.delivery import Attempt, Delivery, State
from intellicall.calls.journal import JournalEntry
from intellicall.errors import Code, Refused
from intellicall.ids import new_id
from intellicall.storage.schema import UtcTime, metadata
from intellicall.storage.statement import Statement

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(24), primary_key=True),
    Column("call_id", String(36), nullable=False, unique=True),
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
)
Index("ix_deliveries_account_created", deliveries.c.account_id, deliveries.c.created_at)
Index("ix_deliveries_created", deliveries.c.created_at)
for _state in (State.DUE, State.UNDELIVERED):
    # Few rows are ever in these states, however long the history is.
    Index(
        f"ix_deliveries_{_state}",
        deliveries.c.account_id,
        deliveries.c.due_at if _state is State.DUE else deliveries.c.created_at,
        sqlite_where=deliveries.c.state == _state.value,
        postgresql_where=deliveries.c.state == _state.value,
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


# Statements of every call's way are built once. The state is a literal: the planners take a partial index only then.
_IS_DUE = deliveries.c.state == literal_column(f"'{State.DUE}'")
_WAITING = (
    select(deliveries)
    .where(_IS_DUE, deliveries.c.account_id == bindparam("account_id"))
    .order_by(deliveries.c.due_at)
    .limit(bindparam("limit"))
)
_WAITING_BESIDE = _WAITING.where(deliveries.c.id.not_in(bindparam("skip", expanding=True)))
_ACCOUNTS_WITH_DUE = select(deliveries.c.account_id).where(_IS_DUE).distinct()
_INSERT = Statement(insert(deliveries), deliveries.c.keys())
_INSERT_ATTEMPT = Statement(insert(delivery_attempts), delivery_attempts.c.keys())
_OF_DELIVERY = update(deliveries).where(deliveries.c.id == bindparam("delivery_id"))
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
    return {
        "id": new_id(),
        "call_id": entry.call_id,
        "account_id": entry.account_id,
        "state": State.DUE if endpoint else State.NO_ENDPOINT,
        "body": orjson.dumps(entry.data["result"]),
        "url": endpoint.url if endpoint else None,
        "header_name": endpoint.header_name if endpoint else None,
        "header_value": endpoint.header_value if endpoint else None,
        "attempts": 0,
        "round_start": 0,
        "due_at": entry.at if endpoint else None,
        "created_at": entry.at,
        "finished_at": None if endpoint else entry.at,
    }


def _endpoint(connection: Connection, account_id: str) -> Endpoint | None:
    """An account that is gone must not keep its last call from ending: its result stays with us."""
    try:
        return callback_endpoint(connection, account_id)
    except Refused:
        return None


def look(connection: Connection, account_id: str, now: datetime, skip: Collection[str], limit: int) -> Look:
    """Return up to `limit` deliveries of the account that are due now and not among `skip`."""
    if skip:
        rows = connection.execute(_WAITING_BESIDE, {"account_id": account_id, "limit": limit, "skip": list(skip)})
    else:
        rows = connection.execute(_WAITING, {"account_id": account_id, "limit": limit})
    due: list[Delivery] = []
    later: datetime | None = None
    for row in rows:
        if row.due_at <= now or row.due_at > now + _CLOCK_SET_BACK:
            due.append(_delivery(row))
        else:
            later = later or row.due_at
    return Look(due, later)


def accounts_with_due(connection: Connection) -> list[str]:
    """Return the accounts that have deliveries due, now or in the next seconds."""
    return list(connection.scalars(_ACCOUNTS_WITH_DUE))


def record(connection: Connection, attempt: Attempt, state: State, due_at: datetime | None, at: datetime) -> None:
    """Store an attempt and what it made of its delivery. The auth header is forgotten as soon as it is needed no more."""
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


def find(connection: Connection, delivery_id: str) -> Delivery | None:
    row = connection.execute(select(deliveries).where(deliveries.c.id == delivery_id)).one_or_none()
    return _delivery(row) if row else None


def find_by_call(connection: Connection, call_id: str) -> Delivery | None:
    row = connection.execute(select(deliveries).where(deliveries.c.call_id == call_id)).one_or_none()
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

    Raises Refused: NOT_FOUND; NOT_POSSIBLE_NOW when it is under way already or the account has no callback URL.
    """
    found = find(connection, delivery_id)
    if found is None:
        raise Refused(Code.NOT_FOUND, "There is no such delivery.")
    if found.state is State.DUE:
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
    )
