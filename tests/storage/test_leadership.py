"""Two platform processes on one database: the later one leads, and nothing of the other one is stored or done any more."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, func, insert, select

from intellicall.storage.database import Database, StorageUnavailable
from intellicall.storage.faults import Fault

deeds = Table("deeds_of_leaders", MetaData(), Column("id", Integer, primary_key=True))


@pytest.fixture
async def pair(database_url: str) -> AsyncIterator[tuple[Database, Database]]:
    """Two processes' views of one database; the first one leads."""
    first, second = Database(database_url), Database(database_url)
    await first.write(deeds.create)
    await first.take_lead()
    try:
        yield first, second
    finally:
        cleaner = Database(database_url)
        cleaner.write_now(deeds.drop)
        for database in (first, second, cleaner):
            await asyncio.to_thread(database.close)


def deed(connection: Connection) -> None:
    connection.execute(insert(deeds).values({}))


def count(connection: Connection) -> int:
    return int(connection.scalar(select(func.count()).select_from(deeds)) or 0)


async def test_a_platform_that_was_overtaken_stores_nothing_and_is_told(pair: tuple[Database, Database]) -> None:
    first, second = pair
    told: list[float] = []
    first.leadership.told = lambda: told.append(time.monotonic())
    await first.write(deed)
    await second.take_lead()
    with pytest.raises(StorageUnavailable) as refused:
        await first.write(deed)
    assert refused.value.fault is Fault.OVERTAKEN
    assert len(told) == 1
    await second.write(deed)
    assert await second.read(count) == 2


async def test_one_that_was_overtaken_does_nothing_outside_of_transactions_either(pair: tuple[Database, Database]) -> None:
    first, second = pair
    await first.prove_lead()
    await second.take_lead()
    await second.prove_lead()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.2):
            await first.prove_lead(0.0)
            pytest.fail("it went on")
    assert first.leadership.overtaken


async def test_a_proof_is_asked_for_again_when_it_is_old(pair: tuple[Database, Database]) -> None:
    """A process that was frozen has an old proof, whatever its last transaction said."""
    first, second = pair
    await first.write(deed)
    await second.take_lead()
    await first.prove_lead(60.0)  # proven a moment ago
    first.leadership._proven_at -= 2.0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.2):
            await first.prove_lead()
            pytest.fail("it went on")


async def test_whoever_never_took_the_lead_writes_beside_the_leader(pair: tuple[Database, Database]) -> None:
    _, operator = pair
    operator.write_now(deed)
    await operator.prove_lead()
    assert operator.read_now(count) == 1


async def test_a_takeover_waits_for_a_commit_under_way(pair: tuple[Database, Database]) -> None:
    first, second = pair
    inside, go = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(connection: Connection) -> None:
        loop.call_soon_threadsafe(inside.set)
        asyncio.run_coroutine_threadsafe(go.wait(), loop).result(5)
        deed(connection)

    writing = asyncio.ensure_future(first.write(slow))
    await inside.wait()
    taking = asyncio.ensure_future(second.take_lead())
    done, _ = await asyncio.wait([taking], timeout=0.15)
    assert not done, "it took the lead in the middle of a transaction"
    go.set()
    await writing
    await taking
    assert await second.read(count) == 1
