"""The platform's database as an outsider reads it: plain SQL, no code of the product's. For SQLite and PostgreSQL."""

import json
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from pysqlite3 import dbapi2  # the platform's library: two SQLite libraries in one process undo each other's locks

Row = dict[str, Any]
CLEARED = "calls, call_orders, guests, journal, deliveries, delivery_attempts, recordings, accounts, signing_secrets, leadership"


class Books:
    """Reads one database. `file`: SQLite's; `dsn`: PostgreSQL's."""

    def __init__(self, *, file: Path | None = None, dsn: str | None = None) -> None:
        self._file = file
        self._dsn = dsn

    def rows(self, query: str) -> list[Row]:
        """Return what the query finds, by column; times as seconds since 1970, JSON as it is meant."""
        if self._file is not None:
            connection = dbapi2.connect(self._file, isolation_level=None)
        else:
            connection = psycopg.connect(self._dsn or "", autocommit=True)
        try:
            found = connection.execute(query)
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, map(_plain, row), strict=True)) for row in found.fetchall()]
        finally:
            connection.close()

    def complaints(self) -> list[str]:
        """What the database itself finds wrong with its file and its references."""
        if self._file is None:
            return []  # PostgreSQL has no such question; it checks references as they are made
        checked = [row["integrity_check"] for row in self.rows("PRAGMA integrity_check")]
        return [line for line in checked if line != "ok"] + [str(row) for row in self.rows("PRAGMA foreign_key_check")]

    def done(self) -> bool:
        return not self.open_things()

    def open_things(self) -> list[str]:
        """Calls that have not ended, deliveries that are under way, recordings that are not settled."""
        live = self.rows("SELECT id, state FROM calls WHERE state <> 'ended'")
        due = self.rows("SELECT id, state FROM deliveries WHERE state IN ('due', 'waiting')")
        pending = self.rows("SELECT id, recording AS state FROM calls WHERE recording = 'pending'")
        return [f"{row['id']} {row['state']}" for row in (*live, *due, *pending)]

    def sent_without_an_end(self, notes: Path) -> list[str]:
        """Ids of callbacks that a receiver has and that no committed transaction knows of."""
        sent = {note["id"] for note in read_notes(notes)}
        return sorted(sent - {row["id"] for row in self.rows("SELECT id FROM deliveries")}) if sent else []


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, memoryview):
        return bytes(value)
    return value


def at(value: Any) -> float | None:
    """Return a stored time as seconds since 1970: SQLite keeps text in UTC."""
    if value is None or isinstance(value, float):
        return value
    return datetime.fromisoformat(value).replace(tzinfo=UTC).timestamp()


def of_json(value: Any) -> Any:
    """Return a stored JSON value: SQLite keeps text."""
    return json.loads(value) if isinstance(value, str) else value


def read_notes(file: Path) -> Sequence[Row]:
    """Return a witness's notes, in order; a last line that was cut off does not count."""
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text().splitlines() if line.endswith("}")]


def renew(file: Path, template: Path) -> None:
    """Put a fresh SQLite database in the place of the old one."""
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    shutil.copyfile(template, file)
