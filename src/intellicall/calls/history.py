"""The calls of an account, newest first, in pages.

A page begins behind a place in time (`created_at`, then `id`), so calls that begin meanwhile neither shift nor repeat anything.
Every filter that can be rare has an index in this order. Where several are asked for, the most telling one has to lead; SQLite
keeps no statistics, so there the others are written in a way in which they cannot (`_following`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, and_, literal, or_, select, tuple_
from sqlalchemy.sql.expression import UnaryExpression
from sqlalchemy.sql.operators import custom_op

from intellicall.calls.filters import LIVE, Filters, Position
from intellicall.calls.result import Entry
from intellicall.calls.store import calls, entry_of
from intellicall.calls.table import State
from intellicall.storage.schema import UtcTime


@dataclass(frozen=True, slots=True)
class Page:
    """Some calls, newest first, and the place behind them when there are more."""

    entries: tuple[Entry, ...]
    next: Position | None


def find(connection: Connection, account_id: str, filters: Filters, before: Position | None, limit: int) -> Page:
    """Return the account's calls that the filters let through, from `before` on."""
    return _page(connection.execute(matching(connection, account_id, filters, before, limit)).all(), limit)


def matching(
    connection: Connection, account_id: str, filters: Filters, before: Position | None, limit: int
) -> Select[tuple[Any, ...]]:
    """Return the statement for one page and the row behind it."""
    follows = _plus if connection.dialect.name == "sqlite" else _same
    terms = [calls.c.account_id == account_id]
    leading = True
    if filters.uuid is not None:
        terms.append(or_(calls.c.uuid == filters.uuid, and_(calls.c.id == filters.uuid, calls.c.uuid.is_(None))))
        leading = False
    if filters.state is not None:
        terms.append(calls.c.live if filters.state != State.ENDED else ~calls.c.live)
        leading = leading and filters.state == State.ENDED
        if filters.state not in (LIVE, State.ENDED):
            terms.append(follows(calls.c.state) == filters.state)
    for column, value in (
        (calls.c.customer_e164, filters.number),
        (calls.c.crm_username, filters.crm_username),
        (calls.c.agent_e164, filters.agent_number),
        (calls.c.status, filters.status),
        (calls.c.call_type, filters.call_type),
    ):
        if value is not None:
            terms.append((column if leading else follows(column)) == value)
            leading = False
    if filters.since is not None:
        terms.append(calls.c.created_at >= filters.since)
    if filters.until is not None:
        terms.append(calls.c.created_at < filters.until)
    return _ordered(select(calls).where(*terms), before, limit)


def of_agent(connection: Connection, account_id: str, agent_id: str, before: Position | None, limit: int) -> Page:
    """Return the calls that the agent began."""
    statement = select(calls).where(calls.c.account_id == account_id, calls.c.agent_id == agent_id)
    return _page(connection.execute(_ordered(statement, before, limit)).all(), limit)


def _ordered(statement: Select[tuple[Any, ...]], before: Position | None, limit: int) -> Select[tuple[Any, ...]]:
    if before is not None:
        place = tuple_(literal(before.created_at, UtcTime()), literal(before.id))
        statement = statement.where(tuple_(calls.c.created_at, calls.c.id) < place)
    return statement.order_by(calls.c.created_at.desc(), calls.c.id.desc()).limit(limit + 1)


def _page(rows: Sequence[Any], limit: int) -> Page:
    entries = tuple(entry_of(row) for row in rows[:limit])
    more = len(rows) > limit
    return Page(entries, Position(entries[-1].call.created_at, entries[-1].call.id) if more else None)


def _plus(column: Column[Any]) -> ColumnElement[Any]:
    """The column as SQLite's planner takes for no index's (https://sqlite.org/optoverview.html, unary plus)."""
    return UnaryExpression(column, operator=custom_op("+"), type_=column.type)


def _same(column: Column[Any]) -> ColumnElement[Any]:
    return column
