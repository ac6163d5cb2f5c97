"""Every call comes to an end: each state has a longest time, an order that was not heard is given again, orphans are cleared."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from sqlalchemy import Connection
from tests.calls.world import World, open_world

from intellicall.calls import store
from intellicall.calls.call import Call, Effect, Fact, Participant, What, step
from intellicall.calls.calls import SWEEP_S
from intellicall.calls.conductor import Conductor
from intellicall.calls.journal import Journal, JournalEntry
from intellicall.calls.patience import AWAY_S, ENDING_S, SLACK_S
from intellicall.calls.result import Entry
from intellicall.calls.table import Party, Reason, State
from intellicall.clock import SystemClock
from intellicall.storage.database import Database
from intellicall.telephony.engine import CallPlan, Role

LIVE = [state for state in State if state is not State.ENDED]


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(database, tmp_path) as opened:
        yield opened
        await opened.engine.stop()


def longest(plan: CallPlan) -> float:
    """Return how long any state may last: the longest of what the janitor knows."""
    limits = (plan.agent_ring_s + SLACK_S, plan.customer_ring_s + SLACK_S, plan.max_length_s + SLACK_S, AWAY_S, ENDING_S)
    return max(limits) + 1


@pytest.mark.parametrize("state", LIVE)
async def test_in_every_state_the_janitor_leads_a_deserted_call_to_its_end(world: World, state: State) -> None:
    """Nothing is ever heard of the engine: the janitor's facts alone bring the call from any state to its end."""
    entry, _ = await world.calls.start(world.request("no_answer"), limit=10)
    now, tick = world.clock.now(), world.clock.monotonic()
    answered = state not in (State.INITIATED, State.AGENT_RINGING, State.AGENT_ANSWERED, State.CUSTOMER_RINGING)
    guest = Participant("p1", line="p1") if state in (State.CONSULT_RINGING, State.ADDING, State.TRANSFERRING) else None
    call = replace(entry.call, state=state, guest=guest)
    call = replace(call, answered_at=now, answered_tick=tick) if answered else call
    steps = 0
    while call.live:
        conductor = Conductor(replace(entry, call=call), world.calls.around, since=tick)
        assert conductor.overdue(tick) is None, "it is not late yet"
        tick += longest(entry.request.plan)
        fact = conductor.overdue(tick)
        assert fact is not None, f"{call.state} lasts for ever"
        taken = step(call, fact)
        assert taken.move is not None, f"{call.state} has no way out"
        call = _sealed(taken.call) if Effect.SEAL in taken.effects else taken.call
        steps += 1
        assert steps < 5, "it goes round in circles"
    assert call.reason is not None


def _sealed(call: Call) -> Call:
    return step(call, Fact(What.SEALED, SystemClock().now(), 0.0)).call


async def test_a_hang_up_that_the_engine_did_not_hear_is_given_again(world: World) -> None:
    entry, _ = await world.calls.start(world.request(), limit=10)
    await world.until_state(entry.call.id, State.TALKING)
    world.engine.lose()
    await world.calls.hang_up("a1", entry.call.id, Party.ACCOUNT)
    assert world.engine.legs(entry.call.id)
    world.engine.come_back(restarted=False)
    done = await world.until_state(entry.call.id, State.ENDED)
    assert done.call.reason is Reason.ENDED_BY_ACCOUNT


async def test_a_leg_without_a_call_is_found_within_a_minute(world: World) -> None:
    janitor = asyncio.create_task(world.calls.janitor())
    await world.engine.ring_agent(world.request().plan)
    assert await world.engine.snapshot()
    await world.clock.advance(SWEEP_S + 2)
    assert await world.engine.snapshot() == []
    janitor.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await janitor


async def test_a_call_whose_last_end_and_overdue_come_together_is_sealed_once(world: World) -> None:
    entry, _ = await world.calls.start(world.request(), limit=10)
    await world.until_state(entry.call.id, State.TALKING)
    now, tick = world.clock.now(), world.clock.monotonic()
    conductor = world.calls._conductors[entry.call.id]
    with structlog.testing.capture_logs() as logs:
        conductor.post(Fact(What.LEG_ENDED, now, tick, Party.CUSTOMER, Reason.CUSTOMER_HUNG_UP))
        conductor.post(Fact(What.LEG_ENDED, now, tick, Party.AGENT))
        conductor.post(Fact(What.OVERDUE, now, tick))
        done = await world.until_state(entry.call.id, State.ENDED)
    assert done.call.reason is Reason.CUSTOMER_HUNG_UP
    assert [entry.kind for entry in await world.journal_of(entry.call.id)].count("ended") == 1
    assert "call_broke" not in {line["event"] for line in logs}


async def test_a_turn_that_is_stopped_while_the_writer_is_at_it_is_stored_whole(world: World) -> None:
    """An upgrade cancels a call's task; what it had handed in is stored all the same: the call and its journal, or neither."""
    entry, _ = await world.calls.start(world.request(), limit=10)
    await world.until_state(entry.call.id, State.TALKING)
    begun, let_go = threading.Event(), threading.Event()

    def hold(_connection: Connection) -> None:
        begun.set()
        let_go.wait(5)

    holding = asyncio.create_task(world.database.write(hold))
    await asyncio.to_thread(begun.wait, 5)
    conductor = world.calls._conductors[entry.call.id]
    now, tick = world.clock.now(), world.clock.monotonic()
    conductor.post(Fact(What.LEG_ENDED, now, tick, Party.CUSTOMER, Reason.CUSTOMER_HUNG_UP))
    async with asyncio.timeout(5):
        while world.database.health().waiting < 2:  # noqa: ASYNC110 - the writer tells nobody
            await asyncio.sleep(0)
    await world.calls.close()
    let_go.set()
    await holding
    await world.database.write(lambda _: None)  # behind it
    stored = await world.database.read(lambda connection: store.by_id(connection, entry.call.id))
    assert stored is not None
    assert stored.call.state is State.ENDING
    assert stored.seq == (await world.journal_of(entry.call.id))[-1].seq


async def test_a_call_whose_journal_is_ahead_of_its_row_is_buried_all_the_same(world: World) -> None:
    entry, _ = await world.calls.start(world.request(), limit=10)
    talking = await world.until_state(entry.call.id, State.TALKING)
    stray = JournalEntry(entry.call.id, "a1", talking.seq + 1, world.clock.now(), "stray", {})
    await world.database.write(lambda connection: Journal().append(connection, [stray]))
    with structlog.testing.capture_logs() as logs:  # to draw such tracebacks takes seconds
        world.engine.far_end_hangs_up(entry.call.id, Role.CUSTOMER)
        done = await world.until_state(entry.call.id, State.ENDED)
    assert "call_task_died" in {line["event"] for line in logs}
    assert await world.live() == []
    kinds = [entry.kind for entry in await world.journal_of(entry.call.id)]
    assert kinds[-2:] == ["stray", "ended"]
    assert done.call.reason is Reason.PLATFORM_ERROR


@pytest.mark.parametrize("moment", [State.INITIATED, State.AGENT_ANSWERED])
async def test_a_process_that_stops_does_what_it_has_stored(database: Database, tmp_path: Path, moment: State) -> None:
    """An upgrade comes between the store and the dial: the phone is rung, and the next process goes on."""
    stopping: list[asyncio.Task[None]] = []
    async with open_world(database, tmp_path) as before:

        def stop(entry: Entry) -> None:
            if entry.call.state is moment and not stopping:
                stopping.append(asyncio.create_task(before.calls.close()))

        before.meanwhile = stop
        entry, _ = await before.calls.start(before.request(), limit=10)
        async with asyncio.timeout(5):
            while not stopping:  # noqa: ASYNC110 - set by a callback
                await asyncio.sleep(0)
        await stopping[0]
    async with open_world(database, tmp_path, engine=before.engine, clock=before.clock) as after:
        await after.until_state(entry.call.id, State.TALKING)
        await after.engine.stop()
