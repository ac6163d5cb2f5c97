"""The SQL of deliveries and their attempts. How an endpoint stands is in `endpoint_store.py`.

A call has one result, and as many events as its account wants pushed. The events of a call are a queue: the first that is not
finished is due, those behind it wait; who finishes one makes the next one due in the same transaction.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Connection, Row, Text, bindparam, cast, exists, insert, literal_column, select, update

from intellicall.accounts.account import Endpoint
from intellicall.accounts.store import account as find_account
from intellicall.accounts.tables import accounts
from intellicall.callbacks.delivery import PAUSABLE, Attempt, Delivery, Kind, State
from intellicall.callbacks.tables import IS_DUE, IS_EVENT, IS_OPEN, IS_RESULT, callback_endpoints, deliveries, delivery_attempts
from intellicall.calls.events import Event
from intellicall.calls.journal import JournalEntry
from intellicall.errors import Code, Refused
from intellicall.ids import new_id
from intellicall.storage.statement import Query, Statement

_CLOCKS_AGREE = timedelta(seconds=1)
"""A due time that was written later than now, by more than this, was written before the clock was set back: it is due."""
_EVER = datetime(9999, 1, 1, tzinfo=UTC)
MOST_AGAIN = 10_000
"""Results that are sent again at once, at most."""


# Statements of every call's way are built once.
_DUE = (
    select(deliveries)
    .where(IS_DUE, deliveries.c.account_id == bindparam("account_id"), deliveries.c.kind == bindparam("kind"))
    .order_by(deliveries.c.due_at)
    .limit(bindparam("limit"))
)
_LOOK_BESIDE = _DUE.where(deliveries.c.id.not_in(bindparam("skip", expanding=True)))
_LOOK = Query(_DUE)
_HAVE_DUE = (
    select(accounts.c.id)
    .where(
        exists().where(
            IS_DUE,
            deliveries.c.account_id == accounts.c.id,
            deliveries.c.kind == bindparam("kind"),
            deliveries.c.due_at <= bindparam("before"),
        )
    )
    .order_by(accounts.c.id)
)
"""Asked for each account by its first index entry: how many deliveries are due costs nothing."""
_HAVE_DUE_AND_NO_PAUSE = _HAVE_DUE.where(
    ~exists().where(callback_endpoints.c.account_id == accounts.c.id, callback_endpoints.c.paused_at.is_not(None))
)
_UNFINISHED = select(deliveries.c.id).where(IS_EVENT, deliveries.c.call_id == bindparam("call_id"), IS_OPEN).limit(1)
_FIRST_OF_QUEUE = (
    select(deliveries.c.id, deliveries.c.state)
    .where(IS_EVENT, deliveries.c.call_id == bindparam("call_id"), IS_OPEN)
    .order_by(deliveries.c.state, deliveries.c.position)  # one that is due, sent again by hand, comes before all that wait
    .limit(1)
)
_OLD_EVENTS = (
    select(deliveries.c.id, deliveries.c.call_id)
    .where(IS_EVENT, IS_OPEN, deliveries.c.created_at < bindparam("before"))
    .order_by(deliveries.c.created_at)
    .limit(bindparam("limit"))
    .with_hint(deliveries, "INDEXED BY ix_deliveries_open_events", "sqlite")  # it would read the whole history by created_at
)
_SUBSCRIBERS = select(accounts.c.id, accounts.c.events).where(
    cast(accounts.c.events, Text) != "[]", accounts.c.callback_url.is_not(None)
)
_INSERT = Statement(insert(deliveries), deliveries.c.keys())
_INSERT_ATTEMPT = Statement(insert(delivery_attempts), delivery_attempts.c.keys())
_OF_DELIVERY = update(deliveries).where(deliveries.c.id == bindparam("delivery_id"))
_CALL_UP = Statement(_OF_DELIVERY, ("state", "due_at", "since"))
_PUT_OFF = Statement(_OF_DELIVERY.where(IS_DUE), ("attempts", "due_at", "since", "round_at"))
_OVER = ("state", "finished_at", "due_at", "since", "header_name", "header_value")
_FINISH = Statement(_OF_DELIVERY, ("attempts", *_OVER))
_GIVE_UP = Statement(_OF_DELIVERY, _OVER)


@dataclass(frozen=True, slots=True)
class Look:
    """What a lane finds: deliveries due now, oldest first, and when the next one falls due (None: no other)."""

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
    row = _row(Kind.RESULT, entry.account_id, orjson.dumps(result), endpoint, entry.at)
    about = {"call_id": entry.call_id, "day": result["end_time"][:10], "status": result["status"]}
    if endpoint is None:
        about |= {"state": State.NO_ENDPOINT.value, "finished_at": entry.at}
    return row | about


def _row(kind: Kind, account_id: str, body: bytes, endpoint: Endpoint | None, at: datetime, *, due: bool = True) -> dict[str, Any]:
    """Return a row that is due at once, or waits; only with an endpoint it can be due."""
    due_at = at if endpoint and due else None
    return dict.fromkeys(deliveries.c.keys()) | {
        "id": new_id(),
        "kind": kind.value,
        "account_id": account_id,
        "state": (State.DUE if due else State.WAITING).value,
        "body": body,
        "url": endpoint.url if endpoint else None,
        "header_name": endpoint.header_name if endpoint else None,
        "header_value": endpoint.header_value if endpoint else None,
        "attempts": 0,
        "round_start": 0,
        "due_at": due_at,
        "since": due_at,
        "created_at": at,
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
    row = _row(Kind.EVENT, account_id, orjson.dumps(event.as_json()), endpoint, event.at, due=due)
    return row | {"call_id": event.call_id, "event": event.type.value, "position": event.position}


def queue_notice(
    connection: Connection,
    kind: Kind,
    account_id: str,
    body: bytes,
    endpoint: Endpoint,
    at: datetime,
    *,
    call_id: str | None = None,
    event: str | None = None,
) -> str:
    """Insert a test or an alert, due at once, and return its id."""
    row = _row(kind, account_id, body, endpoint, at) | {"call_id": call_id, "event": event}
    _INSERT.run(connection, row)
    return str(row["id"])


def _endpoint(connection: Connection, account_id: str, kind: Kind = Kind.RESULT) -> Endpoint | None:
    """An account that is gone must not keep its last call from ending: its result stays with us."""
    try:
        account = find_account(connection, account_id)
    except Refused:
        return None
    if kind is Kind.ALERT:
        return Endpoint(account.alert_url) if account.alert_url else None
    return account.callback


def look(
    connection: Connection, account_id: str, now: datetime, skip: Collection[str], limit: int, *, kind: Kind = Kind.RESULT
) -> Look:
    """Return up to `limit` deliveries of a kind of the account that are due now and not among `skip`."""
    values = {"account_id": account_id, "kind": kind.value, "limit": limit}
    rows = connection.execute(_LOOK_BESIDE, {**values, "skip": list(skip)}) if skip else _LOOK.rows(connection, **values)
    due: list[Delivery] = []
    later: datetime | None = None
    for row in rows:
        if row.due_at <= now or now < row.since - _CLOCKS_AGREE:
            due.append(_delivery(row))
        else:
            later = later or row.due_at
    return Look(due, later)


def may_be_sent(connection: Connection, kind: Kind, before: datetime | None = None) -> list[str]:
    """Return the accounts that have deliveries of a kind due (until `before`, or ever), but for endpoints that are paused."""
    query = _HAVE_DUE_AND_NO_PAUSE if kind in PAUSABLE else _HAVE_DUE
    return list(connection.scalars(query, {"kind": kind.value, "before": before or _EVER}))


def record(
    connection: Connection,
    attempt: Attempt,
    state: State,
    due_at: datetime | None,
    at: datetime,
    queue: str | None = None,
    round_at: datetime | None = None,
) -> None:
    """Store an attempt and what it made of its delivery. The auth header is forgotten as soon as it is needed no more.

    `queue`: the call whose event this was. When it is finished, delivered or given up, the next one that waits is due.
    `round_at`: when the round's first attempt began.
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
        _PUT_OFF.run(connection, {**known, "due_at": due_at, "since": at, "round_at": round_at or attempt.started_at})
    else:
        forgotten = dict.fromkeys(("due_at", "since", "header_name", "header_value"))
        _FINISH.run(connection, {**known, **forgotten, "state": state.value, "finished_at": at})
        if queue is not None:
            _call_up_next(connection, queue, at)


def _call_up_next(connection: Connection, call_id: str, at: datetime) -> None:
    first = connection.execute(_FIRST_OF_QUEUE, {"call_id": call_id}).one_or_none()
    if first is not None and first.state == State.WAITING:
        _CALL_UP.run(connection, {"delivery_id": first.id, "state": State.DUE, "due_at": at, "since": at})


def has_old_events(connection: Connection, before: datetime) -> bool:
    """Whether any event that happened before this time is not finished."""
    return connection.execute(_OLD_EVENTS, {"before": before, "limit": 1}).first() is not None


def give_up_events(connection: Connection, before: datetime, at: datetime, limit: int = 500) -> int:
    """Give up to `limit` events up that happened before `before` and are not finished, oldest first. Returns how many.

    Younger events that waited for one of them are called up.
    """
    old = connection.execute(_OLD_EVENTS, {"before": before, "limit": limit}).all()
    forgotten = dict.fromkeys(("due_at", "since", "header_name", "header_value"))
    for row in old:
        _GIVE_UP.run(connection, {**forgotten, "delivery_id": row.id, "state": State.UNDELIVERED.value, "finished_at": at})
    for call_id in {row.call_id for row in old}:
        _call_up_next(connection, call_id, at)
    return len(old)


def find(connection: Connection, delivery_id: str) -> Delivery | None:
    row = connection.execute(select(deliveries).where(deliveries.c.id == delivery_id)).one_or_none()
    return _delivery(row) if row else None


def find_by_call(connection: Connection, call_id: str) -> Delivery | None:
    """Return the delivery of the call's result."""
    row = connection.execute(select(deliveries).where(IS_RESULT, deliveries.c.call_id == call_id)).one_or_none()
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
    """Make a finished delivery due again: a fresh round, the same bytes and id, to where the account receives now.

    An event comes out of its order then; the later ones of its call that are not sent yet wait for it.

    Raises Refused: NOT_FOUND; NOT_POSSIBLE_NOW when it is under way already or the account has no URL for it.
    """
    found = find(connection, delivery_id)
    if found is None:
        raise Refused(Code.NOT_FOUND, "There is no such delivery.")
    if found.state in (State.DUE, State.WAITING):
        raise Refused(Code.NOT_POSSIBLE_NOW, "The delivery is under way already.", state=found.state.value)
    endpoint = _endpoint(connection, found.account_id, found.kind)
    if endpoint is None:
        which = "alert" if found.kind is Kind.ALERT else "callback"
        raise Refused(Code.NOT_POSSIBLE_NOW, f"The account has no {which} URL.", state=found.state.value)
    connection.execute(update(deliveries).where(deliveries.c.id == delivery_id).values(**_fresh_round(endpoint, now)))
    again = find(connection, delivery_id)
    assert again is not None  # noqa: S101 - it was there in this very transaction
    return again


def resend_results(
    connection: Connection, account_id: str, begin: datetime, end: datetime, state: State, now: datetime, limit: int = MOST_AGAIN
) -> int:
    """Make the account's results that were made from `begin` to before `end` and are in this state due again, oldest first.

    As `resend` does with one; at most `limit` at once. Returns how many: less than `limit` means all. Events, tests and alerts,
    which nobody wants a second time, are left alone.

    Raises Refused: INVALID_FIELD for a state that is not finished; NOT_POSSIBLE_NOW when the account has no callback URL.
    """
    if state not in (State.UNDELIVERED, State.DELIVERED, State.NO_ENDPOINT):
        raise Refused(Code.INVALID_FIELD, "Results that are under way cannot be sent again.", field="state")
    endpoint = _endpoint(connection, account_id)
    if endpoint is None:
        raise Refused(Code.NOT_POSSIBLE_NOW, "The account has no callback URL.")
    chosen = (
        select(deliveries.c.id)
        .where(IS_RESULT, deliveries.c.account_id == account_id, deliveries.c.state == literal_column(f"'{state}'"))
        .where(deliveries.c.created_at >= begin, deliveries.c.created_at < end)
        .order_by(deliveries.c.created_at)
        .limit(limit)
    )
    again = update(deliveries).where(deliveries.c.id.in_(chosen)).values(**_fresh_round(endpoint, now))
    return connection.execute(again).rowcount


def _fresh_round(endpoint: Endpoint, now: datetime) -> dict[str, Any]:
    return {
        "state": State.DUE.value,
        "url": endpoint.url,
        "header_name": endpoint.header_name,
        "header_value": endpoint.header_value,
        "round_start": deliveries.c.attempts,
        "round_at": None,
        "due_at": now,
        "since": now,
        "finished_at": None,
    }


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        id=row.id,
        kind=Kind(row.kind),
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
        round_at=row.round_at,
    )


def hold(connection: Connection, now: datetime) -> int:
    """After a restore: make dead letters of all that would be sent, for most of it has arrived since. Returns how many.

    The operator or the account may send them again.
    """
    waiting = deliveries.c.state.in_((State.DUE, State.WAITING))
    held = {"state": State.UNDELIVERED, "due_at": None, "finished_at": now, "header_name": None, "header_value": None}
    return connection.execute(update(deliveries).where(waiting).values(**held)).rowcount
