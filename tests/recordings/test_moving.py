"""Recordings on their way to a store that checks signatures: killed at every step, cut off, lied to, erased meanwhile."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.support.clock import HandClock
from tests.support.s3_server import FaultyWire, S3Server, bucket, listing_bucket, listing_s3_server, s3_server

from intellicall.ids import new_recording_name
from intellicall.recordings import moves, s3, store
from intellicall.recordings.disk import DiskShelf
from intellicall.recordings.moving import Mover
from intellicall.recordings.recording import Place, Recording, State, wav_header
from intellicall.recordings.remote import Fault
from intellicall.recordings.s3 import Bucket, S3Shelf
from intellicall.recordings.shelves import Shelves
from intellicall.recordings.sweeping import Found, Sweeper
from intellicall.storage.database import Database

__all__ = ["bucket", "listing_bucket", "listing_s3_server", "s3_server"]

PART = 128 * 1024
AUDIO = os.urandom(2 * PART + 20_000)
WAV = wav_header(len(AUDIO)) + AUDIO


class Killed(BaseException):
    """The process is dead from here on."""


class Mortal:
    """Whatever it stands for, until the process dies at a step: before its `at`-th call, or after it."""

    def __init__(self, target: object, life: "Life") -> None:
        self._target = target
        self._life = life

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        return found if name == "file" else partial(self._step, found)

    async def _step(self, call: Callable[..., Awaitable[Any]], *args: Any, **named: Any) -> Any:
        self._life.step()
        answer = await call(*args, **named)
        self._life.step()
        return answer


@dataclass
class Life:
    """How long a process lives: so many steps, counted before and after each call."""

    left: int

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed


@dataclass
class Scene:
    """A database, a disk, a store and the clock; recordings that are ready."""

    database: Database
    disk: DiskShelf
    far: S3Shelf
    clock: HandClock

    def mover(self, far: S3Shelf | None = None, keep_local: timedelta = timedelta()) -> Mover:
        return Mover(self.database, self.disk, far or self.far, self.clock, keep_local)

    def dying(self, life: Life) -> Mover:
        database, disk, far = (Mortal(target, life) for target in (self.database, self.disk, self.far))
        return Mover(database, disk, far, self.clock)  # type: ignore[arg-type]

    async def ready(self, audio: bytes = AUDIO) -> str:
        name = new_recording_name()
        at = self.clock.now()
        await self.database.write(partial(store.begin, name=name, call_id=f"call-{name[4:24]}", account_id="a", at=at))
        self.disk.file(name).with_suffix(".raw").write_bytes(audio)
        sealed = await self.disk.seal(name)
        assert sealed is not None
        await self.database.write(partial(store.sealed, name=name, what=sealed, at=at))
        return name

    async def row(self, name: str) -> Recording:
        found = await self.database.read(partial(store.find, name=name))
        assert found is not None
        return found

    async def readable(self, name: str) -> bytes | None:
        opened = await Shelves(self.disk, self.far).open(name)
        return None if opened is None else b"".join([piece async for piece in opened.read(0, opened.size)])

    async def erase(self, name: str) -> None:
        """What the eraser does with a row and the shelves."""
        await self.database.write(partial(store.erase, name=name, reason="deleted"))
        await Shelves(self.disk, self.far).erase(name)
        await self.database.write(partial(store.erased, name=name))

    async def assert_moved(self, name: str) -> None:
        row = await self.row(name)
        assert (row.place, row.tries, self.disk.file(name).exists()) == (Place.S3, 0, False)
        assert await self.far.sha256(name) == row.sha256
        assert await self.database.read(partial(moves.upload_of, name=name)) is None

    async def come_to_an_end(self) -> None:
        """What a new process does, and time."""
        mover = self.mover()
        while await mover.move_next():
            pass
        await mover.leave()
        await mover.clear()


@pytest_asyncio.fixture
async def scene(database: Database, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr(s3, "PART_BYTES", PART)
    made = Scene(database, DiskShelf(tmp_path / "recordings"), S3Shelf(bucket), HandClock())
    yield made
    await made.far.close()
    made.disk.close()


@pytest.mark.parametrize("place", ["disk", "s3"])
async def test_what_is_no_calls_is_swept_with_care(scene: Scene, listing_bucket: Bucket, place: str) -> None:
    far = S3Shelf(listing_bucket)
    shelf = scene.disk if place == "disk" else far
    mine, stray = await scene.ready(AUDIO[:1000]), new_recording_name()
    for name in (mine, stray):
        scene.disk.file(name).write_bytes(WAV[:1044])
        await far.upload(name, scene.disk.file(name), None, lambda _: scene.clock.sleep(0))
    [written] = [one.written_at for some in [found async for found in shelf.stored()] for one in some if one.name == stray]
    for days, found in ((0.9, Found(2, 0, 0)), (6.9, Found(2, 1, 0)), (7.1, Found(2, 1, 1)), (8, Found(1, 0, 0))):
        now = HandClock(written + timedelta(days=days))
        sweeper = Sweeper(scene.database, {}, now)
        assert await sweeper.sweep(shelf) == found
    assert await shelf.open(mine) is not None
    await far.close()


async def test_too_many_strays_are_told_and_left(scene: Scene) -> None:
    for _ in range(21):
        scene.disk.file(new_recording_name()).write_bytes(b"x")
    clock = HandClock(max([one.written_at async for some in scene.disk.stored() for one in some]) + timedelta(days=30))
    assert await Sweeper(scene.database, {}, clock).sweep(scene.disk) == Found(21, 21, 0)


async def test_killed_at_every_step_one_good_copy_is_left_and_the_row_tells_no_lie(scene: Scene) -> None:
    died = 0
    for steps in range(1, 200):
        name = await scene.ready()
        try:
            await scene.dying(Life(steps)).move_next()
        except Killed:
            died += 1
        else:
            break
        row = await scene.row(name)
        assert await scene.readable(name) == WAV, f"killed at step {steps}: nobody can have it"
        if row.place in (Place.BOTH, Place.S3):
            assert await scene.far.sha256(name) == row.sha256, f"killed at step {steps}: {row.place} is a lie"
        if row.place is Place.S3:
            assert not scene.disk.file(name).exists()
        await scene.come_to_an_end()
        await scene.assert_moved(name)
    assert died > 25, "every read, write, part and file is a step"


async def test_erased_at_every_step_nothing_is_left_anywhere(scene: Scene) -> None:
    erased = 0
    for steps in range(1, 200):
        name = await scene.ready()
        try:
            await scene.dying(Life(steps)).move_next()
        except Killed:
            await scene.erase(name)  # the mover's next step comes after it
            erased += 1
        else:
            break
        await scene.come_to_an_end()
        row = await scene.row(name)
        assert (row.state, row.place) in ((State.ERASED, Place.DISK), (State.ERASED, Place.S3))
        assert await scene.far.open(name) is None, f"erased at step {steps}: the store has it"
        assert await scene.database.read(partial(moves.upload_of, name=name)) is None
    assert erased > 25


async def test_erased_while_it_is_sent_it_does_not_come_back(scene: Scene) -> None:
    name = await scene.ready(AUDIO[:1000])
    upload = scene.far.upload

    async def erased_first(*args: Any) -> None:
        file = scene.disk.file(name).read_bytes()
        await scene.erase(name)
        scene.disk.file(name).write_bytes(file)  # it was open already
        await upload(*args)
        scene.disk.file(name).unlink()

    scene.far.upload = erased_first  # type: ignore[method-assign, assignment]
    mover = scene.mover()
    assert await mover.move_next()
    assert await scene.far.open(name) is not None
    await mover.clear()
    assert await scene.far.open(name) is None
    assert (await scene.row(name)).state is State.ERASED


FAULTS: dict[str, tuple[dict[str, Any], set[Fault]]] = {
    "cut while it is sent": ({"up_to": PART + 50_000}, {Fault.UNREACHABLE}),
    "503": ({"status": b"503 Slow Down"}, {Fault.UNAVAILABLE}),
    "silent": ({"silent": True}, {Fault.TOO_SLOW, Fault.UNREACHABLE}),
    "read back cut": ({"down_to": 100_000}, {Fault.UNREACHABLE}),
    "read back wrong": ({"twisted": True}, {Fault.DIFFERENT}),
}


@pytest.mark.parametrize("what", FAULTS)
async def test_what_fails_is_kept_and_tried_again_later(scene: Scene, s3_server: S3Server, bucket: Bucket, what: str) -> None:
    changes, faults = FAULTS[what]
    name = await scene.ready()
    async with FaultyWire(s3_server.port) as wire:
        shaky = S3Shelf(replace(bucket, endpoint=f"http://127.0.0.1:{wire.port}"), patience_s=0.3)
        vars(wire).update(changes)
        mover = scene.mover(shaky)
        assert await mover.move_next()
        assert not await mover.move_next(), "it is not due yet"
        row = await scene.row(name)
        standing = await scene.database.read(moves.standing)
        assert (row.place, row.tries, standing.waiting, standing.failing) == (Place.MOVING, 1, 1, 1)
        assert standing.fault in faults
        assert scene.disk.file(name).read_bytes() == WAV
        vars(wire).update({"up_to": None, "down_to": None, "status": None, "silent": False, "twisted": False})
        await scene.clock.advance(7)
        assert await mover.move_next()
        await shaky.close()
    await scene.assert_moved(name)


async def test_a_file_that_is_not_what_was_completed_stays_and_holds_up_no_other(scene: Scene) -> None:
    bad, lost, good = await scene.ready(), await scene.ready(), await scene.ready()
    scene.disk.file(bad).write_bytes(WAV[:-1] + b"?")
    scene.disk.file(lost).unlink()
    await scene.come_to_an_end()
    await scene.assert_moved(good)
    assert ((await scene.row(bad)).place, scene.disk.file(bad).exists()) == (Place.DISK, True)
    assert await scene.far.open(bad) is None
    assert (await scene.row(lost)).tries == 1
    standing = await scene.database.read(moves.standing)
    assert (standing.waiting, standing.failing, standing.on_s3) == (2, 2, 1)


async def test_waits_grow_to_half_an_hour(scene: Scene) -> None:
    name = await scene.ready()
    scene.disk.file(name).unlink()
    mover = scene.mover()
    tries = 0
    for _ in range(12 * 6):
        tries += await mover.move_next()
        await scene.clock.advance(600)
    assert 22 <= tries <= 36, "half a day has 24 half hours, and the first tries come sooner"


async def test_a_copy_may_stay_on_the_disk_for_days_and_goes_only_while_the_other_is_there(scene: Scene) -> None:
    stays, returns = await scene.ready(), await scene.ready()
    mover = scene.mover(keep_local=timedelta(days=2))
    assert [await mover.move_next() for _ in range(3)] == [True, True, False]
    await scene.clock.advance(86_400)
    await mover.leave()
    assert scene.disk.file(stays).exists()
    await scene.far.erase(returns)
    await scene.clock.advance(86_401)
    await mover.leave()
    await scene.assert_moved(stays)
    assert ((await scene.row(returns)).place, scene.disk.file(returns).exists()) == (Place.DISK, True)
    assert await mover.move_next()
    assert await scene.far.sha256(returns) == (await scene.row(returns)).sha256


async def test_after_an_older_database_was_restored_what_is_on_the_store_is_found_there(scene: Scene) -> None:
    name = await scene.ready()
    await scene.far.upload(name, scene.disk.file(name), None, lambda _: scene.clock.sleep(0))
    scene.disk.file(name).unlink()
    await scene.come_to_an_end()
    await scene.assert_moved(name)
