"""What is in a recording: each voice in its own channel, whole, nothing of anybody else; and what the agent hears."""

import asyncio
from pathlib import Path

import pytest
from tests.asterisk.conftest import MakeCall
from tests.support import audio
from tests.support.asterisk_engines import RealEngine
from tests.support.ports import find_free_port
from tests.support.rtp import RtpPhone
from tests.support.sipp import Sipp, Uas

from intellicall.telephony.engine import Cause, PhoneLine, Role, Trunk
from intellicall.telephony.testnet.network import TestNetwork
from intellicall.telephony.testnet.numbers import NUMBERS

pytestmark = pytest.mark.asterisk


async def test_each_voice_is_in_its_channel_and_both_are_whole(real: RealEngine, call: MakeCall) -> None:
    made = await call(recording="crm_tones", max_length_s=3).to_talk()
    answered = await made.answered(Role.CUSTOMER)
    _, customer = await made.over()
    says, hears = audio.read_raw_stereo(real.recordings / "crm_tones.raw")
    talk = (customer.at - answered.at).total_seconds()
    assert len(says) / audio.SAMPLE_RATE == pytest.approx(talk, abs=0.25)
    assert audio.tone_seconds(says, 1000) == pytest.approx(talk, abs=0.35)
    assert audio.tone_seconds(hears, 440) == pytest.approx(talk, abs=0.35)
    assert audio.tone_seconds(says, 440) == 0
    assert audio.tone_seconds(hears, 1000) == 0


async def test_the_parties_hear_each_other_and_the_agent_hears_early_media(
    real: RealEngine, call: MakeCall, test_network: TestNetwork, sipp_command: tuple[str, ...], tmp_path: Path
) -> None:
    async with RtpPhone() as phone:
        desk = Uas(provisional=(180,), media_port=phone.port)
        async with Sipp(sipp_command, tmp_path, desk, port=find_free_port(), calls=2) as agent:
            await real.engine.set_trunks([test_network.trunk, Trunk("desk", "127.0.0.1", agent.port)])
            line = PhoneLine("+911140000001", ("desk",))
            early = await call(agent=line, customer_number=NUMBERS["early_media"].number, customer_ring_s=20).to_customer()
            assert (await early.ringing(Role.CUSTOMER)).early_media
            _, customer = await early.over()
            assert customer.cause is Cause.UNAVAILABLE
            heard = phone.heard()
            assert min(audio.tone_seconds(heard, tone) for tone in (950, 1400, 1800)) >= 0.1
            phone.packets.clear()
            talk = await call(agent=line, max_length_s=2).to_talk()
            await talk.over()
            assert audio.tone_seconds(phone.heard(), 1000) == pytest.approx(2, abs=0.4)


async def test_the_agent_hears_ringback_where_the_carrier_sends_none(
    real: RealEngine, call: MakeCall, test_network: TestNetwork, sipp_command: tuple[str, ...], tmp_path: Path
) -> None:
    async with RtpPhone() as phone:
        async with Sipp(sipp_command, tmp_path, Uas(media_port=phone.port), port=find_free_port()) as agent:
            await real.engine.set_trunks([test_network.trunk, Trunk("desk", "127.0.0.1", agent.port)])
            line = PhoneLine("+911140000001", ("desk",))
            made = await call(agent=line, customer_number=NUMBERS["no_answer"].number, customer_ring_s=2).to_customer()
            await made.over()
        assert audio.tone_seconds(phone.heard(), 400) > 0.3


async def test_a_call_that_is_not_answered_leaves_no_file(real: RealEngine, call: MakeCall) -> None:
    for number in ("busy", "no_answer", "early_media"):
        made = await call(customer_number=NUMBERS[number].number, recording=f"crm_{number}", customer_ring_s=1).to_customer()
        await made.over()
        assert not (real.recordings / f"crm_{number}.raw").exists()


async def test_a_hundred_calls_at_once_leave_nothing_and_mix_nothing(real: RealEngine, call: MakeCall) -> None:
    """Half of them are short, so that channels and ports are used again while others talk."""
    calls = [call(recording=f"crm_many{n}", max_length_s=2 + n % 2) for n in range(100)]
    for made in calls:
        await made.ring_agent()

    async def live(made: object) -> None:
        assert isinstance(made, type(calls[0]))
        await made.answered(Role.AGENT)
        await real.engine.ring_customer(made.plan)
        _, customer = await made.over()
        assert customer.cause is Cause.TIME_LIMIT

    await asyncio.gather(*(live(made) for made in calls))
    assert await real.engine.snapshot() == []
    for made in calls[:10]:
        says, hears = audio.read_raw_stereo(real.recordings / f"{made.plan.recording}.raw")
        assert audio.tone_seconds(says, 1000) > 1
        assert audio.tone_seconds(hears, 440) > 1
        assert audio.tone_seconds(says, 440) == audio.tone_seconds(hears, 1000) == 0
    assert len({made.id for made in calls}) == len([1 for made in calls if len(made.said()) >= 4])
