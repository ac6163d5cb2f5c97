"""Recordings in SQL, on SQLite and on PostgreSQL, and what is erased when."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError
from tests.callbacks.samples import account
from tests.support.clock import HandClock

from intellicall.accounts.changes import create_account
from intellicall.ids import new_recording_name
from intellicall.recordings import access, retention, store
from intellicall.recordings.access import What
from intellicall.recordings.disk import DiskShelf
from intellicall.recordings.encoder import Encoder
from intellicall.recordings.erasing import Eraser
from intellicall.recordings.news import News, Telling
from intellicall.recordings.recording import Recording, State
from intellicall.recordings.shelf import Sealed
from intellicall.recordings.space import Space
from intellicall.storage.database import Database

AT = datetime(2026, 7, 3, 10, 0, tzinfo=UTC)
LATER = AT + timedelta(minutes=3)
SEALED = Sealed(2.0, 64044, "ab" * 32)
LONG = Sealed(150.02, 5_000_000_000, "cd" * 32)


def add(connection: Connection, account_id: str, at: datetime, state: State) -> str:
    name = new_recording_name()
    store.begin(connection, name, f"call-{name[4:20]}", account_id, at)
    match state:
        case State.READY:
            store.sealed(connection, name, SEALED, at)
        case State.NONE:
            store.missing(connection, name, at)
        case State.FAILED:
            store.failed(connection, name, at)
        case State.PENDING:
            store.pending(connection, name, 2.0, at)
        case State.INCOMPLETE:
            store.incomplete(connection, name, 1.0, at)
        case State.ERASING:
            store.erase(connection, name, "deleted")
        case State.ERASED:
            store.erased(connection, name)
        case State.RECORDING:
            pass
    return name


def test_the_life_of_a_recording(database: Database) -> None:
    name = new_recording_name()
    assert database.read_now(partial(store.find, name=name)) is None
    database.write_now(partial(store.begin, name=name, call_id="c", account_id="a", at=AT))
    begun = Recording(name, "c", "a", State.RECORDING, None, None, AT, None)
    assert database.read_now(partial(store.find, name=name)) == begun
    assert database.read_now(partial(store.known_names, names=[name, new_recording_name()])) == {name}
    database.write_now(partial(store.sealed, name=name, what=LONG, at=LATER))
    ready = replace(begun, state=State.READY, seconds=150.02, bytes=5_000_000_000, sha256="cd" * 32, sealed_at=LATER)
    assert database.read_now(partial(store.find, name=name)) == ready
    database.write_now(partial(store.erased, name=name))
    assert database.read_now(partial(store.find, name=name)) == replace(ready, state=State.ERASED)
    assert database.read_now(partial(store.known_names, names=[name, new_recording_name()])) == set()


@pytest.mark.parametrize("state", [State.NONE, State.FAILED])
def test_endings_without_a_file(database: Database, state: State) -> None:
    name = database.write_now(partial(add, account_id="a", at=AT, state=state))
    found = database.read_now(partial(store.find, name=name))
    assert found is not None
    assert (found.state, found.seconds, found.bytes, found.sealed_at) == (state, None, None, AT)


@pytest.mark.parametrize(("name", "call_id"), [("crm_1", "other"), ("crm_2", "c")])
def test_a_name_and_a_call_have_one_recording(database: Database, name: str, call_id: str) -> None:
    database.write_now(partial(store.begin, name="crm_1", call_id="c", account_id="a", at=AT))
    with pytest.raises(IntegrityError):
        database.write_now(partial(store.begin, name=name, call_id=call_id, account_id="a", at=AT))


async def test_what_is_older_than_its_account_keeps_is_erased(database: Database, tmp_path: Path) -> None:
    now = AT + timedelta(days=100)
    for account_id, days in (("short", 30), ("long", 90)):
        await database.write(partial(create_account, account=replace(account(account_id, None), retention_days=days), now=AT))
    kept: list[str] = []
    gone: list[str] = []
    ordered: list[str] = []
    for account_id, age, is_due in (
        ("short", 31, True),
        ("short", 29, False),
        ("long", 31, False),
        ("long", 91, True),
    ):
        for state in State:
            name = await database.write(partial(add, account_id=account_id, at=now - timedelta(days=age), state=state))
            if state in {State.READY, State.PENDING, State.INCOMPLETE, State.FAILED}:
                (gone if is_due else kept).append(name)
            elif state is State.ERASING:
                ordered.append(name)
    clock = HandClock()
    shelf, encoder = DiskShelf(tmp_path / "recordings"), Encoder(tmp_path / "formats", 10, Space())
    for name in kept + gone + ordered:
        (tmp_path / "recordings" / f"{name}.wav").write_bytes(b"x")
        (tmp_path / "formats" / f"{name}.mp3").write_bytes(b"x")
    told: list[News] = []
    woken: list[str] = []
    eraser = Eraser(database, shelf, encoder, clock, Telling(lambda _connection, news: told.append(news), woken.append))
    assert set(await database.read(partial(retention.due, now=now))) == set(gone)
    assert len(await database.read(partial(retention.due, now=now, limit=3))) == 3
    assert await eraser.finish() == len(ordered)
    assert {news.reason for news in told} == {"deleted"}
    assert await retention.erase_due(database, eraser, now) == len(gone)
    assert await retention.erase_due(database, eraser, now) == 0
    assert [news.reason for news in told[len(ordered) :]] == ["retention"] * len(gone)
    assert len(woken) == len(told)
    for folder in ("recordings", "formats"):
        assert {file.stem for file in (tmp_path / folder).iterdir()} == set(kept)
    for name in gone:
        found = await database.read(partial(store.find, name=name))
        assert found is not None
        assert (found.state, found.reason) == (State.ERASED, "retention")
        [noted] = await database.read(partial(access.accesses, name=name))
        assert (noted.at, noted.address, noted.what) == (clock.now(), None, What.RETENTION)
    await encoder.close()
    shelf.close()
