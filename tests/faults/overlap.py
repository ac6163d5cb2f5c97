"""Two platforms on one database that share no engine: nothing but the database tells the first one that it leads no more."""

import asyncio
from pathlib import Path

from tests.app.running import Api, open_api, running

from intellicall.calls.table import State
from intellicall.settings import EngineMode, Settings


async def overlap(folder: Path) -> None:
    """A second platform starts while the first one talks, in an empty folder. Raises AssertionError if the first still acts."""
    async with open_api(folder) as first:
        talking = await first.call_in(State.TALKING)
        settings = Settings(state_dir=folder, port=0, engine=EngineMode.SCRIPTED, allow_private_callbacks=True)
        async with running(settings):
            async with asyncio.timeout(1.0):
                await first.platform.overtaken.wait()
            dialed = list(first.engine.dialed)
            status, problem, _ = await first.start()
            assert (status, problem["code"]) == (503, "storage_unavailable")
            await _hung_up_at_the_far_end(first, talking)
            assert first.engine.dialed == dialed
            [result] = await first.receiver.until(1)  # the second one told it: it found no leg
            assert talking.encode() in result.body
        assert len(first.receiver.requests) == 1


async def _hung_up_at_the_far_end(api: Api, call_id: str) -> None:
    """The engine tells the first platform of an end: it must not make a result of it."""
    api.engine.far_end_hangs_up(call_id, "customer")
    status, _, _ = await api.send("GET", f"/calls/{call_id}")
    assert status == 200
