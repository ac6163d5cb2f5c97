"""A phone that should have rung seconds ago does not ring any more; a clock that is set changes no call."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.calls.world import World, open_world
from tests.faults.breaking import Gate
from tests.support.clock import HandClock

from intellicall.calls.call import Order
from intellicall.calls.calls import JANITOR_S
from intellicall.calls.orders import Ask
from intellicall.calls.patience import LATE_S
from intellicall.calls.pulse import GENTLE_RATE, GENTLE_S, SETTLING_S, Pulse
from intellicall.calls.table import Move, Party, Reason, State
from intellicall.errors import Code, Refused
from intellicall.storage.database import Database
from intellicall.telephony.engine import LegPlan, PhoneLine, Role
from intellicall.telephony.testnet.numbers import NUMBERS


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(database, tmp_path) as opened:
        yield opened
        await opened.engine.stop()


async def slowly(world: World, gate: Gate, seconds: float) -> None:
    """Let a commit that is under way last so long."""
    assert await asyncio.to_thread(gate.reached.wait, 5)
    await world.clock.advance(seconds)
    gate.open()


@pytest.mark.parametrize(("seconds", "rings"), [(LATE_S - 0.5, True), (LATE_S + 0.5, False)])
async def test_a_call_that_took_long_to_store_is_not_dialed(world: World, seconds: float, *, rings: bool) -> None:
    gate = Gate(world.database)
    gate.close()
    starting = asyncio.ensure_future(world.calls.start(world.request(), limit=10))
    await slowly(world, gate, seconds)
    entry, _ = await starting
    if rings:
        await world.until_state(entry.call.id, State.AGENT_ANSWERED)
        return
    done = await world.until_state(entry.call.id, State.ENDED)
    assert (done.call.reason, world.engine.dialed) == (Reason.DIALED_TOO_LATE, [])
    assert [entry.data["result"]["status"] for entry in world.ended] == ["FAILED"]


async def test_a_customer_is_not_called_long_after_the_agent_has_answered(world: World) -> None:
    """The agent's answer waits for the database. When it is back, the agent is let go and the customer's phone stays quiet."""
    entry, _ = await world.calls.start(world.request(agent="no_answer"), limit=10)
    await world.until_state(entry.call.id, State.AGENT_RINGING)
    gate = Gate(world.database)
    gate.close()
    world.engine.far_end_answers(entry.call.id, Role.AGENT)
    await slowly(world, gate, LATE_S + 1)
    done = await world.until_state(entry.call.id, State.ENDED)
    assert (done.call.reason, len(world.engine.dialed)) == (Reason.DIALED_TOO_LATE, 1)
    assert not world.engine.legs(entry.call.id)


async def test_a_guest_is_not_called_long_after_the_order(world: World) -> None:
    entry, _ = await world.calls.start(world.request(), limit=10)
    await world.until_state(entry.call.id, State.TALKING)
    gate = Gate(world.database)
    gate.close()
    line = PhoneLine(NUMBERS["echo"].number, ())
    plan = LegPlan(call_id=entry.call.id, leg="", line=line, caller_id="+12025550190", shown="+12025550190", ring_s=20)
    ordering = asyncio.ensure_future(world.calls.order("a1", entry.call.id, Ask(Order(Move.CONSULT, Party.AGENT), leg=plan)))
    await slowly(world, gate, LATE_S + 1)
    await ordering
    await world.until_state(entry.call.id, State.CONSULT_RINGING)
    await world.until(lambda: world.seen[-1].call.state is State.TALKING)
    assert len(world.engine.dialed) == 2


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(hours=-1), timedelta(days=1), timedelta(days=-1)], ids=str)
async def test_a_wall_clock_that_is_set_changes_no_call(world: World, jump: timedelta) -> None:
    """Two calls talk, one rings, one has reached nobody: none ends by it, the limits hold, and the talk is as long as it was."""
    talking, _ = await world.calls.start(world.request(max_length_s=600), limit=10)
    ringing, _ = await world.calls.start(world.request(customer="no_answer", customer_ring_s=40), limit=10)
    await world.until_state(talking.call.id, State.TALKING)
    await world.until_state(ringing.call.id, State.CUSTOMER_RINGING)
    await world.clock.advance(10)
    world.clock.set_wall(jump)
    janitor = asyncio.ensure_future(world.calls.janitor())
    await world.clock.advance(5)
    assert sorted(await world.live()) == sorted([talking.call.id, ringing.call.id])
    await world.clock.advance(25)
    quiet = await world.until_state(ringing.call.id, State.ENDED)
    assert quiet.call.reason is Reason.CUSTOMER_NO_ANSWER
    world.engine.far_end_hangs_up(talking.call.id, Role.CUSTOMER)
    done = await world.until_state(talking.call.id, State.ENDED)
    assert (done.call.reason, round(done.call.talk_s, 3)) == (Reason.CUSTOMER_HUNG_UP, 40.0)
    [told] = [entry.data["result"] for entry in world.ended if entry.call_id == talking.call.id]
    assert told["duration"] == 40
    janitor.cancel()
    await asyncio.gather(janitor, return_exceptions=True)


async def test_what_was_asked_while_the_process_stood_still_is_not_dialed(world: World) -> None:
    """A click that waited in the kernel for as long as the process was frozen. Whoever still wants the call asks again."""
    janitor = asyncio.create_task(world.calls.janitor())
    await world.clock.until_asleep(JANITOR_S)
    world.clock.stand_still(LATE_S + 1)
    for _ in range(2):  # before the janitor has noticed it, and after
        with pytest.raises(Refused) as refused:
            await world.calls.start(world.request(), limit=10)
        assert (refused.value.code, world.engine.dialed) == (Code.PLATFORM_STALLED, [])
        await world.clock.advance(0)
    await world.clock.advance(SETTLING_S)
    entry, _ = await world.calls.start(world.request(), limit=10)
    await world.until_state(entry.call.id, State.TALKING)
    janitor.cancel()
    await asyncio.gather(janitor, return_exceptions=True)


@pytest.mark.parametrize("obedient", [True, False])
def test_who_was_refused_by_a_standstill_comes_in_at_a_gentle_pace(*, obedient: bool) -> None:
    """400 wait for the platform to come back, 20 more come each second; they ask again when they are told to, or every 0.3 s."""
    clock = HandClock()
    pulse = Pulse(clock)
    pulse.beat()
    assert not any(_takes(pulse) is not None for _ in range(1000)), "nothing stood still: there is no limit"
    clock.stand_still(LATE_S + 60)
    stood = clock.monotonic()
    asks, taken = [0.0] * 400, []
    for tenth in range(600):
        at = tenth / 10
        asks += [at] * 2
        for ask in [ask for ask in asks if ask <= at]:
            asks.remove(ask)
            if (wait := _takes(pulse)) is None:
                taken.append(at)
            else:
                asks.append(at + (wait if obedient else 0.3))
        clock.stand_still(0.1)
        if tenth % 10 == 9:
            pulse.beat()
    assert clock.monotonic() - stood > 59
    assert taken[0] >= SETTLING_S
    per_second = Counter(int(at - SETTLING_S) for at in taken if at < SETTLING_S + GENTLE_S)
    assert max(per_second.values()) <= 2 * GENTLE_RATE
    assert GENTLE_RATE * GENTLE_S * 0.8 < sum(per_second.values()) <= GENTLE_RATE * (GENTLE_S + 1)
    assert len(asks) <= 2, "after that everybody is taken"


def test_neither_what_was_begun_before_nor_an_earlier_herd_makes_a_standstill_longer() -> None:
    """100 calls a second for a minute, then two standstills; in between a thousand ask again and again without waiting."""
    clock = HandClock()
    pulse = Pulse(clock)
    for tenth in range(600):
        assert all(_takes(pulse) is None for _ in range(10))
        clock.stand_still(0.1)
        if tenth % 10 == 9:
            pulse.beat()
    for _ in range(2):
        clock.stand_still(LATE_S + 1)
        assert _takes(pulse) == SETTLING_S
        pulse.beat()
        taken: list[int] = []
        for _ in range(int(SETTLING_S + GENTLE_S) + 1):
            clock.stand_still(1)
            pulse.beat()
            taken.append(sum(_takes(pulse) is None for _ in range(1000)))
        assert taken[: int(SETTLING_S) - 1] == [0] * (int(SETTLING_S) - 1)
        assert min(taken[int(SETTLING_S) :]) >= GENTLE_RATE - 1
        assert taken[-1] == 1000


def _takes(pulse: Pulse) -> int | None:
    """Ask for a call: None when it is begun, else in how many seconds to ask again."""
    if pulse.shut:
        return pulse.turn_s()
    pulse.begin()
    return None
