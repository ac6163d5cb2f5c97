"""Processes die: the platform's calls go on and are taken up again, the engine's end with a result, and new calls work."""

import os
import signal
from pathlib import Path

import pytest
from tests.support import audio
from tests.support.demo import Demo, Json, at, until
from tests.support.results import HEARD, download

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="session")]

NEW_CALL_WITHIN_S = 10.0


async def test_a_call_outlives_the_platform(demo: Demo, tmp_path: Path) -> None:
    call_id = (await demo.start_call("tone_1000"))["call_id"]
    talking = await demo.until_state(call_id, "talking")
    await demo.talked(call_id, 2)
    rung = await demo.phones_rung()
    await demo.kill_platform()

    adopted = await demo.call(call_id)
    assert (adopted["state"], adopted["answer_time"]) == ("talking", talking["answer_time"])
    await demo.hang_up(call_id)
    result = await demo.result(call_id)
    assert (result["status"], result["reason"]) == ("ANSWER", "ended_by_account")
    left, right = await download(demo, result["recording_url"], tmp_path)
    length = len(left) / audio.SAMPLE_RATE
    assert result["duration"] == pytest.approx(length, abs=1)
    assert result["duration"] == pytest.approx((at(result["end_time"]) - at(result["answer_time"])).total_seconds(), abs=1)
    assert audio.tone_seconds(left, 1000) > HEARD * length
    assert audio.tone_seconds(right, 440) > HEARD * length
    assert len(await demo.received(call_id)) == 1
    assert await demo.phones_rung() == rung, "a restart dialed somebody"


async def test_a_call_that_ends_while_the_platform_is_dead_is_told_rightly(demo: Demo, tmp_path: Path) -> None:
    before = await demo.phones_up()
    call_id = (await demo.start_call("hangs_up"))["call_id"]
    await demo.until_state(call_id, "talking")
    dead = demo.facts["platform_pid"]
    os.kill(demo.process.pid, signal.SIGSTOP)  # so that nobody starts it again before the customer has hung up
    try:
        os.kill(dead, signal.SIGKILL)
        await until(lambda: _hung_up(demo, before), 10)
    finally:
        os.kill(demo.process.pid, signal.SIGCONT)
    await demo.until_another_platform(dead)
    result = await demo.result(call_id, 20)
    assert (result["status"], result["duration"]) == ("ANSWER", 5)
    left, _ = await download(demo, result["recording_url"], tmp_path)
    assert audio.tone_seconds(left, 440) == pytest.approx(5, abs=0.3)
    assert len(await demo.received(call_id)) == 1


async def test_an_engine_that_dies_is_started_again(demo: Demo) -> None:
    calls = [(await demo.start_call("tone_1000", uuid=f"engine-dies-{number}"))["call_id"] for number in range(2)]
    for call_id in calls:
        await demo.until_state(call_id, "talking")
    await demo.kill_engine()
    for call_id in calls:
        result = await demo.result(call_id)
        assert (result["status"], result["reason"], result["ended_by"]) == ("ANSWER", "engine_lost", "platform")
        assert len(await demo.received(call_id)) == 1

    call = await until(lambda: _dialed(demo), NEW_CALL_WITHIN_S)
    await demo.until_state(call["call_id"], "talking")
    await demo.hang_up(call["call_id"])
    assert (await demo.result(call["call_id"]))["status"] == "ANSWER"


async def _hung_up(demo: Demo, before: int) -> bool | None:
    """No more calls are up than there were (those that a killed engine left behind stay for ever)."""
    return True if await demo.phones_up() <= before else None


async def _dialed(demo: Demo) -> Json | None:
    """Order a call; while the engine is away, the answer is 503 with Retry-After and nothing is dialed."""
    order = {"from_number": demo.caller_id, "to_number": demo.number("tone_1000"), "agent_number": demo.number("tone_440")}
    status, call = await demo.request("POST", "/calls", order)
    assert status in (201, 503), call
    return call if status == 201 else None
