"""Platform processes that die, freeze or come twice, on a real engine: calls go on, nothing is dialed twice, one leads."""

import asyncio
import os
import re
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from tests.app.running import AGENT, CALLER_ID
from tests.faults.platforms import PlatformProcess, Site, open_site
from tests.support import audio
from tests.support.demo import until

from intellicall.supervisor import OVERTAKEN
from intellicall.telephony.asterisk.install import EngineInstall
from intellicall.telephony.testnet.network import TestNetwork
from intellicall.telephony.testnet.numbers import NUMBERS

pytestmark = pytest.mark.asterisk

ADOPTED_S = 2.0
UNHEARD_S = 0.35
"""A tone is looked for by tenths of a second: the first and the last are not whole, and one packet that is lost spoils another."""


@pytest.fixture
async def site(engine_install: EngineInstall, test_network: TestNetwork, short_tmp: Path, tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(short_tmp / tmp_path.name[-8:], engine_install, test_network) as opened:
        yield opened


async def test_a_zombie_that_wakes_up_dials_nothing_and_sends_nothing(site: Site) -> None:
    """The first platform is frozen with orders in hand, a second one takes over, the first one is thawed."""
    first = await site.platform()
    await first.ready()
    talking = await first.start_call("tone_1000")
    await first.until_state(talking, "talking")
    rung = await site.rung()
    first.signal(signal.SIGSTOP)
    order = {"from_number": CALLER_ID, "to_number": NUMBERS["tone_1000"].number, "agent_number": AGENT}
    in_hand = [asyncio.create_task(first.send("POST", "/calls", order, 20)) for _ in range(3)]
    in_hand.append(asyncio.create_task(first.send("POST", f"/calls/{talking}/hangup", None, 20)))
    second = await site.platform()
    await second.ready()
    assert (await second.until_state(talking, "talking"))["call_id"] == talking

    thawed = time.monotonic()
    first.signal(signal.SIGCONT)
    assert await first.gone() == OVERTAKEN
    assert time.monotonic() - thawed < 2.0
    assert "Another platform process" in first.log.read_text()
    for answer in await asyncio.gather(*in_hand, return_exceptions=True):
        assert isinstance(answer, aiohttp.ClientError) or (isinstance(answer, tuple) and answer[0] == 503), answer
    assert (await second.until_state(talking, "talking"))["call_id"] == talking
    await second.send("POST", f"/calls/{talking}/hangup")
    assert (await site.result(talking))["status"] == "ANSWER"
    assert await site.rung() == rung, "somebody was rung again"
    assert len(site.results(talking)) == 1


async def test_a_platform_that_is_killed_is_back_at_once_and_its_call_was_heard_throughout(site: Site) -> None:
    """`kill -9` of the process that `intellicall run` keeps alive: the call is adopted within two seconds, heard throughout."""
    running = await site.platform("run")
    await running.ready()
    call_id = await running.start_call("tone_1000", agent_number=NUMBERS["tone_440"].number)
    await running.until_state(call_id, "talking")
    await _frozen_while_a_customer_hangs_up(site, running)
    rung = await site.rung()
    serving, _ = await until(lambda: _both(running), 40)
    killed = time.monotonic()
    os.kill(serving, signal.SIGKILL)
    await running.until_state(call_id, "talking")
    assert time.monotonic() - killed < ADOPTED_S
    status, _, _ = await running.send("POST", f"/calls/{call_id}/hangup")
    assert status == 200
    result = await site.result(call_id)
    assert (result["status"], result["reason"]) == ("ANSWER", "ended_by_account")
    wav = site.settings.recordings_dir / Path(result["recording_url"]).name
    left, right = audio.read_wav_stereo(wav)
    seconds = len(left) / audio.SAMPLE_RATE
    for side, tone in ((left, 1000), (right, 440)):
        assert seconds - audio.tone_seconds(side, tone) < UNHEARD_S
    assert result["duration"] == pytest.approx(seconds, abs=1)
    assert await site.rung() == rung
    assert len(site.results(call_id)) == 1


async def _frozen_while_a_customer_hangs_up(site: Site, running: PlatformProcess) -> None:
    """SIGSTOP of the platform for some seconds: what happened meanwhile has its true times and its true culprit."""
    before = await _calls_up(site)  # the other call's, and what engines that were killed have left on the test network
    call_id = await running.start_call("hangs_up")
    await running.until_state(call_id, "talking")
    serving = await until(lambda: _serving(running))
    os.kill(serving, signal.SIGSTOP)
    try:
        await until(lambda: _down_to(site, before), 15)
    finally:
        os.kill(serving, signal.SIGCONT)
    result = await site.result(call_id)
    assert (result["status"], result["reason"], result["duration"]) == ("ANSWER", "customer_hung_up", 5)
    assert len(site.results(call_id)) == 1


async def _calls_up(site: Site) -> int:
    shown = await site.network.engine.console("core show channels count")
    found = re.search(r"^(\d+) active call", shown, re.MULTILINE)
    assert found, shown
    return int(found[1])


async def _down_to(site: Site, calls: int) -> bool | None:
    return True if await _calls_up(site) <= calls else None


async def _serving(running: PlatformProcess) -> int | None:
    return _children(running.process.pid)[0]


async def _both(running: PlatformProcess) -> tuple[int, int] | None:
    """Return the process that serves and the spare, once the spare has loaded everything."""
    return _serving_and_loaded(running.process.pid)


def _children(supervisor: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()]


def _serving_and_loaded(supervisor: int) -> tuple[int, int] | None:
    """The older child serves; the spare waits in read(2) of its standard input."""
    try:
        serving, spare = _children(supervisor)
        loaded = Path(f"/proc/{spare}/syscall").read_text().startswith("0 0x0 ")
    except (ValueError, OSError):
        return None
    return (serving, spare) if loaded else None
