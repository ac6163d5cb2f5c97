"""After hundreds of calls nothing is left of them: no task, no thread, no descriptor, no channel, no file, here or there."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.faults.centre import Centre, centre
from tests.support.demo import until

from intellicall.telephony.asterisk.adapter import AsteriskEngine
from intellicall.telephony.asterisk.install import EngineInstall
from intellicall.telephony.testnet.network import TestNetwork

pytestmark = pytest.mark.asterisk

WARM_UP, CALLS, AT_ONCE = 20, 120, 10
LEAK = CALLS // 10
"""Connections that are kept open for the next request come and go, a few of them; a thing left by one call in ten is noticed."""
KINDS = ("hangs_up", "busy", "tone_1000", "hangs_up", "reject")


@pytest.fixture
async def here(engine_install: EngineInstall, test_network: TestNetwork, short_tmp: Path) -> AsyncIterator[Centre]:
    async with centre(short_tmp / "grows", test_network) as opened:
        yield opened


async def test_nothing_is_left_of_calls(here: Centre) -> None:
    await _calls(here, WARM_UP)
    before = await _settled(here)
    await _calls(here, CALLS)
    after = await _settled(here)
    grown = {what: count - before[what] for what, count in after.items() if count - before[what] >= LEAK}
    assert not grown
    assert len(here.results()) == WARM_UP + CALLS
    assert not list(here.platform.settings.recordings_dir.glob("*.raw"))


async def _calls(here: Centre, count: int) -> None:
    """So many calls, some at once, of which some never talk and one in five is hung up by us; wait for their results."""
    known = len(here.results())
    room = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with room:
            kind = KINDS[number % len(KINDS)]
            call_id = await here.call_in("talking" if kind == "tone_1000" else "ended", kind)
            if kind == "tone_1000":
                assert (await here.send("POST", f"/calls/{call_id}/hangup"))[0] == 200

    await asyncio.gather(*(one(number) for number in range(count)))
    await until(lambda: _told(here, known + count))


async def _told(here: Centre, count: int) -> bool | None:
    return True if len(here.results()) == count else None


async def _settled(here: Centre) -> dict[str, int]:
    """Return what there is when two looks, a moment apart, see the same."""
    seen: list[dict[str, int]] = [{}]

    async def same() -> dict[str, int] | None:
        seen.append(await _held(here))
        return seen[-1] if len(seen) > 20 and all(one == seen[-1] for one in seen[-20:]) else None

    return await until(same, 30)


async def _held(here: Centre) -> dict[str, int]:
    engine = here.platform.engine
    assert isinstance(engine, AsteriskEngine)
    of_engine = Path(f"/proc/{here.engine_pid}")
    return {
        "tasks": len(asyncio.all_tasks()),
        "threads": threading.active_count(),
        "descriptors": _count(Path("/proc/self/fd")),
        "calls": len(here.platform.calls.ids()),
        "the engine's threads": _count(of_engine / "task"),
        "the engine's descriptors": _count(of_engine / "fd"),
        "the engine's channels": len(await engine.live_link().request("GET", "channels")),
        "the engine's bridges": len(await engine.live_link().request("GET", "bridges")),
    }


def _count(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir())
