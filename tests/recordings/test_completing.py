"""What cannot be completed is tried again, less and less often, and given up after a day."""

from datetime import timedelta
from functools import partial
from pathlib import Path

from tests.support.clock import HandClock

from intellicall.ids import new_recording_name
from intellicall.recordings import store
from intellicall.recordings.completing import Completer
from intellicall.recordings.disk import DiskShelf
from intellicall.recordings.news import News, Telling
from intellicall.recordings.outcome import Outcome
from intellicall.recordings.recording import State
from intellicall.storage.database import Database


async def test_a_disk_that_refuses_for_a_day_is_told_as_failed_and_holds_up_no_other(database: Database, tmp_path: Path) -> None:
    clock, shelf = HandClock(), DiskShelf(tmp_path / "recordings")
    told: list[News] = []
    completer = Completer(database, shelf, clock, Telling(lambda _connection, news: told.append(news), lambda _: None))

    async def pending() -> str:
        name = new_recording_name()
        await database.write(partial(store.begin, name=name, call_id=f"call-{name[4:24]}", account_id="a", at=clock.now()))
        await database.write(partial(store.pending, name=name, talk_s=2.0, at=clock.now()))
        shelf.file(name).with_suffix(".raw").write_bytes(bytes(64_000))
        return name

    bad = await pending()
    (tmp_path / "recordings" / f"{bad}.wav.part").mkdir()  # nothing can be written there
    tries = 0
    while clock.now() < HandClock().now() + timedelta(hours=24):
        assert await completer.complete() == 0
        found = await database.read(partial(store.find, name=bad))
        assert found is not None
        assert found.state is State.PENDING
        tries = found.tries
        await clock.advance(600)
    assert 40 <= tries <= 80
    good = await pending()
    while len(told) < 2:
        await completer.complete()
        await clock.advance(600)
    assert {(news.call_id[5:], news.outcome) for news in told} == {(good[4:24], Outcome.READY), (bad[4:24], Outcome.FAILED)}
    assert (tmp_path / "recordings" / f"{bad}.raw").exists()
    assert await completer.complete() == 0
    shelf.close()
