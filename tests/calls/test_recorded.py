"""What becomes of a call's recording: in its result, and afterwards in its journal; on both databases."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import Connection
from tests.calls.world import World, open_world

from intellicall.accounts.account import WhenDiskFull
from intellicall.calls import store
from intellicall.calls.events import event_of
from intellicall.calls.recorded import teller
from intellicall.calls.result import Entry
from intellicall.calls.table import Party, State
from intellicall.errors import Code, Refused
from intellicall.recordings import recording
from intellicall.recordings import store as recordings
from intellicall.recordings.access import What
from intellicall.recordings.completing import Completer
from intellicall.recordings.disk import DiskShelf
from intellicall.recordings.encoder import Encoder
from intellicall.recordings.erasing import Eraser
from intellicall.recordings.news import News, Telling
from intellicall.recordings.outcome import Outcome
from intellicall.recordings.shelf import Sealed
from intellicall.recordings.space import Space
from intellicall.storage.database import Database
from intellicall.telephony.engine import Role

TALK_S = 12


@pytest_asyncio.fixture
async def world(database: Database, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(database, tmp_path / "recordings") as opened:
        yield opened


async def talking(world: World, **changes: Any) -> Entry:
    entry, _ = await world.calls.start(world.request(**changes), 10)
    return await world.until_state(entry.call.id, State.TALKING)


async def ended(world: World, entry: Entry) -> dict[str, Any]:
    """Talk, end the call, and return its result."""
    await world.clock.advance(TALK_S)
    world.engine.far_end_hangs_up(entry.call.id, Role.CUSTOMER)
    await world.until_state(entry.call.id, State.ENDED)
    return dict(world.ended[-1].data["result"])


async def told(world: World, call_id: str) -> list[tuple[str, dict[str, Any]]]:
    """The public events behind the end."""
    events = [event_of(entry) for entry in await world.journal_of(call_id)]
    types = [(str(event.type), dict(event.data)) for event in events if event]
    return types[[kind for kind, _ in types].index("ended") + 1 :]


async def kept(world: World, call_id: str) -> recording.Recording:
    found = await world.database.read(partial(recordings.of_call, call_id=call_id))
    assert found is not None
    return found


async def shown(world: World, call_id: str) -> tuple[str | None, str | None]:
    entry = await world.database.read(partial(store.by_id, call_id=call_id))
    assert entry is not None
    return entry.recording, entry.recording_url


@contextmanager
def writes_only(world: World, seconds: float) -> Iterator[None]:
    """What the engine writes breaks off, as on a disk that becomes full."""
    folder = world.engine._recordings_dir

    def record(call: Any) -> None:
        (folder / f"{call.plan.recording}.raw").write_bytes(bytes(int(seconds * 32_000)))

    whole = world.engine._record
    world.engine._record = record  # type: ignore[method-assign]
    yield
    world.engine._record = whole  # type: ignore[method-assign]


@contextmanager
def cannot_seal(world: World, entry: Entry) -> Iterator[None]:
    """The shelf's disk refuses: a folder lies where the file is written."""
    obstacle = world.engine._recordings_dir / f"{entry.request.plan.recording}.wav.part"
    obstacle.mkdir()
    yield
    obstacle.rmdir()


def telling(world: World, woken: list[str]) -> Telling:
    return Telling(teller(world.calls.around.journal, world.clock), woken.append)


async def test_a_whole_recording_is_ready(world: World, tmp_path: Path) -> None:
    entry = await talking(world)
    result = await ended(world, entry)
    name = entry.request.plan.recording
    file = (tmp_path / "recordings" / f"{name}.wav").read_bytes()
    url = f"https://calls.example/recordings/{name}.wav"
    assert (result["recording"], result["recording_url"]) == ("ready", url)
    ready = {"recording_url": url, "seconds": 12.0, "bytes": len(file), "sha256": hashlib.sha256(file).hexdigest()}
    assert await told(world, entry.call.id) == [("recording_ready", ready)]
    assert (await kept(world, entry.call.id)).sha256 == ready["sha256"]


async def test_without_a_recording_the_result_says_why(world: World) -> None:
    off = await talking(world, recording=False)
    assert off.recording is Outcome.OFF
    result = await ended(world, off)
    assert (result["recording"], result["recording_url"]) == ("off", None)
    nobody, _ = await world.calls.start(world.request("busy"), 10)
    await world.until_state(nobody.call.id, State.ENDED)
    assert world.ended[-1].data["result"]["recording"] == "none"
    for entry in (off, nobody):
        assert await told(world, entry.call.id) == []


@pytest.mark.parametrize(
    ("seconds", "exhausted", "outcome", "event"),
    [
        (3.0, False, "incomplete", "incomplete"),
        (3.0, True, "disk_full", "disk_full"),
        (11.8, True, "disk_full", "disk_full"),
        (0.0, False, "failed", "failed"),
        (0.0, True, "disk_full", "disk_full"),
    ],
)
async def test_what_lacks_a_part_is_not_offered_as_whole(
    world: World, tmp_path: Path, seconds: float, exhausted: bool, outcome: str, event: str
) -> None:
    entry = await talking(world)
    if exhausted:
        world.calls.around.space._exhausted_at = world.clock.monotonic()
    with writes_only(world, seconds):
        result = await ended(world, entry)
    assert (result["status"], result["duration"]) == ("ANSWER", TALK_S)
    assert (result["recording"], result["recording_url"]) == (outcome, None)
    assert await told(world, entry.call.id) == [("recording_failed", {"reason": event})]
    found = await kept(world, entry.call.id)
    assert found.state is (recording.State.FAILED if outcome == "failed" else recording.State.INCOMPLETE)
    assert found.sha256 is None
    if seconds:
        assert found.seconds == pytest.approx(seconds)
        assert (tmp_path / "recordings" / f"{found.name}.wav").exists(), "what there is stays on the shelf"


async def test_a_disk_that_was_full_before_the_call_is_no_reason(world: World) -> None:
    world.calls.around.space._exhausted_at = world.clock.monotonic()
    await world.clock.advance(1)
    entry = await talking(world)
    with writes_only(world, 11.8):
        assert (await ended(world, entry))["recording"] == "ready"


async def test_what_cannot_be_completed_now_is_completed_later_and_told(world: World, tmp_path: Path) -> None:
    woken: list[str] = []
    entry = await talking(world)
    completer = Completer(world.database, world.calls.around.shelf, world.clock, telling(world, woken))
    with cannot_seal(world, entry):
        result = await ended(world, entry)
        assert (result["recording"], result["recording_url"] is not None) == ("pending", True)
        assert await told(world, entry.call.id) == []
        assert await completer.complete() == 0
        found = await kept(world, entry.call.id)
        assert (found.state, found.talk_s) == (recording.State.PENDING, 12.0)
    await world.clock.advance(60)
    assert await completer.complete() == 1
    assert await completer.complete() == 0
    [(kind, data)] = await told(world, entry.call.id)
    assert (kind, data["recording_url"], data["seconds"]) == ("recording_ready", result["recording_url"], 12.0)
    assert await shown(world, entry.call.id) == ("ready", result["recording_url"])
    assert woken == ["a1"]
    assert len(world.ended) == 1, "there is no second result"
    assert (tmp_path / "recordings" / f"{found.name}.wav").stat().st_size == data["bytes"]


async def test_what_turns_out_short_later_is_told_as_failed(world: World, tmp_path: Path) -> None:
    entry = await talking(world)
    completer = Completer(world.database, world.calls.around.shelf, world.clock, telling(world, []))
    with cannot_seal(world, entry):
        assert (await ended(world, entry))["recording"] == "pending"
        (tmp_path / "recordings" / f"{entry.request.plan.recording}.raw").write_bytes(bytes(32_000))
    assert await completer.complete() == 1
    assert await told(world, entry.call.id) == [("recording_failed", {"reason": "incomplete"})]
    assert await shown(world, entry.call.id) == ("incomplete", None)


async def test_short_already_and_not_to_be_completed_is_never_pending(world: World) -> None:
    entry = await talking(world)
    with cannot_seal(world, entry), writes_only(world, 3.0):
        result = await ended(world, entry)
        assert (result["recording"], result["recording_url"]) == ("incomplete", None)


@pytest.fixture
def eraser(world: World, tmp_path: Path) -> Iterator[Eraser]:
    shelf = DiskShelf(tmp_path / "recordings")
    encoder = Encoder(tmp_path / "formats", 10, Space())
    yield Eraser(world.database, shelf, encoder, world.clock, telling(world, []))
    encoder.stop()
    shelf.close()


async def test_a_deletion_is_in_the_journal_once_and_the_result_stays(world: World, eraser: Eraser, tmp_path: Path) -> None:
    entry = await talking(world)
    result = await ended(world, entry)
    found = await kept(world, entry.call.id)
    for _ in range(2):
        await eraser.erase(found, What.DELETED, "198.51.100.7")
    assert (await told(world, entry.call.id))[1:] == [("recording_deleted", {"reason": "deleted"})]
    assert await shown(world, entry.call.id) == ("deleted", None)
    assert world.ended[-1].data["result"] == result
    assert list((tmp_path / "recordings").iterdir()) == []
    journal = await world.journal_of(entry.call.id)
    assert [one.seq for one in journal] == list(range(1, len(journal) + 1))


async def test_what_is_erased_is_not_completed(world: World, eraser: Eraser) -> None:
    entry = await talking(world)
    with cannot_seal(world, entry):
        await ended(world, entry)
    found = await kept(world, entry.call.id)
    await world.database.write(partial(recordings.erase, name=found.name, reason="deleted"))
    completer = Completer(world.database, world.calls.around.shelf, world.clock, telling(world, []))
    assert await completer.complete() == 0
    assert await eraser.finish() == 1
    assert [kind for kind, _ in await told(world, entry.call.id)] == ["recording_deleted"]


async def test_what_is_erased_while_it_is_completed_stays_erased(world: World, tmp_path: Path) -> None:
    entry = await talking(world)
    with cannot_seal(world, entry):
        await ended(world, entry)

    class MeanwhileErased(DiskShelf):
        async def seal(self, name: str) -> Sealed | None:
            sealed = await super().seal(name)
            await world.database.write(partial(recordings.erase, name=name, reason="deleted"))
            return sealed

    shelf = MeanwhileErased(tmp_path / "recordings")
    await world.clock.advance(60)
    await Completer(world.database, shelf, world.clock, telling(world, [])).complete()
    shelf.close()
    assert (await kept(world, entry.call.id)).state is recording.State.ERASING
    assert await told(world, entry.call.id) == []


async def test_news_of_a_call_that_lives_or_never_was_changes_nothing(world: World) -> None:
    entry = await talking(world)
    before = await world.journal_of(entry.call.id)

    def tell(connection: Connection) -> None:
        for call_id in (entry.call.id, "nobody"):
            telling(world, []).tell(connection, News(call_id, Outcome.FAILED))

    await world.database.write(tell)
    assert await world.journal_of(entry.call.id) == before


async def test_no_room_refuses_the_call_before_anything_rings(world: World) -> None:
    made, _ = await world.calls.start(world.request(uuid="crm-1"), 10)
    await world.until_state(made.call.id, State.TALKING)
    dialed = len(world.engine.dialed)
    with pytest.raises(Refused) as refused:
        await world.calls.start(world.request(uuid="crm-2", room=False), 10)
    assert refused.value.code is Code.RECORDING_DISK_FULL
    assert len(world.engine.dialed) == dialed
    again, new = await world.calls.start(world.request(uuid="crm-1", room=False), 10)
    assert (again.call.id, new) == (made.call.id, False), "a call that was made is found all the same"
    free, _ = await world.calls.start(world.request(uuid="crm-3", room=False, recording=False), 10)
    assert free.recording is Outcome.OFF, "an account that records nothing needs no room"


async def test_no_room_lets_the_call_go_on_unrecorded_when_the_account_says_so(world: World, tmp_path: Path) -> None:
    entry = await talking(world, room=False, when_disk_full=WhenDiskFull.UNRECORDED)
    assert (entry.recording, entry.request.plan.recording, entry.call.recorded) == (Outcome.DISK_FULL, None, False)
    result = await ended(world, entry)
    assert (result["status"], result["recording"], result["recording_url"]) == ("ANSWER", "disk_full", None)
    assert await told(world, entry.call.id) == []
    assert list((tmp_path / "recordings").iterdir()) == []
    assert await shown(world, entry.call.id) == ("disk_full", None)
    assert entry.call.seats[Party.CUSTOMER].up
