"""Time as a part that can be exchanged: real in the product, moved by hand in tests.

All wall-clock times in Intellicall are aware datetimes in UTC. Durations are taken from the monotonic clock,
so that a correction of the wall clock during a call changes no bill and fires no timer.
"""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the rooms may know about time."""

    def now(self) -> datetime:
        """Return the wall-clock time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds on a clock that is never set and goes on while the machine sleeps; only differences mean something."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` on the monotonic clock (at once when zero or negative)."""
        ...


class WallWatch:
    """Notices that the wall clock was set: it has gone on by much more or less than time has."""

    SET_S = 900.0

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead = self._measured()

    def was_set(self) -> bool:
        """Whether it was set, by a quarter of an hour at least, since this was last asked."""
        before, self._ahead = self._ahead, self._measured()
        return abs(self._ahead - before) > self.SET_S

    def _measured(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)  # CLOCK_MONOTONIC stands still while the machine sleeps

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0))
