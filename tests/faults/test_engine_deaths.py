"""The engine dies or hangs under a whole platform: its calls have their results at once, it comes back, nothing stale is dialed."""

import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.faults.centre import Centre, centre
from tests.support import audio
from tests.support.demo import until

from intellicall.telephony.asterisk import last_sign
from intellicall.telephony.asterisk.install import EngineInstall
from intellicall.telephony.rtp_ports import parts
from intellicall.telephony.testnet.network import TestNetwork
from intellicall.telephony.testnet.numbers import NUMBERS

pytestmark = pytest.mark.asterisk

RESULTS_S = 5.0
BACK_S = 3.0
DETECTED_S = 2.0
REFUSED_S = 1.0


@pytest.fixture
async def here(engine_install: EngineInstall, test_network: TestNetwork, short_tmp: Path, tmp_path: Path) -> AsyncIterator[Centre]:
    async with centre(short_tmp / tmp_path.name[-8:], test_network) as opened:
        yield opened


async def test_an_engine_that_dies_ends_its_calls_in_every_state_and_comes_back(here: Centre, tmp_path: Path) -> None:
    talking = await here.call_in("talking")
    held = await here.call_in("talking")
    assert (await here.send("POST", f"/calls/{held}/hold"))[0] == 200
    agent = await here.call_in("agent_ringing", agent_number=NUMBERS["no_answer"].number)
    customer = await here.call_in("customer_ringing", "no_answer")
    await until(_recorded(here, 2.5))
    dialing = (await here.order())[1]["call_id"]
    os.kill(here.engine_pid, signal.SIGKILL)
    died, died_at = time.monotonic(), datetime.now(UTC)

    async def all_told() -> dict[str, Any] | None:
        found = here.results()
        return found if len(found) == 5 else None

    results = await until(all_told)
    assert time.monotonic() - died < RESULTS_S
    assert {results[call_id]["reason"] for call_id in results} == {"engine_lost"}
    assert [results[call_id]["status"] for call_id in (talking, held, agent, customer)] == ["ANSWER", "ANSWER", "FAILED", "FAILED"]
    assert results[dialing]["status"] in ("ANSWER", "FAILED")

    async def works() -> str | None:
        status, call, headers = await here.order("tone_1000")
        assert status in (201, 503), call
        assert status == 201 or headers["Retry-After"]
        return str(call["call_id"]) if status == 201 else None

    call_id = await until(works)
    await here.until_state(call_id, "talking")
    assert time.monotonic() - died < BACK_S + 1  # an engine in three seconds, and a call in one more
    last = last_sign.before(here.platform.settings.recordings_dir)
    assert last is not None
    assert abs(last - died_at) < timedelta(seconds=1.5)  # for a platform that would have been away

    link = results[talking]["recording_url"]
    async with here.http.get(link) as answer:
        assert answer.status == 200
        (tmp_path / "kept.wav").write_bytes(await answer.read())
    left, _ = audio.read_wav_stereo(tmp_path / "kept.wav")
    kept = len(left) / audio.SAMPLE_RATE
    assert audio.tone_seconds(left, 1000) > 0.9 * kept - 0.1
    assert results[talking]["duration"] == pytest.approx(kept, abs=1.6)  # the engine had up to a second of it in memory
    await here.send("POST", f"/calls/{call_id}/hangup")
    await here.until_state(call_id, "ended")


async def test_the_next_engine_hears_nothing_of_what_is_still_sent_to_the_last_ones_ports(here: Centre) -> None:
    """A phone sends on for half a minute: no new call may be given its port."""
    low, high = here.platform.settings.rtp_port_min, here.platform.settings.rtp_port_max
    seen: list[set[int]] = []
    for _ in range(2):
        call_id = await here.call_in("talking")
        ports = {port for port in udp_ports(here.engine_pid) if low <= port <= high}
        assert len(ports) >= 4  # RTP and RTCP of two legs
        seen.append({index for index, (first, last) in enumerate(parts(low, high)) if any(first <= port <= last for port in ports)})
        os.kill(here.engine_pid, signal.SIGKILL)
        await until(_gone(here))
        await until(_back(here))
        await here.until_state(call_id, "ended")
    assert len(seen[0]) == len(seen[1]) == 1
    assert seen[0] != seen[1]


async def test_an_engine_that_hangs_is_noticed_and_dials_nothing_late(here: Centre) -> None:
    talking = await here.call_in("talking")
    rung = await here.rung()
    pid = here.engine_pid
    os.kill(pid, signal.SIGSTOP)
    stopped = time.monotonic()
    try:
        await until(_gone(here))
        assert time.monotonic() - stopped < DETECTED_S
        asked = time.monotonic()
        status, problem, headers = await here.order()
        assert (status, problem["code"], bool(headers["Retry-After"])) == (503, "engine_unavailable", True)
        assert time.monotonic() - asked < REFUSED_S
    finally:
        os.kill(pid, signal.SIGCONT)
    await until(_back(here))
    await here.until_state(talking, "talking")
    again = await here.call_in("talking")
    assert await here.rung() == rung + 2, "a call that was refused was dialed"
    for call_id in (talking, again):
        await here.send("POST", f"/calls/{call_id}/hangup")
        await here.until_state(call_id, "ended")


def udp_ports(pid: int) -> set[int]:
    """Return the local UDP ports of a process (proc(5): `fd` and `net/udp`)."""
    opened = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            opened.add(str(descriptor.readlink()))
    rows = [row.split() for name in ("udp", "udp6") for row in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]]
    return {int(row[1].rpartition(":")[2], 16) for row in rows if f"socket:[{row[9]}]" in opened}


def _recorded(here: Centre, seconds: float) -> Any:
    """So much of a call has been written by the engine."""

    async def written() -> bool | None:
        sizes = [file.stat().st_size for file in here.platform.settings.recordings_dir.glob("*.raw")]
        return True if len(sizes) >= 2 and min(sizes) >= seconds * 32_000 else None

    return written


def _gone(here: Centre) -> Any:
    async def gone() -> bool | None:
        return None if here.platform.engine.ready else True

    return gone


def _back(here: Centre) -> Any:
    async def back() -> bool | None:
        return True if here.platform.engine.ready else None

    return back
