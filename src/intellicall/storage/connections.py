"""How connections to the two databases are made: durable, and never waiting longer than somebody can wait for them."""

import time
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler

from intellicall.storage.faults import StorageUnavailable
from intellicall.storage.statement import run_on_sqlite

READERS = 4
SQLITE_FIXED = (3, 51, 3)  # below this, two connections that write or checkpoint at once can corrupt a WAL
_POSTGRES = {
    "connect_timeout": 2,
    "tcp_user_timeout": 5000,  # a host that has vanished
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
}
STATEMENT_S = 10
LOCK_S = 2
IDLE_S = 5


def open_engine(url: str) -> Engine:
    """Return a synchronous SQLAlchemy engine, set up for durability. SQLite's parent folder must exist."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(
            parsed,
            pool_size=READERS + 1,
            max_overflow=0,
            pool_pre_ping=True,
            connect_args=_POSTGRES,
            hide_parameters=True,  # they are phone numbers; what is raised may be logged
        )
    from pysqlite3 import dbapi2  # noqa: PLC0415 - a compiled library that PostgreSQL installations never load

    if dbapi2.sqlite_version_info < SQLITE_FIXED:
        raise StorageUnavailable(f"SQLite {dbapi2.sqlite_version} can corrupt its journal; 3.51.3 or later is needed")
    driver = {"check_same_thread": False, "timeout": 5}
    engine = create_engine(parsed, module=dbapi2, pool_size=READERS + 3, max_overflow=0, connect_args=driver, hide_parameters=True)
    engine.dialect.statement_compiler = _HintedSqlite
    event.listen(engine, "connect", _sqlite_pragmas)
    event.listen(engine, "begin", _sqlite_begin)
    return engine


def limit_waiting(engine: Engine) -> None:
    """Have PostgreSQL give up statements that are too long for a platform that serves: not for migrations."""
    if engine.dialect.name == "postgresql":
        event.listen(engine, "connect", _postgres_limits)


class _HintedSqlite(SQLiteCompiler):
    """Writes `Select.with_hint(table, "INDEXED BY name", "sqlite")` behind the table; SQLAlchemy leaves SQLite's hints out."""

    def get_from_hint_text(self, table: Any, text: str | None) -> str | None:  # noqa: ARG002 - the signature is SQLAlchemy's
        return text


def _postgres_limits(connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET statement_timeout='{STATEMENT_S}s'; SET lock_timeout='{LOCK_S}s'")
        # A process that is stopped in the middle of a transaction must not keep its locks: another one is to take over.
        cursor.execute(f"SET idle_in_transaction_session_timeout='{IDLE_S}s'")
    connection.commit()


def _sqlite_pragmas(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy begins; the driver must not
    connection.execute("PRAGMA busy_timeout=250")
    _to_wal(connection, time.monotonic() + 5)
    for pragma in ("synchronous=FULL", "foreign_keys=ON", "journal_size_limit=67108864", "busy_timeout=5000"):
        connection.execute(f"PRAGMA {pragma}")


def _to_wal(connection: Any, deadline: float) -> None:
    """Switch to WAL, once in a file's life; SQLite's own waiting does not cover two that switch at the same time."""
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except connection.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _sqlite_begin(connection: Connection) -> None:
    """Writers take the write lock at once: a read lock cannot always be raised to one later."""
    run_on_sqlite(connection, "BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")
