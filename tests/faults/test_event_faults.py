"""Events of the engine that come twice, not at all or in another order, and answers to orders that come late or never.

Rows D1, D2 (on the scripted engine) and D5 of docs/faults.md: each fault at each event, and at each order, of each stream.
"""

import resource
import time
from dataclasses import replace

import pytest
from tests.faults.event_faults import STREAMS, AllDuplicated, Dropped, Duplicated, Fault, Mixed, Order, Shuffled, Swapped, play
from tests.faults.playing import sqlite_venue
from tests.faults.scenarios import ALL, TALK, hangs_up
from tests.faults.theatre import Act, Stage

from intellicall.telephony.engine import EngineEvent, LegRinging

BY_NAME = {scenario.name: scenario for scenario in ALL}
BURST = 20_000


@pytest.mark.parametrize("kind", [Duplicated, Dropped, Swapped])
@pytest.mark.parametrize("name", STREAMS)
async def test_each_single_event_may_be_wrong(name: str, kind: type[Fault]) -> None:
    async with sqlite_venue() as venue:
        count, breaches = 1, []
        at = 0
        while at < count:
            fault = kind(at)
            played = await play(venue, BY_NAME[name], fault)
            count = fault.seen
            breaches += [f"event {at}: {breach}" for breach in played.verdict.breaches]
            at += 1
    assert breaches == []
    assert count >= 2


@pytest.mark.parametrize("name", STREAMS)
async def test_all_may_come_twice(name: str) -> None:
    async with sqlite_venue() as venue:
        played = await play(venue, BY_NAME[name], AllDuplicated())
    assert played.verdict.breaches == []


@pytest.mark.parametrize("seed", range(12))
async def test_events_may_come_in_any_order_within_ten(seed: int) -> None:
    async with sqlite_venue() as venue:
        played = await play(venue, BY_NAME[STREAMS[seed % len(STREAMS)]], Shuffled(seed=seed))
    assert played.verdict.breaches == []


@pytest.mark.parametrize("seed", range(7))
async def test_some_may_come_twice_others_late_or_not_at_all(seed: int) -> None:
    async with sqlite_venue() as venue:
        played = await play(venue, BY_NAME[STREAMS[seed % len(STREAMS)]], Mixed(seed=seed))
    assert played.verdict.breaches == []


@pytest.mark.parametrize("late", [True, False], ids=["late", "lost"])
@pytest.mark.parametrize("name", ["canceled_by_account", "warm_transfer", "hold_mute_digits"])
async def test_the_answer_to_each_order_may_come_late_or_never(name: str, late: bool) -> None:
    async with sqlite_venue() as venue:
        at, count, breaches = 0, 1, []
        while at < count:
            order = Order(at, late)
            played = await play(venue, BY_NAME[name], order)
            count = len(order.seen)
            breaches += [f"{order.seen[at]} ({at}): {breach}" for breach in played.verdict.breaches]
            at += 1
    assert breaches == []
    assert count >= 4


async def test_twenty_thousand_events_at_once_are_taken_in_ten_seconds() -> None:
    """Half of them of calls that nobody knows; those of our call are old news. Memory stays where it is."""
    async with sqlite_venue() as venue:
        took = 0.0

        def burst(stage: Stage) -> None:
            nonlocal took
            at = stage.clock.now()
            events: list[EngineEvent] = [LegRinging(stage.call_id, "customer", at), LegRinging("nobody's", "agent", at)]
            listener = stage.engine._listener
            assert listener is not None
            began = time.monotonic()
            for number in range(BURST):
                listener(events[number % 2])
            took = time.monotonic() - began

        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.monotonic()
        played = await venue.run(replace(BY_NAME["customer_hung_up"], acts=[*TALK, Act(world=burst), hangs_up("customer")]))
        assert took
        assert time.monotonic() - began < 10
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024  # kB
    assert played.verdict.breaches == []
