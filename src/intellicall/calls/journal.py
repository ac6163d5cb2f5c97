"""The journal: what happened to each call, numbered, never changed. It is also the outbox.

Whoever wants to act on what happened (deliver a result, push an event) registers a projector. It is run inside the very
transaction that stores the entries, so nothing can happen to a call without it; the calls room does not know who it is.

Beside its number within the call every entry has a **position**: it grows over all calls, and whoever has read up to one will never
find a new entry below it. The database gives positions out when entries are inserted, and they become visible in the same order
because one thread of one platform process writes them (`storage.Database`), one transaction after the other. Two platform
processes on one database would break this. Positions that were given out in a transaction that failed are never used again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    Row,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    func,
    insert,
    literal_column,
    select,
)

from intellicall.storage.schema import UtcTime, metadata
from intellicall.storage.statement import Statement

journal = Table(
    "journal",
    metadata,
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),  # SQLite counts in INTEGER columns only
    Column("call_id", String(36), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("account_id", String(36), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("data", JSON, nullable=False),
    UniqueConstraint("call_id", "seq"),
    sqlite_autoincrement=True,  # or the last position would be given out again after its entry was erased
)
Index("ix_journal_account", journal.c.account_id, journal.c.position)
_IS_END = journal.c.kind == literal_column("'ended'")  # the planners take a partial index only for a literal
Index("ix_journal_ended", journal.c.account_id, journal.c.position, sqlite_where=_IS_END, postgresql_where=_IS_END)


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One thing that happened: `seq` counts from 1 within the call; `kind` is a `calls.table.Move`, or `initiated`, `ended`,
    `updated`, `recording_ready`, `recording_failed` or `recording_deleted`. `position` is None until the entry is stored.
    """

    call_id: str
    account_id: str
    seq: int
    at: datetime
    kind: str
    data: Mapping[str, Any]
    position: int | None = None


Projector = Callable[[Connection, Sequence[JournalEntry]], None]


class Journal:
    """Appends entries and runs the projectors in the same transaction."""

    def __init__(self, projectors: Sequence[Projector] = ()) -> None:
        self._projectors = tuple(projectors)

    def append(self, connection: Connection, entries: Sequence[JournalEntry]) -> None:
        """Store the entries. A sequence number that exists already is an IntegrityError: two writers, one call."""
        rows: list[dict[str, Any]] = [
            {"call_id": e.call_id, "seq": e.seq, "account_id": e.account_id, "at": e.at, "kind": e.kind, "data": dict(e.data)}
            for e in entries
        ]
        _INSERT.run(connection, *rows)
        for project in self._projectors:
            project(connection, entries)


# Inline: PostgreSQL would hand back each position otherwise, which hardly anybody asks for.
_INSERT = Statement(insert(journal).inline(), [name for name in journal.c.keys() if name != "position"])  # noqa: SIM118 - a collection of columns, not a dictionary
_OF_CALL = (
    select(journal).where(journal.c.call_id == bindparam("call"), journal.c.seq >= bindparam("first")).order_by(journal.c.seq)
)
_LAST = select(func.max(journal.c.position))
_OF_ACCOUNT = (
    select(journal)
    .where(journal.c.account_id == bindparam("account"), journal.c.position > bindparam("after"))
    .order_by(journal.c.position)
    .limit(bindparam("most"))
)
_ENDS = (
    select(journal)
    .where(_IS_END, journal.c.account_id == bindparam("account"), journal.c.position > bindparam("after"))
    .order_by(journal.c.position)
    .limit(bindparam("most"))
    .with_hint(journal, "INDEXED BY ix_journal_ended", "sqlite")
)
_AT = select(journal).where(journal.c.position == bindparam("position"))
# With the account in it, SQLite would read the account's whole history. `seq` grows with `position` within a call.
_OF_CALL_AFTER = (
    select(journal)
    .where(journal.c.call_id == bindparam("call"), journal.c.position > bindparam("after"))
    .order_by(journal.c.seq)
    .limit(bindparam("most"))
)


def last_seq(connection: Connection, call_id: str) -> int:
    """Return the number of the call's last entry; 0 when it has none."""
    return connection.scalar(select(func.max(journal.c.seq)).where(journal.c.call_id == call_id)) or 0


def read(connection: Connection, call_id: str, first: int = 1) -> list[JournalEntry]:
    """Return what happened to the call, in order, from the entry with number `first` on."""
    return [_entry(row) for row in connection.execute(_OF_CALL, {"call": call_id, "first": first})]


def read_after(connection: Connection, account_id: str, position: int, most: int, call_id: str | None = None) -> list[JournalEntry]:
    """Return up to `most` entries of the account's calls, or of one of them, after this position, in order."""
    if call_id is None:
        rows = connection.execute(_OF_ACCOUNT, {"account": account_id, "after": position, "most": most})
    else:
        rows = connection.execute(_OF_CALL_AFTER, {"call": call_id, "after": position, "most": most})
    return [_entry(row) for row in rows if row.account_id == account_id]


def ends_after(connection: Connection, account_id: str, position: int, most: int) -> list[JournalEntry]:
    """Return up to `most` entries of kind `ended` of the account's calls after this position, in order."""
    return [_entry(row) for row in connection.execute(_ENDS, {"account": account_id, "after": position, "most": most})]


def entry_at(connection: Connection, position: int) -> JournalEntry | None:
    """Return the entry that has this position."""
    row = connection.execute(_AT, {"position": position}).one_or_none()
    return _entry(row) if row else None


def last_position(connection: Connection) -> int:
    """Return the position of the newest entry of all accounts; 0 when there is none."""
    return connection.execute(_LAST).scalar_one() or 0


def _entry(row: Row[Any]) -> JournalEntry:
    return JournalEntry(row.call_id, row.account_id, row.seq, row.at, row.kind, row.data, row.position)
