"""Recordings in a folder. The engine writes NAME.raw; sealing turns it into NAME.wav, whole or not at all.

Order of a seal: header and audio into NAME.wav.part, fsync, rename to NAME.wav, fsync of the folder, removal of NAME.raw. A
crash leaves the raw file, or a whole WAV file, or both; the next seal goes on from any of these.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from io import FileIO
from pathlib import Path
from typing import TypeVar

from intellicall.recordings.recording import HEADER_BYTES, is_name, seconds_of, wav_header, whole_frames
from intellicall.recordings.shelf import Sealed, Stored

T = TypeVar("T")

PIECE_BYTES = 256 * 1024
_THREADS = 4
_SOME = 500
_SUFFIXES = (".wav.part", ".wav", ".raw")


class DiskShelf:
    """Keeps recordings in one folder, which is made (mode 0700) when missing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="recordings")
        self._sealing: dict[str, asyncio.Task[Sealed | None]] = {}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def close(self) -> None:
        """Let seals under way end, then let go of the threads."""
        self._threads.shutdown()

    async def seal(self, name: str) -> Sealed | None:
        """Complete NAME. Two at the same time share one run. See `shelf.Shelf.seal`."""
        _check(name)
        task = self._sealing.get(name)
        if task is None:
            task = asyncio.create_task(self._on_thread(partial(seal_file, self._folder, name)), name="recordings-seal")
            self._sealing[name] = task
            task.add_done_callback(lambda _: self._sealing.pop(name, None))
        return await asyncio.shield(task)

    async def written(self, name: str) -> float:
        _check(name)
        return await self._on_thread(partial(written, self._folder, name))

    async def open(self, name: str) -> "OpenFile | None":
        _check(name)
        return await self._on_thread(partial(_open, self._folder / f"{name}.wav", self._threads))

    async def erase(self, name: str) -> None:
        _check(name)
        await self._on_thread(partial(_erase, self._folder, name))

    async def stored(self) -> AsyncIterator[Sequence[Stored]]:
        found = await self._on_thread(partial(stored, self._folder))
        for start in range(0, len(found), _SOME):
            yield found[start : start + _SOME]

    def file(self, name: str) -> Path:
        """Where the WAV file of this name is, once it is sealed."""
        _check(name)
        return self._folder / f"{name}.wav"

    async def sha256(self, name: str) -> str | None:
        """Return the SHA-256 of a sealed recording in hex digits; None when there is none of this name."""
        try:
            return await self._on_thread(partial(_digest, self.file(name)))
        except FileNotFoundError:
            return None

    async def _on_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


class OpenFile:
    """A WAV file opened for reading."""

    def __init__(self, descriptor: int, threads: ThreadPoolExecutor) -> None:
        seen = os.fstat(descriptor)
        self._descriptor = descriptor
        self._threads = threads
        self.size = seen.st_size
        self.etag = f'"{seen.st_mtime_ns:x}-{seen.st_size:x}"'

    async def read(self, start: int, length: int) -> AsyncIterator[bytes]:
        """Yield the bytes asked for, as far as there are; closes the file."""
        loop = asyncio.get_running_loop()
        try:
            while length > 0:
                piece = await loop.run_in_executor(self._threads, os.pread, self._descriptor, min(length, PIECE_BYTES), start)
                if not piece:
                    return
                yield piece
                start += len(piece)
                length -= len(piece)
        finally:
            self.close()

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def seal_file(folder: Path, name: str) -> Sealed | None:
    """Complete NAME in `folder`; blocks for a few milliseconds. See `shelf.Shelf.seal` for its promises."""
    raw, wav = folder / f"{name}.raw", folder / f"{name}.wav"
    audio_bytes = _audio_bytes(raw)
    sha256 = None
    if audio_bytes and _size(wav) != HEADER_BYTES + audio_bytes:
        with ThreadPoolExecutor(1) as beside:  # the result waits for the disk anyway
            digest = beside.submit(_digest_of_raw, raw, audio_bytes)
            _write_wav(raw, wav, audio_bytes)
            sha256 = digest.result()
    raw.unlink(missing_ok=True)
    size = _size(wav)
    return Sealed(seconds_of(size - HEADER_BYTES), size, sha256 or _digest(wav)) if size else None


def written(folder: Path, name: str) -> float:
    """See `shelf.Shelf.written`."""
    try:
        audio_bytes = max(_audio_bytes(folder / f"{name}.raw"), _size(folder / f"{name}.wav") - HEADER_BYTES)
    except OSError:
        return 0.0
    return seconds_of(max(audio_bytes, 0))


def _digest_of_raw(raw: Path, audio_bytes: int) -> str:
    """The SHA-256 of the WAV file that this much raw audio makes."""
    digest = hashlib.sha256(wav_header(audio_bytes))
    with raw.open("rb") as file:
        while audio_bytes and (piece := file.read(min(audio_bytes, PIECE_BYTES))):
            digest.update(piece)
            audio_bytes -= len(piece)
    return digest.hexdigest()


def _digest(wav: Path) -> str:
    with wav.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stored(folder: Path) -> list[Stored]:
    """Return every name that has a file in `folder`, in order, with the time of its newest one."""
    found: dict[str, float] = {}
    for entry in os.scandir(folder):
        name = next((entry.name.removesuffix(suffix) for suffix in _SUFFIXES if entry.name.endswith(suffix)), "")
        with suppress(FileNotFoundError):  # sealed or erased meanwhile
            if is_name(name):
                found[name] = max(found.get(name, 0.0), entry.stat().st_mtime)
    return [Stored(name, datetime.fromtimestamp(at, UTC)) for name, at in sorted(found.items())]


def _write_wav(raw: Path, wav: Path, audio_bytes: int) -> None:
    part = wav.with_name(wav.name + ".part")
    header = wav_header(audio_bytes)
    with raw.open("rb") as source, _create(part) as target:
        target.write(header)
        _copy(source.fileno(), target.fileno(), audio_bytes)
        os.fsync(target.fileno())
    part.replace(wav)
    _sync_folder(wav.parent)


def _create(path: Path) -> FileIO:
    """An empty file, replacing what a crash left, readable by its owner only."""
    return FileIO(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb")


def _copy(source: int, target: int, count: int) -> None:
    """Copy inside the kernel from the start of `source` to where `target` stands."""
    offset = 0
    while offset < count:
        copied = os.sendfile(target, source, offset, count - offset)
        if copied == 0:
            raise OSError("the raw file became shorter while it was read")
        offset += copied


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _audio_bytes(raw: Path) -> int:
    return whole_frames(_size(raw))


def _size(path: Path) -> int:
    """The file's size, 0 when there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _open(wav: Path, threads: ThreadPoolExecutor) -> OpenFile | None:
    try:
        descriptor = os.open(wav, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    return OpenFile(descriptor, threads)


def _erase(folder: Path, name: str) -> None:
    for suffix in _SUFFIXES:
        with suppress(FileNotFoundError):
            (folder / f"{name}{suffix}").unlink()
    _sync_folder(folder)


def _check(name: str) -> None:
    if not is_name(name):
        raise ValueError("this is not a recording's name")
