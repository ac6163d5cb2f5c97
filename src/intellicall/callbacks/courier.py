"""The courier: carries every due delivery to its receiver, each account in two lanes of its own: one for results, one for events.

A lane sends at most LANE_WIDTH deliveries at once, so a receiver that is slow or dead delays only its own account, and its events
never delay its results. A result does not even wait for the earlier events of its own call: the guide promises it for the moment
in which the call ends; the event `ended` comes in its order. What is due stands in SQL; a lane reads it when it is woken (a call
has ended, an event was stored), when a wait is over, and when a slot becomes free.
A delivery in flight is known by its id and not picked again. An attempt is recorded when it is over: a crash between a
receiver's 2xx and its record repeats that one attempt, identical to the byte.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import structlog

from intellicall.callbacks import store
from intellicall.callbacks.delivery import Answer, Attempt, Delivery, State
from intellicall.callbacks.lifecycle import Lifecycle
from intellicall.callbacks.schedule import wait_after
from intellicall.callbacks.transport import HttpTransport
from intellicall.clock import Clock
from intellicall.storage.database import Database, StorageUnavailable
from intellicall.web.middleware import where_of

log = structlog.get_logger()

LANE_WIDTH = 10
"""Requests under way at once per account."""
GLOBAL_WIDTH = 500
"""Results under way at once in all, and as many events: far above what healthy receivers need, below the limit of open files."""
SWEEP_S = 5.0
"""How often SQL is asked for due deliveries that nobody woke us for (sent again by the CLI, left by a fault), and for the accounts
that want events."""
STORAGE_RETRY_S = 1.0
GRACE_S = 2.0
"""How long requests under way may still take when the platform stops."""


@dataclass(slots=True)
class _Lane:
    account_id: str
    events: bool
    in_flight: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    look: bool = True  # SQL may hold something new
    alarm: float | None = None  # monotonic time at which to look next
    task: asyncio.Task[None] | None = None


class Courier:
    """Delivers results and events. `wake` and `wake_events` after every commit that may have made one; the rest needs nobody."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        transport: HttpTransport,
        lifecycle: Lifecycle | None = None,
        *,
        grace_s: float = GRACE_S,
    ) -> None:
        self._database = database
        self._clock = clock
        self._transport = transport
        self._grace_s = grace_s
        self._lifecycle = lifecycle or Lifecycle()
        self._lanes: dict[tuple[str, bool], _Lane] = {}
        self._all = {events: asyncio.Semaphore(GLOBAL_WIDTH) for events in (False, True)}
        self._sweeper: asyncio.Task[None] | None = None
        self._stopping = False

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

    def wake(self, account_id: str) -> None:
        """Look at once for the account's results that are due. Never blocks; from the event loop's thread only."""
        self._wake(account_id, events=False)

    def wake_events(self, account_id: str) -> None:
        """Look at once for the account's events that are due, if it wants any. Never blocks; from the event loop's thread only."""
        if self._lifecycle.wants(account_id):
            self._wake(account_id, events=True)

    def _wake(self, account_id: str, *, events: bool) -> None:
        if self._stopping:
            return
        lane = self._lanes.get((account_id, events))
        if lane is None:
            lane = self._lanes[account_id, events] = _Lane(account_id, events)
        lane.look = True
        if lane.task is None or lane.task.done():
            lane.task = asyncio.create_task(self._run(lane), name="callbacks-lane")
        lane.changed.set()

    async def _sweep_forever(self) -> None:
        while True:
            try:
                for events in (False, True):
                    for account_id in await self._database.read(partial(store.accounts_with_due, events=events)):
                        self._wake(account_id, events=events)
            except StorageUnavailable:
                log.warning("callbacks_sweep_failed")
            await self._clock.sleep(SWEEP_S)
            await self._follow_subscribers()

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
                if lane.look and len(lane.in_flight) < LANE_WIDTH:
                    await self._look(lane)
                await self._rest(lane)
        except Exception as error:  # noqa: BLE001 - one account's lane must not take the others with it
            # The lane stays, for it knows what is in flight; the next wake or sweep sets it going again.
            _report("callbacks_lane_failed", error, account_id=lane.account_id)
        else:
            # No await since the condition was read: a wake came before, and was seen, or comes after, and opens a new lane.
            del self._lanes[lane.account_id, lane.events]

    async def _look(self, lane: _Lane) -> None:
        free = LANE_WIDTH - len(lane.in_flight)
        now = self._clock.now()
        lane.look = False
        try:
            found = await self._database.glance(
                partial(
                    store.look,
                    account_id=lane.account_id,
                    now=now,
                    skip=frozenset(lane.in_flight),
                    limit=free,
                    events=lane.events,
                )
            )
        except StorageUnavailable:
            lane.alarm = self._clock.monotonic() + STORAGE_RETRY_S
            return
        for delivery in found.deliveries:
            lane.in_flight[delivery.id] = asyncio.create_task(self._deliver(lane, delivery), name="callbacks-delivery")
        lane.look = lane.look or len(found.deliveries) == free
        wait = (found.next_due - now).total_seconds() if found.next_due else None
        lane.alarm = None if wait is None else self._clock.monotonic() + wait

    async def _rest(self, lane: _Lane) -> None:
        """Return when something changed or the alarm time has come; at once when there is nothing to wait for."""
        if lane.look and len(lane.in_flight) < LANE_WIDTH:
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
        try:
            async with self._all[lane.events]:
                started_at, started = self._clock.now(), self._clock.monotonic()
                answer = await self._transport.post(delivery)
            latency_ms = round((self._clock.monotonic() - started) * 1000)
            attempt = Attempt(
                delivery.id, delivery.attempts + 1, started_at, latency_ms, answer.status, answer.outcome, answer.body
            )
            if await self._record(delivery, attempt, answer) is State.DUE or lane.events:
                lane.look = True  # for its next attempt, or the next event of its call
        except Exception as error:  # noqa: BLE001 - the delivery stays due; the sweep finds it
            _report("delivery_failed", error, delivery_id=delivery.id)
        finally:
            del lane.in_flight[delivery.id]
            lane.changed.set()

    async def _record(self, delivery: Delivery, attempt: Attempt, answer: Answer) -> State:
        """Store what came of the attempt, however long storage is away: until then the delivery stays in flight."""
        at = self._clock.now()
        wait = None if answer.acknowledged else wait_after(attempt.number - delivery.round_start)
        state = State.DELIVERED if answer.acknowledged else State.UNDELIVERED if wait is None else State.DUE
        due_at = None if wait is None else at + timedelta(seconds=wait)
        queue = delivery.call_id if delivery.event else None
        work = partial(store.record, attempt=attempt, state=state, due_at=due_at, at=at, queue=queue)
        while True:
            try:
                await self._database.write(work)
                break
            except StorageUnavailable:
                await self._clock.sleep(STORAGE_RETRY_S)
        log.info(
            "delivery_attempted" if state is State.DUE else f"delivery_{state}",
            delivery_id=delivery.id,
            account_id=delivery.account_id,
            call_id=delivery.call_id,
            kind=delivery.event or "result",
            attempt=attempt.number,
            status=attempt.status,
            outcome=attempt.outcome,
            latency_ms=attempt.latency_ms,
        )
        return state


def _report(event: str, error: Exception, **about: str) -> None:
    """Log a defect without the exception's text, which may hold a number or a URL."""
    log.error(event, error=type(error).__name__, where=where_of(error), **about)


async def _cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
