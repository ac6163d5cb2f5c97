"""Opus and MP3 of recordings: which one a request means, that every tone is where it was, and what is kept of them."""

import asyncio
import math
import os
import threading
from array import array
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
import soundfile
from tests.support.audio import SAMPLE_RATE, loudness, tone_share

from intellicall.errors import Code, Refused
from intellicall.ids import new_recording_name
from intellicall.recordings import encoder as encoding
from intellicall.recordings import writing
from intellicall.recordings.disk import DiskShelf
from intellicall.recordings.encoder import Encoder, NothingThere
from intellicall.recordings.formats import Format, negotiated, split
from intellicall.recordings.shelf import OpenRecording
from intellicall.recordings.space import Level, Space

MADE = (Format.OPUS, Format.MP3)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, Format.WAV),
        ("", Format.WAV),
        ("*/*", Format.WAV),
        ("text/html, */*;q=0.8", Format.WAV),
        ("audio/*", Format.WAV),
        ("application/json", Format.WAV),
        ("audio/ogg", Format.OPUS),
        ("Audio/OGG; codecs=opus", Format.OPUS),
        ("audio/opus", Format.OPUS),
        ("audio/mpeg", Format.MP3),
        ("audio/mp3;q=0.9, audio/ogg;q=0.5", Format.MP3),
        ("audio/ogg;q=0.5, audio/wav", Format.WAV),
        ("audio/ogg, audio/wav;q=0.5", Format.OPUS),
        ("audio/webm,audio/ogg,audio/wav,audio/*;q=0.9,*/*;q=0.5", Format.WAV),  # Firefox's audio element
        ("audio/mpeg, */*;q=0.1", Format.MP3),
        ("audio/mpeg;q=0.3, */*;q=0.8", Format.WAV),
        ("audio/ogg;q=0", Format.WAV),
        ("audio/ogg;q=0, audio/mpeg;q=0.001", Format.MP3),
        ("audio/ogg;q=nan, audio/mpeg;q=2", Format.WAV),
        (";;;,,,q=1;", Format.WAV),
    ],
)
def test_what_a_client_wants(accept: str | None, form: Format) -> None:
    assert negotiated(accept) is form


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("a.wav", ("a", Format.WAV)),
        ("a.opus", ("a", Format.OPUS)),
        ("a.mp3", ("a", Format.MP3)),
        ("a.wav.mp3", ("a.wav", Format.MP3)),
        ("a.raw", ("a", None)),
        ("wav", ("", None)),
        ("a.", ("a", None)),
    ],
)
def test_the_suffix_says_it(file: str, expected: tuple[str, Format | None]) -> None:
    assert split(file) == expected


def stereo(seconds: float, left_hz: int = 440, right_hz: int = 1000) -> bytes:
    """A tone on each side."""
    turns = [2 * math.pi * hz / SAMPLE_RATE for hz in (left_hz, right_hz)]
    frames = range(int(seconds * SAMPLE_RATE))
    return array("h", [int(8000 * math.sin(turn * frame)) for frame in frames for turn in turns]).tobytes()


@dataclass
class Room:
    shelf: DiskShelf
    encoder: Encoder
    space: Space
    recordings: Path
    formats: Path
    opened: int = 0

    async def record(self, audio: bytes) -> str:
        name = new_recording_name()
        (self.recordings / f"{name}.raw").write_bytes(audio)
        await self.shelf.seal(name)
        return name

    async def source(self, name: str) -> OpenRecording | None:
        self.opened += 1
        return await self.shelf.open(name)

    async def get(self, name: str, form: Format) -> bytes:
        opened = await self.encoder.open(name, form, partial(self.source, name))
        assert opened is not None
        return b"".join([piece async for piece in opened.read(0, opened.size)])

    def kept(self) -> set[str]:
        return {file.name for file in self.formats.iterdir()}


@pytest_asyncio.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    shelf, space = DiskShelf(tmp_path / "recordings"), Space()
    encoder = Encoder(tmp_path / "formats", 1, space)
    yield Room(shelf, encoder, space, tmp_path / "recordings", tmp_path / "formats")
    await encoder.close()
    shelf.close()


@pytest.mark.parametrize("form", MADE)
async def test_every_tone_is_on_its_side_for_its_time(room: Room, tmp_path: Path, form: Format) -> None:
    name = await room.record(stereo(3.0, 440, 1000) + stereo(2.0, 1500, 700))
    data = await room.get(name, form)
    assert len(data) < 5 * 32_000 / 3
    file = tmp_path / f"got.{form}"
    file.write_bytes(data)
    with soundfile.SoundFile(str(file)) as made:
        assert (made.samplerate, made.channels) == (SAMPLE_RATE, 2)
        assert abs(made.frames / SAMPLE_RATE - 5.0) < 0.1
        samples = array("h", bytes(made.buffer_read(dtype="int16")))
    for side, tones in ((samples[0::2], (440, 1500)), (samples[1::2], (1000, 700))):
        for start, hz in ((1.0, tones[0]), (3.5, tones[1])):
            piece = side[int(start * SAMPLE_RATE) : int((start + 1.0) * SAMPLE_RATE)]
            assert tone_share(piece, hz) > 0.95
            assert loudness(piece) == pytest.approx(8000 / math.sqrt(2), rel=0.1)


async def test_what_is_asked_for_by_many_at_once_is_made_once_and_kept(room: Room) -> None:
    name = await room.record(stereo(2.0))
    first, *others = await asyncio.gather(*(room.get(name, Format.OPUS) for _ in range(5)))
    assert all(other == first for other in others)
    assert await room.get(name, Format.OPUS) == first
    assert room.opened == 1
    assert room.kept() == {f"{name}.opus"}


async def test_a_part_can_be_read_and_the_tag_changes_with_the_file(room: Room) -> None:
    name = await room.record(stereo(2.0))
    whole = await room.get(name, Format.MP3)
    tags = []
    for _ in range(2):
        for form in MADE:
            opened = await room.encoder.open(name, form, partial(room.source, name))
            assert opened is not None
            tags.append(opened.etag)
            if form is Format.MP3:
                assert b"".join([piece async for piece in opened.read(100, 50)]) == whole[100:150]
            opened.close()
    assert tags[:2] == tags[2:]
    assert len(set(tags)) == 2


async def test_the_one_unused_for_longest_goes_first(room: Room) -> None:
    names = [await room.record(stereo(0.5)) for _ in range(3)]
    for name in names[:2]:
        await room.get(name, Format.MP3)
    with (room.formats / f"{names[0]}.mp3").open("ab") as file:
        file.truncate(600_000)
    with (room.formats / f"{names[1]}.mp3").open("ab") as file:
        file.truncate(300_000)
    await room.get(names[0], Format.MP3)  # used again
    await room.get(names[2], Format.MP3)
    assert room.kept() == {f"{name}.mp3" for name in names}, "all fit into 1 MB"
    with (room.formats / f"{names[1]}.mp3").open("ab") as file:
        file.truncate(500_000)
    await room.get(names[2], Format.OPUS)
    assert room.kept() == {f"{names[0]}.mp3", f"{names[2]}.mp3", f"{names[2]}.opus"}


async def test_what_is_erased_while_it_is_made_leaves_nothing(room: Room) -> None:
    name = await room.record(stereo(120.0))
    asked = asyncio.create_task(room.get(name, Format.MP3))
    async with asyncio.timeout(10):
        while room.kept() != {f"{name}.mp3.part"}:  # noqa: ASYNC110 - no event tells of a file
            await asyncio.sleep(0.001)
    await room.shelf.erase(name)
    await room.encoder.erase(name)
    assert room.kept() == set()
    with pytest.raises(NothingThere):
        await asked
    with pytest.raises(NothingThere):
        await room.get(name, Format.MP3)
    assert room.kept() == set()


async def test_whoever_waits_too_long_is_told_to_come_back(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    name = await room.record(stereo(60.0))
    monkeypatch.setattr(encoding, "PATIENCE_S", 0.01)
    assert await room.encoder.open(name, Format.OPUS, partial(room.source, name)) is None
    monkeypatch.setattr(encoding, "PATIENCE_S", 30.0)
    assert len(await room.get(name, Format.OPUS)) > 100_000
    assert room.opened == 1, "what was begun went on"


async def test_a_full_disk_takes_no_more_and_gives_back_what_can_be_made_again(room: Room) -> None:
    name = await room.record(stereo(0.5))
    await room.get(name, Format.MP3)
    room.space._change(Level.FULL)
    assert room.kept() == set()
    with pytest.raises(Refused) as refused:
        await room.get(name, Format.MP3)
    assert refused.value.code is Code.RECORDING_DISK_FULL


async def test_what_was_not_written_whole_is_not_kept(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a disk that is full: libsndfile closes such a file without a word."""
    name = await room.record(stereo(3.0))
    begun = writing.create

    def on_a_full_disk(part: Path, form: Format) -> soundfile.SoundFile:
        made = begun(part, form)
        monkeypatch.setattr(encoding, "_audio", lambda _opened: _nothing())
        return made

    async def _nothing() -> AsyncIterator[bytes]:
        yield bytes(32_000)

    monkeypatch.setattr(writing, "create", on_a_full_disk)
    with pytest.raises(OSError, match="not all of it"):
        await room.get(name, Format.OPUS)
    assert room.kept() == set()


async def test_what_a_crash_left_is_removed_at_the_start(tmp_path: Path) -> None:
    folder = tmp_path / "formats"
    folder.mkdir()
    (folder / "x.mp3.part").write_bytes(b"x")
    encoder = Encoder(folder, 1, Space())
    assert list(folder.iterdir()) == []
    await encoder.close()


async def test_encoding_has_the_lowest_priority_and_nothing_else_has(room: Room) -> None:
    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = priority()
    assert await room.encoder._on(room.encoder._thread, priority) == 19
    assert priority() == before
    assert await room.encoder._on(room.encoder._readers, priority) == before
