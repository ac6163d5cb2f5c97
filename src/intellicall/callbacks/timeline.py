"""What became of a call's results and events on their way to the account: the deliveries' part of `GET /calls/{id}/timeline`."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from intellicall.callbacks.delivery import State
from intellicall.callbacks.tables import IS_EVENT, IS_RESULT, deliveries, delivery_attempts
from intellicall.calls.timeline import TimelineEntry
from intellicall.calls.traces import Source

_SHOWN = tuple(deliveries.c[name] for name in ("id", "kind", "event", "state", "attempts", "created_at", "finished_at"))
# One query for each kind, so that each finds its own index.
_OF_CALL = tuple(
    select(*_SHOWN).where(kind, deliveries.c.call_id == bindparam("call"), deliveries.c.account_id == bindparam("account"))
    for kind in (IS_RESULT, IS_EVENT)
)
_ATTEMPTS = (
    select(*(delivery_attempts.c[name] for name in ("number", "started_at", "latency_ms", "status", "outcome")))
    .where(delivery_attempts.c.delivery_id == bindparam("delivery"))
    .order_by(delivery_attempts.c.number)
)


def delivery_entries(connection: Connection, account_id: str, call_id: str) -> list[TimelineEntry]:
    """Return each delivery of the call, every attempt at it, and how it ended. A `TimelineSource`."""
    found = [row for query in _OF_CALL for row in connection.execute(query, {"call": call_id, "account": account_id})]
    return [entry for row in found for entry in _of(connection, row)]


def _of(connection: Connection, row: Row[Any]) -> Iterator[TimelineEntry]:
    what = f"event `{row.event}`" if row.event else "result"
    known = {"delivery_id": row.id, "kind": row.kind, "event": row.event}
    if row.state == State.NO_ENDPOINT:
        text = f"The {what} was kept and not sent: the account has no callback URL."
        yield TimelineEntry(row.created_at, Source.DELIVERY, "no_endpoint", text, known)
        return
    yield TimelineEntry(row.created_at, Source.DELIVERY, "queued", f"The {what} is to be delivered.", known)
    for attempt in connection.execute(_ATTEMPTS, {"delivery": row.id}):
        text = f"Attempt {attempt.number} to deliver the {what}: {attempt.outcome} ({attempt.latency_ms} ms)."
        data = known | {"number": attempt.number, "status": attempt.status, "latency_ms": attempt.latency_ms}
        yield TimelineEntry(attempt.started_at, Source.DELIVERY, "attempt", text, data)
    if row.state == State.UNDELIVERED and row.finished_at is not None:
        text = f"The {what} could not be delivered: every attempt failed. It is kept and can be sent again."
        yield TimelineEntry(row.finished_at, Source.DELIVERY, "undelivered", text, known)
