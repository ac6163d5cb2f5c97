"""A platform, its engine and its receiver in one process, played through in hand-advanced time, with deaths wherever wanted.

The witnesses write down by themselves what the oracle judges by: the engine what was dialed, answered and ended; the receiver what
came; the client what it was told. None of them is part of the platform, and they outlive it.
"""

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Engine as SqlEngine
from tests.calls.world import ACCOUNT, AGENT, CALLER_ID, SCRIPT
from tests.faults.books import Books
from tests.faults.mortal import Around, Mortal, MortalDatabase, MortalEngine, MortalShelf, MortalTransport, Twist, as_it_is
from tests.support.clock import HandClock
from tests.support.receiver import Receiver, answers

from intellicall.accounts.changes import create_account, update_account
from intellicall.accounts.numbers import parse
from intellicall.callbacks import store as deliveries
from intellicall.callbacks.courier import Courier
from intellicall.callbacks.lifecycle import Lifecycle
from intellicall.calls.calls import Calls
from intellicall.calls.conductor import Surroundings
from intellicall.calls.journal import Journal
from intellicall.calls.orders import Ask
from intellicall.calls.recorded import teller
from intellicall.calls.request import CallType, Request, compose
from intellicall.errors import Refused
from intellicall.ids import new_call_id
from intellicall.recordings.completing import Completer
from intellicall.recordings.news import Telling
from intellicall.storage.database import StorageUnavailable
from intellicall.telephony.engine import Engine, EngineEvent, LegAnswered, LegEnded, PhoneLine, SoftphoneLine
from intellicall.telephony.scripted.behaviour import Behaviour
from intellicall.telephony.scripted.engine import BEHAVIOURS, ScriptedEngine
from intellicall.telephony.testnet.numbers import NUMBERS

START = datetime(2026, 7, 3, 10, 0, tzinfo=UTC)
MEND_S = 10.0
QUIET_S = 600.0
"""Within so much time of the play every call and every delivery must have come to its end."""
PATIENCE_S = 120.0
"""Whoever is left in the line after the play hangs up by then."""
SCRIPTED = SCRIPT | {NUMBERS["silent"].number: BEHAVIOURS["carrier_failure"]}


class QuickClock(HandClock):
    """A clock whose driver waits by itself until everybody who woke has done what there was to do."""

    async def step(self, until: float) -> None:
        """Move on to the next sleeper's time, or to `until` when that is earlier."""
        if self._sleepers and self._sleepers[0].until <= until:
            sleeper = self._sleepers[0]
            self._elapsed = max(self._elapsed, sleeper.until)
            if sleeper.future.done():
                self._sleepers.remove(sleeper)
            else:
                sleeper.future.set_result(None)
        else:
            self._elapsed = until


class WitnessedEngine(ScriptedEngine):
    """Writes down whom it dialed and what became of each leg, whether or not anybody listens."""

    def __init__(self, clock: HandClock, recordings: Path, notes: Path) -> None:
        super().__init__(clock, SCRIPTED, recordings)
        self._notes = notes.open("a", buffering=1)
        self.died = 0

    def _witness(self, what: str, call_id: str, leg: str) -> None:
        self._notes.write(json.dumps({"at": self._now().timestamp(), "what": what, "call_id": call_id, "leg": leg}) + "\n")

    def _play(self, call_id: str, leg: str, line: SoftphoneLine | PhoneLine, limit_s: float) -> None:
        self._witness("dialed", call_id, leg)
        super()._play(call_id, leg, line, limit_s)

    def _say(self, event: EngineEvent) -> None:
        if isinstance(event, LegAnswered | LegEnded):
            self._witness("answered" if isinstance(event, LegAnswered) else "ended", event.call_id, event.leg)
        super()._say(event)

    def die(self) -> None:
        for call_id, call in self._calls.items():
            for leg in call.legs:
                self._witness("ended", call_id, leg)
        super().die()

    @property
    def still(self) -> bool:
        """Whether no call is left."""
        return not self._calls

    def close(self) -> None:
        self._drop_calls()
        self._notes.close()


@dataclass
class House:
    """What outlives every platform: where the database, the recordings and the witnesses' notes are."""

    url: str
    sql: SqlEngine
    folder: Path

    @property
    def recordings(self) -> Path:
        return self.folder / "recordings"

    def notes(self, name: str) -> Path:
        return self.folder / f"{name}.jsonl"

    def clear(self) -> None:
        """Begin anew: no recordings, no notes. The database is the caller's."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.recordings.mkdir(parents=True)


class Life:
    """One platform process, from start to death: the calls room, the courier and what they need, as app.py composes them."""

    def __init__(
        self, house: House, clock: HandClock, engine: ScriptedEngine, mortal: Mortal, twist: Twist, around: Around
    ) -> None:
        self.mortal = mortal
        self.database = MortalDatabase(house.url, house.sql, mortal)
        self.shelf = MortalShelf(house.recordings, mortal)
        self._clock = clock
        self._lifecycle = Lifecycle()
        self._transport = MortalTransport(mortal)
        self.courier = Courier(self.database, clock, self._transport, self._lifecycle)
        journal = Journal([deliveries.project, self._lifecycle.project])
        telling = Telling(teller(journal, clock), self._told)
        self._completer = Completer(self.database, self.shelf, clock, telling)
        self.engine = cast("Engine", MortalEngine(engine, mortal, twist, around))
        url = "https://calls.example/recordings/{}.wav".format
        self.calls = Calls(Surroundings(self.database, journal, self.engine, self.shelf, clock, url, self._changed))
        self._before = asyncio.all_tasks()

    async def begin(self) -> None:
        await self.courier.start()
        await self.database.take_lead()
        self.engine.listen(self.calls.engine_event)
        await self.engine.start()
        await self.calls.recover()
        for work in (self.calls.janitor(), self._mend()):
            asyncio.get_running_loop().create_task(work, name="platform")

    async def _mend(self) -> None:
        while True:
            with contextlib.suppress(StorageUnavailable):
                await self._completer.complete()
            await self._clock.sleep(MEND_S)

    def _changed(self, entry: Any) -> None:
        self._told(entry.request.account_id)
        if not entry.call.live:
            self.courier.wake(entry.request.account_id)

    def _told(self, account_id: str) -> None:
        self.courier.wake_events(account_id)

    async def drop(self) -> None:
        """The process is gone: none of its tasks goes on, none can reach anything any more."""
        self.mortal.dead = True
        tasks = [task for task in asyncio.all_tasks() - self._before if _is_platforms(task)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.database.drop()
        self.shelf.close()
        await self._transport.close()


def _is_platforms(task: "asyncio.Task[Any]") -> bool:
    """Whether the task is the platform's, and not its receiver's, its client's or its engine's."""
    code = getattr(task.get_coro(), "cr_code", None)
    ours = code is not None and "/src/intellicall/" in code.co_filename and "/scripted/" not in code.co_filename
    return ours or task.get_name() == "platform"


@dataclass
class Act:
    """Somebody does something: the `world` (once, whatever the platform does), or a `client` of the platform, who asks again after
    an answer that never came. `seconds`: or time passes.
    """

    world: Callable[["Stage"], None] | None = None
    client: Callable[["Stage"], Awaitable[None]] | None = None
    seconds: float = 0.0


@dataclass
class Stage:
    """One play. `die_at`: at which point each life in turn dies; lives beyond that end with the play."""

    house: House
    books: Books
    clock: QuickClock
    engine: WitnessedEngine
    receiver: Receiver
    die_at: Sequence[int] = ()
    outage_s: float = 0.5
    twist: Twist = lambda event: (event,)
    around: Around = as_it_is
    lives: list[Life] = field(default_factory=list)
    uuid: str = "u-1"
    call_id: str = ""
    request: Request | None = None
    unproven: list[str] = field(default_factory=list)
    on_death: Callable[[], None] = lambda: None
    after_death: Callable[[], Awaitable[None]] | None = None

    @property
    def life(self) -> Life:
        return self.lives[-1]

    @property
    def mortal(self) -> Mortal:
        return self.life.mortal

    def tell(self, what: str, **more: object) -> None:
        """Note what a client was answered."""
        with self.house.notes("client").open("a") as notes:
            notes.write(json.dumps({"at": self.clock.now().timestamp(), "what": what, **more}) + "\n")

    # -- the platform's lives -------------------------------------------------------------------------------------------

    async def rise(self) -> None:
        """Start a platform on what is there; when it dies at that, another one."""
        number = len(self.lives)
        mortal = Mortal(self.die_at[number] if number < len(self.die_at) else None, on_death=self.on_death)
        self.lives.append(Life(self.house, self.clock, self.engine, mortal, self.twist, self.around))
        await self._through(self.life.begin())

    async def _through(self, coming: Awaitable[None]) -> None:
        """Let it be done, and all that follows from it at this time. When the platform dies of it, another one is started."""
        task = asyncio.ensure_future(coming)
        task.set_name("client")
        lived = len(self.lives)
        await self.settle()
        while not (task.done() or self.mortal.dead or len(self.lives) > lived):
            await self.pass_time(1.0)  # it waits for something in time
        if task.done():
            task.result()
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if len(self.lives) == lived:
            await self.bury()

    async def bury(self) -> None:
        await self.life.drop()
        if self.after_death:
            await self.after_death()
        self.unproven += self.books.sent_without_an_end(self.house.notes("receiver"))
        await self.pass_time(self.outage_s, dead=True)
        await self.rise()

    async def settle(self) -> None:
        """Return when nothing more happens at this moment of the play, or when the platform has died."""
        ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]  # what is going to run: no public way to know
        quiet = 0
        while quiet < 3 and not self.mortal.dead:
            await asyncio.sleep(0)
            if ready:
                quiet = 0
            elif self.mortal.busy:
                quiet = 0
                self.mortal.moved.clear()
                if self.mortal.busy and not ready and not self.mortal.dead:
                    await asyncio.wait_for(self.mortal.moved.wait(), 10)
            else:
                quiet += 1

    async def pass_time(self, seconds: float, *, dead: bool = False) -> None:
        """Let so much time pass, each moment settled. A platform that dies on the way is started again, in time."""
        end = self.clock.monotonic() + seconds
        while self.clock.monotonic() < end:
            await self.clock.step(end)
            if dead:
                for _ in range(5):
                    await asyncio.sleep(0)
                continue
            await self.settle()
            if self.mortal.dead:
                await self.bury()

    # -- what happens ---------------------------------------------------------------------------------------------------

    async def play(self, acts: Sequence[Act]) -> None:
        """Play it all, then wait for the end of everything."""
        await self.rise()
        for act in acts:
            if act.client:
                await self._ask(act.client)
            else:
                if act.world:
                    act.world(self)
                await self.pass_time(act.seconds)
                await self.settle()
            if self.mortal.dead:
                await self.bury()
        await self.rest()

    async def _ask(self, client: Callable[["Stage"], Awaitable[None]]) -> None:
        """A client asks, and asks again when the answer does not come."""
        for _ in range(3):
            lived = len(self.lives)
            await self._through(client(self))
            if len(self.lives) == lived:
                return

    async def rest(self) -> None:
        """Wait until every call and delivery has come to its end. Raises TimeoutError."""
        end = self.clock.monotonic() + QUIET_S
        patience = self.clock.monotonic() + PATIENCE_S
        while not (self.engine.still and self.books.done()):
            if self.clock.monotonic() > patience:
                for leg in self.engine.legs(self.call_id):
                    self.engine.far_end_hangs_up(self.call_id, leg)
            if self.clock.monotonic() > end:
                raise TimeoutError(f"something is still open: {self.books.open_things()}")
            await self.pass_time(1.0)

    async def start(self) -> None:
        """A CRM asks for the call, and asks for the same one again when it hears nothing."""
        assert self.request is not None
        fresh = new_call_id()
        again = replace(self.request, call_id=fresh, plan=replace(self.request.plan, call_id=fresh), created_at=self.clock.now())
        with contextlib.suppress(Refused):
            entry, _ = await self.life.calls.start(again, 10)
            self.call_id = entry.call.id
            self.tell("accepted", call_id=entry.call.id, uuid=again.uuid)

    async def order(self, ask: Ask) -> None:
        with contextlib.suppress(Refused):
            await self.life.calls.order(ACCOUNT.id, self.call_id, ask)

    def compose(self, customer: str, agent: str | None, **account: Any) -> None:
        """Prepare what the CRM is going to ask for."""
        line = parse(NUMBERS[agent].number, "US") if agent else SoftphoneLine("s1", "token")
        self.request = compose(
            replace(ACCOUNT, **account),
            CALLER_ID,
            parse(NUMBERS[customer].number, "US"),
            line,
            None if agent else AGENT,
            call_type=CallType.SERVER if agent else CallType.BROWSER,
            uuid=self.uuid,
            at=self.clock.now(),
        )


class Answering:
    """What the receiver answers in turn, the last one for ever; noted with the time of the play."""

    def __init__(self, receiver: Receiver, notes: Path, clock: HandClock, statuses: Sequence[int]) -> None:
        self._receiver = receiver
        self._notes = notes
        self._clock = clock
        self._statuses = statuses
        self._count = 0

    async def __call__(self, writer: asyncio.StreamWriter) -> None:
        status = self._statuses[min(self._count, len(self._statuses) - 1)]
        self._count += 1
        request = self._receiver.requests[-1]
        note = {
            "at": self._clock.now().timestamp(),
            "id": request.headers.get("webhook-id", ""),
            "timestamp": request.headers.get("webhook-timestamp", ""),
            "event": request.headers.get("x-intellicall-event"),
            "status": status,
            "body": request.body.decode(),
        }
        with self._notes.open("a") as notes:
            notes.write(json.dumps(note) + "\n")
        await answers(status)(writer)


def open_account(house: House, url: str, events: Sequence[str]) -> None:
    """Make the account of the play, with its receiver."""
    with house.sql.begin() as connection:
        account = replace(ACCOUNT, callback_url=url, events=tuple(events))
        create_account(connection, account, START)
        update_account(connection, account)
    house.sql.dispose()


@asynccontextmanager
async def open_stage(
    house: House, books: Books, receiver: Receiver, statuses: Sequence[int] = (200,), **more: Any
) -> AsyncIterator[Stage]:
    """Open a stage on a database that has the account and no call; at its end nothing runs any more."""
    clock = QuickClock(START)
    house.clear()
    receiver.requests.clear()
    receiver.script[:] = [Answering(receiver, house.notes("receiver"), clock, statuses)]
    engine = WitnessedEngine(clock, house.recordings, house.notes("engine"))
    engine.softphone = Behaviour()
    stage = Stage(house, books, clock, engine, receiver, **more)
    try:
        yield stage
    finally:
        if stage.lives:
            await stage.life.drop()
        engine.close()
        await asyncio.sleep(0)
