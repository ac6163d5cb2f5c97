"""The commands' way to the database: opened for one piece of work, after making sure that its schema is this version's."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import Connection

from intellicall.cli.terminal import Fault
from intellicall.settings import Settings, load
from intellicall.storage.database import Database
from intellicall.storage.migrate import pending

T = TypeVar("T")


def read(work: Callable[[Connection], T]) -> T:
    """Run `work` in a read transaction on the database of the settings."""
    database = _open(load())
    try:
        return database.read_now(work)
    finally:
        database.close()


def write(work: Callable[[Connection], T]) -> T:
    """Run `work` in a transaction of its own; when this returns, what it wrote is durable."""
    database = _open(load())
    try:
        return database.write_now(work)
    finally:
        database.close()


def now() -> datetime:
    """Return the wall-clock time, aware, in UTC."""
    return datetime.now(UTC)


def _open(settings: Settings) -> Database:
    missing = pending(settings.sql_url)
    if missing:
        raise Fault(
            "The database does not have this version's schema yet. Run `intellicall migrate`.",
            "migration_needed",
            {"missing": missing},
        )
    return Database(settings.sql_url)
