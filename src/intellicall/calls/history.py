"""The calls of an account, newest first, in pages.

A page begins behind a place in time (`created_at`, then `id`), so calls that begin meanwhile neither shift nor repeat anything.
Every filter that can be rare has an index in this order; docs/speed.md has what they are worth.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Select, literal, select, tuple_

from intellicall.accounts import store as accounts
from intellicall.calls.filters import LIVE, Filters, Position
from intellicall.calls.result import Entry
from intellicall.calls.store import calls, entry_of, find_by_uuid_or_id, guests
from intellicall.calls.table import State
from intellicall.storage.schema import UtcTime


@dataclass(frozen=True, slots=True)
class Page:
    """Some calls, newest first, and the place behind them when there are more."""

    entries: tuple[Entry, ...]
    next: Position | None


def find(connection: Connection, account_id: str, filters: Filters, before: Position | None, limit: int) -> Page:
    """Return the account's calls that the filters let through, from `before` on. Names of nobody and nothing find nothing."""
    agent = accounts.agent_ever(connection, account_id, filters.crm_username) if filters.crm_username is not None else None
    named = find_by_uuid_or_id(connection, account_id, filters.uuid) if filters.uuid is not None else None
    if (filters.crm_username is not None and agent is None) or (filters.uuid is not None and named is None):
        return Page((), None)
    agent_id, call_id = agent.id if agent else None, named.call.id if named else None
    return _cut(_read(connection, statement_for(account_id, filters, agent_id, call_id, before, limit)), limit)


def statement_for(
    account_id: str, filters: Filters, agent_id: str | None, call_id: str | None, before: Position | None, limit: int
) -> Select[tuple[Any, ...]]:
    """Return the statement for one page and the row behind it.

    `agent_id` is whose `crm_username` the filters name, `call_id` whose `uuid`.
    """
    terms = [calls.c.account_id == account_id]
    equal = (
        (calls.c.id, call_id),
        (calls.c.customer_e164, filters.number),
        (calls.c.agent_id, agent_id),
        (calls.c.agent_e164, filters.agent_number),
        (calls.c.status, filters.status),
        (calls.c.call_type, filters.call_type),
    )
    terms += [column == value for column, value in equal if value is not None]
    if filters.state is not None:
        terms.append(~calls.c.live if filters.state == State.ENDED else calls.c.live)
        if filters.state not in (LIVE, State.ENDED):
            terms.append(calls.c.state == filters.state)
    if filters.since is not None:
        terms.append(calls.c.created_at >= filters.since)
    if filters.until is not None:
        terms.append(calls.c.created_at < filters.until)
    statement = _ordered(select(calls).where(*terms), before, limit)
    return statement if call_id is not None else statement.with_hint(calls, f"INDEXED BY {_leading(filters)}", "sqlite")


def _leading(filters: Filters) -> str:
    """The index by which SQLite, which keeps no statistics, is to find these calls: that of the most telling filter."""
    ways = (
        (filters.state not in (None, State.ENDED), "ix_calls_live"),
        (filters.number, "ix_calls_customer"),
        (filters.crm_username, "ix_calls_agent"),
        (filters.agent_number, "ix_calls_agent_number"),
        (filters.status and filters.call_type, "ix_calls_status_type"),
        (filters.status, "ix_calls_status"),
        (filters.call_type, "ix_calls_call_type"),
    )
    return next((index for named, index in ways if named), "ix_calls_account_created")


def of_agent(connection: Connection, account_id: str, agent_id: str, before: Position | None, limit: int) -> Page:
    """Return the calls in which the agent was: those that the agent began, and those into which another one called the agent."""
    began = select(calls).where(calls.c.account_id == account_id, calls.c.agent_id == agent_id)
    joined = select(calls).join(guests, guests.c.call_id == calls.c.id).where(guests.c.agent_id == agent_id)
    own = _ordered(began, before, limit).with_hint(calls, "INDEXED BY ix_calls_agent", "sqlite")
    others = _ordered(joined.where(calls.c.account_id == account_id), before, limit, guests.c.created_at, guests.c.call_id)
    return _cut(sorted((*_read(connection, own), *_read(connection, others)), key=_place, reverse=True), limit)


def _ordered(
    statement: Select[tuple[Any, ...]],
    before: Position | None,
    limit: int,
    at: Column[Any] = calls.c.created_at,
    call_id: Column[Any] = calls.c.id,
) -> Select[tuple[Any, ...]]:
    """For what is behind `before`, newest first, and one more than `limit`, which tells whether there is a next page."""
    if before is not None:
        place = tuple_(literal(before.created_at, UtcTime()), literal(before.id))
        statement = statement.where(tuple_(at, call_id) < place)
    return statement.order_by(at.desc(), call_id.desc()).limit(limit + 1)


def _read(connection: Connection, statement: Select[tuple[Any, ...]]) -> list[Entry]:
    return [entry_of(row) for row in connection.execute(statement)]


def _place(entry: Entry) -> tuple[datetime, str]:
    return entry.call.created_at, entry.call.id


def _cut(entries: Sequence[Entry], limit: int) -> Page:
    return Page(tuple(entries[:limit]), Position(*_place(entries[limit - 1])) if len(entries) > limit else None)
