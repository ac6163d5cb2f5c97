"""The connection to a real engine breaks in the worst moments: an order is carried out, its reply lost. Nothing is dialed twice."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from tests.faults.cut_line import CutLine, cut_line
from tests.support.asterisk_engines import EngineHome, RealEngine, engine_home
from tests.support.engines import TestCall, plan
from tests.support.sipp import until

from intellicall.clock import SystemClock
from intellicall.telephony.asterisk.adapter import AsteriskEngine
from intellicall.telephony.asterisk.ami import AmiLink
from intellicall.telephony.asterisk.bygone import LEGS_FILE
from intellicall.telephony.asterisk.connection import RequestRefused
from intellicall.telephony.asterisk.dialplan import LIFTED_CONTEXT
from intellicall.telephony.engine import Arrangement, EngineLost, EngineReady, EngineUnavailable, PhoneLine, Place, Role
from intellicall.telephony.testnet.network import TestNetwork
from intellicall.telephony.testnet.numbers import NUMBERS

__all__ = ["engine_home"]
pytestmark = pytest.mark.asterisk

DETECTED_S = 2.0
ENDED_S = 2.0


@asynccontextmanager
async def behind(line: CutLine, ami: CutLine, home: EngineHome, real: RealEngine) -> AsyncIterator[RealEngine]:
    """A second platform's adapter, whose connections go through the lines."""
    where = replace(real.engine.connection, url=f"http://127.0.0.1:{line.port}", ami_port=ami.port)
    there = RealEngine(
        AsteriskEngine(where, recordings_dir=home.recordings, clock=SystemClock(), softphone_secret="s"), home.recordings
    )
    there.engine.listen(there.heard)
    await there.engine.start()
    await there.heard.wait(EngineReady, deadline_s=60)
    try:
        yield there
    finally:
        await there.engine.stop()


@pytest.fixture
async def cut(engine_home: EngineHome, test_network: TestNetwork) -> AsyncIterator[tuple[RealEngine, CutLine, CutLine]]:
    """An adapter, and the lines of its ARI and its AMI."""
    async with engine_home.engine() as real:
        where = real.engine.connection
        async with (
            cut_line(int(where.url.rsplit(":", 1)[1])) as ari,
            cut_line(where.ami_port) as ami,
            behind(ari, ami, engine_home, real) as there,
        ):
            await there.engine.set_trunks([test_network.trunk])
            yield there, ari, ami


async def rung(network: TestNetwork) -> int:
    return int(re.findall(r"(\d+) calls? processed", await network.engine.console("core show channels count"))[0])


async def lose(real: RealEngine, line: CutLine) -> None:
    """The reply is lost; then the line is closed and a new connection made."""
    await line.cut.wait()
    real.heard.events[:] = [event for event in real.heard.events if not isinstance(event, EngineReady)]
    line.close_all()
    line.cut.clear()
    await real.heard.wait(EngineReady)


async def redirected_in_a_gap(real: RealEngine, call_id: str) -> None:
    """Break the connection, have somebody else lift both legs, and come back once neither is where it was."""
    agent, customer = (leg.name or "" for leg in real.engine._calls[call_id].legs.values())
    link = await AmiLink.open(real.engine.connection)
    await real.lose()
    where = {"Context": LIFTED_CONTEXT, "Exten": "s", "Priority": "1"}
    redirect = {"Channel": agent, "ExtraChannel": customer} | where | {f"Extra{key}": value for key, value in where.items()}
    async with asyncio.timeout(10):
        while await applications(link, agent, customer) != {"Wait"}:
            with contextlib.suppress(RequestRefused):  # the customer may be being connected still
                await link.action("Redirect", redirect)
    await link.close()
    await real.come_back()


async def applications(link: AmiLink, *channels: str) -> set[str]:
    """Return what these channels do now; an empty name for one that is gone."""
    shown = {channel["channel"]: channel["application"] for channel in await link.listing("CoreShowChannels")}
    return {shown.get(channel, "") for channel in channels}


Cut = tuple[RealEngine, CutLine, CutLine]


async def test_an_originate_whose_reply_is_lost_rings_nobody_for_long_and_nobody_twice(cut: Cut, test_network: TestNetwork) -> None:
    real, ari, _ = cut
    before = await rung(test_network)
    doubtful = plan(agent=PhoneLine(NUMBERS["no_answer"].number, ("sandbox",)))
    ari.cut_after = b'"channels/' + doubtful.call_id.encode()
    outcome, _ = await asyncio.gather(real.engine.ring_agent(doubtful), lose(real, ari), return_exceptions=True)
    assert isinstance(outcome, EngineUnavailable)
    assert await real.engine.snapshot() == []
    assert await rung(test_network) - before <= 1


async def test_an_originate_that_is_carried_out_after_we_are_back_rings_nobody_for_long(cut: Cut, engine_home: EngineHome) -> None:
    """A thawed engine reads the new connection before the old one, in which the order waited."""
    real, ari, _ = cut
    doubtful = plan(agent=PhoneLine(NUMBERS["no_answer"].number, ("sandbox",)))
    ari.holds, ari.cut_after = True, b'"channels/' + doubtful.call_id.encode()
    outcome, _ = await asyncio.gather(real.engine.ring_agent(doubtful), lose(real, ari), return_exceptions=True)
    assert isinstance(outcome, EngineUnavailable)
    assert await real.engine.snapshot() == []
    legs = engine_home.recordings / LEGS_FILE
    await ari.release()

    def is_over() -> bool:
        return legs.exists() and any(doubtful.call_id in line and "HANGUP" in line for line in legs.read_text().splitlines())

    await until(is_over, ENDED_S)
    assert await real.engine.snapshot() == []
    assert real.heard.of_call(doubtful.call_id) == []


async def test_a_continue_whose_reply_is_lost_dials_the_customer_once(cut: Cut, test_network: TestNetwork) -> None:
    real, ari, _ = cut
    call = await TestCall(real.engine, real.heard, plan()).to_agent()
    before = await rung(test_network)
    ari.cut_after = b"/continue"
    outcome, _ = await asyncio.gather(real.engine.ring_customer(call.plan), lose(real, ari), return_exceptions=True)
    assert isinstance(outcome, EngineUnavailable)
    await real.engine.ring_customer(call.plan)  # asked again: the engine knows that it was done
    legs = {leg.leg for leg in await real.engine.snapshot() if leg.call_id == call.id}
    assert legs == {Role.AGENT, Role.CUSTOMER}
    assert await rung(test_network) - before == 1
    await real.engine.hang_up(call.id)


async def test_a_redirect_whose_reply_is_lost_leaves_both_talking(cut: Cut, test_network: TestNetwork) -> None:
    real, _, ami = cut
    call = await TestCall(real.engine, real.heard, plan()).to_talk()
    before = await rung(test_network)
    ami.cut_after = b"Action: Redirect"
    held = Arrangement({Role.AGENT: Place.SILENCE, Role.CUSTOMER: Place.MUSIC}, frozenset({Role.AGENT, Role.CUSTOMER}))
    await asyncio.gather(real.engine.arrange(call.id, held), lose(real, ami), return_exceptions=True)
    await real.engine.arrange(call.id, held)
    assert {leg.leg for leg in await real.engine.snapshot() if leg.call_id == call.id} == {Role.AGENT, Role.CUSTOMER}
    assert await rung(test_network) == before
    await real.engine.hang_up(call.id)
    await call.over()


async def test_legs_that_are_lifted_while_no_platform_listens_are_kept(cut: Cut, test_network: TestNetwork) -> None:
    """The redirect is carried out between two connections: Stasis refuses legs whose application nobody listens to."""
    real, _, _ = cut
    call = await TestCall(real.engine, real.heard, plan()).to_talk()
    before = await rung(test_network)
    held = Arrangement({Role.AGENT: Place.SILENCE, Role.CUSTOMER: Place.MUSIC}, frozenset({Role.AGENT, Role.CUSTOMER}))
    await redirected_in_a_gap(real, call.id)
    await real.engine.arrange(call.id, held)
    assert await call.seen() == {Role.AGENT: True, Role.CUSTOMER: True}
    assert await rung(test_network) == before
    await real.engine.hang_up(call.id)
    await call.over()


@pytest.mark.parametrize("how", ["closed", "silent"])
async def test_a_line_that_is_closed_or_silent_is_noticed_and_made_anew_without_haste(cut: Cut, how: str) -> None:
    real, ari, _ = cut
    connections = ari.connections
    since = time.monotonic()
    if how == "closed":
        ari.close_all()
    else:
        ari.silent = True
    await real.heard.wait(EngineLost, deadline_s=DETECTED_S)
    assert time.monotonic() - since < DETECTED_S
    real.heard.events[:] = [event for event in real.heard.events if not isinstance(event, EngineReady)]
    ari.silent = False
    await until(lambda: real.engine.ready)
    assert ari.connections - connections < 8, "it connected in a hot loop"
