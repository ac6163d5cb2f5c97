"""Random orders and people on the whole room of calls, over the scripted engine and the real one alike.

Whatever is ordered and whoever picks up, hangs up or is rung in vain, in whatever order, and with the engine's connection broken
now and then: the platform and the engine agree on who is there, the call comes to one end, and nobody is left in the line.
"""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.calls.world import ACCOUNT, CALLER_ID
from tests.contract.conftest import Harness
from tests.contract.stage import PHONES, Stage, line
from tests.support.sipp import until

from intellicall.accounts.numbers import parse
from intellicall.calls import journal as journal_room
from intellicall.calls import store
from intellicall.calls.arrangement import arrangement
from intellicall.calls.call import Order
from intellicall.calls.calls import Calls
from intellicall.calls.conductor import Surroundings
from intellicall.calls.journal import Journal
from intellicall.calls.orders import Ask
from intellicall.calls.people import Person
from intellicall.calls.request import CallType, compose
from intellicall.calls.result import Entry
from intellicall.calls.table import ORDERS, Move, Party, State
from intellicall.clock import SystemClock
from intellicall.errors import Refused
from intellicall.recordings.disk import DiskShelf
from intellicall.storage.database import Database
from intellicall.storage.migrate import migrate
from intellicall.telephony.engine import EngineEvent, EngineUnavailable, LegPlan
from intellicall.telephony.scripted.engine import ScriptedEngine
from intellicall.telephony.testnet.numbers import NUMBERS

GIVEN = [move for move in ORDERS if move is not Move.HANG_UP]
INVITES = (Move.CONSULT, Move.ADD, Move.TRANSFER)

acts = st.one_of(
    st.tuples(st.just("order"), st.sampled_from(GIVEN), st.sampled_from([None, "agent", "customer", "p1", "p2"])),
    st.tuples(st.just("order"), st.sampled_from(INVITES), st.none()),
    st.tuples(st.just("pick_up"), st.none(), st.none()),
    st.tuples(st.just("hang_up"), st.sampled_from(["agent", "customer", "p1", "p2"]), st.none()),
    st.tuples(st.just("lose"), st.none(), st.none()),
    st.tuples(st.just("hurry"), st.none(), st.none()),
)
Act = tuple[str, Any, Any]
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)  # what fails waits for what does not come: shrinking would take minutes


@dataclass
class Play:
    """One call among the stage's phones, with the room of calls over the engine."""

    harness: Harness
    stage: Stage
    calls: Calls
    entries: dict[str, Entry] = field(default_factory=dict)
    call_id: str = ""
    hurry: bool = False

    @property
    def entry(self) -> Entry:
        return self.entries[self.call_id]

    async def begin(self) -> None:
        """Bring agent and customer together."""
        agent, customer = (parse(NUMBERS[name].number, "US") for name in ("tone_440", "tone_1000"))
        request = compose(
            replace(ACCOUNT, max_length_s=120, recording=False),
            CALLER_ID,
            customer,
            agent,
            None,
            call_type=CallType.SERVER,
            uuid=None,
            at=self.calls.around.clock.now(),
        )
        plan = replace(request.plan, agent=line("agent"), customer_number=PHONES["customer"], trunks=("phone-customer",))
        entry, _ = await self.calls.start(replace(request, plan=plan), limit=10)
        self.call_id = entry.call.id
        self.entries.setdefault(self.call_id, entry)
        await until(lambda: self.entry.call.state is State.TALKING)

    async def act(self, act: Act) -> None:
        """Let somebody do something, sensible or not."""
        kind, what, whom = act
        if kind == "order":
            with contextlib.suppress(Refused):
                await self.calls.order(ACCOUNT.id, self.call_id, self.ask(what, whom))
        elif kind == "lose":
            await self.harness.lose()
            await self.harness.come_back()
        elif kind == "hurry":
            self.hurry = True
            return
        else:
            await self.person(kind, what)
        if not self.hurry:
            await self.settled()
        self.hurry = False

    def ask(self, move: Move, whom: str | None) -> Ask:
        if move not in INVITES:
            return Ask(Order(move, Party.ACCOUNT, whom), digits="12" if move is Move.SEND_DIGITS else None)
        leg = f"p{self.entry.call.dialed + 1}"
        if leg not in PHONES:
            return Ask(Order(Move.HOLD, Party.ACCOUNT))  # there are no more phones
        self.stage.waits(leg)
        plan = LegPlan(self.call_id, "", line(leg), CALLER_ID.number, PHONES["customer"], 20)
        return Ask(Order(move, Party.ACCOUNT), Person("", "", PHONES[leg], PHONES[leg]), plan)

    async def person(self, kind: str, leg: str | None) -> None:
        """Somebody picks up or hangs up: only who can."""
        call = self.entry.call
        if kind == "pick_up" and call.guest and call.guest.here and not call.guest.up:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2):
                    await self.stage.pick_up(self.call_id, call.guest.line)
        elif kind == "hang_up" and leg and (seat := call.seat_of(leg)) and call.seats[seat].up:
            self.stage.hang_up(self.call_id, leg)
            await until(lambda: self.entry.call.seat_of(leg) is None or not self.entry.call.live or not self.up(leg))

    def up(self, leg: str) -> bool:
        seat = self.entry.call.seat_of(leg)
        return seat is not None and self.entry.call.seats[seat].up

    async def settled(self) -> None:
        """Wait until platform and engine agree on who is there, and on who hears whom where that can be asked."""
        async with asyncio.timeout(10):
            while not await self.agreed():  # noqa: ASYNC110 - the engine is another process and sends no event for all of it
                await asyncio.sleep(0.02)

    async def agreed(self) -> bool:
        call = self.entry.call
        try:
            seen = {leg.leg: leg.answered for leg in await self.harness.engine.snapshot() if leg.call_id == self.call_id}
        except EngineUnavailable:
            return False
        if not call.live or call.state is State.ENDING:
            return not seen and not call.live
        here = {one.line: one.up for one in call.seats.values() if one.here}
        engine = self.harness.engine
        wanted = arrangement(call)
        said = engine.arranged.get(self.call_id, wanted) if isinstance(engine, ScriptedEngine) else wanted
        return seen == here and said == wanted

    async def end(self) -> None:
        """However it stands, it can be ended, and ends once."""
        with contextlib.suppress(Refused):
            await self.calls.hang_up(ACCOUNT.id, self.call_id, Party.ACCOUNT)
        await self.settled()
        journal = await self.calls.around.database.read(lambda connection: journal_room.read(connection, self.call_id))
        assert [entry.seq for entry in journal] == list(range(1, len(journal) + 1))
        assert [entry.kind for entry in journal].count("ended") == 1
        assert self.entry.call.reason is not None
        assert await self.calls.around.database.read(store.live) == []


@asynccontextmanager
async def on_stage(harness: Harness, stage: Stage, folder: Path) -> AsyncIterator[Play]:
    """Open a room of calls over the harness's engine."""
    url = f"sqlite:///{tempfile.mkdtemp(dir=folder)}/play.db"
    await asyncio.to_thread(migrate, url)
    database, shelf = Database(url), DiskShelf(folder)
    entries: dict[str, Entry] = {}

    def changed(entry: Entry) -> None:
        entries[entry.call.id] = entry

    around = Surroundings(database, Journal(), harness.engine, shelf, SystemClock(), str, changed)
    calls = Calls(around)

    def hear(event: EngineEvent) -> None:
        harness.heard(event)  # by which the harness knows that the connection is back
        calls.engine_event(event)

    harness.engine.listen(hear)
    await calls.recover()
    try:
        yield Play(harness, stage, calls, entries)
    finally:
        await calls.close()
        shelf.close()
        database.close()


async def live_through(harness: Harness, stage: Stage, folder: Path, plot: list[Act]) -> None:
    async with on_stage(harness, stage, folder) as play:
        await play.begin()
        for act in plot:
            await play.act(act)
        await play.end()


@pytest.mark.parametrize("harness", ["scripted"], indirect=True)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], phases=PHASES)
@given(plot=st.lists(acts, max_size=14))
async def test_any_sequence_ends_well_when_it_is_played(harness: Harness, stage: Stage, tmp_path: Path, plot: list[Act]) -> None:
    await live_through(harness, stage, tmp_path, plot)


@pytest.mark.asterisk
@pytest.mark.parametrize("harness", ["asterisk"], indirect=True)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], phases=PHASES)
@given(plot=st.lists(acts, min_size=4, max_size=10))
async def test_any_sequence_ends_well_on_asterisk(harness: Harness, stage: Stage, tmp_path: Path, plot: list[Act]) -> None:
    await live_through(harness, stage, tmp_path, plot)
