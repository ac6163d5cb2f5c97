"""Platform and engine are gone, the platform comes back later: the talk counts until the engine was last known to live."""

from pathlib import Path

from tests.calls.world import open_world

from intellicall.calls.table import Reason, State
from intellicall.storage.database import Database
from intellicall.telephony.engine import Role


async def test_an_outage_is_not_talk(database: Database, tmp_path: Path) -> None:
    async with open_world(database, tmp_path) as before:
        entry, _ = await before.calls.start(before.request(), limit=10)
        await before.until_state(entry.call.id, State.TALKING)
        await before.clock.advance(3)
    before.engine.die()
    await before.clock.advance(600)
    async with open_world(database, tmp_path, engine=before.engine, clock=before.clock) as after:
        done = await after.until_state(entry.call.id, State.ENDED)
        assert (done.call.talk_s, done.call.reason) == (3, Reason.ENGINE_LOST)
        again, _ = await after.calls.start(after.request(), limit=10)
        await after.until_state(again.call.id, State.TALKING)
        await after.clock.advance(5)
    await after.clock.advance(2)
    async with open_world(database, tmp_path, engine=before.engine, clock=before.clock) as last:
        last.engine.far_end_hangs_up(again.call.id, Role.CUSTOMER)
        done = await last.until_state(again.call.id, State.ENDED)
        assert done.call.talk_s == 7  # a call of the engine's next life
        await last.engine.stop()
