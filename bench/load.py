"""Steady load: calls offered at an even rate, whoever places them, and what came of them."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bench.calls import Ledger, Seen
from bench.usage import cpu_seconds

Place = Callable[[Seen], Awaitable[None]]
PATIENCE_S = 8.0


@dataclass(slots=True)
class Round:
    """What one round of calls showed. `cpu` holds the seconds that each watched process used."""

    calls: list[Seen]
    cpu: dict[str, float]

    @property
    def failed(self) -> list[Seen]:
        return [seen for seen in self.calls if seen.failure]

    def cpu_ms(self, name: str) -> float:
        """Return the milliseconds of CPU per call."""
        return self.cpu[name] * 1000 / len(self.calls)


async def steady(
    place: Place, ledger: Ledger, *, rate: float, count: int, talk_s: float, watched: dict[str, int], delivered: bool
) -> Round:
    """Offer `count` calls at `rate` per second, wait until all are over (and their results `delivered`), and return the round."""
    loop = asyncio.get_running_loop()
    before = {name: cpu_seconds(pid) for name, pid in watched.items()}
    began = loop.time()
    calls: list[Seen] = []
    orders: list[asyncio.Task[None]] = []
    for number in range(count):
        await asyncio.sleep(max(began + number / rate - loop.time(), 0))
        seen = ledger.new(talk_s)
        seen.planned = time.time()
        calls.append(seen)
        orders.append(asyncio.ensure_future(_place(place, seen)))
    await asyncio.gather(*orders)
    deadline = loop.time() + talk_s + PATIENCE_S
    for seen in calls:
        await _finish(seen, deadline, delivered=delivered)
    cpu = {name: cpu_seconds(pid) - before[name] for name, pid in watched.items()}
    return Round(calls, cpu)


async def _place(place: Place, seen: Seen) -> None:
    await place(seen)


async def _finish(seen: Seen, deadline: float, *, delivered: bool) -> None:
    try:
        async with asyncio.timeout_at(deadline):
            await seen.over.wait()
            if delivered:
                await seen.delivered.wait()
    except TimeoutError:
        seen.fail("result not received" if seen.legs_over == 2 else "not over in time")
