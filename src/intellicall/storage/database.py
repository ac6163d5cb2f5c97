"""The SQL database: reads on a few threads, writes through one group-committing writer.

Rooms hand in plain synchronous functions of a SQLAlchemy `Connection`; no room opens a transaction of its own. A write
that returns is on disk (SQLite: WAL with synchronous=FULL; PostgreSQL: synchronous_commit). All writes that wait when
the writer becomes free share one transaction; one that raises is undone alone.
Why so, and why SQLite's own library is bundled: docs/decisions/0002-storage.md. What happens when the database is locked, full
or away: docs/decisions/0016-the-database-under-faults.md.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from intellicall.storage.connections import READERS, limit_waiting, open_engine
from intellicall.storage.faults import Fault, StorageUnavailable, as_told, fault_of
from intellicall.storage.leadership import PROOF_S, Leadership, next_epoch
from intellicall.storage.writer import GROUP_LIMIT, Health, Job, Writer

T = TypeVar("T")

ANSWER_S = 5.0
"""How long somebody who asked for something waits for the database's answer."""
GLANCE_MS = 50
"""How long a glance may wait for a lock: it stands in everybody's way."""
GLANCE_SLOW_S = 0.05
GLANCE_REST_S = 0.5
"""After a glance that was slow all go to the threads for so long; each time that the next one is slow again, twice as long."""
GLANCE_LONGEST_REST_S = 10.0
_BUSY_MS = {"read": 2000, "write": 250, "glance": GLANCE_MS}
_RESOLVE_EVERY_S = 0.1


def _ignore(_seconds: float, _stored: bool) -> None:  # noqa: FBT001 - the one fact beside its length
    """Nobody counts."""


class Database:
    """One SQL database of one platform process."""

    def __init__(self, url: str) -> None:
        self.engine = open_engine(url)
        limit_waiting(self.engine)
        self._write_engine = self.engine.execution_options(writes=True)
        self._kept: dict[int, Connection] = {}
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="sql-read")
        self._glance_again = 0.0
        self._glance_rest_s = GLANCE_REST_S
        self._open = True
        self.leadership = Leadership()
        self.timed: Callable[[float, bool], None] = _ignore
        """Told of each write: its seconds, waiting included, and whether it was stored. Must not block."""
        self._writer = Writer(self._transact, self._probe)

    def close(self) -> None:
        """Finish every write that was handed in, then close. Blocks for at most a few seconds."""
        if not self._open:
            return
        self._open = False
        self._writer.close()
        self._readers.shutdown(wait=self._writer.at_ease, cancel_futures=True)
        for connection in self._kept.values():
            connection.close()
        self._kept.clear()
        self.engine.dispose()

    def health(self) -> Health:
        """Return how writing goes. Asks nobody: after a failure the writer finds out by itself, twice a second, when it is over."""
        return self._writer.health()

    async def read(self, work: Callable[[Connection], T], within_s: float = ANSWER_S) -> T:
        """Run `work` in a read transaction on a thread and return what it returns. Raises StorageUnavailable, within `within_s`."""
        limit = asyncio.timeout(within_s)
        try:
            async with limit:
                return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work, self._reading)
        except TimeoutError:
            if limit.expired():
                raise StorageUnavailable(Fault.SLOW) from None
            raise

    async def glance(self, work: Callable[[Connection], T]) -> T:
        """As `read`, for a few rows found by their keys: on SQLite at once, without the way to a thread and back.

        A reader of a WAL database waits for no writer, and the way costs more than such a read. While the disk or a lock is slow,
        it goes to a thread. One that was slow tells a slow disk or a busy machine; the next ones, after rests, tell which.
        """
        if self.engine.dialect.name != "sqlite" or not self._writer.at_ease or time.monotonic() < self._glance_again:
            return await self.read(work)
        began = time.monotonic()
        try:
            return self._read(work, self._glancing)
        except StorageUnavailable:
            return await self.read(work)
        finally:
            if time.monotonic() - began > GLANCE_SLOW_S:
                self._glance_again = time.monotonic() + self._glance_rest_s
                self._glance_rest_s = min(2 * self._glance_rest_s, GLANCE_LONGEST_REST_S)
            else:
                self._glance_rest_s = GLANCE_REST_S

    async def write(self, work: Callable[[Connection], T], within_s: float | None = None) -> T:
        """Run `work` in the next group's transaction; when this returns, what it wrote is durable.

        `work` may be run a second time when the group's transaction failed, so it must have no effect but SQL. What it
        raises is raised here and only its own changes are undone. Raises StorageUnavailable when it could not be stored for
        two seconds; then it never is. With `within_s` the caller waits no longer than that: a commit that is under way then may
        come to a good end yet.
        """
        if not self._open:
            raise StorageUnavailable(Fault.CLOSED)
        outcome = asyncio.wrap_future(self._writer.hand_in(work))
        outcome.add_done_callback(_seen)  # whoever waited may be gone
        limit = asyncio.timeout(within_s)
        began, stored = time.monotonic(), True
        try:
            async with limit:
                # Shielded: a caller that goes away must not undo a write whose commit is under way.
                result: T = await asyncio.shield(outcome)
                return result
        except TimeoutError:
            if limit.expired():
                stored = False
                raise StorageUnavailable(Fault.SLOW) from None
            raise
        except StorageUnavailable:
            stored = False
            raise
        finally:
            self.timed(time.monotonic() - began, stored)

    async def take_lead(self) -> None:
        """Overtake the process that leads: from now on it stores nothing. Raises StorageUnavailable; then nothing has changed."""
        self.leadership.lead(await self.write(next_epoch))

    async def prove_lead(self, within_s: float = PROOF_S) -> None:
        """Return when it was proven within so many seconds that this process leads; once it is overtaken, never.

        For what cannot be done in a transaction. Raises StorageUnavailable when it cannot be known. Nothing is asked of a process
        that never took the lead.
        """
        if self.leadership.overtaken:
            await asyncio.Event().wait()  # it acts no more; whoever waits is cancelled with it
        if self.leadership.taken and not self.leadership.proven(within_s):
            try:
                await self.glance(lambda connection: self.leadership.check(connection, hold=False))
            except StorageUnavailable as why:
                if why.fault is not Fault.OVERTAKEN:
                    raise
                await self.prove_lead()

    def read_now(self, work: Callable[[Connection], T]) -> T:
        """As `read`, without an event loop: for the CLI."""
        return self._read(work, self.engine.begin)

    def write_now(self, work: Callable[[Connection], T]) -> T:
        """As `write`, without an event loop: for the CLI."""
        if not self._open:
            raise StorageUnavailable(Fault.CLOSED)
        result: T = self._writer.hand_in(work).result()
        return result

    # -- reading --------------------------------------------------------------------------------------------------------

    def _reading(self) -> AbstractContextManager[Connection]:
        return self._transaction(self.engine, "read")

    def _glancing(self) -> AbstractContextManager[Connection]:
        return self._transaction(self.engine, "glance")

    def _read(self, work: Callable[[Connection], T], transaction: Callable[[], AbstractContextManager[Connection]]) -> T:
        try:
            with transaction() as connection:
                return work(connection)
        except DBAPIError as error:
            raise as_told(error) from error

    @contextmanager
    def _transaction(self, engine: Engine, use: str) -> Iterator[Connection]:
        """Open a transaction; on SQLite the thread keeps its connection for the next one, which halves a transaction's overhead.

        A connection to a server may have died meanwhile, so there the pool is asked each time. One that saw a fault is thrown away:
        after a failed fsync nothing that it remembers can be trusted.
        """
        if engine.dialect.name != "sqlite":
            with engine.begin() as connection:
                yield connection
            return
        thread = threading.get_ident()
        connection = self._kept.pop(thread) if thread in self._kept else self._connect(engine, use)
        try:
            with connection.begin():
                yield connection
        except BaseException as error:
            if fault_of(error) is not None:
                connection.invalidate()
            connection.close()
            raise
        self._kept[thread] = connection

    def _connect(self, engine: Engine, use: str) -> Connection:
        connection = engine.connect()
        driver: Any = connection.connection.dbapi_connection
        driver.execute(f"PRAGMA busy_timeout={_BUSY_MS[use]}")
        return connection

    # -- writing, on the writer's thread -----------------------------------------------------------------------------------

    def _transact(self, group: Sequence[Job]) -> list[Any]:
        """Store the group in one transaction and return each one's result; when this raises, nothing of it is stored."""
        if self.engine.dialect.name == "sqlite":
            with self._transaction(self._write_engine, "write") as connection:
                self.leadership.check(connection, hold=True)
                return [job.work(connection) for job in group]
        with self._write_engine.connect() as connection:
            transaction = connection.begin()
            self.leadership.check(connection, hold=True)
            results = [job.work(connection) for job in group]
            number = connection.scalar(text("SELECT pg_current_xact_id_if_assigned()::text"))
            try:
                transaction.commit()
            except DBAPIError as error:
                if fault_of(error) is not Fault.AWAY or number is None or not self._was_committed(number):
                    raise
        return results

    def _was_committed(self, number: str) -> bool:
        """The reply to a COMMIT is lost: ask what became of that transaction (pg_xact_status, PostgreSQL 10), as long as it takes.

        Nothing else is written before this is known. A copy that took the server's place without it does not know it: not stored.
        """
        engine = create_engine(self.engine.url, poolclass=NullPool, connect_args={"connect_timeout": 2})
        while True:
            try:
                with engine.begin() as connection:
                    status = connection.scalar(text("SELECT pg_xact_status(CAST(:number AS xid8))"), {"number": number})
                if status != "in progress":
                    return bool(status == "committed")
            except DBAPIError as error:
                if fault_of(error) is None:
                    return False
                if self._writer.closing:
                    raise
            time.sleep(_RESOLVE_EVERY_S)

    def _probe(self) -> None:
        """Write something that changes nothing. Raises while that is not possible."""
        if self.engine.dialect.name == "sqlite":
            with self._transaction(self._write_engine, "write") as connection:
                version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
                connection.exec_driver_sql(f"PRAGMA user_version={version}")
            return
        with self._write_engine.begin() as connection:
            connection.execute(text("SELECT pg_current_xact_id()"))


def _seen(outcome: "asyncio.Future[Any]") -> None:
    if not outcome.cancelled():
        outcome.exception()


__all__ = ["ANSWER_S", "GROUP_LIMIT", "Database", "Health", "StorageUnavailable", "open_engine"]
