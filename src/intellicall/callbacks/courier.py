"""The courier: carries every due delivery to its receiver, each kind of each account in a lane of its own.

A lane sends at most so many deliveries at once, so a receiver that is slow or dead delays only its own account, and its events
never delay its results. A result does not even wait for the earlier events of its own call: the guide promises it for the moment
in which the call ends; the event `ended` comes in its order. What is due stands in SQL; a lane reads it when it is woken (a call
has ended, an event was stored), when a wait is over, and when a slot becomes free. A lane of a paused endpoint finds nothing;
one of a failing endpoint sends one delivery at a time until one gets through.
A delivery in flight is known by its id and not picked again. An attempt is recorded when it is over: a crash between a
receiver's 2xx and its record repeats that one attempt, with the same id and the same body.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection

from intellicall.accounts.changes import ensure_secret
from intellicall.callbacks import endpoint_store, store
from intellicall.callbacks.delivery import Answer, Attempt, Delivery, Kind, State
from intellicall.callbacks.endpoint import News, Standing
from intellicall.callbacks.lifecycle import EVENT_AGE, Lifecycle
from intellicall.callbacks.pace import LATE_S, Pace
from intellicall.callbacks.schedule import asked_wait, wait_after
from intellicall.callbacks.signing import signed
from intellicall.callbacks.transport import HttpTransport
from intellicall.clock import Clock
from intellicall.storage.database import Database, StorageUnavailable
from intellicall.where import where_of

log = structlog.get_logger()

LANE_WIDTH = 20
"""Requests under way at once in a lane."""
RECORDING_WIDTH = 20
"""Answered deliveries of a lane whose record is being written, and beside which others may be sent already."""
GLOBAL_WIDTH = 500
"""Deliveries of a kind under way at once in all: far above what healthy receivers need, below the limit of open files."""
SWEEP_S = 5.0
"""How often SQL is asked for due deliveries that nobody woke us for (sent again by the CLI, left by a fault), for the accounts that
want events, and for events that are too old."""
STORAGE_RETRY_S = 1.0
LATE = timedelta(seconds=LATE_S)
GRACE_S = 2.0
"""How long requests under way may still take when the platform stops."""


@dataclass(slots=True)
class _Lane:
    account_id: str
    kind: Kind
    in_flight: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    recording: int = 0  # of those in flight: answered
    look: bool = True  # SQL may hold something new
    width: int = LANE_WIDTH  # as it was at the last look
    alarm: float | None = None  # monotonic time at which to look next
    task: asyncio.Task[None] | None = None

    @property
    def under_way(self) -> int:
        """Requests that are sent or about to be. While storage is away, what cannot be recorded counts, too."""
        return len(self.in_flight) - min(self.recording, RECORDING_WIDTH)


class Courier:
    """Delivers what is due. `wake` and `wake_events` after every commit that may have made a delivery; the rest needs nobody.

    `draw` returns a number from 0 to 1 at random: the retries of the extended schedule are spread by it.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        transport: HttpTransport,
        lifecycle: Lifecycle | None = None,
        *,
        grace_s: float = GRACE_S,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._clock = clock
        self._transport = transport
        self._grace_s = grace_s
        self._lifecycle = lifecycle or Lifecycle()
        self._draw = draw
        self._pace = Pace()
        self._lanes: dict[tuple[str, Kind], _Lane] = {}
        self._all = {kind: asyncio.Semaphore(GLOBAL_WIDTH) for kind in Kind}
        self._sweeper: asyncio.Task[None] | None = None
        self._stopping = False
        self.attempted: Callable[[Delivery, Attempt, State], None] = _ignore

    async def start(self) -> None:
        """Open the transport and take up what an earlier process left due."""
        await self._transport.open()
        await self._follow_subscribers()
        self._stopping = False
        self._sweeper = asyncio.create_task(self._sweep_forever(), name="callbacks-sweep")

    async def stop(self) -> None:
        """Begin nothing new, give requests under way `grace_s` seconds to end, then cut them; what is left stays due."""
        self._stopping = True
        lanes = list(self._lanes.values())
        await _cancel([task for task in (self._sweeper, *(lane.task for lane in lanes)) if task is not None])
        flying = [task for lane in lanes for task in lane.in_flight.values()]
        if flying:
            await asyncio.wait(flying, timeout=self._grace_s)
        await _cancel(flying)
        await self._transport.close()

    def wake(self, account_id: str, kind: Kind = Kind.RESULT) -> None:
        """Look at once for the account's deliveries of this kind. Never blocks; from the event loop's thread only."""
        if self._stopping:
            return
        lane = self._lanes.get((account_id, kind))
        if lane is None:
            lane = self._lanes[account_id, kind] = _Lane(account_id, kind)
        lane.look = True
        if lane.task is None or lane.task.done():
            lane.task = asyncio.create_task(self._run(lane), name="callbacks-lane")
        lane.changed.set()

    def wake_events(self, account_id: str) -> None:
        """Look at once for the account's events that are due, if it wants any. Never blocks; from the event loop's thread only."""
        if self._lifecycle.wants(account_id):
            self.wake(account_id, Kind.EVENT)

    async def _sweep_forever(self) -> None:
        """The first sweep takes everything up, whatever the clock said when it was stored; later ones what falls due now."""
        before = None
        while True:
            try:
                for kind in Kind:
                    for account_id in await self._database.read(partial(store.may_be_sent, kind=kind, before=before)):
                        self.wake(account_id, kind)
                await self._give_up_old_events()
            except StorageUnavailable:
                log.warning("callbacks_sweep_failed")
            await self._clock.sleep(SWEEP_S)
            await self._follow_subscribers()
            before = self._clock.now() + timedelta(seconds=SWEEP_S)

    async def _give_up_old_events(self) -> None:
        before = self._clock.now() - EVENT_AGE
        while await self._database.read(partial(store.has_old_events, before=before)):
            count = await self._database.write(partial(store.give_up_events, before=before, at=self._clock.now()))
            log.warning("events_given_up", count=count)

    async def _follow_subscribers(self) -> None:
        try:
            self._lifecycle.take(await self._database.read(store.subscribers))
        except StorageUnavailable:
            log.warning("callbacks_subscribers_unknown")

    async def _run(self, lane: _Lane) -> None:
        """Work until nothing of the account is due, in flight or waiting for its time."""
        try:
            while lane.look or lane.in_flight or lane.alarm is not None:
                lane.changed.clear()
                if lane.look and lane.under_way < lane.width:
                    await self._look(lane)
                await self._rest(lane)
        except Exception as error:  # noqa: BLE001 - one account's lane must not take the others with it
            # The lane stays, for it knows what is in flight; the next wake or sweep sets it going again.
            _report("callbacks_lane_failed", error, account_id=lane.account_id)
        else:
            # No await since the condition was read: a wake came before, and was seen, or comes after, and opens a new lane.
            del self._lanes[lane.account_id, lane.kind]

    async def _look(self, lane: _Lane) -> None:
        now, moment = self._clock.now(), self._clock.monotonic()
        lane.look = False
        flying, under_way = frozenset(lane.in_flight), lane.under_way
        try:
            width, found = await self._database.glance(
                partial(_found, account_id=lane.account_id, kind=lane.kind, now=now, flying=flying, under_way=under_way)
            )
        except StorageUnavailable:
            lane.alarm = self._clock.monotonic() + STORAGE_RETRY_S
            return
        more = width > 0 and under_way + len(found.deliveries) >= width
        for delivery in found.deliveries:
            lane.in_flight[delivery.id] = asyncio.create_task(self._deliver(lane, delivery), name="callbacks-delivery")
        lane.width = max(width, 1)  # a paused lane may always look whether it still is
        lane.look = lane.look or more
        wait = (found.next_due - now).total_seconds() if found.next_due else None
        lane.alarm = None if wait is None else moment + wait

    async def _rest(self, lane: _Lane) -> None:
        """Return when something changed or the alarm time has come; at once when there is nothing to wait for."""
        if lane.look and lane.under_way < lane.width:
            return
        if lane.in_flight or lane.alarm is not None:
            await self._wait(lane)
        if lane.alarm is not None and lane.alarm <= self._clock.monotonic():
            lane.alarm = None
            lane.look = True

    async def _wait(self, lane: _Lane) -> None:
        waits: list[asyncio.Task[Any]] = [asyncio.create_task(lane.changed.wait())]
        if lane.alarm is not None:
            waits.append(asyncio.create_task(self._clock.sleep(lane.alarm - self._clock.monotonic())))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancel(waits)

    async def _deliver(self, lane: _Lane, delivery: Delivery) -> None:
        answered = False
        try:
            if self._clock.now() - (delivery.due_at or delivery.created_at) > LATE:
                await self._clock.sleep(self._pace.wait(self._clock.monotonic()))
            async with self._all[lane.kind]:
                standing = await self._standing(delivery.account_id)
                if not standing.sends(lane.kind):
                    lane.look = True  # and find that there is nothing to do
                    return
                await self._database.prove_lead()  # who has been overtaken sends nothing: the other process does
                started_at, started = self._clock.now(), self._clock.monotonic()
                answer = await self._transport.post(delivery, signed(delivery.id, delivery.body, started_at, standing.secrets))
            lane.recording += 1
            answered = True
            lane.changed.set()
            latency_ms = round((self._clock.monotonic() - started) * 1000)
            attempt = Attempt(
                delivery.id, delivery.attempts + 1, started_at, latency_ms, answer.status, answer.outcome, answer.body
            )
            if await self._record(delivery, attempt, answer, standing) is State.DUE or lane.kind is Kind.EVENT:
                lane.look = True  # for its next attempt, or the next event of its call
        except Exception as error:  # noqa: BLE001 - the delivery stays due; the sweep finds it
            _report("delivery_failed", error, delivery_id=delivery.id)
        finally:
            del lane.in_flight[delivery.id]
            lane.recording -= answered
            lane.changed.set()

    async def _standing(self, account_id: str) -> Standing:
        """Read what an attempt needs in its very moment: a pause, another secret or schedule hold from now on."""
        while True:
            try:
                found = await self._database.glance(partial(endpoint_store.standing, account_id=account_id, now=self._clock.now()))
                if found.secrets:
                    return found
                await self._database.write(partial(ensure_secret, account_id=account_id, now=self._clock.now()))
            except StorageUnavailable:
                await self._clock.sleep(STORAGE_RETRY_S)

    async def _record(self, delivery: Delivery, attempt: Attempt, answer: Answer, standing: Standing) -> State:
        """Store what came of the attempt, however long storage is away: until then the delivery stays in flight."""
        at = self._clock.now()
        round_at = delivery.round_at or attempt.started_at
        wait = None
        if not answer.acknowledged:
            wait = wait_after(
                attempt.number - delivery.round_start,
                standing.retries,
                passed_s=(at - round_at).total_seconds(),
                asked_s=asked_wait(answer.retry_after, at),
                drawn=self._draw(),
            )
        state = State.DELIVERED if answer.acknowledged else State.UNDELIVERED if wait is None else State.DUE
        due_at = None if wait is None else at + timedelta(seconds=wait)
        queue = delivery.call_id if delivery.kind is Kind.EVENT else None
        record = partial(store.record, attempt=attempt, state=state, due_at=due_at, at=at, queue=queue, round_at=round_at)
        learn = partial(endpoint_store.learn, delivery=delivery, at=at, outcome=answer.outcome, acknowledged=answer.acknowledged)
        worth = standing.learns(delivery, at, acknowledged=answer.acknowledged)

        def work(connection: Connection) -> News | None:
            record(connection)
            return learn(connection) if worth else None

        news = await self._written(work)
        _log_attempt(delivery, attempt, state)
        self.attempted(delivery, attempt, state)
        if news is not None:
            log.warning(news.value, account_id=delivery.account_id, outcome=answer.outcome)
            self.wake(delivery.account_id, Kind.ALERT)
        return state

    async def _written(self, work: Callable[[Connection], News | None]) -> News | None:
        while True:
            try:
                return await self._database.write(work)
            except StorageUnavailable:
                await self._clock.sleep(STORAGE_RETRY_S)


def _found(
    connection: Connection, account_id: str, kind: Kind, now: datetime, flying: frozenset[str], under_way: int
) -> tuple[int, store.Look]:
    """Return how many deliveries may be under way in the lane now, and as many of those that are due as there is room for."""
    width = endpoint_store.width(connection, account_id, kind, LANE_WIDTH)
    free = width - under_way
    if free <= 0:
        return width, store.Look([], None)
    return width, store.look(connection, account_id, now, flying, free, kind=kind)


def _log_attempt(delivery: Delivery, attempt: Attempt, state: State) -> None:
    log.info(
        "delivery_attempted" if state is State.DUE else f"delivery_{state}",
        delivery_id=delivery.id,
        account_id=delivery.account_id,
        call_id=delivery.call_id,
        kind=delivery.event or delivery.kind.value,
        attempt=attempt.number,
        status=attempt.status,
        outcome=attempt.outcome,
        latency_ms=attempt.latency_ms,
    )


def _report(event: str, error: Exception, **about: str) -> None:
    """Log a defect without the exception's text, which may hold a number or a URL."""
    log.error(event, error=type(error).__name__, where=where_of(error), **about)


async def _cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _ignore(*_: object) -> None:
    """Nobody counts the attempts."""
