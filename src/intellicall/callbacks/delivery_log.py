"""The delivery log: what became of an account's callbacks, newest first, in pages. SQL of reads only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, literal, literal_column, select, tuple_, union_all

from intellicall.accounts.account import check_text
from intellicall.callbacks.delivery import Kind, State
from intellicall.callbacks.tables import IS_EVENT, IS_OPEN, IS_OTHER, IS_RESULT, deliveries
from intellicall.callbacks.views import delivery_view
from intellicall.calls.filters import Position, one_of, read_cursor, read_limit, read_time
from intellicall.storage.schema import UtcTime

PARAMETERS = ("state", "kind", "call_id", "from", "to", "limit", "cursor")

_SHOWN: tuple[Column[Any], ...] = tuple(
    deliveries.c[name] for name in ("id", "kind", "call_id", "event", "state", "attempts", "created_at", "finished_at", "due_at")
)
"""Without bodies, which are most of a row."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Which deliveries, behind which place, how many at most; None does not matter.

    `since` (inclusive) and `until` (exclusive) are about when they were made: when the call ended, when the event happened.
    """

    state: State | None = None
    kind: Kind | None = None
    call_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: Position | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Page:
    """Some deliveries as the API shows them, newest first, and the place behind them when there are more."""

    deliveries: tuple[Mapping[str, Any], ...]
    next: Position | None


def read_listing(query: Mapping[str, str]) -> Listing:
    """Return what the query's parameters (`PARAMETERS`) ask for. Raises Refused INVALID_FIELD with the parameter named."""
    return Listing(
        state=State(one_of(query, "state", list(State))) if "state" in query else None,
        kind=Kind(one_of(query, "kind", list(Kind))) if "kind" in query else None,
        call_id=check_text(query["call_id"], "call_id", 36) if "call_id" in query else None,
        since=read_time(query, "from"),
        until=read_time(query, "to"),
        before=read_cursor(query["cursor"]) if "cursor" in query else None,
        limit=read_limit(query),
    )


def find(connection: Connection, account_id: str, listing: Listing) -> Page:
    """Return one page of the account's deliveries."""
    rows = connection.execute(statement_for(account_id, listing)).all()
    shown = rows[: listing.limit]
    more = len(rows) > listing.limit
    return Page(tuple(delivery_view(row) for row in shown), Position(shown[-1].created_at, shown[-1].id) if more else None)


def statement_for(account_id: str, listing: Listing) -> Select[tuple[Any, ...]]:
    """Return the statement for one page and the row behind it."""
    terms: list[ColumnElement[bool]] = [deliveries.c.account_id == account_id]
    if listing.call_id is not None:
        terms = [deliveries.c.account_id.concat("") == account_id]  # or SQLite reads the account's whole history
        of_call = [select(deliveries.c.id).where(kind, deliveries.c.call_id == listing.call_id) for kind in (IS_RESULT, IS_EVENT)]
        terms.append(deliveries.c.id.in_(union_all(*of_call)))
    if listing.kind is not None:
        terms.append(deliveries.c.kind == literal_column(f"'{listing.kind}'"))
    if listing.state is not None:
        terms.append(deliveries.c.state == literal_column(f"'{listing.state}'"))
    index, implied = _way(listing)
    terms += implied
    if listing.since is not None:
        terms.append(deliveries.c.created_at >= listing.since)
    if listing.until is not None:
        terms.append(deliveries.c.created_at < listing.until)
    if listing.before is not None:
        place = tuple_(literal(listing.before.created_at, UtcTime()), literal(listing.before.id))
        terms.append(tuple_(deliveries.c.created_at, deliveries.c.id) < place)
    newest_first = (deliveries.c.created_at.desc(), deliveries.c.id.desc())
    statement = select(*_SHOWN).where(*terms).order_by(*newest_first).limit(listing.limit + 1)
    return statement.with_hint(deliveries, f"INDEXED BY {index}", "sqlite") if index else statement


def _way(listing: Listing) -> tuple[str | None, list[ColumnElement[bool]]]:
    """Return the index by which SQLite, which keeps no statistics, is to find them, and what says that it may.

    Each is small or in the order of the list, so that a long history costs nothing.
    """
    if listing.call_id is not None:
        return None, []
    if listing.state is State.WAITING:
        return "ix_deliveries_open_events", [IS_EVENT, IS_OPEN]
    if listing.state in _OF_STATE:
        return _OF_STATE[listing.state], []
    if listing.kind not in (None, Kind.RESULT):
        return "ix_deliveries_other", [IS_OTHER]
    return "ix_deliveries_account_created", []


_OF_STATE = {
    State.DUE: "ix_deliveries_due",
    State.UNDELIVERED: "ix_deliveries_undelivered",
    State.NO_ENDPOINT: "ix_deliveries_no_endpoint",
}
