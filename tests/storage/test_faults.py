"""A database that cannot be used for a while: who is refused is never stored, who waits is stored in order."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pysqlite3 import dbapi2
from sqlalchemy import Column, Connection, Integer, MetaData, Table, event, insert, select, text
from tests.faults.breaking import Gate, read_only

from intellicall.storage.database import GLANCE_SLOW_S, Database, StorageUnavailable
from intellicall.storage.faults import Fault, fault_of
from intellicall.storage.writer import PATIENCE_S

things = Table("things", MetaData(), Column("position", Integer, primary_key=True), Column("number", Integer))


def put(number: int) -> Callable[[Connection], None]:
    def work(connection: Connection) -> None:
        connection.execute(insert(things).values(number=number))

    return work


def numbers(connection: Connection) -> list[int]:
    return list(connection.scalars(select(things.c.number).order_by(things.c.position)))


async def until(true: Callable[[], bool]) -> None:
    """Return once it is true, within a second."""
    async with asyncio.timeout(1):
        while not true():
            await asyncio.to_thread(threading.current_thread)


@pytest.fixture
async def stored(sqlite_database: Database) -> Database:
    await sqlite_database.write(things.create)
    return sqlite_database


@contextmanager
def locked(file: Path) -> Iterator[None]:
    other = dbapi2.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    yield
    other.execute("ROLLBACK")
    other.close()


async def test_who_is_refused_is_never_stored_and_who_waits_keeps_the_order(stored: Database, tmp_path: Path) -> None:
    with locked(tmp_path / "test.db"):
        began = time.monotonic()
        with pytest.raises(StorageUnavailable, match="locked"):
            await stored.write(put(0))
        assert PATIENCE_S <= time.monotonic() - began < PATIENCE_S + 1
        waiting = [asyncio.ensure_future(stored.write(put(number))) for number in range(1, 6)]
        await until(lambda: stored.health().waiting == 5)
        health = stored.health()
        assert (health.ok, health.reason) == (False, Fault.LOCKED.value)
        assert health.failing_s > PATIENCE_S - 0.5
    freed = time.monotonic()
    await asyncio.gather(*waiting)
    assert time.monotonic() - freed < 1
    assert await stored.read(numbers) == [1, 2, 3, 4, 5]
    assert stored.health().ok


async def test_it_is_noticed_without_a_write_that_it_works_again(stored: Database, tmp_path: Path) -> None:
    with read_only(stored, tmp_path / "test.db"), pytest.raises(StorageUnavailable, match="read-only"):
        await stored.write(put(0))
    await until(lambda: stored.health().ok)
    assert await stored.read(numbers) == []


async def test_a_connection_that_saw_a_fault_is_thrown_away(stored: Database, tmp_path: Path) -> None:
    opened: list[Any] = []
    event.listen(stored.engine, "connect", lambda connection, _record: opened.append(connection))
    await stored.write(put(1))
    assert not opened
    with locked(tmp_path / "test.db"), pytest.raises(StorageUnavailable):
        await stored.write(put(2))
    await stored.write(put(3))
    assert opened


async def test_a_caller_waits_no_longer_than_it_said(stored: Database) -> None:
    """What it was told then is true: nobody knows yet."""
    gate = Gate(stored)
    gate.close()
    began = time.monotonic()
    with pytest.raises(StorageUnavailable, match="too long"):
        await stored.write(put(1), within_s=0.2)
    assert time.monotonic() - began < 1
    gate.open()
    await stored.write(put(2))
    assert await stored.read(numbers) == [1, 2]


async def test_a_read_is_waited_for_only_so_long(stored: Database) -> None:
    let_go = threading.Event()
    with pytest.raises(StorageUnavailable, match="too long"):
        await stored.read(lambda _connection: let_go.wait(10), within_s=0.1)
    let_go.set()


def slow_glance(_connection: Connection) -> str:
    time.sleep(GLANCE_SLOW_S * 1.5)
    return threading.current_thread().name


async def test_one_glance_at_a_slow_disk_is_the_last_on_the_event_loop(stored: Database) -> None:
    assert await stored.glance(slow_glance) == "MainThread"
    assert (await stored.glance(slow_glance)).startswith("sql-read")


async def test_glances_come_back_to_the_event_loop_soon_after_a_hiccup_later_while_a_disk_is_slow(stored: Database) -> None:
    async def rest(work: Callable[[Connection], str]) -> float:
        """Glance until it is done on the event loop again; return how long that took."""
        began = time.monotonic()
        while await stored.glance(work) != "MainThread":
            pass
        return time.monotonic() - began

    assert await stored.glance(slow_glance) == "MainThread"
    assert 0.4 < await rest(slow_glance) < 3
    assert await rest(slow_glance) > 0.9
    assert await rest(lambda _connection: threading.current_thread().name) > 1.9
    assert await stored.glance(slow_glance) == "MainThread"
    assert await rest(slow_glance) < 3, "one that was fast is forgotten"


async def test_no_glance_on_the_event_loop_while_a_write_is_stuck(stored: Database) -> None:
    gate = Gate(stored)
    gate.close()
    writing = asyncio.ensure_future(stored.write(put(1)))
    assert await asyncio.to_thread(gate.reached.wait, 5)
    async with asyncio.timeout(2):
        while await stored.glance(lambda _connection: threading.current_thread().name) == "MainThread":
            await asyncio.to_thread(threading.current_thread)
    gate.open()
    await writing
    assert await stored.glance(lambda _connection: threading.current_thread().name) == "MainThread"


async def test_a_mistake_of_one_is_no_fault_of_the_database(stored: Database) -> None:
    """SQLite says "operational error" to a table that is not there; nobody else waits for that."""
    with pytest.raises(StorageUnavailable, match="refused this piece of work"):
        await stored.write(lambda connection: connection.execute(text("INSERT INTO nothing VALUES (1)")))
    assert stored.health().ok


def test_each_fault_has_plain_words() -> None:
    assert all(fault.value.endswith(".") and fault.value[0].isupper() for fault in Fault)
    assert fault_of(StorageUnavailable(Fault.FULL)) is Fault.FULL
    assert fault_of(StorageUnavailable("anything else")) is None
    assert fault_of(ValueError()) is None
