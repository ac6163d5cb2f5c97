"""The long variants of short tests: the same code, many times over. Each returns how much it tried, and what broke."""

import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from structlog.testing import capture_logs
from tests.faults.event_faults import STREAMS, Mixed, Shuffled, play
from tests.faults.mutations import idle_engine, take_mutations
from tests.faults.overlap import overlap
from tests.faults.playing import MEMORY, sqlite_venue
from tests.faults.power import judge_images, life
from tests.faults.scenarios import ALL

Came = tuple[str, list[str]]
TRANSACTIONS = 300
"""A life of so many makes more than 10,000 images."""
COMBINATIONS = 250
MUTATIONS = 1_000_000
OVERLAPS = 60


async def power(_count: int | None) -> Came:
    """Row B6."""
    with tempfile.TemporaryDirectory(prefix="ic-faults-", dir=MEMORY) as folder:
        tried = judge_images(life(Path(folder), TRANSACTIONS), seed=5)
    return f"{tried} images of a disk without power", [] if tried >= 10_000 else ["too few images"]


async def events(count: int | None) -> Came:
    """Row D1."""
    count = count or COMBINATIONS
    by_name, breaches = {scenario.name: scenario for scenario in ALL}, []
    async with sqlite_venue() as venue:
        for seed in range(count):
            name = STREAMS[seed % len(STREAMS)]
            for fault in (Mixed(seed=seed), Shuffled(seed=seed)):
                played = await play(venue, by_name[name], fault)
                breaches += [f"{name}, {type(fault).__name__} {seed}: {breach}" for breach in played.verdict.breaches]
    return f"{2 * count} combinations of wrong events", breaches


async def garbage(count: int | None) -> Came:
    """Row D4."""
    count = count or MUTATIONS
    with tempfile.TemporaryDirectory(prefix="ic-faults-") as folder:
        engine = idle_engine(Path(folder))
        take_mutations(engine, count, seed=5)
        await engine.stop()
    return f"{count} mutated events", []


async def leaders(count: int | None) -> Came:
    """Row A6."""
    count, breaches = count or OVERLAPS, []
    for number in range(count):
        async with AsyncExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ic-faults-", dir=MEMORY))
            stack.enter_context(capture_logs())
            try:
                await overlap(Path(folder))
            except (AssertionError, TimeoutError) as error:
                breaches.append(f"overlap {number}: {type(error).__name__} {error}")
    return f"{count} overlaps of two platforms", breaches


LONG: dict[str, Callable[[int | None], Awaitable[Came]]] = {
    "power": power,
    "events": events,
    "garbage": garbage,
    "leaders": leaders,
}
