"""The SQL database: reads on a few threads, writes through one group-committing writer.

Rooms hand in plain synchronous functions of a SQLAlchemy `Connection`; no room opens a transaction of its own. A write
that returns is on disk (SQLite: WAL with synchronous=FULL; PostgreSQL: synchronous_commit). All writes that wait when
the writer becomes free share one transaction, each in its own savepoint: one that raises is undone alone.
Why so, and why SQLite's own library is bundled: docs/decisions/0002-storage.md.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError

T = TypeVar("T")
log = structlog.get_logger()

GROUP_LIMIT = 64
READERS = 4
SQLITE_FIXED = (3, 51, 3)  # below this, two connections that write or checkpoint at once can corrupt a WAL


class StorageUnavailable(Exception):  # noqa: N818 - a state of the world
    """The database cannot be read or written now. Nothing of the request was stored."""


@dataclass(slots=True)
class _Job:
    work: Callable[[Connection], Any]
    future: "Future[Any]"


def open_engine(url: str) -> Engine:
    """Return a synchronous SQLAlchemy engine, set up for durability. SQLite's parent folder must exist."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_size=READERS + 1, max_overflow=0, pool_pre_ping=True)
    from pysqlite3 import dbapi2  # noqa: PLC0415 - a compiled library that PostgreSQL installations never load

    if dbapi2.sqlite_version_info < SQLITE_FIXED:
        raise StorageUnavailable(f"SQLite {dbapi2.sqlite_version} can corrupt its journal; 3.51.3 or later is needed")
    engine = create_engine(
        parsed, module=dbapi2, pool_size=READERS + 3, max_overflow=0, connect_args={"check_same_thread": False, "timeout": 5}
    )
    engine.dialect.statement_compiler = _HintedSqlite
    event.listen(engine, "connect", _sqlite_pragmas)
    event.listen(engine, "begin", _sqlite_begin)
    return engine


class _HintedSqlite(SQLiteCompiler):
    """Writes `Select.with_hint(table, "INDEXED BY name", "sqlite")` behind the table; SQLAlchemy leaves SQLite's hints out."""

    def get_from_hint_text(self, table: Any, text: str | None) -> str | None:  # noqa: ARG002 - the signature is SQLAlchemy's
        return text


def _sqlite_pragmas(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy begins; the driver must not
    connection.execute("PRAGMA busy_timeout=5000")
    _to_wal(connection, time.monotonic() + 5)
    for pragma in ("synchronous=FULL", "foreign_keys=ON", "journal_size_limit=67108864"):
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
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")


class Database:
    """One SQL database of one platform process."""

    def __init__(self, url: str) -> None:
        self.engine = open_engine(url)
        self._write_engine = self.engine.execution_options(writes=True)
        self._kept: dict[int, Connection] = {}
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="sql-read")
        self._writer = threading.Thread(target=self._write_forever, name="sql-write", daemon=True)
        self._writer.start()
        self._open = True

    def close(self) -> None:
        """Finish every write that was handed in, then close. Blocks for at most a few seconds."""
        if not self._open:
            return
        self._open = False
        self._jobs.put(None)
        self._writer.join(10)
        self._readers.shutdown()
        for connection in self._kept.values():
            connection.close()
        self._kept.clear()
        self.engine.dispose()

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a read transaction on a thread and return what it returns. Raises StorageUnavailable."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work, self._transaction)

    async def glance(self, work: Callable[[Connection], T]) -> T:
        """As `read`, for a few rows found by their keys: on SQLite at once, without the way to a thread and back.

        A reader of a WAL database waits for no writer, and the way costs more than such a read.
        """
        if self.engine.dialect.name == "sqlite":
            return self._read(work, self._transaction)
        return await self.read(work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in the next group's transaction; when this returns, what it wrote is durable.

        `work` may be run a second time when the group's transaction failed, so it must have no effect but SQL. What it
        raises is raised here and only its own changes are undone. Raises StorageUnavailable when the database cannot be written.
        """
        if not self._open:
            raise StorageUnavailable("the database is closed")
        future: Future[Any] = Future()
        self._jobs.put(_Job(work, future))
        # Shielded: a caller that goes away must not undo a write whose commit is under way.
        result: T = await asyncio.shield(asyncio.wrap_future(future))
        return result

    def read_now(self, work: Callable[[Connection], T]) -> T:
        """As `read`, without an event loop: for the CLI."""
        return self._read(work, Engine.begin)

    def write_now(self, work: Callable[[Connection], T]) -> T:
        """As `write`, without an event loop: for the CLI."""
        if not self._open:
            raise StorageUnavailable("the database is closed")
        future: Future[Any] = Future()
        self._jobs.put(_Job(work, future))
        result: T = future.result()
        return result

    @contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Connection]:
        """Open a transaction; on SQLite the thread keeps its connection for the next one, which halves a transaction's overhead.

        A connection to a server may have died meanwhile, so there the pool is asked each time.
        """
        if engine.dialect.name != "sqlite":
            with engine.begin() as connection:
                yield connection
            return
        thread = threading.get_ident()
        connection = self._kept.pop(thread) if thread in self._kept else engine.connect()
        try:
            with connection.begin():
                yield connection
        except BaseException:
            connection.close()
            raise
        self._kept[thread] = connection

    def _read(self, work: Callable[[Connection], T], transaction: Callable[[Engine], AbstractContextManager[Connection]]) -> T:
        try:
            with transaction(self.engine) as connection:
                return work(connection)
        except DBAPIError as error:
            raise _as_told(error) from error

    def _write_forever(self) -> None:
        while (job := self._jobs.get()) is not None:
            group = [job]
            closing = False
            while len(group) < GROUP_LIMIT:
                try:
                    following = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    closing = True
                    break
                group.append(following)
            self._write_group(group)
            if closing:
                return

    def _write_group(self, group: list[_Job]) -> None:
        """One transaction for all; when any of them fails, all is undone and each gets a transaction of its own."""
        try:
            with self._transaction(self._write_engine) as connection:
                results = [job.work(connection) for job in group]
        except Exception as error:  # noqa: BLE001 - whatever it is, it must reach the callers and not end the writer
            if len(group) > 1:
                for job in group:
                    self._write_group([job])
                return
            group[0].future.set_exception(_as_told(error))
            return
        for job, result in zip(group, results, strict=True):
            job.future.set_result(result)


_OUR_OWN = (IntegrityError, ProgrammingError, DataError)  # trying again would not help


def _as_told(error: Exception) -> Exception:
    """A disk, lock or server that fails is `StorageUnavailable`; what the work itself raised stays what it is."""
    if isinstance(error, DBAPIError) and not isinstance(error, _OUR_OWN):
        log.warning("write_failed", error=type(error).__name__)
        unavailable = StorageUnavailable(type(error).__name__)
        unavailable.__cause__ = error
        return unavailable
    return error
