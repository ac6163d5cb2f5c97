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
        """Return seconds on a clock that is never set back and goes on while the machine sleeps; only differences mean something."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` on the monotonic clock (at once when zero or negative)."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)  # CLOCK_MONOTONIC stands still while the machine sleeps

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0))
