"""A clock that is moved by hand."""

import asyncio
import heapq
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

TURNS = 20
"""Turns of the event loop that those who were woken get before time moves on."""


@dataclass(order=True)
class _Sleeper:
    until: float
    order: int
    future: "asyncio.Future[None]" = field(compare=False)


class HandClock:
    """Implements `intellicall.clock.Clock`: time stands still but for `advance`.

    Sleepers wake in the order of their times, each seeing the very time that it waited for. Work on threads (SQL) is not
    time: wait for its outcome, then advance; `until_asleep` waits for somebody who is going to sleep.
    """

    def __init__(self, start: datetime = datetime(2026, 7, 3, 10, 0, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed = 0.0
        self._wall_shift = timedelta()
        self._sleepers: list[_Sleeper] = []
        self._order = 0
        self._changed = asyncio.Event()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed) + self._wall_shift

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        self._order += 1
        sleeper = _Sleeper(self._elapsed + seconds, self._order, asyncio.get_running_loop().create_future())
        heapq.heappush(self._sleepers, sleeper)
        self._changed.set()
        try:
            await sleeper.future
        finally:
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)
                heapq.heapify(self._sleepers)

    async def advance(self, seconds: float) -> None:
        """Move time on by `seconds`, waking everyone whose time comes on the way."""
        end = self._elapsed + seconds
        await _turns()
        while self._sleepers and self._sleepers[0].until <= end:
            sleeper = heapq.heappop(self._sleepers)
            self._elapsed = max(self._elapsed, sleeper.until)
            if not sleeper.future.done():
                sleeper.future.set_result(None)
            await _turns()
        self._elapsed = end
        await _turns()

    def stand_still(self, seconds: float) -> None:
        """Let so much time pass at once in which nothing runs, as while a process is stopped."""
        self._elapsed += seconds

    def set_wall(self, shift: timedelta) -> None:
        """Correct the wall clock by `shift`; the monotonic clock does not notice."""
        self._wall_shift += shift

    def sleeping(self) -> list[float]:
        """Return after how many seconds each sleeper will wake, soonest first."""
        return sorted(sleeper.until - self._elapsed for sleeper in self._sleepers)

    async def until_asleep(self, seconds: float, patience_s: float = 20.0) -> None:
        """Return when somebody sleeps that will wake in `seconds` (to the millisecond). Raises TimeoutError."""
        async with asyncio.timeout(patience_s):
            while not any(abs(left - seconds) < 0.001 for left in self.sleeping()):
                self._changed.clear()
                await self._changed.wait()


async def _turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)
