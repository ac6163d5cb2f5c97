"""Opus and MP3 of recordings: made when somebody asks, one at a time and with the lowest priority, kept for a while on disk.

What is made is never the only copy: it can be thrown away at any time, and is made again from the WAV file.
"""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from intellicall.errors import Code, Refused
from intellicall.recordings.disk import OpenFile
from intellicall.recordings.formats import Format
from intellicall.recordings.recording import FRAME_BYTES, HEADER_BYTES, is_name, whole_frames
from intellicall.recordings.shelf import OpenRecording
from intellicall.recordings.space import MB, Space

T = TypeVar("T")
log = structlog.get_logger()

PATIENCE_S = 20.0
"""How long a request waits for what it asked for to be made; then it is told to come back."""
MOST_WAITING = 64
LOWEST_PRIORITY = 19
PIECE_BYTES = 16_000 * FRAME_BYTES
"""Two seconds: libsndfile is given little at a time, so that a call's own work is never behind much of it."""

Source = Callable[[], Awaitable[OpenRecording | None]]


class NothingThere(Exception):  # noqa: N818 - a state of the world
    """There is no recording to make anything of."""


class Encoder:
    """Keeps what it made in one folder, which is its own (mode 0700), within `cache_mb`; the one unused for longest goes first."""

    def __init__(self, folder: Path, cache_mb: int, space: Space) -> None:
        self._folder = folder
        self._most_bytes = cache_mb * MB
        self._space = space
        self._thread = ThreadPoolExecutor(1, "recordings-encode", initializer=_lower_priority)
        self._readers = ThreadPoolExecutor(2, "recordings-formats")
        self._turn = asyncio.Lock()
        self._making: dict[tuple[str, Format], asyncio.Task[None]] = {}
        space.relieve = self.drop
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in folder.glob("*.part"):
            left.unlink(missing_ok=True)

    async def open(self, name: str, form: Format, source: Source) -> OpenRecording | None:
        """Return the recording in this format, made from what `source` opens; None while it is still being made.

        Raises NothingThere when `source` has nothing; Refused RECORDING_DISK_FULL; OSError when the disk or the encoder fails.
        """
        path = self._path(name, form)
        if opened := await self._on(self._readers, partial(_open, path, self._readers)):
            return opened
        if self._space.full:
            raise Refused(Code.RECORDING_DISK_FULL, "The WAV file can be had; to make another format takes room on the disk.")
        task = self._making.get((name, form))
        if task is None:
            if len(self._making) >= MOST_WAITING:
                return None
            task = asyncio.create_task(self._make(path, form, source), name="recordings-encode")
            self._making[name, form] = task
            task.add_done_callback(lambda done: self._made(done, (name, form)))
        done, _ = await asyncio.wait([task], timeout=PATIENCE_S)
        if not done:
            return None
        if task.cancelled():
            raise NothingThere
        task.result()
        return await self._on(self._readers, partial(_open, path, self._readers))

    async def erase(self, name: str) -> None:
        """Remove everything made of this recording, also what is being made. The recording itself must be gone already."""
        for form in Format:
            if task := self._making.get((name, form)):
                task.cancel()
                await asyncio.wait([task])
        await self._on(self._readers, lambda: _unlink([self._path(name, form) for form in Format]))

    def drop(self) -> None:
        """Throw away all that is kept, to make room. Blocks for milliseconds."""
        _unlink([file for file in self._folder.iterdir() if file.suffix != ".part"])

    async def close(self) -> None:
        """Stop making anything; what is begun is thrown away."""
        tasks = list(self._making.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.stop()

    def stop(self) -> None:
        """Let go of the threads; nothing is being made."""
        self._thread.shutdown()
        self._readers.shutdown()

    def _path(self, name: str, form: Format) -> Path:
        if not is_name(name):
            raise ValueError("this is not a recording's name")
        return self._folder / f"{name}.{form}"

    def _made(self, task: asyncio.Task[None], key: tuple[str, Format]) -> None:
        del self._making[key]
        if not task.cancelled() and (error := task.exception()):
            log.warning("recording_format_not_made", error=type(error).__name__)

    async def _make(self, path: Path, form: Format, source: Source) -> None:
        part = path.with_name(path.name + ".part")
        async with self._turn:
            opened = await source()
            if opened is None:
                raise NothingThere
            try:
                await self._encode(part, form, opened)
                await self._on(self._readers, partial(_keep, part, path, self._most_bytes))
            except BaseException:
                await asyncio.shield(self._on(self._thread, lambda: _unlink([part])))
                raise
            finally:
                opened.close()

    async def _encode(self, part: Path, form: Format, opened: OpenRecording) -> None:
        from intellicall.recordings import writing  # noqa: PLC0415 - numpy would take a tenth of a second of every start

        target = await self._on(self._thread, partial(writing.create, part, form))
        try:
            async for piece in _audio(opened):
                await self._on(self._thread, partial(writing.write, target, piece))
        finally:
            await asyncio.shield(self._on(self._thread, target.close))
        await self._on(self._thread, partial(writing.check, part, whole_frames(opened.size - HEADER_BYTES) // FRAME_BYTES))

    async def _on(self, threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(threads, work)


async def _audio(opened: OpenRecording) -> AsyncIterator[bytes]:
    """The samples, in whole frames, a little at a time."""
    rest = b""
    async for piece in opened.read(HEADER_BYTES, opened.size - HEADER_BYTES):
        rest += piece
        whole = whole_frames(len(rest))
        for start in range(0, whole, PIECE_BYTES):
            yield rest[start : min(start + PIECE_BYTES, whole)]
        rest = rest[whole:]


def _open(path: Path, threads: ThreadPoolExecutor) -> OpenRecording | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    os.utime(descriptor, ns=(time.time_ns(), os.fstat(descriptor).st_mtime_ns))  # used now; the tag is made of the other time
    return OpenFile(descriptor, threads)


def _keep(part: Path, path: Path, most_bytes: int) -> None:
    """Give it its name; then throw away what has not been used for longest, until the rest is within the limit."""
    part.replace(path)
    files = sorted(((file.stat(), file) for file in path.parent.iterdir()), key=lambda one: one[0].st_atime_ns, reverse=True)
    total = 0
    for seen, file in files:
        total += seen.st_size
        if total > most_bytes and file != path:
            file.unlink(missing_ok=True)


def _unlink(paths: list[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _lower_priority() -> None:
    """Of this thread alone: threads are processes to Linux."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)
