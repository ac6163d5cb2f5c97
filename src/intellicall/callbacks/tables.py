"""The SQL tables of the callbacks room: deliveries, their attempts, and how each account's endpoint stands."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    literal_column,
)

from intellicall.callbacks.delivery import Kind, State
from intellicall.storage.schema import UtcTime, metadata

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(24), primary_key=True),
    Column("kind", String(8), nullable=False),
    Column("call_id", String(36)),  # null: an alert, which is about no call
    Column("account_id", String(36), nullable=False),
    Column("state", String(12), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("url", Text),
    Column("header_name", Text),
    Column("header_value", Text),
    Column("attempts", Integer, nullable=False),
    Column("round_start", Integer, nullable=False),
    Column("round_at", UtcTime),  # the round's first attempt
    Column("due_at", UtcTime),
    Column("since", UtcTime),  # when due_at was written: at an earlier time than this, the clock was set back
    Column("created_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime),
    Column("event", String(24)),  # an event's or an alert's type
    Column("position", BigInteger),  # an event's in the journal
    Column("day", String(10)),  # a result's: the UTC date of its end_time, as 2026-07-03; for callbacks/feed.py, as `status` is
    Column("status", String(12)),  # a result's
)
Index("ix_deliveries_account_created", deliveries.c.account_id, deliveries.c.created_at)
Index("ix_deliveries_created", deliveries.c.created_at)


def _partial_index(name: str, where: ColumnElement[bool], *columns: Column[Any], unique: bool = False) -> None:
    Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)


# The planners take a partial index only for the very literal of its condition.
IS_RESULT = deliveries.c.kind == literal_column(f"'{Kind.RESULT}'")
IS_EVENT = deliveries.c.kind == literal_column(f"'{Kind.EVENT}'")
IS_DUE = deliveries.c.state == literal_column(f"'{State.DUE}'")
IS_UNSENT = deliveries.c.state == literal_column(f"'{State.NO_ENDPOINT}'")
IS_OTHER = deliveries.c.kind != literal_column(f"'{Kind.RESULT}'")
IS_OPEN = deliveries.c.finished_at.is_(None)
"""Due or waiting."""

_partial_index("uq_deliveries_result", IS_RESULT, deliveries.c.call_id, unique=True)
_partial_index("ix_deliveries_queue", IS_EVENT, deliveries.c.call_id, deliveries.c.position)
_OF_A_DAY = tuple(deliveries.c[name] for name in ("account_id", "day", "status", "state"))
_partial_index("ix_deliveries_day", deliveries.c.day.is_not(None), *_OF_A_DAY)
# Few rows are ever in these states, however long the history is. Events that nobody takes must not stand in the way of results.
_partial_index("ix_deliveries_due", IS_DUE, deliveries.c.account_id, deliveries.c.kind, deliveries.c.due_at)
_partial_index("ix_deliveries_no_endpoint", IS_UNSENT, deliveries.c.account_id, deliveries.c.created_at)
_partial_index("ix_deliveries_other", IS_OTHER, deliveries.c.account_id, deliveries.c.kind, deliveries.c.created_at)
_partial_index("ix_deliveries_open_events", IS_EVENT & IS_OPEN, deliveries.c.created_at)
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

# A row is made by the first thing that is worth keeping; an account without one is active and well.
callback_endpoints = Table(
    "callback_endpoints",
    metadata,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
    Column("paused_at", UtcTime),
    Column("url", Text),  # that the rest is about; another one begins anew
    Column("failures", Integer, nullable=False),
    Column("first_failure_at", UtcTime),
    Column("failing_since", UtcTime),
    Column("last_delivered_at", UtcTime),
)

__all__ = ["IS_DUE", "IS_EVENT", "IS_OPEN", "IS_OTHER", "IS_RESULT", "callback_endpoints", "deliveries", "delivery_attempts"]
