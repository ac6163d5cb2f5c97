"""What the link answers in each state of a recording, in which formats, and who is remembered to have had it."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Connection, event
from tests.callbacks.samples import AT
from tests.recordings.site import AUDIO, SIZE, Site

from intellicall.recordings import access as access_log
from intellicall.recordings import store
from intellicall.recordings.access import TOGETHER, Access, What, accesses, forget_old, note
from intellicall.recordings.recording import State
from intellicall.storage.database import Database

PROXY = "127.0.0.1"
CLIENT = "198.51.100.7"


def _erasing(connection: Connection, name: str, reason: str) -> None:
    assert store.erase(connection, name, reason)


def _erased(connection: Connection, name: str, reason: str) -> None:
    _erasing(connection, name, reason)
    store.erased(connection, name)


CHANGES: dict[str, tuple[Callable[..., None], int, str | None]] = {
    "pending": (partial(store.pending, talk_s=2.0, at=AT), 202, None),
    "incomplete": (partial(store.incomplete, seconds=1.0, at=AT), 410, "failed"),
    "failed": (partial(store.failed, at=AT), 410, "failed"),
    "being deleted": (partial(_erasing, reason="deleted"), 410, "deleted"),
    "deleted": (partial(_erased, reason="deleted"), 410, "deleted"),
    "over": (partial(_erased, reason="retention"), 410, "retention"),
}


@pytest.mark.parametrize("suffix", ["wav", "opus", "mp3"])
@pytest.mark.parametrize("change", list(CHANGES))
async def test_each_state_has_its_answer(site: Site, change: str, suffix: str) -> None:
    made, status, reason = CHANGES[change]
    name = await site.record()
    await site.database.write(partial(made, name=name))
    response, _ = await site.get(site.link(name, suffix))
    answer = await response.json(content_type=None)
    assert response.status == status
    assert answer.get("reason") == reason
    assert answer.get("code") == ("recording_gone" if reason else None)
    assert ("Retry-After" in response.headers) == (status == 202)
    async with site.client.head(site.link(name, suffix)) as head:
        assert (head.status, await head.read()) == (status, b"")
    assert await site.accesses(name) == []


@pytest.mark.parametrize("suffix", ["wav", "opus", "mp3"])
async def test_what_there_is_of_a_recording_that_lacks_a_part_is_for_who_asks_for_just_that(site: Site, suffix: str) -> None:
    name = await site.record()
    _, whole = await site.get(site.link(name, suffix))
    await site.database.write(partial(store.incomplete, name=name, seconds=1.0, at=AT))
    for link in (site.link(name, suffix), f"{site.link(name, suffix)}?part=false"):
        response, body = await site.get(link)
        assert response.status == 410
        assert "`?part=true` has what there is: 1.0 s" in json.loads(body)["detail"]
    response, body = await site.get(f"{site.link(name, suffix)}?part=true")
    assert (response.status, body) == (200, whole)
    assert response.headers["Content-Disposition"] == f'attachment; filename="recording-part.{suffix}"'
    assert (await site.get(f"{site.link(name, suffix)}?part=true", Range="bytes=0-9"))[0].status == 206
    await site.database.write(partial(_erasing, name=name, reason="deleted"))
    assert (await site.get(f"{site.link(name, suffix)}?part=true"))[0].status == 410


async def test_a_part_that_was_never_made_into_a_file_is_made_when_it_is_asked_for(site: Site) -> None:
    name = await site.begin()
    (site.folder / f"{name}.raw").write_bytes(AUDIO)
    await site.database.write(partial(store.incomplete, name=name, seconds=1.0, at=AT))
    (site.folder / f"{name}.wav.part").mkdir()  # what the disk refuses now
    for suffix in ("wav", "mp3"):
        assert (await site.get(f"{site.link(name, suffix)}?part=true"))[0].status == 503
    (site.folder / f"{name}.wav.part").rmdir()
    response, body = await site.get(f"{site.link(name)}?part=true")
    assert (response.status, body[44:]) == (200, AUDIO)
    (site.folder / f"{name}.wav").unlink()
    assert (await site.get(f"{site.link(name)}?part=true"))[0].status == 410, "it is lost"


async def test_only_what_lacks_a_part_is_called_a_part(site: Site) -> None:
    name = await site.record()
    response, _ = await site.get(f"{site.link(name)}?part=true")
    assert (response.status, response.headers["Content-Disposition"]) == (200, 'attachment; filename="recording.wav"')
    await site.database.write(partial(store.failed, name=name, at=AT))
    assert (await site.get(f"{site.link(name)}?part=true"))[0].status == 410
    assert (await site.get(f"{site.link(name)}?part=some"))[0].status == 422


async def test_what_was_pending_can_be_had_when_it_is_ready(site: Site) -> None:
    name = await site.record()
    found = await site.database.read(partial(store.find, name=name))
    assert found is not None
    await site.database.write(partial(store.pending, name=name, talk_s=2.0, at=AT))
    assert (await site.get(site.link(name)))[0].status == 202
    sealed = await site.shelf.seal(name)
    assert sealed is not None
    await site.database.write(partial(store.sealed, name=name, what=sealed, at=AT))
    assert (await site.get(site.link(name)))[0].status == 200


async def test_a_file_that_is_lost_is_gone_and_no_other_format_of_it_is_made(site: Site) -> None:
    name = await site.record()
    (site.folder / f"{name}.wav").unlink()
    for suffix in ("wav", "opus", "mp3"):
        response, _ = await site.get(site.link(name, suffix))
        assert (response.status, (await response.json(content_type=None))["reason"]) == (410, "failed")


FORMATS = {"wav": "audio/wav", "opus": "audio/ogg", "mp3": "audio/mpeg"}
BEGINS = {"wav": b"RIFF", "opus": b"OggS", "mp3": b"\xff"}


@pytest.mark.parametrize("suffix", list(FORMATS))
async def test_the_suffix_or_accept_choose_the_format(site: Site, suffix: str) -> None:
    name = await site.record()
    by_suffix, body = await site.get(site.link(name, suffix), Accept="*/*")
    assert by_suffix.status == 200
    assert body.startswith(BEGINS[suffix])
    assert by_suffix.headers["Content-Type"] == FORMATS[suffix]
    assert by_suffix.headers["Content-Disposition"] == f'attachment; filename="recording.{suffix}"'
    assert by_suffix.headers["Content-Length"] == str(len(body))
    by_accept, same = await site.get(site.link(name), Accept=f"{FORMATS[suffix]};q=0.9, */*;q=0.1")
    assert same == body
    assert by_accept.headers["Vary"] == "Accept"
    assert by_accept.headers["ETag"] == by_suffix.headers["ETag"]
    assert by_accept.headers["Content-Type"] == FORMATS[suffix]
    assert suffix == "wav" or "Vary" not in by_suffix.headers


@pytest.mark.parametrize("suffix", ["opus", "mp3"])
async def test_parts_and_tags_of_every_format(site: Site, suffix: str) -> None:
    link = site.link(await site.record(), suffix)
    whole, body = await site.get(link)
    tag = whole.headers["ETag"]
    part, piece = await site.get(link, Range="bytes=10-99", If_Range=tag)
    assert (part.status, piece) == (206, body[10:100])
    assert part.headers["Content-Range"] == f"bytes 10-99/{len(body)}"
    assert (await site.get(link, If_None_Match=tag))[0].status == 304
    assert (await site.get(link, Range=f"bytes={len(body)}-"))[0].status == 416
    wav, _ = await site.get(link.replace(f".{suffix}", ".wav"))
    assert wav.headers["ETag"] != tag


def through(hops: str) -> dict[str, str]:
    """The headers of an HTTPS proxy."""
    return {"X_Forwarded_For": hops, "X_Forwarded_Proto": "https"}


async def until_noted(site: Site, name: str, count: int, total: int) -> list[Access]:
    """Return the accesses once there are so many with so many bytes together. They are noted behind the answer."""
    async with asyncio.timeout(5):
        while True:
            found = await site.accesses(name)
            if len(found) == count and sum(one.bytes for one in found) == total:
                return found


async def test_every_download_is_remembered_once(site: Site) -> None:
    name = await site.record()
    link = site.link(name)
    await site.get(link)
    for start in range(0, 10_000, 1_000):  # a player's pieces
        await site.get(link, Range=f"bytes={start}-{start + 999}")
    tag = (await site.get(link, **through(f"203.0.113.9, {CLIENT}")))[0].headers["ETag"]
    first, second = await until_noted(site, name, 2, 2 * SIZE + 10_000)
    assert (first.address, first.what, first.bytes) == (PROXY, What.WAV, SIZE + 10_000)
    assert (second.address, second.what, second.bytes) == (CLIENT, What.WAV, SIZE)
    assert first.at == site.clock.now()
    async with site.client.head(link) as head:
        assert head.status == 200
    await site.get(link, If_None_Match=tag)
    await site.get(link, Range=f"bytes={SIZE}-")
    _, mp3 = await site.get(site.link(name, "mp3"), **through(CLIENT))
    *before, third = await until_noted(site, name, 3, 2 * SIZE + 10_000 + len(mp3))
    assert before == [first, second], "who only looks has not had it"
    assert (third.address, third.what) == (CLIENT, What.MP3)
    await site.clock.advance(TOGETHER.total_seconds() + 1)
    await site.get(link)
    assert (await until_noted(site, name, 4, 3 * SIZE + 10_000 + len(mp3)))[-1].what is What.WAV


async def test_an_unknown_name_costs_what_a_known_one_costs(site: Site) -> None:
    """One read of one row by its key, whatever was asked for."""
    nothing, gone = await site.begin(), await site.record()
    await site.database.write(partial(store.missing, name=nothing, at=AT))
    await site.database.write(partial(_erased, name=gone, reason="deleted"))
    paths = [site.link(name) for name in ("crm_" + "f" * 40, nothing, gone)]
    costs = []
    for path in [*paths, "/recordings/x.wav", "/recordings/crm_.raw"]:
        with statements(site.database) as seen:
            await site.get(path)
        costs.append([statement for statement in seen if not statement.startswith("BEGIN")])
    assert len(costs[0]) == 1
    assert all(cost == costs[0] for cost in costs)


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """The SQL that is sent meanwhile."""
    seen: list[str] = []

    def noted(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    event.listen(database.engine, "before_cursor_execute", noted)
    try:
        yield seen
    finally:
        event.remove(database.engine, "before_cursor_execute", noted)


def test_the_access_log_is_bounded_and_of_one_recording(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "MOST", 20)
    most = 20

    def fill(connection: Connection) -> None:
        for number in range(most + 5):
            access = Access(AT + timedelta(seconds=number), f"198.51.100.{number}", What.WAV, number)
            note(connection, "crm_a", access)
        note(connection, "crm_b", Access(AT, None, What.DELETED, 0))

    database.write_now(fill)
    kept = database.read_now(partial(accesses, name="crm_a"))
    assert [one.bytes for one in kept] == list(range(5, most + 5))
    assert database.read_now(partial(accesses, name="crm_b")) == [Access(AT, None, What.DELETED, 0)]
    assert database.write_now(partial(forget_old, now=AT + timedelta(days=400, seconds=7))) == 3
    assert len(database.read_now(partial(accesses, name="crm_a"))) == most - 2


def test_one_client_within_ten_minutes_is_one_access(database: Database) -> None:
    def noted(connection: Connection) -> list[Access]:
        for minutes, address, what in ((0, CLIENT, What.WAV), (9, CLIENT, What.WAV), (9, None, What.WAV), (9, CLIENT, What.MP3)):
            note(connection, "crm_a", Access(AT + timedelta(minutes=minutes), address, what, 10))
        note(connection, "crm_a", Access(AT + timedelta(minutes=11), CLIENT, What.WAV, 10))
        return accesses(connection, "crm_a")

    found = database.write_now(noted)
    assert [(one.address, one.what, one.bytes) for one in found] == [
        (CLIENT, What.WAV, 20),
        (None, What.WAV, 10),
        (CLIENT, What.MP3, 10),
        (CLIENT, What.WAV, 10),
    ]


def test_marked_once(database: Database) -> None:
    database.write_now(partial(store.begin, name="crm_a", call_id="c", account_id="a", at=AT))
    assert database.write_now(partial(store.erase, name="crm_a", reason="deleted"))
    assert not database.write_now(partial(store.erase, name="crm_a", reason="retention"))
    found = database.read_now(partial(store.of_call, call_id="c"))
    assert found is not None
    assert (found.state, found.reason) == (State.ERASING, "deleted")
