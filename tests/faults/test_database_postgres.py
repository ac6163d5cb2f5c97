"""PostgreSQL that is cut off, stopped, killed and started again: nothing twice, nothing lost, and no help is needed."""

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, insert, select
from tests.faults.cutting import Wire, wire
from tests.support.databases import PostgresServer, own_postgres, serve

from intellicall.storage.database import Database, StorageUnavailable
from intellicall.storage.faults import Fault

pytestmark = pytest.mark.postgres
things = Table("things", MetaData(), Column("id", Integer, primary_key=True), Column("name", String(20)))
Lane = tuple[Database, Wire, PostgresServer]


def put(number: int) -> Callable[[Connection], None]:
    """A second time it is an IntegrityError."""

    def work(connection: Connection) -> None:
        connection.execute(insert(things).values(id=number, name="x"))

    return work


def ids(connection: Connection) -> list[int]:
    return list(connection.scalars(select(things.c.id).order_by(things.c.id)))


@pytest.fixture
async def lane(postgres_server: PostgresServer, postgres_url: str) -> AsyncIterator[Lane]:
    """A database behind a wire."""
    with tempfile.TemporaryDirectory(prefix="intellicall-wire-") as name, wire(Path(name), postgres_server.folder) as laid:
        database = Database(postgres_url.replace(str(postgres_server.folder), name))
        await database.write(things.create)
        yield database, laid, postgres_server
        await asyncio.to_thread(database.close)


@pytest.mark.parametrize(("cut", "times"), [("before", 10), ("after", 20)])
async def test_a_lost_reply_to_a_commit_is_found_out(lane: Lane, cut: str, times: int) -> None:
    """The writer learns whether the transaction was committed, so that it is neither lost nor done again."""
    database, laid, _ = lane
    for number in range(times):
        laid.cut = cut  # type: ignore[assignment]
        await database.write(put(number))
    assert laid.cuts == times
    assert await database.read(ids) == list(range(times))


async def test_sessions_that_are_ended_by_the_server_cost_nothing(lane: Lane) -> None:
    database, _, server = lane
    name = database.engine.url.database
    writes = [asyncio.ensure_future(database.write(put(number))) for number in range(300)]
    for _ in range(10):
        await asyncio.sleep(0.01)  # in between some are stored
        server.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")  # noqa: S608 - our own name
    await asyncio.gather(*writes)
    assert await database.read(ids) == list(range(300))
    assert database.health().ok


class OwnServer:
    """A PostgreSQL that the tests may do anything to."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.process = serve(server.folder)

    def pids(self) -> list[int]:
        """The server and its children."""
        postmaster = self.process.pid
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        return [postmaster, *map(int, children)]

    def signal(self, pids: list[int], number: int) -> None:
        for pid in pids:
            os.kill(pid, number)

    def begin_again(self) -> None:
        """Start on what the killed server has left."""
        self.process.wait(10)
        while True:
            try:
                self.process = serve(self.server.folder)
            except RuntimeError:
                continue  # the last of its processes is on its way out
            return


@pytest.fixture(scope="module")
def own_server() -> Iterator[OwnServer]:
    with own_postgres() as made:
        own = OwnServer(made)
        made.run("CREATE DATABASE own")
        yield own
        own.process.send_signal(signal.SIGINT)
        own.process.wait(10)


@pytest.fixture
async def own(own_server: OwnServer) -> AsyncIterator[Database]:
    database = Database(own_server.server.url("own"))
    await database.write(lambda connection: things.create(connection, checkfirst=True))
    yield database
    await database.write(things.drop)
    await asyncio.to_thread(database.close)


async def test_a_server_that_stands_still(own: Database, own_server: OwnServer) -> None:
    await own.write(put(1))
    await own.read(ids)
    stopped = own_server.pids()
    own_server.signal(stopped, signal.SIGSTOP)
    try:
        began = time.monotonic()
        waiting = asyncio.ensure_future(own.write(put(2)))
        asked = await asyncio.gather(
            own.read(ids, within_s=1.2), own.glance(ids), own.write(put(3), within_s=1.2), return_exceptions=True
        )
        assert time.monotonic() - began < 6
        assert [type(one) for one in asked] == [StorageUnavailable] * 3
        assert {str(one) for one in asked} <= {Fault.SLOW.value, Fault.AWAY.value}
        assert not own.health().ok
    finally:
        own_server.signal(stopped, signal.SIGCONT)
    [outcome] = await asyncio.gather(waiting, return_exceptions=True)
    assert outcome is None or isinstance(outcome, StorageUnavailable)
    await own.write(put(4))
    kept = await own.read(ids)
    assert (kept[0], kept[-1]) == (1, 4)
    assert (2 in kept) is (outcome is None), "who was refused is stored, or who was promised is not"
    assert own.health().ok


async def test_a_server_that_is_killed_and_started_again(own: Database, own_server: OwnServer) -> None:
    promised: list[int] = []
    refused: list[int] = []

    async def keep_writing() -> None:
        for number in range(10, 100_000):
            try:
                await own.write(put(number))
                promised.append(number)
            except StorageUnavailable:
                refused.append(number)

    writing = asyncio.ensure_future(keep_writing())
    for _ in range(2):
        count = len(promised)
        while len(promised) < count + 20:
            await own.read(ids)
        own_server.signal(own_server.pids(), signal.SIGKILL)
        await asyncio.to_thread(own_server.begin_again)
    count = len(promised)
    async with asyncio.timeout(5):
        while len(promised) < count + 20:
            await own.read(ids)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    kept = await own.read(ids)
    assert set(promised) <= set(kept)
    assert not set(refused) & set(kept)
