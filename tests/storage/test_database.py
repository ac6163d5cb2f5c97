"""What the database promises: grouped writes that fail alone, durability through `kill -9`, one clear word when it cannot."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pysqlite3 import dbapi2  # the product's library: locks of two SQLite libraries in one process do not see each other
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, event, func, insert, select
from sqlalchemy.exc import IntegrityError

from intellicall.storage.database import GROUP_LIMIT, Database, StorageUnavailable

things = Table("things", MetaData(), Column("id", Integer, primary_key=True), Column("name", String(20)))


def put(number: int) -> Callable[[Connection], int]:
    def work(connection: Connection) -> int:
        connection.execute(insert(things).values(id=number, name="x"))
        return number

    return work


def ids(connection: Connection) -> list[int]:
    return list(connection.scalars(select(things.c.id).order_by(things.c.id)))


@pytest.fixture
async def stored(database: Database) -> AsyncIterator[Database]:
    await database.write(things.create)
    yield database
    await database.write(lambda connection: things.drop(connection, checkfirst=True))


class Gate:
    """A write that holds the writer until it is opened, so that what comes after it waits in one group."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def __call__(self, _connection: Connection) -> None:
        self.entered.set()
        assert self.opened.wait(10)


async def one_group(database: Database, works: list[Callable[[Connection], Any]]) -> list[Any]:
    """Hand in all works while the writer is busy, so that they share a transaction; return results and exceptions."""
    gate = Gate()
    first = asyncio.ensure_future(database.write(gate))
    assert await asyncio.to_thread(gate.entered.wait, 10)
    others = [asyncio.ensure_future(database.write(work)) for work in works]
    await asyncio.sleep(0)  # each task runs up to its wait
    gate.opened.set()
    await first
    return await asyncio.gather(*others, return_exceptions=True)


async def test_reads_see_writes(stored: Database) -> None:
    assert await stored.write(put(1)) == 1
    assert await stored.read(ids) == [1]
    assert stored.write_now(put(2)) == 2
    assert stored.read_now(ids) == [1, 2]


async def test_writes_that_wait_share_one_commit(stored: Database) -> None:
    commits: list[Connection] = []
    event.listen(stored.engine, "commit", commits.append)
    results = await one_group(stored, [put(number) for number in range(20)])
    assert results == list(range(20))
    assert len(commits) == 2  # the gate's and the group's
    assert await stored.read(ids) == list(range(20))


async def test_a_group_has_a_limit(stored: Database) -> None:
    commits: list[Connection] = []
    event.listen(stored.engine, "commit", commits.append)
    await one_group(stored, [put(number) for number in range(GROUP_LIMIT + 1)])
    assert len(commits) == 3


async def test_a_failing_write_undoes_only_itself(stored: Database) -> None:
    class MistakeError(Exception):
        pass

    def half_done(connection: Connection) -> None:
        put(50)(connection)
        raise MistakeError

    await stored.write(put(2))
    results = await one_group(stored, [put(1), half_done, put(2), put(3)])
    assert results[0] == 1
    assert isinstance(results[1], MistakeError)
    assert isinstance(results[2], IntegrityError)
    assert results[3] == 3
    assert await stored.read(ids) == [1, 2, 3]


async def test_a_caller_that_goes_away_does_not_undo_its_write(stored: Database) -> None:
    gate = Gate()
    first = asyncio.ensure_future(stored.write(gate))
    assert await asyncio.to_thread(gate.entered.wait, 10)
    leaving = asyncio.ensure_future(stored.write(put(7)))
    await asyncio.sleep(0)
    leaving.cancel()
    gate.opened.set()
    await first
    await stored.write(put(8))
    assert await stored.read(ids) == [7, 8]


async def test_close_finishes_what_was_handed_in_then_refuses(sqlite_database: Database) -> None:
    await sqlite_database.write(things.create)
    gate = Gate()
    waiting = [asyncio.ensure_future(sqlite_database.write(work)) for work in (gate, put(1))]
    assert await asyncio.to_thread(gate.entered.wait, 10)
    gate.opened.set()
    await asyncio.to_thread(sqlite_database.close)
    assert await asyncio.gather(*waiting) == [None, 1]
    with pytest.raises(StorageUnavailable):
        await sqlite_database.write(put(2))
    with pytest.raises(StorageUnavailable):
        sqlite_database.write_now(put(2))
    sqlite_database.close()


async def test_a_locked_database_is_unavailable_and_works_again_afterwards(sqlite_database: Database, tmp_path: Path) -> None:
    await sqlite_database.write(things.create)
    event.listen(sqlite_database.engine, "checkout", _impatient)
    other = dbapi2.connect(tmp_path / "test.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StorageUnavailable):
        await sqlite_database.write(put(1))
    assert await sqlite_database.read(ids) == []  # a reader of a WAL database is not disturbed
    other.execute("ROLLBACK")
    other.close()
    assert await sqlite_database.write(put(1)) == 1


def _impatient(connection: Any, _record: Any, _proxy: Any) -> None:
    connection.execute("PRAGMA busy_timeout=50")


async def test_all_of_a_group_hear_that_the_database_is_unavailable(sqlite_database: Database, tmp_path: Path) -> None:
    await sqlite_database.write(things.create)
    event.listen(sqlite_database.engine, "checkout", _impatient)
    gate = Gate()
    first = asyncio.ensure_future(sqlite_database.write(gate))
    assert await asyncio.to_thread(gate.entered.wait, 10)
    others = [asyncio.ensure_future(sqlite_database.write(put(number))) for number in range(3)]
    await asyncio.sleep(0)
    gate.opened.set()
    await first
    await asyncio.gather(*others)
    other = dbapi2.connect(tmp_path / "test.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    results = await asyncio.gather(*(sqlite_database.write(put(number)) for number in range(10, 13)), return_exceptions=True)
    assert [type(result) for result in results] == [StorageUnavailable] * 3
    other.close()


@pytest.mark.parametrize("url", ["sqlite:////nowhere/at/all.db", "postgresql+psycopg://nobody@127.0.0.1:1/none"])
async def test_a_database_that_is_not_there_is_unavailable(url: str) -> None:
    database = Database(url)
    for work in (database.read(ids), database.write(ids)):
        with pytest.raises(StorageUnavailable):
            await work
    database.close()


async def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    file = tmp_path / "test.db"
    file.write_bytes(b"this is not a database" * 100)
    database = Database(f"sqlite:///{file}")
    for work in (database.read(ids), database.write(ids)):
        with pytest.raises(StorageUnavailable):
            await work
    database.close()


async def test_sqlite_is_set_up_for_durability(sqlite_database: Database) -> None:
    def settings(connection: Connection) -> list[Any]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    assert await sqlite_database.read(settings) == ["wal", 2, 1]
    assert await sqlite_database.write(settings) == ["wal", 2, 1]


_CHILD = """
import sys
from sqlalchemy import text
from intellicall.storage.database import Database
database = Database(sys.argv[1])
for number in range(1_000_000):
    database.write_now(lambda connection: connection.execute(text(f"INSERT INTO things VALUES ({number}, 'x')")))
    print(number, flush=True)
"""


async def test_what_was_promised_survives_kill_9(stored: Database, database_url: str) -> None:
    child = subprocess.Popen(  # noqa: ASYNC220 - its pipe is read on a thread
        [sys.executable, "-c", _CHILD, database_url], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    try:
        promised = [int(await asyncio.to_thread(child.stdout.readline)) for _ in range(50)]
    finally:
        child.kill()
    promised += [int(line) for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    child.stdout.close()
    child.wait(10)
    kept = await stored.read(ids)
    assert kept[: len(promised)] == promised
    assert await stored.write(lambda connection: connection.scalar(select(func.count()).select_from(things))) == len(kept)
