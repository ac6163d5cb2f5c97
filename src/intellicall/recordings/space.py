"""How much room the disks have: watched, so that nothing new is recorded that could not be kept."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path

import structlog

from intellicall.clock import Clock

log = structlog.get_logger()

LOOK_EVERY_S = 2.0
MB = 1_000_000
EXHAUSTED_BYTES = MB
"""With less than this what the engine writes may be lost already."""


class Level(StrEnum):
    """What the free space is good for."""

    OK = "ok"
    LOW = "low"  # a warning; everything goes on
    FULL = "full"  # nothing new is recorded


class Space:
    """The free space of the recordings' disk, and of other disks that only warn. Without folders there is always room.

    A limit of 0 is none. Times are monotonic seconds of the platform's clock.
    """

    def __init__(self, recordings: Path | None = None, others: Sequence[Path] = (), warn_mb: int = 0, stop_mb: int = 0) -> None:
        self._recordings = recordings
        self._others = tuple(others)
        self._warn = warn_mb * MB
        self._stop = stop_mb * MB
        self._exhausted_at: float | None = None
        self.free: int | None = None  # bytes on the recordings' disk; None: not looked yet
        self.level = Level.OK
        self.relieve: Callable[[], None] = lambda: None  # throws away what can be made again

    @property
    def full(self) -> bool:
        """Whether nothing new may be recorded."""
        return self.level is Level.FULL

    def exhausted_since(self, tick: float | None) -> bool:
        """Whether there was next to nothing left at some time after `tick`; None: ever."""
        return self._exhausted_at is not None and (tick is None or self._exhausted_at >= tick)

    def shown(self) -> Mapping[str, object]:
        """Return level and free megabytes, for `/readyz`."""
        return {"level": self.level, "free_mb": None if self.free is None else self.free // MB}

    def look(self, tick: float) -> None:
        """Look at the disks. Raises nothing: a disk that cannot be asked is as it was."""
        free = _free(self._recordings)
        if free is None:
            return
        self.free = free
        if free < EXHAUSTED_BYTES:
            self._exhausted_at = tick
        other = min((room for folder in self._others if (room := _free(folder)) is not None), default=free)
        self._change(self._level(free, min(free, other)))

    def _level(self, free: int, least: int) -> Level:
        if free < self._stop:
            return Level.FULL
        return Level.LOW if least < self._warn else Level.OK

    def _change(self, level: Level) -> None:
        """Say it once, each time that it changes."""
        if level is self.level:
            return
        self.level = level
        tell = log.info if level is Level.OK else log.warning
        tell("disk_space", level=level, free_mb=(self.free or 0) // MB)
        if level is not Level.OK:
            self.relieve()

    async def watch(self, clock: Clock) -> None:
        """Look every 2 s, for ever."""
        while True:
            await asyncio.to_thread(self.look, clock.monotonic())
            await clock.sleep(LOOK_EVERY_S)


def _free(folder: Path | None) -> int | None:
    """Bytes that a file in this folder can still take; None when the disk cannot be asked."""
    try:
        seen = os.statvfs(folder) if folder else None
    except OSError:
        return None
    return seen.f_bavail * seen.f_frsize if seen else None
