"""Two demos side by side, and what Ctrl-C leaves of one: nothing."""

from pathlib import Path

import pytest
from tests.support.demo import Demo, running_demo

from intellicall.telephony.asterisk.install import EngineInstall

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="session")]


async def test_two_demos_do_not_know_each_other(demo: Demo, engine_install: EngineInstall, short_tmp: Path) -> None:
    async with running_demo(short_tmp / "second", engine_install) as second:
        mine, theirs = set(demo.processes()), set(second.processes())
        assert mine
        assert len(theirs) >= 4  # the demo, the platform, the engine, the test network
        assert not mine & theirs
        assert {second.facts[name] for name in ("platform_pid", "engine_pid")} < theirs
        both = [(one, (await one.start_call("tone_1000"))["call_id"]) for one in (demo, second)]
        for one, call_id in both:
            await one.until_state(call_id, "talking")
        await second.interrupt()  # with a call on it

        (_, ours), (_, cut) = both
        assert (await demo.call(ours))["state"] == "talking"
        assert (await demo.request("GET", f"/calls/{cut}"))[0] == 404
        await demo.hang_up(ours)
        assert (await demo.result(ours))["status"] == "ANSWER"
        assert set(demo.processes()) == mine
