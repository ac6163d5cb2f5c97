"""The journal: what happened to each call, numbered, never changed. It is also the outbox.

Whoever wants to act on what happened (deliver a result, feed a stream) registers a projector. It is run inside the very
transaction that stores the entries, so nothing can happen to a call without it; the calls room does not know who it is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Connection, Integer, String, Table, insert, select

from intellicall.storage.schema import UtcTime, metadata
from intellicall.storage.statement import Statement

journal = Table(
    "journal",
    metadata,
    Column("call_id", String(36), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("account_id", String(36), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("data", JSON, nullable=False),
)


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One thing that happened: `seq` counts from 1 within the call, `kind` is a `calls.call.Move`, `initiated` or `ended`."""

    call_id: str
    account_id: str
    seq: int
    at: datetime
    kind: str
    data: Mapping[str, Any]


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


_INSERT = Statement(insert(journal), journal.c.keys())


def read(connection: Connection, call_id: str) -> list[JournalEntry]:
    """Return what happened to the call, in order."""
    rows = connection.execute(select(journal).where(journal.c.call_id == call_id).order_by(journal.c.seq))
    return [JournalEntry(r.call_id, r.account_id, r.seq, r.at, r.kind, r.data) for r in rows]
