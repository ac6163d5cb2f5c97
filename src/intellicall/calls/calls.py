"""The use cases: start a call, show it, end it; and the keeping of all live calls.

A request is checked and stored in one transaction, then its conductor dials. After a restart or a reconnect what is stored is
compared with what the engine has, and each difference is fed to the same machine as a fact.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

import structlog
from sqlalchemy import Connection

from intellicall.calls import store
from intellicall.calls.burial import buried, bury
from intellicall.calls.call import Call, Fact, What, hang_up
from intellicall.calls.claims import Claims
from intellicall.calls.conductor import Conductor, Surroundings, not_possible
from intellicall.calls.differences import Difference, nothing_left_out, of_known_legs
from intellicall.calls.facts import tick_of
from intellicall.calls.orders import Ask, Note
from intellicall.calls.pulse import Pulse
from intellicall.calls.request import Request
from intellicall.calls.result import Entry
from intellicall.calls.table import Move, Party, Reason, State
from intellicall.errors import Code, Refused
from intellicall.recordings import store as recordings
from intellicall.storage.database import ANSWER_S
from intellicall.storage.faults import Fault, StorageUnavailable
from intellicall.telephony.engine import (
    Cause,
    DigitPressed,
    EngineDied,
    EngineEvent,
    EngineLost,
    EngineReady,
    EngineUnavailable,
    LegEnded,
    LegEvent,
    LegSeen,
)

log = structlog.get_logger()
JANITOR_S = 1.0
BURY_AGAIN_S = 5.0
LETTING_GO_S = 1.0
"""How long a process that stops lets its calls finish what they are about to do."""
SWEEP_S = 60.0


@dataclass(slots=True)
class _Awaited:
    """Whether somebody still waits for the answer to a request."""

    given_up: bool = False


class Calls:
    """Every live call of this platform process."""

    def __init__(self, around: Surroundings) -> None:
        self.around = around
        self._conductors: dict[str, Conductor] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._recovering: asyncio.Task[None] | None = None
        self._taken_up = False
        self._compared = False
        self._engine_new = False
        self._engine_before: datetime | None = None
        self._comparisons = 0
        self._held: list[tuple[LegEvent, float]] = []
        self._engine_watchers: list[Callable[[bool], None]] = []
        self._claims = Claims()
        self._pulse = Pulse(around.clock)
        self._keys: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()  # of orders under way

    def watch_engine(self, watcher: Callable[[bool], None]) -> None:
        """Have `watcher` told when the engine goes away (False) and comes back (True)."""
        self._engine_watchers.append(watcher)

    # -- orders ---------------------------------------------------------------------------------------------------

    async def start(self, request: Request, limit: int) -> tuple[Entry, bool]:
        """Store the call and dial the agent. Returns it, and False when this request had made it before.

        Raises Refused (PLATFORM_STALLED, and see `store.admit`) and StorageUnavailable; then nothing is dialed, not even when it
        turns out to be stored.
        """
        self.check_taking()
        self._pulse.begin()
        awaited = _Awaited()
        task = asyncio.get_running_loop().create_task(self._start(request, limit, awaited), name=f"start-{request.call_id}")
        self._tasks.add(task)  # of its own: a caller that goes away does not cut the way from the store to the dial in two
        task.add_done_callback(self._started)
        done, _ = await asyncio.wait({task}, timeout=ANSWER_S)
        if not done:
            awaited.given_up = True
            raise StorageUnavailable(Fault.SLOW)
        return task.result()

    async def _start(self, request: Request, limit: int, awaited: "_Awaited") -> tuple[Entry, bool]:
        began = self.around.clock.monotonic()
        with self._claims.starting(request.agent_id if request.softphone else None):
            entry, new = await self.around.database.write(lambda connection: self._admit(connection, request, limit))
            if new:
                self._conduct(entry, dial=True, since=float("-inf") if awaited.given_up else began)
                self.around.changed(entry)
        return entry, new

    def _started(self, task: "asyncio.Task[tuple[Entry, bool]]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited has it, or has gone

    def _admit(self, connection: Connection, request: Request, limit: int) -> tuple[Entry, bool]:
        entry, new = store.admit(connection, self.around.journal, request, limit, engine_ready=self.around.engine.ready)
        if new and request.plan.recording:
            recordings.begin(connection, request.plan.recording, request.call_id, request.account_id, request.created_at)
        return entry, new

    def check_taking(self) -> None:
        """Raises Refused PLATFORM_STALLED, with a Retry-After of its own, when no call is begun at this moment, whose it may be."""
        if self._pulse.shut:
            raise Refused(Code.PLATFORM_STALLED, retry_after=self._pulse.turn_s())

    async def order(self, account_id: str, call_id: str, ask: Ask) -> tuple[Entry, bool]:
        """Have an order carried out. Returns the call after it, and False when the same ask with this key was carried out before.

        Refused: NOT_FOUND, NOT_POSSIBLE_NOW, IDEMPOTENCY_CONFLICT, ENGINE_UNAVAILABLE. To end a call that is ending already is
        no error.
        """
        async with self._turn_of(account_id, ask.key):
            if ask.key and await self._carried_out(account_id, call_id, ask):
                return await self.show(account_id, call_id), False
            return await self._order(account_id, call_id, ask), True

    async def _order(self, account_id: str, call_id: str, ask: Ask) -> Entry:
        entry = await self.show(account_id, call_id)
        if ask.order.move is Move.HANG_UP and entry.call.state is State.ENDING:
            return entry
        if ask.order.participant is not None and entry.call.participant(ask.order.participant) is None:
            raise Refused(Code.NOT_FOUND, "There is no such participant in the call now.", field="participant_id")
        conductor = self._conductors.get(call_id)
        if conductor is None:
            raise not_possible(entry)
        if ask.order.move is not Move.HANG_UP and (reason := self.around.database.health().reason):
            raise StorageUnavailable(reason)  # rather than carry it out in half a minute
        if ask.order.move is not Move.HANG_UP and not self.around.engine.ready:
            raise Refused(Code.ENGINE_UNAVAILABLE, "The call goes on as it is.", retry_after=3)
        invited = ask.person.agent_id if ask.person and ask.person.softphone and ask.order.move is not Move.AGENT_BACK else None
        with self._claims.inviting(invited, busy=invited is not None and self.live_of_agent(invited) is not None):
            return await conductor.order(ask)

    @contextlib.asynccontextmanager
    async def _turn_of(self, account_id: str, key: str | None) -> AsyncIterator[None]:
        """Let orders with the same key come one after the other: the second one must see whether the first was carried out."""
        if key is None:
            yield
            return
        lock = self._keys.setdefault((account_id, key), asyncio.Lock())
        async with lock:
            yield

    async def _carried_out(self, account_id: str, call_id: str, ask: Ask) -> bool:
        """Return whether this very ask, which has a key, was carried out before. Refused with IDEMPOTENCY_CONFLICT."""
        now = self.around.clock.now()
        return await self.around.database.glance(lambda connection: store.carried_out(connection, account_id, call_id, ask, now))

    async def hang_up(self, account_id: str, call_id: str, by: Party, reason: Reason | None = None) -> Entry:
        """End the call for everybody. Refused as `order`."""
        entry, _ = await self.order(account_id, call_id, Ask(hang_up(by, reason)))
        return entry

    async def annotate(self, account_id: str, call_id: str, note: Note) -> Entry:
        """Set disposition and notes: before the end they go into the result, later they are told as an `updated` event.

        Refused with NOT_FOUND.
        """
        await self.show(account_id, call_id)
        conductor = self._conductors.get(call_id)
        if conductor is not None and conductor.entry.call.live:
            with contextlib.suppress(Refused):  # it ended meanwhile: then it is a later change
                return await conductor.order(note)
        now = self.around.clock.now()
        entry = await self.around.database.write(
            lambda connection: store.annotate(connection, self.around.journal, account_id, call_id, note, now), ANSWER_S
        )
        self.around.changed(entry)
        return entry

    async def show(self, account_id: str, call_id: str) -> Entry:
        """Return the account's call. Refused with NOT_FOUND."""
        conductor = self._conductors.get(call_id)
        if conductor and conductor.entry.request.account_id == account_id:
            return conductor.entry
        known = call_id.isprintable()  # a NUL would be an error of the database's driver
        entry = await self.around.database.glance(lambda connection: store.find(connection, call_id, account_id)) if known else None
        if entry is None:
            raise Refused(Code.NOT_FOUND, "There is no such call.")
        return entry

    def live_of_agent(self, agent_id: str) -> Entry | None:
        """Return the call that the agent's softphone is in, is rung for or is waited for, if any; one that is ending only if it is
        the only one.
        """
        found = None
        for conductor in list(self._conductors.values()):  # a copy: reads on threads ask too
            entry = conductor.entry
            if entry.call.live and entry.seat_of_agent(agent_id):
                if entry.call.state is not State.ENDING:
                    return entry
                found = entry
        return found

    def states(self) -> Counter[State]:
        """Return how many live calls are in each state."""
        return Counter(conductor.entry.call.state for conductor in self._conductors.values() if conductor.entry.call.live)

    def ids(self) -> list[str]:
        """Return the calls that are conducted now."""
        return list(self._conductors)

    # -- facts ----------------------------------------------------------------------------------------------------

    def engine_event(self, event: EngineEvent) -> None:
        """The engine's listener: hands each event to its call. Never blocks."""
        match event:
            case EngineLost():
                log.warning("engine_lost", live_calls=len(self._conductors))
                self._tell_engine(ready=False)
            case EngineDied(at=at):
                self._lose_all(at)
            case EngineReady(restarted=restarted, before=before):
                self._engine_before = before
                log.info("engine_ready", restarted=restarted, live_calls=len(self._conductors))
                self._begin_reconciling(restarted=restarted)
                self._tell_engine(ready=True)
            case DigitPressed():
                if conductor := self._conductors.get(event.call_id):
                    self.around.pressed(conductor.entry, event)
            case _ if conductor := self._conductors.get(event.call_id):
                self._hear(conductor, event)

    def _lose_all(self, at: datetime) -> None:
        """The engine's process has ended, and every leg with it: nothing has to be asked."""
        log.error("engine_died", live_calls=len(self._conductors))
        for conductor in self._conductors.values():
            for participant in conductor.entry.call.seats.values():
                if participant.here:
                    self._hear(conductor, LegEnded(conductor.entry.call.id, participant.line, at, Cause.ENGINE_LOST))

    def _hear(self, conductor: Conductor, event: LegEvent) -> None:
        """What comes while we find out what we missed comes after it."""
        tick = tick_of(event.at, self.around.clock.now(), self.around.clock.monotonic())
        if self._comparisons:
            self._held.append((event, tick))
        else:
            conductor.hear(event, tick)

    def _begin_reconciling(self, *, restarted: bool) -> None:
        """Not before the calls of the last run are taken up: a leg whose call we do not know yet is no orphan."""
        self._engine_new = restarted
        if self._taken_up:
            self._comparisons += 1
            self._recovering = asyncio.get_running_loop().create_task(self._reconciled())

    def _tell_engine(self, *, ready: bool) -> None:
        for watcher in self._engine_watchers:
            watcher(ready)

    async def recover(self) -> None:
        """Take up every call that was live when the platform stopped: once, before the doors open, with the engine started."""
        entries = await self.around.database.read(store.live)
        self._comparisons += 1
        for entry in entries:
            self._conduct(entry, dial=False)
        self._taken_up = True
        log.info("calls_taken_up", live_calls=len(entries))
        await self._reconciled()
        now, tick = self.around.clock.now(), self.around.clock.monotonic()
        for conductor in list(self._conductors.values()):
            if conductor.entry.call.state is State.ENDING:  # it was ending before we stopped: nothing is worth waiting for
                conductor.post(Fact(What.OVERDUE, now, tick))

    def _difference(self) -> Difference:
        """After a restart, of the engine or of ourselves, no order to dial is under way."""
        if self._engine_new:
            return nothing_left_out(Reason.ENGINE_LOST)
        return of_known_legs if self._compared else nothing_left_out(Reason.PLATFORM_RESTARTED)

    async def _reconciled(self) -> None:
        """One comparison, counted already; what came meanwhile follows."""
        try:
            if self.around.engine.ready:
                await self._reconcile()
        finally:
            self._comparisons -= 1
            held, self._held = ([], self._held) if self._comparisons else (self._held, [])
            for event, tick in held:
                if conductor := self._conductors.get(event.call_id):
                    conductor.hear(event, tick)

    async def _reconcile(self) -> None:
        """Make a fact of each difference between what we believe and what the engine has. Calls that move meanwhile are let be.

        What the engine remembers comes first, for it has the true times; the rest is known as of now.
        """
        believed = {conductor: conductor.entry for conductor in self._conductors.values()}
        try:
            seen = await self.around.engine.snapshot()
            missed = await self.around.engine.missed(self._conductors.keys()) if believed else []
        except EngineUnavailable:
            return  # the next EngineReady brings us back here
        difference, self._compared = self._difference(), True
        legs = {(leg.call_id, leg.leg): leg for leg in seen}
        still = {conductor.entry.call.id: conductor for conductor, entry in believed.items() if conductor.entry is entry}
        now, tick = self.around.clock.now(), self.around.clock.monotonic()
        for event in missed:
            if conductor := self._conductors.get(event.call_id):
                conductor.hear(event, tick - (now - event.at).total_seconds())
        for conductor in still.values():
            call = conductor.entry.call
            for seat, participant in call.seats.items():
                if told := difference(call, participant, legs.get((call.id, participant.line))):
                    at = self._last_seen(call, now)
                    reason = told[1] if at == now else Reason.ENGINE_LOST
                    conductor.post(Fact(told[0], at, tick - (now - at).total_seconds(), seat, reason, late=True))
            conductor.rearrange()
        known = {entry.call.id for entry in believed.values()}  # some have ended while the engine was asked
        await self._end_unknown([leg for leg in seen if leg.call_id not in known])

    def _last_seen(self, call: Call, now: datetime) -> datetime:
        """Return when a call of an engine process that is no more was alive for the last time; else now."""
        before = self._engine_before
        if before is None or not call.created_at <= before <= now:
            return now
        return max(before, call.answered_at or before)

    async def _end_unknown(self, seen: list[LegSeen]) -> None:
        """Legs that belong to no call: of a call that broke, or of one that is not in this database any more."""
        for call_id in {leg.call_id for leg in seen} - self._conductors.keys():
            log.warning("unknown_leg_ended", call_id=call_id)
            with contextlib.suppress(EngineUnavailable):
                await self.around.engine.hang_up(call_id)

    async def _sweep(self) -> None:
        with contextlib.suppress(EngineUnavailable):
            await self._end_unknown(await self.around.engine.snapshot())

    # -- keeping ----------------------------------------------------------------------------------------------------

    def _conduct(self, entry: Entry, *, dial: bool, since: float | None = None) -> None:
        conductor = Conductor(entry, self.around, since)
        self._conductors[entry.call.id] = conductor
        task = asyncio.get_running_loop().create_task(conductor.run(dial=dial), name=f"call-{entry.call.id}")
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._gone(done, conductor))

    def _gone(self, task: asyncio.Task[None], conductor: Conductor) -> None:
        self._tasks.discard(task)
        entry = conductor.entry
        self._conductors.pop(entry.call.id, None)
        if task.cancelled() or (error := task.exception()) is None or not entry.call.live:
            return
        log.error("call_task_died", call_id=entry.call.id, error=type(error).__name__)
        burying = asyncio.get_running_loop().create_task(self._bury(entry), name=f"bury-{entry.call.id}")
        self._tasks.add(burying)
        burying.add_done_callback(self._tasks.discard)

    async def _bury(self, entry: Entry) -> None:
        """A bug has ended the call's own task: end the call without it, however long that takes."""
        around = self.around
        while True:
            try:
                with contextlib.suppress(EngineUnavailable):
                    await around.engine.hang_up(entry.call.id)
                at = around.clock.now()
                ended = buried(entry, at, around.recording_url)
                await around.database.write(partial(bury, journal=around.journal, entry=ended, at=at))
            except Exception as broke:  # noqa: BLE001 - it is the last net
                log.error("call_not_buried_yet", call_id=entry.call.id, error=type(broke).__name__)  # noqa: TRY400 - no numbers in logs
                await around.clock.sleep(BURY_AGAIN_S)
            else:
                around.changed(ended)
                return

    async def janitor(self) -> None:
        """Once a second, for ever: tell each call that is overdue. The engine keeps the exact limits; this is the net below."""
        swept = self.around.clock.monotonic()
        while True:
            self._pulse.beat()
            await self.around.clock.sleep(JANITOR_S)
            tick = self.around.clock.monotonic()
            if tick - swept >= SWEEP_S and self.around.engine.ready:
                swept = tick
                await self._sweep()
            for conductor in self._conductors.values():
                if overdue := conductor.overdue(tick):
                    conductor.post(overdue)

    async def close(self) -> None:
        """Let go of every call; the engine, which must still be there, carries them on, and the next start takes them up."""
        for conductor in self._conductors.values():
            conductor.let_go()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LETTING_GO_S)
        for task in [*self._tasks, *([self._recovering] if self._recovering else [])]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
