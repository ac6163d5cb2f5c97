"""While a platform finds out what it missed, the engine goes on telling: what was missed comes first."""

from collections.abc import Collection
from pathlib import Path

from tests.calls.world import SCRIPT, open_world
from tests.support.clock import HandClock

from intellicall.calls.endings import Status
from intellicall.calls.table import Reason, State
from intellicall.storage.database import Database
from intellicall.telephony.engine import LegAnswered, LegEnded, Role
from intellicall.telephony.scripted.engine import ScriptedEngine


class Hasty(ScriptedEngine):
    """While it is asked what was missed, the customer hangs up."""

    hangs_up: str | None = None

    async def missed(self, call_ids: Collection[str]) -> list[LegAnswered | LegEnded]:
        remembered = await super().missed(call_ids)
        if self.hangs_up:
            self.far_end_hangs_up(self.hangs_up, Role.CUSTOMER)
            await self._clock.sleep(0)
        return remembered


async def test_an_answer_that_was_missed_comes_before_the_end_that_is_heard(database: Database, tmp_path: Path) -> None:
    clock = HandClock()
    engine = Hasty(clock, SCRIPT, tmp_path)
    async with open_world(database, tmp_path, engine=engine, clock=clock) as before:
        entry, _ = await before.calls.start(before.request("no_answer"), limit=10)
        await before.until_state(entry.call.id, State.CUSTOMER_RINGING)
    engine.far_end_answers(entry.call.id, Role.CUSTOMER)
    await clock.advance(3)
    engine.hangs_up = entry.call.id
    async with open_world(database, tmp_path, engine=engine, clock=clock) as after:
        done = await after.until_state(entry.call.id, State.ENDED)
        [ended] = after.ended
        assert (ended.data["result"]["status"], done.call.reason) == (Status.ANSWER, Reason.CUSTOMER_HUNG_UP)
        assert done.call.talk_s == 3
        await engine.stop()
