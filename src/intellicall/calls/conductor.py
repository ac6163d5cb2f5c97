"""One task and one mailbox for each live call: takes what happens, lets `calls.call.step` decide, stores, then acts.

The order is always the same: step, store (call and journal in one transaction), tell those who watch, act, answer those who asked.
A bug in one call ends that call alone, with a reason.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog
from sqlalchemy import Connection

from intellicall.calls import store
from intellicall.calls.arrangement import arrangement
from intellicall.calls.call import Effect, Fact, NotNow, Order, What, allowed, step
from intellicall.calls.departures import with_departure
from intellicall.calls.entries import journal_data
from intellicall.calls.facts import fact_of
from intellicall.calls.journal import Journal, JournalEntry
from intellicall.calls.orders import Ask, Note
from intellicall.calls.patience import LATE_S, SLACK_S, limit_of
from intellicall.calls.recorded import recording_told, with_recording
from intellicall.calls.result import Entry, result
from intellicall.calls.table import Move, Party, Reason, State
from intellicall.clock import Clock
from intellicall.errors import Code, Refused
from intellicall.recordings.keeping import Completing, keep, settle
from intellicall.recordings.outcome import Kept
from intellicall.recordings.space import Space
from intellicall.storage.database import ANSWER_S, Database, StorageUnavailable
from intellicall.storage.faults import Fault
from intellicall.telephony.engine import DigitPressed, Engine, EngineUnavailable, LegEvent

log = structlog.get_logger()

RETRY_S = 0.5  # between two attempts to store while the database is away


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every conductor works with."""

    database: Database
    journal: Journal
    engine: Engine
    shelf: Completing
    clock: Clock
    recording_url: Callable[[str], str]
    changed: Callable[[Entry], None]
    pressed: Callable[[Entry, DigitPressed], None] = lambda _entry, _event: None
    space: Space = field(default_factory=Space)


@dataclass(slots=True)
class _Waiting:
    """An order and who waits for its outcome."""

    ask: Ask | Note
    done: "asyncio.Future[Entry]"

    def answer(self, entry: Entry) -> None:
        """Tell who asked, unless nobody waits any more."""
        if not self.done.done():
            self.done.set_result(entry)

    def refuse(self, why: Refused) -> None:
        """Tell who asked that it was not done, unless that is told already or nobody waits any more."""
        if not self.done.done():
            self.done.set_exception(why)
            self.done.exception()  # who asked may be gone by now: that is no error of ours


@dataclass(frozen=True, slots=True)
class _Heard:
    """An event of the engine. Whom it is about is decided when it is taken: people change seats."""

    event: LegEvent
    tick: float


class _Rearrange:
    """The engine may have missed an arrangement."""


class _LetGo:
    """This process stops."""


Happening = Fact | _Heard | _Waiting | _Rearrange | _LetGo


@dataclass(slots=True)
class _Turn:
    """What one turn gathers: what has to be stored, done and answered."""

    journal: list[JournalEntry] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    accepted: list[_Waiting] = field(default_factory=list)
    keys: list[Ask] = field(default_factory=list)
    rearrange: bool = False


class Conductor:
    """Conducts one call from its first store to its end. `entry` is what is stored now."""

    def __init__(self, entry: Entry, around: Surroundings, since: float | None = None) -> None:
        """`since`: the monotonic time from which on the call's first dial is waited for; None: now."""
        self._around = around
        self._mailbox: asyncio.Queue[Happening] = asyncio.Queue()
        self._kept = Kept()
        self._leaving = False
        self._entered = now = around.clock.monotonic()
        answered_at = entry.call.answered_at
        if answered_at and entry.call.answered_tick is None:  # taken up after a restart
            gone = (around.clock.now() - answered_at).total_seconds()
            entry = replace(entry, call=replace(entry.call, answered_tick=now - max(gone, 0.0)))
        self._entered = now if since is None else since
        self.entry = entry

    def post(self, fact: Fact) -> None:
        """Take a fact into the mailbox; never blocks."""
        self._mailbox.put_nowait(fact)

    def hear(self, event: LegEvent, tick: float) -> None:
        """Take an event of the engine into the mailbox; never blocks."""
        self._mailbox.put_nowait(_Heard(event, tick))

    def rearrange(self) -> None:
        """Tell the engine again who hears whom, after a gap in the connection."""
        self._mailbox.put_nowait(_Rearrange())

    def let_go(self) -> None:
        """End `run` after the turn that is under way, the call as it is: what was stored is done, and the next process goes on."""
        self._mailbox.put_nowait(_LetGo())

    async def order(self, ask: Ask | Note) -> Entry:
        """Have an order carried out; returns the call after it was stored and done. Refused with NOT_POSSIBLE_NOW. Raises
        StorageUnavailable after ANSWER_S; one that was being stored then may be carried out yet.

        Whoever asks may go away meanwhile: the order is carried out all the same.
        """
        if not self.entry.call.live:
            raise not_possible(self.entry)
        done: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()
        self._mailbox.put_nowait(_Waiting(ask, done))
        finished, _ = await asyncio.wait({done}, timeout=ANSWER_S)
        if not finished:
            done.cancel()  # what has not begun by now never will
            raise StorageUnavailable(Fault.SLOW)
        return done.result()

    def overdue(self, tick: float) -> Fact | None:
        """Return what has lasted longer than it can when all is well, as a fact. Asked once a second by `calls.Calls`."""
        call, plan = self.entry.call, self.entry.request.plan
        if call.state not in (State.ENDING, State.ENDED) and call.answered_tick is not None:
            length, reason = tick - call.answered_tick, Reason.MAX_LENGTH
            if length > plan.max_length_s + SLACK_S:
                return replace(self._fact(What.OVERDUE, reason=reason), tick=tick)
        limit = limit_of(call.state, plan)
        if limit is not None and tick - self._entered > limit:
            return replace(self._fact(What.OVERDUE), tick=tick)
        return None

    async def run(self, *, dial: bool) -> None:
        """Live until the call has ended, or is let go. `dial`: the call is new, so dial the agent first."""
        try:
            if dial:
                await self._ring_agent()
            while self.entry.call.live and not self._leaving:
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
        turn = _Turn()
        try:
            for happening in mail:
                self._take(happening, turn)
            if Effect.SEAL in turn.effects:
                # Sealing again after a crash has the same outcome, so what it says is stored together with what led to it.
                turn.effects = [effect for effect in turn.effects if effect is not Effect.SEAL]
                self._learn(await self._seal(), turn)
            if turn.journal or self.entry is not before:
                await self._store(turn)
        except BaseException:
            self.entry = before
            _refuse_all(mail)
            raise
        try:
            if self.entry is not before:
                self._around.changed(self.entry)
            await self._act(before, turn)
        except BaseException:
            _refuse_all(mail)
            raise
        for waiting in turn.accepted:
            waiting.answer(self.entry)

    # -- deciding ----------------------------------------------------------------------------------------------------------

    def _take(self, happening: Happening, turn: _Turn) -> None:
        """Let the state machine decide on one happening; gather what has to be stored and done."""
        match happening:
            case _Waiting(done=done) if done.cancelled():
                return
            case _Waiting(ask=Note() as note):
                self.entry = note.applied(self.entry)
                turn.accepted.append(happening)
            case _Waiting(ask=Ask() as ask):
                self._consider(happening, ask, turn)
            case _Heard(event=event, tick=tick):
                seat = self.entry.call.seat_of(event.leg)
                if seat is not None:
                    self._learn(fact_of(event, tick, seat), turn)
            case _Rearrange():
                turn.rearrange = True
            case _LetGo():
                self._leaving = True
            case Fact():
                self._learn(happening, turn)

    def _consider(self, waiting: _Waiting, ask: Ask, turn: _Turn) -> None:
        """An order: carried out, or refused; one whose key was seen in this very turn is the same order again."""
        if ask.key and any(ask.key == other.key for other in turn.keys):
            turn.accepted.append(waiting)
            return
        before = self.entry
        try:
            taken = step(before.call, ask.order)
        except NotNow:
            waiting.refuse(not_possible(before))
            return
        assert taken.move is not None  # noqa: S101 - an order has a move or is refused
        self.entry = ask.seat(replace(before, call=taken.call))
        turn.accepted.append(waiting)
        turn.keys += [ask] if ask.key else []
        self._note(before, taken.move, ask.order, turn)
        turn.effects += taken.effects

    def _learn(self, fact: Fact, turn: _Turn) -> None:
        before = self.entry
        taken = step(before.call, fact)
        if taken.move is None:
            return
        self.entry = replace(before, call=taken.call)
        self._note(before, taken.move, fact, turn)
        turn.effects += taken.effects

    def _note(self, before: Entry, move: Move, happening: Fact | Order, turn: _Turn) -> None:
        """Put what happened into the journal."""
        self.entry = with_departure(before.call, self.entry, happening)
        call = self.entry.call
        if call.state is not before.call.state:
            self._entered = happening.tick if isinstance(happening, Fact) else self._around.clock.monotonic()
            log.info("call_state", call_id=call.id, state=call.state, move=move)
        if call.agent.id != before.call.agent.id:
            self.entry = replace(self.entry, transferred_to=(*self.entry.transferred_to, call.agent.id))
        at = happening.at if isinstance(happening, Fact) else self._around.clock.now()
        data = journal_data(before.call, self.entry, move, happening)
        turn.journal.append(self._journal_entry(at, move, data))
        if not call.live:
            self._end(at, turn)

    def _end(self, at: datetime, turn: _Turn) -> None:
        self.entry = with_recording(self.entry, self._kept, self._around.space, self._around.recording_url)
        turn.journal.append(self._journal_entry(at, "ended", {"state": State.ENDED, "result": result(self.entry)}))
        if told := recording_told(self.entry, self._kept):
            turn.journal.append(self._journal_entry(at, *told))

    def _journal_entry(self, at: datetime, kind: str, data: dict[str, object]) -> JournalEntry:
        request = self.entry.request
        self.entry = replace(self.entry, seq=self.entry.seq + 1)
        uuid = request.uuid or request.call_id
        return JournalEntry(request.call_id, request.account_id, self.entry.seq, at, kind, {"uuid": uuid, **data})

    # -- storing -----------------------------------------------------------------------------------------------------------

    async def _store(self, turn: _Turn) -> None:
        """Write before act. While the database is away the call waits here; the engine carries it on meanwhile."""
        entry = self.entry  # whoever stops this turn puts the old one back, and the writer may be at it just then
        while True:
            try:
                await self._around.database.write(lambda connection: self._save(connection, entry, turn))
            except StorageUnavailable:
                log.warning("call_store_waits", call_id=self.entry.call.id)
                if Effect.HANG_UP in turn.effects:
                    await self._hang_up()  # an end waits for no database; when it is told again later, nobody is there any more
                await self._around.clock.sleep(RETRY_S)
            else:
                return

    def _save(self, connection: Connection, entry: Entry, turn: _Turn) -> None:
        at = self._around.clock.now()
        store.save(connection, self._around.journal, entry, turn.journal)
        for ask in turn.keys:
            store.remember(connection, entry.request.account_id, entry.call.id, ask, at)
        name = entry.request.plan.recording
        if name and entry.recording and not entry.call.live:
            settle(connection, name, self._kept, entry.recording, entry.call.talk_s, at)

    # -- acting ------------------------------------------------------------------------------------------------------------

    async def _lead(self) -> None:
        """Come back only while this process leads. With the database away nobody can have taken the lead by it."""
        with contextlib.suppress(StorageUnavailable):
            await self._around.database.prove_lead()

    async def _act(self, before: Entry, turn: _Turn) -> None:
        await self._lead()
        for effect in turn.effects:
            match effect:
                case Effect.RING_CUSTOMER:
                    await self._ring_customer()
                case Effect.HANG_UP:
                    await self._hang_up()
                case Effect.SEAL:
                    raise AssertionError("sealed within the turn that asked for it")
        await self._arrange(before, again=turn.rearrange)
        for waiting in turn.accepted:
            if isinstance(waiting.ask, Ask):
                await self._carry_out(waiting.ask)

    async def _arrange(self, before: Entry, *, again: bool) -> None:
        """Have the engine make it so when who hears whom has changed. The first talk needs no word: the engine does that itself."""
        if again and self.entry.call.state is State.ENDING:
            await self._hang_up()  # it may not have been heard
            return
        wanted = arrangement(self.entry.call)
        if wanted is None or not (again or arrangement(before.call) not in (None, wanted)):
            return
        try:
            await self._around.engine.arrange(self.entry.call.id, wanted)
        except EngineUnavailable:
            log.warning("arrangement_waits", call_id=self.entry.call.id)

    async def _carry_out(self, ask: Ask) -> None:
        """What an order needs beyond the arrangement: somebody is rung, digits are sent."""
        if ask.leg is not None and ask.order.move is not Move.AGENT_BACK and self._late():
            self.post(replace(self._fact(What.LEG_ENDED, Party.GUEST), cause="dialed_too_late"))
            return
        try:
            if ask.leg is not None and (line := ask.line(self.entry)) is not None:
                await self._around.engine.ring(replace(ask.leg, leg=line))
            if ask.digits is not None and (line := ask.listener(self.entry)) is not None:
                await self._around.engine.send_digits(self.entry.call.id, line, ask.digits)
        except EngineUnavailable:
            if ask.leg is not None:
                seat = Party.AGENT if ask.order.move is Move.AGENT_BACK else Party.GUEST
                self.post(replace(self._fact(What.LEG_ENDED, seat), cause="engine_unavailable"))

    async def _ring_agent(self) -> None:
        if self._late():
            self.post(self._fact(What.DIAL_FAILED, Party.AGENT, Reason.DIALED_TOO_LATE))
            return
        try:
            await self._around.engine.ring_agent(self.entry.request.plan)
        except EngineUnavailable:
            self.post(self._fact(What.DIAL_FAILED, Party.AGENT, Reason.ENGINE_UNAVAILABLE))

    async def _ring_customer(self) -> None:
        if self._late():
            self.post(self._fact(What.DIAL_FAILED, Party.CUSTOMER, Reason.DIALED_TOO_LATE))
            return
        try:
            await self._around.engine.ring_customer(self.entry.request.plan)
        except EngineUnavailable:
            self.post(self._fact(What.DIAL_FAILED, Party.CUSTOMER, Reason.ENGINE_UNAVAILABLE))

    def _late(self) -> bool:
        """Whether what led to a dial is so long ago (a frozen process, a slow database) that the phone must not ring any more."""
        return self._around.clock.monotonic() - self._entered > LATE_S

    async def _hang_up(self) -> None:
        """An engine that cannot be told now is told when it is back: see `_arrange`."""
        try:
            await self._around.engine.hang_up(self.entry.call.id)
        except EngineUnavailable:
            log.warning("hang_up_waits", call_id=self.entry.call.id)

    async def _seal(self) -> Fact:
        name = self.entry.request.plan.recording
        self._kept = await keep(self._around.shelf, name) if name else Kept()
        if self._kept.pending or self._kept.hopeless:
            log.error("recording_not_completed", call_id=self.entry.call.id, error=self._kept.error)
        return replace(self._fact(What.SEALED), seconds=self._kept.seconds or None)

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
            if isinstance(happening, _Waiting):
                happening.refuse(not_possible(self.entry))


def _refuse_all(mail: list[Happening]) -> None:
    for happening in mail:
        if isinstance(happening, _Waiting):
            happening.refuse(Refused(Code.INTERNAL))


def not_possible(entry: Entry) -> Refused:
    """Return the refusal of an order that makes no sense in the call's state."""
    call = entry.call
    return Refused(Code.NOT_POSSIBLE_NOW, f"The call is {call.state}.", state=call.state, allowed=list(allowed(call)))
