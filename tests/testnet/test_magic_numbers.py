"""Every magic number, dialed by a real SIP caller; what is heard is found by its tone."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support import audio
from tests.support.ports import find_free_port
from tests.support.rtp import RtpPhone
from tests.support.sipp import Sipp, Uac

from intellicall.telephony.testnet.network import NUMBERS, TestNetwork
from intellicall.telephony.testnet.sounds import LOOP_S

pytestmark = pytest.mark.asterisk


Dial = Callable[..., Sipp]


@pytest.fixture
async def phone() -> AsyncIterator[RtpPhone]:
    async with RtpPhone() as phone:
        yield phone


@pytest.fixture
def dial(sipp_command: tuple[str, ...], test_network: TestNetwork, tmp_path: Path, phone: RtpPhone) -> Dial:
    """Return a way to call a magic number by name."""

    def dial(name: str, **how: Any) -> Sipp:
        call = Uac(NUMBERS[name].number, phone.port, **how)
        return Sipp(sipp_command, tmp_path, call, port=find_free_port(), remote=test_network.trunk.port)

    return dial


@pytest.mark.parametrize(("name", "frequency"), [("tone_1000", 1000), ("tone_440", 440)])
async def test_a_tone_is_heard_at_once_and_without_a_break(dial: Dial, phone: RtpPhone, name: str, frequency: int) -> None:
    async with dial(name, talk_ms=3000) as call:
        await call.finished()
        answered = await call.message(status=200, method="INVITE")
    heard = phone.heard()
    assert [span.start for span in audio.tone_spans(heard, frequency)] == [0.0]
    assert audio.tone_seconds(heard, frequency) == pytest.approx(3.0, abs=0.2)
    assert phone.lost() == 0
    assert "PCMA" in answered.body


async def test_the_tone_goes_on_seamlessly_when_its_file_begins_again(dial: Dial, phone: RtpPhone) -> None:
    async with dial("tone_440", talk_ms=(LOOP_S + 2) * 1000) as call:
        await call.finished(60)
    heard, period = phone.heard(), 200  # eleven waves of 440 Hz
    assert len(heard) >= (LOOP_S + 1.9) * audio.SAMPLE_RATE
    assert heard[period:] == heard[:-period]


async def test_speech_answers_after_three_seconds_of_ringing(dial: Dial, phone: RtpPhone) -> None:
    async with dial("speech", talk_ms=4000) as call:
        await call.finished()
        ringing, answer = await call.message(status=180), await call.message(status=200, method="INVITE")
    assert answer.at - ringing.at == pytest.approx(3.0, abs=0.3)
    assert audio.sounding_seconds(phone.heard()) > 1.0
    assert audio.tone_seconds(phone.heard(), 440) < 0.5


async def test_echo_sends_back_what_it_hears(dial: Dial, phone: RtpPhone) -> None:
    async with dial("echo", talk_ms=2000) as call:
        answer = await call.message(status=200, method="INVITE")
        phone.play(600, answer.media_port or 0)
        await call.finished()
    assert audio.tone_seconds(phone.heard(), 600) > 1.2


@pytest.mark.parametrize("name", ["busy", "reject", "unknown"])
async def test_a_refusal_is_the_documented_response(dial: Dial, phone: RtpPhone, name: str) -> None:
    code = NUMBERS[name].sip_code
    async with dial(name, expect=code) as call:
        await call.finished()
        received = [message.status for message in call.messages() if message.received]
    assert [status for status in received if status and status >= 180] == [code]


async def test_no_answer_rings_until_the_caller_gives_up(dial: Dial) -> None:
    async with dial("no_answer", expect=487, cancel_after_ms=3000) as call:
        await call.finished()
        statuses = [message.status for message in call.messages() if message.received and message.method == "INVITE"]
    assert statuses == [100, 180, 487]


async def test_early_media_plays_information_tones_and_speech_and_is_then_unavailable(dial: Dial, phone: RtpPhone) -> None:
    async with dial("early_media", expect=480) as call:
        await call.finished()
        statuses = [message.status for message in call.messages() if message.received]
    heard = phone.heard()
    assert statuses == [100, 183, 480]
    for frequency in (950, 1400, 1800):
        assert 0.1 <= audio.tone_seconds(heard, frequency) <= 0.4
    assert audio.sounding_seconds(heard) > 3.0


async def test_hangs_up_after_five_seconds_of_tone(dial: Dial, phone: RtpPhone) -> None:
    async with dial("hangs_up", talk_ms=None) as call:
        await call.finished()
    assert audio.tone_seconds(phone.heard(), 440) == pytest.approx(5.0, abs=0.2)


async def test_silent_sends_real_packets_of_silence(dial: Dial, phone: RtpPhone) -> None:
    async with dial("silent", talk_ms=2000) as call:
        await call.finished()
    assert 90 <= len(phone.packets) <= 110
    assert audio.sounding_seconds(phone.heard()) == 0.0


async def test_a_number_that_is_not_in_the_table_does_not_exist(
    sipp_command: tuple[str, ...], test_network: TestNetwork, tmp_path: Path
) -> None:
    for number in ("+12025550199", "+919876543210", "112", "s"):
        call = Uac(number, 9, expect=404)
        async with Sipp(sipp_command, tmp_path, call, port=find_free_port(), remote=test_network.trunk.port) as sipp:
            await sipp.finished()


async def test_twenty_calls_a_second_and_two_hundred_at_once(
    sipp_command: tuple[str, ...], test_network: TestNetwork, tmp_path: Path
) -> None:
    call = Uac(NUMBERS["tone_1000"].number, 9, talk_ms=10_000)
    sipp = Sipp(sipp_command, tmp_path, call, port=find_free_port(), remote=test_network.trunk.port, calls=240, rate=20)
    async with sipp:
        await sipp.finished(60)
