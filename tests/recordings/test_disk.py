"""The shelf on disk: seals that survive a crash at any point."""

import asyncio
import hashlib
import os
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import FileIO
from pathlib import Path

import pytest

from intellicall.recordings import disk
from intellicall.recordings.disk import DiskShelf, seal_file
from intellicall.recordings.recording import TooLong, wav_header
from intellicall.recordings.shelf import Sealed

NAME = "crm_" + "0a" * 20
AUDIO = bytes(range(256)) * 250  # 2 s
SEALED = Sealed(2.0, 44 + len(AUDIO), hashlib.sha256(wav_header(len(AUDIO)) + AUDIO).hexdigest())


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[DiskShelf]:
    made = DiskShelf(tmp_path / "recordings")
    yield made
    made.close()


@pytest.fixture
def folder(shelf: DiskShelf, tmp_path: Path) -> Path:
    return tmp_path / "recordings"


def write_raw(folder: Path, audio: bytes = AUDIO, name: str = NAME) -> Path:
    raw = folder / f"{name}.raw"
    raw.write_bytes(audio)
    return raw


def files(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def assert_sealed(folder: Path) -> None:
    assert files(folder) == {f"{NAME}.wav"}
    with wave.open(str(folder / f"{NAME}.wav")) as file:
        assert file.readframes(10**6) == AUDIO


async def test_a_seal_makes_a_wav_file_and_removes_the_raw_one(shelf: DiskShelf, folder: Path) -> None:
    write_raw(folder)
    assert await shelf.seal(NAME) == SEALED
    assert_sealed(folder)
    assert await shelf.seal(NAME) == SEALED
    assert mode(folder / f"{NAME}.wav") == 0o600
    assert mode(folder) == 0o700


async def test_nothing_written_is_nothing_sealed(shelf: DiskShelf, folder: Path) -> None:
    assert await shelf.seal(NAME) is None
    for audio in (b"", b"\x01\x02\x03"):
        write_raw(folder, audio)
        assert await shelf.seal(NAME) is None
        assert files(folder) == set()


async def test_a_torn_last_frame_is_left_out(shelf: DiskShelf, folder: Path) -> None:
    write_raw(folder, AUDIO + b"\x01\x02\x03")
    assert await shelf.seal(NAME) == SEALED
    assert_sealed(folder)


async def test_two_seals_at_once_are_one(shelf: DiskShelf, folder: Path) -> None:
    write_raw(folder)
    assert await asyncio.gather(*(shelf.seal(NAME) for _ in range(20))) == [SEALED] * 20
    assert_sealed(folder)


@pytest.mark.parametrize("name", ["", "..", "../x", "crm_", NAME + "/../x", NAME.upper(), NAME + "\x00"])
async def test_other_names_do_not_reach_the_disk(shelf: DiskShelf, name: str) -> None:
    for order in (shelf.seal, shelf.open, shelf.erase):
        with pytest.raises(ValueError, match="name"):
            await order(name)


class Crash(BaseException):
    """The process dies here."""


STEPS: tuple[tuple[object, str], ...] = (
    (disk, "wav_header"),
    (disk, "_create"),
    (disk, "_copy"),
    (os, "fsync"),
    (Path, "replace"),
    (disk, "_sync_folder"),
    (Path, "unlink"),
)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("place", "step"), STEPS, ids=[step for _, step in STEPS])
def test_a_crash_at_any_point_leaves_what_the_next_seal_completes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, place: object, step: str, after: bool
) -> None:
    real: Callable[..., object] = getattr(place, step)

    def dies(*args: object, **more: object) -> object:
        if after:
            made = real(*args, **more)
            if isinstance(made, FileIO):
                made.close()
        raise Crash

    write_raw(folder)
    with monkeypatch.context() as patch:
        patch.setattr(place, step, dies)
        with pytest.raises(Crash):
            seal_file(folder, NAME)
    names = files(folder)
    assert names & {f"{NAME}.raw", f"{NAME}.wav"}
    if f"{NAME}.wav" in names:  # never half a file under the name that is served
        assert (folder / f"{NAME}.wav").stat().st_size == SEALED.bytes
    assert seal_file(folder, NAME) == SEALED
    assert_sealed(folder)


def test_the_audio_is_on_disk_before_it_has_its_name_and_the_name_before_the_raw_file_goes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    for place, step in ((disk, "_copy"), (os, "fsync"), (Path, "replace"), (Path, "unlink")):
        real: Callable[..., object] = getattr(place, step)

        def noted(*args: object, step: str = step, real: Callable[..., object] = real, **more: object) -> object:
            done.append(step)
            return real(*args, **more)

        monkeypatch.setattr(place, step, noted)
    write_raw(folder)
    seal_file(folder, NAME)
    assert done == ["_copy", "fsync", "replace", "fsync", "unlink"]


def test_a_file_that_was_complete_before_the_crash_is_not_written_again(folder: Path) -> None:
    write_raw(folder)
    seal_file(folder, NAME)
    before = (folder / f"{NAME}.wav").stat()
    write_raw(folder)  # as if the crash had come before its removal
    assert seal_file(folder, NAME) == SEALED
    after = (folder / f"{NAME}.wav").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("written", [0, 10, 44, 1000])
def test_half_a_file_that_a_crash_left_is_written_anew(folder: Path, written: int) -> None:
    write_raw(folder)
    (folder / f"{NAME}.wav.part").write_bytes(b"\xee" * written + b"\xdd" * 10**6)
    assert seal_file(folder, NAME) == SEALED
    assert_sealed(folder)


def test_a_disk_that_is_full_loses_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    raw = write_raw(folder)
    with monkeypatch.context() as patch:
        patch.setattr(os, "sendfile", full)
        with pytest.raises(OSError, match="No space"):
            seal_file(folder, NAME)
    assert raw.read_bytes() == AUDIO
    assert seal_file(folder, NAME) == SEALED


def test_more_than_4_gib_is_refused_and_kept(folder: Path) -> None:
    raw = write_raw(folder, b"")
    os.truncate(raw, 2**32)
    with pytest.raises(TooLong):
        seal_file(folder, NAME)
    assert raw.exists()


def test_5_mb_take_milliseconds(folder: Path) -> None:
    """Without the disk's own fsync it is one copy inside the kernel, and one reading for the SHA-256."""
    times = []
    for _ in range(5):
        write_raw(folder, bytes(5_000_000))
        began = time.process_time()
        seal_file(folder, NAME)
        times.append(time.process_time() - began)
        (folder / f"{NAME}.wav").unlink()
    assert min(times) < 0.06


async def test_pieces_are_what_the_file_holds(shelf: DiskShelf, folder: Path) -> None:
    audio = os.urandom(1_000_000)
    write_raw(folder, audio)
    await shelf.seal(NAME)
    opened = await shelf.open(NAME)
    assert opened is not None
    assert opened.size == 44 + len(audio)
    await shelf.erase(NAME)
    assert await shelf.open(NAME) is None
    pieces = [piece async for piece in opened.read(100, 800_000)]
    assert b"".join(pieces) == audio[56:800_056]
    assert max(map(len, pieces)) <= disk.PIECE_BYTES
    opened.close()


async def test_erasing_removes_everything_of_a_name(shelf: DiskShelf, folder: Path) -> None:
    other = "crm_" + "1b" * 20
    for suffix in (".raw", ".wav", ".wav.part"):
        (folder / f"{NAME}{suffix}").write_bytes(b"x")
        (folder / f"{other}{suffix}").write_bytes(b"x")
    await shelf.erase(NAME)
    await shelf.erase(NAME)
    assert files(folder) == {f"{other}.raw", f"{other}.wav", f"{other}.wav.part"}


async def test_what_is_on_the_shelf_has_its_newest_time(shelf: DiskShelf, folder: Path) -> None:
    names = ["crm_" + digit * 40 for digit in "123"]
    for at, name, suffix in zip(range(3), names, (".raw", ".wav", ".wav.part"), strict=True):
        (folder / f"{name}{suffix}").write_bytes(b"x")
        os.utime(folder / f"{name}{suffix}", (at, at))
    (folder / f"{names[0]}.wav").write_bytes(b"x")
    os.utime(folder / f"{names[0]}.wav", (9, 9))
    (folder / "notes.txt").write_bytes(b"x")
    found = [one async for some in shelf.stored() for one in some]
    assert [(one.name, one.written_at.timestamp()) for one in found] == list(zip(names, (9, 1, 2), strict=True))


async def test_a_link_in_the_folder_is_not_followed(shelf: DiskShelf, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (folder / f"{NAME}.wav").symlink_to(tmp_path / "secret")
    with suppress(OSError):
        assert await shelf.open(NAME) is None
