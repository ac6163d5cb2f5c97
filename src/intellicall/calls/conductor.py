"""One task and one mailbox for each live call: takes what happens, lets `calls.call.step` decide, stores, then acts.

The order is always the same: step, store (call and journal in one transaction), tell those who watch, answer those who asked, act.
A bug in one call ends that call alone, with a reason.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import structlog
from sqlalchemy import Connection

from intellicall.calls import store
from intellicall.calls.call import Effect, Fact, HangUp, Move, NotNow, Party, Reason, State, What, allowed, step
from intellicall.calls.journal import Journal, JournalEntry
from intellicall.calls.result import Entry, result
from intellicall.clock import Clock
from intellicall.errors import Code, Refused
from intellicall.recordings import store as recordings
from intellicall.recordings.shelf import Sealed
from intellicall.storage.database import Database, StorageUnavailable
from intellicall.telephony.engine import Engine, EngineUnavailable

log = structlog.get_logger()

RETRY_S = 0.5  # between two attempts to store while the database is away
SLACK_S = 5.0  # what we wait beyond the engine's own limits before we step in
ENDING_S = 8.0  # what the rest of a call may take to disappear


class Seal(Protocol):
    """What the recordings' shelf does for a call that has ended."""

    async def seal(self, name: str) -> Sealed | None: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every conductor works with."""

    database: Database
    journal: Journal
    engine: Engine
    shelf: Seal
    clock: Clock
    recording_url: Callable[[str], str]
    changed: Callable[[Entry], None]


@dataclass(slots=True)
class _Order:
    order: HangUp
    done: asyncio.Future[Entry]

    def answer(self, entry: Entry) -> None:
        """Tell who asked, unless nobody waits any more."""
        if not self.done.done():
            self.done.set_result(entry)

    def refuse(self, why: Refused) -> None:
        """Tell who asked that it was not done, unless that is told already or nobody waits any more."""
        if not self.done.done():
            self.done.set_exception(why)


Happening = Fact | _Order


class Conductor:
    """Conducts one call from its first store to its end. `entry` is what is stored now."""

    def __init__(self, entry: Entry, around: Surroundings) -> None:
        self.entry = entry
        self._around = around
        self._mailbox: asyncio.Queue[Happening] = asyncio.Queue()
        self._sealed: Sealed | None = None
        self._recording_lost = False
        self._entered = around.clock.monotonic()

    def post(self, fact: Fact) -> None:
        """Take a fact into the mailbox; never blocks."""
        self._mailbox.put_nowait(fact)

    async def order(self, order: HangUp) -> Entry:
        """Have an order carried out; returns the call after it was stored. Refused with NOT_POSSIBLE_NOW.

        Whoever asks may go away meanwhile: the order is carried out all the same.
        """
        if not self.entry.call.live:
            raise not_possible(self.entry.call.state)
        done: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()
        self._mailbox.put_nowait(_Order(order, done))
        return await done

    def overdue(self, tick: float) -> bool:
        """Whether the state has lasted longer than it can when all is well. Asked once a second by `calls.Calls`."""
        plan = self.entry.request.plan
        limits = {
            State.TALKING: plan.max_length_s + SLACK_S,
            State.ENDING: ENDING_S,
            State.AGENT_ANSWERED: plan.customer_ring_s + SLACK_S,
            State.CUSTOMER_RINGING: plan.customer_ring_s + SLACK_S,
        }
        return tick - self._entered > limits.get(self.entry.call.state, plan.agent_ring_s + SLACK_S)

    async def run(self, *, dial: bool) -> None:
        """Live until the call has ended. `dial`: the call is new, so dial the agent first."""
        try:
            if dial:
                await self._ring_agent()
            while self.entry.call.live:
                await self._turn(await self._mail())
        except Exception:
            log.exception("call_broke", call_id=self.entry.call.id, state=self.entry.call.state)
            await self._collapse()
        finally:
            self._refuse_the_rest()

    async def _mail(self) -> list[Happening]:
        """Wait for mail, then take all that is there: what came together is stored together."""
        mail = [await self._mailbox.get()]
        while not self._mailbox.empty():
            mail.append(self._mailbox.get_nowait())
        return mail

    async def _turn(self, mail: list[Happening]) -> None:
        before = self.entry
        journal: list[JournalEntry] = []
        effects: list[Effect] = []
        answers: list[_Order] = []
        try:
            for happening in mail:
                effects += self._take(happening, journal, answers)
            if Effect.SEAL in effects:
                # Sealing again after a crash has the same outcome, so what it says is stored together with what led to it.
                effects.remove(Effect.SEAL)
                effects += self._take(await self._seal(), journal, answers)
            if journal:
                await self._store(journal)
        except BaseException:
            self.entry = before
            for happening in mail:
                if isinstance(happening, _Order):
                    happening.refuse(Refused(Code.INTERNAL))
            raise
        if journal:
            self._around.changed(self.entry)
        for answered in answers:
            answered.answer(self.entry)
        for effect in effects:
            await self._act(effect)

    def _take(self, happening: Happening, journal: list[JournalEntry], answers: list[_Order]) -> tuple[Effect, ...]:
        """Let the state machine decide on one happening; collect what has to be stored and who has to be answered."""
        call = self.entry.call
        if not isinstance(happening, _Order):
            taken = step(call, happening)
        else:
            try:
                taken = step(call, happening.order)
            except NotNow as refusal:
                happening.refuse(not_possible(refusal.state))
                return ()
            answers.append(happening)
        if taken.move is None:
            return ()
        if taken.call.state is not call.state:
            self._entered = self._around.clock.monotonic()
            log.info("call_state", call_id=call.id, state=taken.call.state, move=taken.move)
        self.entry = replace(self.entry, call=taken.call)
        self._write(journal, taken.move, happening)
        return taken.effects

    def _write(self, journal: list[JournalEntry], move: Move, happening: Happening) -> None:
        request, call = self.entry.request, self.entry.call
        data: dict[str, object] = {"state": call.state}
        at = self._around.clock.now()
        if isinstance(happening, Fact):
            at = happening.at
            data |= {"party": happening.party, "reason": happening.reason}
        else:
            data |= {"party": happening.order.by}
        journal.append(JournalEntry(request.call_id, request.account_id, self._next(), at, move, data))
        if not call.live:
            url = self._around.recording_url(request.plan.recording) if self._sealed and request.plan.recording else None
            self.entry = replace(self.entry, recording_url=url)
            ended = JournalEntry(request.call_id, request.account_id, self._next(), at, "ended", {})
            journal.append(replace(ended, data={"result": result(self.entry)}))

    def _next(self) -> int:
        self.entry = replace(self.entry, seq=self.entry.seq + 1)
        return self.entry.seq

    async def _store(self, journal: list[JournalEntry]) -> None:
        """Write before act. While the database is away the call waits here; the engine carries it on meanwhile."""
        while True:
            try:
                await self._around.database.write(lambda connection: self._save(connection, journal))
            except StorageUnavailable:
                log.warning("call_store_waits", call_id=self.entry.call.id)
                await self._around.clock.sleep(RETRY_S)
            else:
                return

    def _save(self, connection: Connection, journal: list[JournalEntry]) -> None:
        store.save(connection, self._around.journal, self.entry, journal)
        name = self.entry.request.plan.recording
        if name is None or self.entry.call.live:
            return
        at = self._around.clock.now()
        if self._sealed:
            recordings.sealed(connection, name, self._sealed.seconds, self._sealed.bytes, at)
        elif self._recording_lost:
            recordings.failed(connection, name, at)
        else:
            recordings.missing(connection, name, at)

    async def _act(self, effect: Effect) -> None:
        match effect:
            case Effect.RING_CUSTOMER:
                await self._ring_customer()
            case Effect.HANG_UP:
                await self._hang_up()
            case Effect.SEAL:
                raise AssertionError("sealed within the turn that asked for it")

    async def _ring_agent(self) -> None:
        try:
            await self._around.engine.ring_agent(self.entry.request.plan)
        except EngineUnavailable:
            self.post(self._fact(What.DIAL_FAILED, Party.AGENT, Reason.ENGINE_UNAVAILABLE))

    async def _ring_customer(self) -> None:
        try:
            await self._around.engine.ring_customer(self.entry.request.plan)
        except EngineUnavailable:
            self.post(self._fact(What.DIAL_FAILED, Party.CUSTOMER, Reason.ENGINE_UNAVAILABLE))

    async def _hang_up(self) -> None:
        """An engine that cannot be told now is told after it is back: `Calls` ends every leg that no live call owns."""
        try:
            await self._around.engine.hang_up(self.entry.call.id)
        except EngineUnavailable:
            log.warning("hang_up_waits", call_id=self.entry.call.id)

    async def _seal(self) -> Fact:
        name = self.entry.request.plan.recording
        try:
            self._sealed = await self._around.shelf.seal(name) if name else None
        except OSError as error:
            self._recording_lost = True
            log.error("recording_lost", call_id=self.entry.call.id, error=type(error).__name__)  # noqa: TRY400 - expected, no trace
        seconds = self._sealed.seconds if self._sealed else None
        return replace(self._fact(What.SEALED), seconds=seconds)

    async def _collapse(self) -> None:
        """Our own bug: end this call, through the same machine, with a reason."""
        await self._hang_up()
        self._refuse_the_rest()
        self.post(self._fact(What.ENGINE_LOST, reason=Reason.PLATFORM_ERROR))
        while self.entry.call.live:
            await self._turn(await self._mail())

    def _fact(self, what: What, party: Party | None = None, reason: Reason | None = None) -> Fact:
        return Fact(what, self._around.clock.now(), self._around.clock.monotonic(), party, reason)

    def _refuse_the_rest(self) -> None:
        while not self._mailbox.empty():
            happening = self._mailbox.get_nowait()
            if isinstance(happening, _Order):
                happening.refuse(not_possible(self.entry.call.state))


def not_possible(state: State) -> Refused:
    """Return the refusal of an order that makes no sense in this state."""
    return Refused(Code.NOT_POSSIBLE_NOW, f"The call is {state}.", state=state, allowed=allowed(state))
