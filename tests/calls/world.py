"""A calls room to test in: scripted engine, real SQL, a clock moved by hand, one account with agents."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select
from tests.support.clock import HandClock

from intellicall.accounts.account import Account, Agent, CallerId
from intellicall.accounts.numbers import parse
from intellicall.calls import journal as journal_room
from intellicall.calls import store
from intellicall.calls.calls import Calls
from intellicall.calls.conductor import Surroundings
from intellicall.calls.journal import Journal, JournalEntry
from intellicall.calls.request import CallType, Request, compose
from intellicall.calls.result import Entry
from intellicall.ids import new_token
from intellicall.recordings.disk import DiskShelf
from intellicall.storage.database import Database
from intellicall.telephony.engine import SoftphoneLine
from intellicall.telephony.scripted.engine import BEHAVIOURS, ScriptedEngine
from intellicall.telephony.testnet.numbers import NUMBERS

ACCOUNT = Account(id="a1", name="acme", enabled=True, sandbox=True, default_region="US", concurrent_calls=10)
AGENT = Agent(id="g1", account_id="a1", crm_username="agent.017", number=NUMBERS["tone_440"].number)
CALLER_ID = CallerId("+12025550190", "a1", ("sandbox",))
SCRIPT = {
    NUMBERS["tone_1000"].number: BEHAVIOURS["answers"],
    NUMBERS["tone_440"].number: BEHAVIOURS["answers"],
    NUMBERS["speech"].number: BEHAVIOURS["answers_after_3s"],
    **{NUMBERS[name].number: BEHAVIOURS[name] for name in ("busy", "reject", "no_answer", "unknown", "early_media", "hangs_up")},
}


@dataclass
class World:
    """What a test of the calls room holds in its hands."""

    database: Database
    clock: HandClock
    engine: ScriptedEngine
    calls: Calls
    seen: list[Entry] = field(default_factory=list)
    ended: list[JournalEntry] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    meanwhile: Callable[[Entry], None] | None = None
    """Done when a change is stored and told, before the engine hears of it."""

    def request(self, customer: str = "tone_1000", agent: str | None = "tone_440", **changes: Any) -> Request:
        """Compose a request: `agent` names a test number, None the softphone of AGENT."""
        line = parse(NUMBERS[agent].number, "US") if agent else SoftphoneLine("s1", new_token())
        account = replace(ACCOUNT, **{k: changes.pop(k) for k in list(changes) if k in Account.__dataclass_fields__})
        return compose(
            account,
            CALLER_ID,
            parse(NUMBERS[customer].number, "US"),
            line,
            None if agent else AGENT,
            call_type=CallType.SERVER if agent else CallType.BROWSER,
            uuid=changes.pop("uuid", None),
            at=self.clock.now(),
            room=changes.pop("room", True),
        )

    async def until(self, true: Callable[[], bool]) -> None:
        """Return once `true()`; looked at after each change of any call. Fails after 5 s."""
        async with asyncio.timeout(5), self.changed:
            await self.changed.wait_for(true)

    async def until_state(self, call_id: str, state: str) -> Entry:
        """Return the call as it was when it entered `state`."""
        found: list[Entry] = []

        def reached() -> bool:
            found[:] = [entry for entry in self.seen if entry.call.id == call_id and entry.call.state == state]
            return bool(found)

        await self.until(reached)
        return found[-1]

    async def journal_of(self, call_id: str) -> list[JournalEntry]:
        return await self.database.read(lambda connection: journal_room.read(connection, call_id))

    async def live(self) -> list[str]:
        return await self.database.read(lambda connection: [e.call.id for e in store.live(connection)])


@asynccontextmanager
async def open_world(
    database: Database, recordings: Path, engine: ScriptedEngine | None = None, clock: HandClock | None = None
) -> AsyncIterator[World]:
    """Open a calls room; with `engine` given it is one that was running before (a restart of the platform)."""
    clock = clock or HandClock()
    engine = engine or ScriptedEngine(clock, SCRIPT, recordings)
    shelf = DiskShelf(recordings)
    ended: list[JournalEntry] = []

    def project(_connection: Connection, entries: Any) -> None:
        ended.extend(entry for entry in entries if entry.kind == "ended")

    def changed(entry: Entry) -> None:
        world.seen.append(entry)
        if world.meanwhile:
            world.meanwhile(entry)
        task = asyncio.get_running_loop().create_task(wake())
        wakers.add(task)
        task.add_done_callback(wakers.discard)

    async def wake() -> None:
        async with world.changed:
            world.changed.notify_all()

    wakers: set[asyncio.Task[None]] = set()
    url = "https://calls.example/recordings/{}.wav".format
    around = Surroundings(database, Journal([project]), engine, shelf, clock, url, changed)
    world = World(database, clock, engine, Calls(around), ended=ended)
    engine.listen(world.calls.engine_event)
    await engine.start()
    await world.calls.recover()
    try:
        yield world
    finally:
        await world.calls.close()
        shelf.close()


async def count_rows(database: Database) -> int:
    """Return how many calls are stored."""
    return await database.read(lambda connection: len(connection.execute(select(store.calls.c.id)).all()))
