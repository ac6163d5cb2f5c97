"""What holds while the platform is away, frozen out or the engine is: calls end rightly, and are found again."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from tests.support.asterisk_engines import EngineHome, RealEngine
from tests.support.engines import TestCall, plan
from tests.support.sipp import until

from intellicall.clock import SystemClock
from intellicall.telephony.asterisk.adapter import AsteriskEngine
from intellicall.telephony.engine import Cause, EngineLost, EngineReady, EngineUnavailable, LegEnded, LegSeen, PhoneLine, Role
from intellicall.telephony.testnet.network import TestNetwork
from intellicall.telephony.testnet.numbers import NUMBERS

pytestmark = pytest.mark.asterisk


@pytest.fixture
def channels(test_network: TestNetwork) -> "Channels":
    return Channels(test_network)


class Channels:
    """The far ends' view: how many calls the test network holds."""

    def __init__(self, network: TestNetwork) -> None:
        self._network = network

    async def count(self) -> int:
        shown = await self._network.engine.console("core show channels concise")
        return len([line for line in shown.splitlines() if "!" in line])

    async def gone(self, deadline_s: float) -> None:
        """Wait until the far ends hold no call."""
        async with asyncio.timeout(deadline_s):
            while await self.count():
                pass


@pytest.mark.parametrize(
    ("customer", "agent", "changes"),
    [
        ("tone_1000", "tone_440", {"max_length_s": 2}),
        ("hangs_up", "tone_440", {}),
        ("tone_1000", "hangs_up", {}),
        ("no_answer", "tone_440", {"customer_ring_s": 2}),
        ("busy", "tone_440", {}),
    ],
)
async def test_a_call_ends_on_both_sides_while_the_platform_is_away(
    engine_home: EngineHome, test_network: TestNetwork, channels: Channels, customer: str, agent: str, changes: dict[str, int]
) -> None:
    async with engine_home.engine() as real:
        await real.engine.set_trunks([test_network.trunk])
        alone = plan(
            customer_number=NUMBERS[customer].number,
            agent=PhoneLine(NUMBERS[agent].number, ("sandbox",)),
            recording="crm_alone",
            **changes,
        )
        await TestCall(real.engine, real.heard, alone).to_customer()
    await channels.gone(8)
    async with engine_home.engine() as real:
        assert await real.engine.snapshot() == []
    if "max_length_s" in changes:
        assert (engine_home.recordings / "crm_alone.raw").stat().st_size == pytest.approx(2 * 32_000, rel=0.1)


async def test_an_agent_left_waiting_by_a_dead_platform_is_let_go(
    engine_home: EngineHome, test_network: TestNetwork, channels: Channels
) -> None:
    async with engine_home.engine() as real:
        await real.engine.set_trunks([test_network.trunk])
        await TestCall(real.engine, real.heard, plan()).to_agent()
        assert await channels.count() == 1
    await channels.gone(25)


async def test_a_new_platform_takes_up_the_calls_of_the_old_one(engine_home: EngineHome, test_network: TestNetwork) -> None:
    async with engine_home.engine() as first:
        await first.engine.set_trunks([test_network.trunk])
        talk = await TestCall(first.engine, first.heard, plan(recording="crm_adopted", max_length_s=3)).to_talk()
        ringing = await TestCall(first.engine, first.heard, plan(customer_number=NUMBERS["no_answer"].number)).to_customer()
        await ringing.ringing(Role.CUSTOMER)
    async with engine_home.engine() as second:
        await second.engine.set_trunks([test_network.trunk])
        assert [event.restarted for event in second.heard.events if isinstance(event, EngineReady)] == [False]
        legs = await second.engine.snapshot()
        assert sorted((leg.leg, leg.answered) for leg in legs if leg.call_id == talk.id) == [
            (Role.AGENT, True),
            (Role.CUSTOMER, True),
        ]
        assert sorted((leg.leg, leg.answered) for leg in legs if leg.call_id == ringing.id) == [
            (Role.AGENT, True),
            (Role.CUSTOMER, False),
        ]
        await second.engine.hang_up(ringing.id)
        adopted = TestCall(second.engine, second.heard, ringing.plan)
        agent, customer = await adopted.over()
        assert (agent.cause, customer.cause) == (Cause.NORMAL, Cause.CANCELED)
        taken = TestCall(second.engine, second.heard, talk.plan)
        _, customer = await taken.over()
        assert customer.cause is Cause.TIME_LIMIT
        assert len([event for event in taken.said() if isinstance(event, LegEnded)]) == 2
        size = (second.recordings / "crm_adopted.raw").stat().st_size
        assert size == pytest.approx(3 * 32_000, rel=0.1)


async def test_an_answered_agent_is_found_again_and_the_call_goes_on(engine_home: EngineHome, test_network: TestNetwork) -> None:
    async with engine_home.engine() as first:
        await first.engine.set_trunks([test_network.trunk])
        waiting = await TestCall(first.engine, first.heard, plan()).to_agent()
    async with engine_home.engine() as second:
        assert await second.engine.snapshot() == [LegSeen(waiting.id, Role.AGENT, True)]
        again = TestCall(second.engine, second.heard, waiting.plan)
        await second.engine.ring_customer(waiting.plan)
        await again.answered(Role.CUSTOMER)
        await second.engine.hang_up(waiting.id)
        await again.over()


async def test_a_second_platform_takes_the_engine_and_the_first_gives_up(real: RealEngine, engine_home: EngineHome) -> None:
    other = AsteriskEngine(real.engine.connection, recordings_dir=engine_home.recordings, clock=SystemClock(), softphone_secret="s")
    await other.start()
    try:
        assert other.ready
        await real.heard.wait(EngineLost)
        assert real.engine.superseded
        with pytest.raises(EngineUnavailable):
            await real.engine.ring_agent(plan())
        assert other.ready
    finally:
        await other.stop()


@pytest.fixture
def own_home(engine_install: object, short_tmp: Path) -> EngineHome:
    """An engine of the test's own, to be ill-treated."""
    return EngineHome(short_tmp / "ill-treated")


async def test_a_dead_engine_is_replaced_and_provisioned_again(own_home: EngineHome, test_network: TestNetwork) -> None:
    async with own_home.engine() as real:
        try:
            await real.engine.set_trunks([test_network.trunk])
            account = await real.engine.open_softphone("session")
            talk = await TestCall(real.engine, real.heard, plan()).to_talk()
            real.heard.forget()
            assert real.engine.pid is not None
            os.kill(real.engine.pid, signal.SIGKILL)
            lost = await real.heard.wait(EngineLost)
            ready = await real.heard.wait(EngineReady)
            assert ready.restarted
            assert (ready.at - lost.at).total_seconds() < 4
            assert await real.engine.snapshot() == []
            assert await real.engine.open_softphone("session") == account
            again = await TestCall(real.engine, real.heard, plan()).to_talk()
            assert talk.said() == []
            await real.engine.hang_up(again.id)
            await again.over()
        finally:
            await real.engine.end()


async def test_a_frozen_engine_is_noticed_and_dials_nothing_late(own_home: EngineHome, test_network: TestNetwork) -> None:
    async with own_home.engine() as real:
        pid = real.engine.pid
        assert pid is not None
        try:
            await real.engine.set_trunks([test_network.trunk])
            real.heard.forget()
            stale = plan(agent=PhoneLine(NUMBERS["no_answer"].number, ("sandbox",)))
            os.kill(pid, signal.SIGSTOP)
            with pytest.raises(EngineUnavailable):
                await real.engine.ring_agent(stale)
            await real.heard.wait(EngineLost, deadline_s=2.5)
            with pytest.raises(EngineUnavailable):
                await real.engine.ring_agent(plan())
            os.kill(pid, signal.SIGCONT)
            ready = await real.heard.wait(EngineReady)
            assert not ready.restarted
            await until(lambda: real.engine.ready)
            assert await real.engine.snapshot() == []
        finally:
            os.kill(pid, signal.SIGCONT)
            await real.engine.end()
