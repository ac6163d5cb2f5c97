"""A wall clock that is set erases nothing at once: by the next hour, a mistake may be mended."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from tests.callbacks.samples import account
from tests.support.clock import HandClock

from intellicall.accounts.changes import create_account
from intellicall.clock import WallWatch
from intellicall.ids import new_recording_name
from intellicall.recordings import store
from intellicall.recordings.disk import DiskShelf
from intellicall.recordings.encoder import Encoder
from intellicall.recordings.erasing import Eraser
from intellicall.recordings.news import Telling
from intellicall.recordings.recording import State
from intellicall.recordings.retention import EVERY_S, erase_hourly
from intellicall.recordings.shelf import Sealed
from intellicall.recordings.space import Space
from intellicall.storage.database import Database


@pytest.mark.parametrize(
    ("jump", "noticed"),
    [(timedelta(days=1), True), (timedelta(days=-1), True), (timedelta(hours=-1), True), (timedelta(minutes=5), False)],
    ids=str,
)
def test_a_clock_that_is_set_is_noticed_once(jump: timedelta, *, noticed: bool) -> None:
    clock = HandClock()
    watch = WallWatch(clock)
    assert not watch.was_set()
    clock.set_wall(jump)
    assert watch.was_set() is noticed
    assert not watch.was_set()


async def test_nothing_is_erased_in_the_hour_in_which_the_clock_was_set(database: Database, tmp_path: Path) -> None:
    """A recording of 29 days, of 30 that are kept: a clock that is a day ahead for less than an hour does not cost it."""
    clock = HandClock()
    name, kept = new_recording_name(), replace(account("a1", None), retention_days=30)
    await database.write(partial(create_account, account=kept, now=clock.now()))
    begun = clock.now() - timedelta(days=29, hours=1)
    await database.write(partial(store.begin, name=name, call_id="c1", account_id="a1", at=begun))
    await database.write(partial(store.sealed, name=name, what=Sealed(1.0, 32044, "ab" * 32), at=begun))
    shelf, encoder = DiskShelf(tmp_path / "recordings"), Encoder(tmp_path / "formats", 10, Space())
    eraser = Eraser(database, shelf, encoder, clock, Telling(lambda _connection, _news: None, lambda _account_id: None))
    erasing = asyncio.ensure_future(erase_hourly(database, eraser, clock))
    for days in (1, -1, 1):
        await clock.until_asleep(EVERY_S)
        clock.set_wall(timedelta(days=days))
        await clock.advance(EVERY_S)
        await clock.until_asleep(EVERY_S)
        found = await database.read(partial(store.find, name=name))
        assert found is not None
        assert found.state is State.READY
    await clock.advance(EVERY_S)  # it stays a day ahead: then it is right
    await clock.until_asleep(EVERY_S)
    found = await database.read(partial(store.find, name=name))
    assert found is not None
    assert found.state is State.ERASED
    erasing.cancel()
    await asyncio.gather(erasing, return_exceptions=True)
    shelf.close()
    encoder.stop()
