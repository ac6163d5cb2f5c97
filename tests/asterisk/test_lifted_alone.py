"""What holds in the lifted lane while the platform is away, and what a platform finds that comes back or comes anew."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.support import audio
from tests.support.asterisk_engines import EngineHome, RealEngine
from tests.support.engines import TestCall
from tests.support.lifted import TONES, Trio, trio
from tests.support.sipp import until

from intellicall.telephony.engine import Cause, EngineUnavailable, LegSeen, Place, Role

pytestmark = pytest.mark.asterisk

TOGETHER, MUSIC = Place.TOGETHER, Place.MUSIC


@pytest.fixture
async def three(real: RealEngine) -> AsyncIterator[Trio]:
    async with trio(real) as three:
        yield three


async def consulting(three: Trio, *, vital: set[str], **changes: Any) -> TestCall:
    """The customer hears music, the agent and the third talk."""
    talk = await three.talk(**changes)
    await three.arrange(customer=MUSIC, agent=TOGETHER, p1=TOGETHER, vital=vital)
    await three.call_third()
    await three.third_answers()
    return talk


@pytest.mark.parametrize("who", ["agent", "customer"])
async def test_the_end_of_a_vital_leg_ends_all_while_nobody_listens(three: Trio, who: str) -> None:
    await consulting(three, vital={Role.AGENT, Role.CUSTOMER})
    await three.real.lose()
    getattr(three, who).hang_up()
    for phone in (three.agent, three.customer, three.third):
        await phone.gone(2)
    await three.real.come_back()
    assert await three.real.engine.snapshot() == []
    assert await three.bridges() == []


async def test_the_end_of_another_leg_ends_nobody(three: Trio) -> None:
    talk = await consulting(three, vital={Role.CUSTOMER})
    await three.real.lose()
    three.agent.hang_up()
    await three.third.hears(of=TONES, deadline_s=2)
    assert not three.customer.dialog.over
    assert not three.third.dialog.over
    await three.real.come_back()
    seen = [leg for leg in await three.real.engine.snapshot() if leg.call_id == talk.id]
    assert sorted(seen, key=lambda leg: leg.leg) == [LegSeen(talk.id, Role.CUSTOMER, True), LegSeen(talk.id, "p1", True)]
    await three.arrange(customer=TOGETHER, p1=TOGETHER, vital={Role.CUSTOMER, "p1"})
    await three.hear_each_other(three.customer, three.third)


async def test_a_leg_that_is_rung_when_the_platform_dies_is_ended_with_the_customer(three: Trio) -> None:
    await three.talk()
    await three.arrange(customer=MUSIC, agent=TOGETHER, p1=TOGETHER)
    await three.call_third()
    await three.real.lose()
    three.customer.hang_up()
    await three.third.gone(2)
    await three.agent.gone(2)


async def test_the_maximum_length_is_kept_while_nobody_listens(three: Trio) -> None:
    await consulting(three, vital={Role.CUSTOMER}, max_length_s=3, recording="crm_limit_alone")
    await three.real.lose()
    for phone in (three.customer, three.agent, three.third):
        await phone.gone(6)
    says, _ = audio.read_raw_stereo(three.real.recordings / "crm_limit_alone.raw")
    assert len(says) / audio.SAMPLE_RATE == pytest.approx(3, abs=0.3)


async def test_the_maximum_length_has_its_cause(three: Trio) -> None:
    talk = await consulting(three, vital={Role.CUSTOMER}, max_length_s=3)
    agent, customer = await talk.over()
    third = await three.ended("p1")
    assert (customer.cause, customer.by_far_end) == (Cause.TIME_LIMIT, False)
    assert {(end.cause, end.by_far_end) for end in (agent, third)} == {(Cause.NORMAL, False)}


async def test_a_platform_that_comes_back_arranges_again(three: Trio) -> None:
    talk = await three.talk()
    await three.arrange(customer=MUSIC, agent=TOGETHER)
    await three.customer.hears_music(of=TONES)
    await three.real.lose()
    with pytest.raises(EngineUnavailable):
        await three.arrange(customer=TOGETHER, agent=TOGETHER)
    with pytest.raises(EngineUnavailable):
        await three.call_third()
    await three.customer.hears_music(of=TONES)
    await three.real.come_back()
    assert three.third.dialogs == []
    await three.arrange(customer=TOGETHER, agent=TOGETHER)
    await three.hear_each_other(three.agent, three.customer)
    await three.real.engine.hang_up(talk.id)
    await talk.over()
    assert await three.bridges() == []


async def test_a_new_platform_takes_up_a_lifted_call(engine_home: EngineHome) -> None:
    async with engine_home.engine() as first, trio(first) as three:
        talk = await consulting(three, vital={Role.AGENT, Role.CUSTOMER}, max_length_s=30, recording="crm_taken_up")
        await three.arrange(customer=MUSIC, agent=TOGETHER, p1=TOGETHER, vital={Role.CUSTOMER}, muted={Role.AGENT}, paused=True)
        await first.engine.stop()
        async with engine_home.engine() as second:
            legs = {leg.leg: leg.answered for leg in await second.engine.snapshot() if leg.call_id == talk.id}
            assert legs == {Role.AGENT: True, Role.CUSTOMER: True, "p1": True}
            three.real = second
            await three.arrange(customer=TOGETHER, agent=TOGETHER, p1=TOGETHER, vital={Role.CUSTOMER})
            await three.hear_each_other(three.agent, three.customer, three.third)
            three.customer.hang_up()
            taken = TestCall(second.engine, second.heard, talk.plan)
            agent, customer = await taken.over()
            assert (customer.cause, customer.by_far_end) == (Cause.NORMAL, True)
            assert (agent.cause, agent.by_far_end) == (Cause.NORMAL, False)
            assert (await three.ended("p1")).by_far_end is False
            assert await three.bridges() == []
        says, _ = audio.read_raw_stereo(engine_home.recordings / "crm_taken_up.raw")
        assert audio.loudness(says[-800:]) > audio.AUDIBLE, "it goes on where it was paused"


async def test_bridges_that_a_dead_platform_left_are_removed(three: Trio) -> None:
    link = three.real.engine.live_link()
    await link.request("POST", "bridges/gone~talk", query={"type": "mixing"})
    await link.request("POST", "bridges/somebody-elses", query={"type": "mixing"})
    await three.real.lose()
    await three.real.come_back()
    link = three.real.engine.live_link()
    there = {bridge["id"] for bridge in await link.request("GET", "bridges")}
    assert there & {"gone~talk", "somebody-elses"} == {"somebody-elses"}
    await link.request("DELETE", "bridges/somebody-elses")


async def test_both_connections_are_one(three: Trio) -> None:
    """Losing AMI alone is losing the engine; both are made anew."""
    three.real.heard.forget()
    three.real.engine._keeper.live().ami.abandon()
    await three.real.lose()
    await three.real.come_back()
    await until(lambda: three.real.engine.ready)
