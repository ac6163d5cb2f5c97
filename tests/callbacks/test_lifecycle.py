"""Events pushed beside the results: in the order of each call, retried, given up, and never in the way of a result."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection
from tests.callbacks.samples import AT, AUTH, account, add_account, ended, set_endpoint
from tests.support.clock import HandClock
from tests.support.receiver import Behaviour, Received, answers, hangs, receiver

from intellicall.accounts.changes import update_account
from intellicall.callbacks import endpoint_store, store
from intellicall.callbacks.courier import LANE_WIDTH, SWEEP_S, Courier
from intellicall.callbacks.delivery import Attempt, Delivery, Kind, State
from intellicall.callbacks.lifecycle import EVENT_AGE, Lifecycle
from intellicall.callbacks.schedule import WAITS_S
from intellicall.callbacks.transport import HttpTransport
from intellicall.calls import journal as journal_room
from intellicall.calls.journal import Journal, JournalEntry
from intellicall.clock import Clock, SystemClock
from intellicall.errors import Code, Refused
from intellicall.ids import new_call_id
from intellicall.storage.database import Database

URL = "https://crm.example/results"
HEADER = "x-intellicall-event"
PATIENCE_S = 30.0


def subscribe(connection: Connection, account_id: str, url: str | None, events: Sequence[str] = ("all",)) -> None:
    add_account(connection, account_id, url)
    update_account(connection, replace(account(account_id, url), events=tuple(events)))


@dataclass
class Room:
    """The journal with both projectors, and the courier, over one database."""

    database: Database
    clock: Clock
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    courier: Courier | None = None

    async def open_account(self, account_id: str, url: str | None, events: Sequence[str] = ("all",)) -> None:
        await self.database.write(partial(subscribe, account_id=account_id, url=url, events=events))
        self.lifecycle.take(await self.database.read(store.subscribers))

    async def happen(self, call_id: str, *kinds: str, account_id: str = "a") -> None:
        """Let these things happen to the call, one transaction each, as its conductor does it."""
        journal = Journal([store.project, self.lifecycle.project])
        for kind in kinds:
            await self.database.write(partial(append, journal=journal, account_id=account_id, call_id=call_id, kind=kind))
            if self.courier is not None:
                self.courier.wake_events(account_id)
                if kind == "ended":
                    self.courier.wake(account_id)

    async def deliveries(self, state: State | None = None) -> list[Delivery]:
        return await self.database.read(partial(store.list_deliveries, state=state, limit=1_000))

    async def until(self, state: State, count: int) -> list[Delivery]:
        async with asyncio.timeout(PATIENCE_S):
            while len(found := await self.deliveries(state)) < count:  # noqa: ASYNC110 - SQL tells nobody
                await asyncio.sleep(0.005)
        return found


def append(connection: Connection, journal: Journal, account_id: str, call_id: str, kind: str) -> None:
    seq = len(journal_room.read(connection, call_id)) + 1
    data: dict[str, Any] = {"uuid": "your-own-call-id", "state": "talking", "participant_id": "customer"}
    if kind == "ended":
        data = dict(ended(account_id, call_id).data) | {"state": "ended"}
    journal.append(connection, [JournalEntry(call_id, account_id, seq, AT, kind, data)])


@asynccontextmanager
async def open_room(database: Database, clock: Clock | None = None, timeout_s: float = 5.0) -> AsyncIterator[Room]:
    room = Room(database, clock or Then())
    transport = HttpTransport(allow_private=True, timeout_s=timeout_s)
    room.courier = Courier(database, room.clock, transport, room.lifecycle, grace_s=0.1)
    await room.courier.start()
    try:
        yield room
    finally:
        await room.courier.stop()


def sequences(requests: Sequence[Received], call_id: str) -> list[int]:
    """The numbers of a call's events in the order in which they came."""
    bodies = [orjson.loads(request.body) for request in requests if HEADER in request.headers]
    return [body["sequence"] for body in bodies if body["call_id"] == call_id]


async def test_an_event_is_posted_with_its_type_and_the_accounts_header(database: Database) -> None:
    async with receiver(answers(204, b"")) as crm, open_room(database) as room:
        await room.open_account("a", crm.url)
        await room.happen(call := new_call_id(), "hold")
        (delivery,) = await room.until(State.DELIVERED, 1)
        (request,) = crm.requests
        (entry,) = await database.read(partial(journal_room.read, call_id=call))
    assert (request.method, request.target, request.headers["content-type"]) == ("POST", "/results", "application/json")
    assert (request.headers[HEADER], request.headers[AUTH[0].lower()]) == ("held", AUTH[1])
    assert orjson.loads(request.body) == {
        "event_id": f"{entry.position:016x}",
        "type": "held",
        "call_id": call,
        "uuid": "your-own-call-id",
        "sequence": 1,
        "at": "2026-07-03T10:00:00.000Z",
        "state": "talking",
        "data": {"participant_id": "customer"},
    }
    assert (delivery.event, delivery.position, delivery.body) == ("held", entry.position, request.body)


async def test_a_result_is_the_same_to_the_byte_and_has_no_event_header(database: Database) -> None:
    async with receiver() as crm, open_room(database) as room:
        await room.open_account("a", crm.url)
        await room.happen(call := new_call_id(), "ended")
        await room.until(State.DELIVERED, 2)
    (result,) = [request for request in crm.requests if HEADER not in request.headers]
    (event,) = [request for request in crm.requests if HEADER in request.headers]
    record = ended("a", call).data["result"]
    assert result.body == orjson.dumps(record)
    assert orjson.loads(event.body)["data"] == {"result": record}


async def test_only_the_types_that_the_account_wants_are_pushed(database: Database) -> None:
    async with receiver() as crm, open_room(database) as room:
        await room.open_account("a", crm.url, ["held", "ended"])
        await room.open_account("none", crm.url, [])
        await room.open_account("nowhere", None)
        for account_id in ("a", "none", "nowhere"):
            await room.happen(new_call_id(), "hold", "resume", "send_digits", "ended", account_id=account_id)
        await room.until(State.DELIVERED, 4)
    assert sorted(request.headers.get(HEADER, "result") for request in crm.requests) == ["ended", "held", "result", "result"]
    kept = await room.deliveries()
    assert sorted((one.account_id, one.event) for one in kept if one.account_id != "a") == [("none", None), ("nowhere", None)]


async def test_the_events_of_a_call_come_one_after_the_other_however_slow_the_receiver(sqlite_database: Database) -> None:
    async def takes_a_moment(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.002)
        await answers(200)(writer)

    async with receiver(takes_a_moment) as crm, open_room(sqlite_database) as room:
        await room.open_account("a", crm.url)
        calls = [new_call_id() for _ in range(12)]
        await asyncio.gather(*(room.happen(call, *["hold", "resume"] * 4) for call in calls))
        await room.until(State.DELIVERED, 12 * 8)
    for call in calls:
        assert sequences(crm.requests, call) == list(range(1, 9))
    assert 1 < crm.most_open <= LANE_WIDTH, "calls do not wait for each other"


async def test_an_event_is_repeated_after_1_2_and_4_seconds_and_holds_up_those_behind_it(database: Database) -> None:
    clock = HandClock(AT)
    async with receiver(*[answers(500)] * 4, answers(200)) as crm, open_room(database, clock) as room:
        await room.open_account("a", crm.url)
        await room.happen(call := new_call_id(), "hold", "resume")
        for number, wait in enumerate(WAITS_S, 1):
            await clock.until_asleep(wait)
            assert sequences(crm.requests, call) == [1] * number
            await clock.advance(wait)
        await room.until(State.DELIVERED, 1)
        assert sequences(crm.requests, call) == [1, 1, 1, 1, 2]
        assert len({request.body for request in crm.requests[:4]}) == 1
        (given_up,) = await room.deliveries(State.UNDELIVERED)
        assert (given_up.event, given_up.attempts, given_up.header_value) == ("held", 4, None)


async def test_a_result_waits_for_no_event(sqlite_database: Database) -> None:
    """Not for those of other calls, whose receiver hangs and fills the lane, and not for those of its own."""

    async def only_results(writer: asyncio.StreamWriter) -> None:
        await (hangs if HEADER in crm.requests[-1].headers else answers(200))(writer)

    async with receiver(only_results) as crm, open_room(sqlite_database, timeout_s=60) as room:
        await room.open_account("a", crm.url)
        for _ in range(3 * LANE_WIDTH):
            await room.happen(new_call_id(), "hold")
        await crm.until(LANE_WIDTH)
        await room.happen(call := new_call_id(), "hold", "ended")
        (delivered,) = await room.until(State.DELIVERED, 1)
    assert (delivered.event, delivered.call_id) == (None, call)
    assert sequences(crm.requests, call) == []


async def test_a_restart_in_the_middle_keeps_the_order(database: Database) -> None:
    call = new_call_id()
    async with receiver(answers(200), answers(503)) as crm:
        async with open_room(database, clock := HandClock(AT)) as room:
            await room.open_account("a", crm.url)
            await room.happen(call, "hold", "resume", "mute")
            await clock.until_asleep(1.0)
        crm.script = [answers(200)]
        async with open_room(database, HandClock(clock.now())) as room:
            await room.happen(call, "unmute")
            clock = room.clock  # type: ignore[assignment]  # what was made above
            await clock.advance(1.0)
            await room.until(State.DELIVERED, 4)
    assert sequences(crm.requests, call) == [1, 2, 2, 3, 4]


async def test_who_wants_events_is_noticed_within_seconds(sqlite_database: Database) -> None:
    clock = HandClock(AT)
    async with receiver() as crm, open_room(sqlite_database, clock) as room:
        await sqlite_database.write(partial(subscribe, account_id="a", url=crm.url))
        await clock.until_asleep(SWEEP_S)
        assert not room.lifecycle.wants("a")
        await clock.advance(SWEEP_S)
        await clock.until_asleep(SWEEP_S)
        await room.happen(new_call_id(), "hold")
        await room.until(State.DELIVERED, 1)
        await sqlite_database.write(partial(set_endpoint, account_id="a", url=crm.url))  # wants none any more
        await clock.advance(SWEEP_S)
        await clock.until_asleep(SWEEP_S)
        assert not room.lifecycle.wants("a")


async def test_an_event_and_what_happened_are_one_transaction(database: Database) -> None:
    room = Room(database, SystemClock())
    await room.open_account("a", URL)
    journal = Journal([room.lifecycle.project])

    def fail_after(connection: Connection) -> None:
        append(connection, journal, "a", "call", "hold")
        raise ValueError("the transaction fails later")

    with pytest.raises(ValueError, match="later"):
        await database.write(fail_after)
    assert await room.deliveries() == []
    entries = [JournalEntry("call", "a", n, AT, kind, {}) for n, kind in enumerate(("hold", "resume", "mute"), 1)]
    await database.write(partial(journal.append, entries=entries))
    states = {one.position: one.state for one in await room.deliveries()}
    assert [states[position] for position in sorted(states, key=int)] == [State.DUE, State.WAITING, State.WAITING]  # type: ignore[arg-type]  # events have positions


async def test_an_event_sent_again_by_hand_holds_up_those_that_wait(database: Database) -> None:
    room = Room(database, SystemClock())
    await room.open_account("a", URL)

    async def finish(delivery: Delivery, state: State, number: int = 1) -> None:
        attempt = Attempt(delivery.id, number, AT, 1, 500, "no", b"")
        await database.write(partial(store.record, attempt=attempt, state=state, due_at=None, at=AT, queue="call"))

    await room.happen("call", "hold", "resume", "mute")
    (first,) = await room.deliveries(State.DUE)
    (waiting, *_) = await room.deliveries(State.WAITING)
    with pytest.raises(Refused) as refused:
        await database.write(partial(store.resend, delivery_id=waiting.id, now=AT))
    assert refused.value.code is Code.NOT_POSSIBLE_NOW
    await finish(first, State.UNDELIVERED)
    (second,) = await room.deliveries(State.DUE)
    again_at = AT + timedelta(seconds=3)
    await database.write(partial(store.resend, delivery_id=first.id, now=again_at))
    await finish(second, State.DELIVERED)
    assert [(one.id, one.due_at) for one in await room.deliveries(State.DUE)] == [(first.id, again_at)], "the third waits for it"
    await finish(first, State.DELIVERED, 2)
    assert [one.event for one in await room.deliveries(State.DUE)] == ["muted"]


async def test_a_receiver_that_is_paused_or_dead_piles_up_a_day_of_events_and_no_result_is_given_up(database: Database) -> None:
    clock = HandClock(AT)
    async with receiver() as crm, open_room(database, clock) as room:
        await room.open_account("a", crm.url)
        await database.write(partial(endpoint_store.pause, account_id="a", now=AT))
        await room.happen(new_call_id(), "hold", "resume", "ended")
        await clock.until_asleep(SWEEP_S)
        await clock.advance(EVENT_AGE.total_seconds() - 2 * SWEEP_S)
        await clock.until_asleep(SWEEP_S)
        assert await room.deliveries(State.UNDELIVERED) == []
        await clock.advance(3 * SWEEP_S)
        async with asyncio.timeout(PATIENCE_S):
            while len(given_up := await room.deliveries(State.UNDELIVERED)) < 3:
                await clock.advance(SWEEP_S)
        assert {one.kind for one in given_up} == {Kind.EVENT}
        (kept,) = await room.deliveries(State.DUE)
        assert kept.kind is Kind.RESULT
        await database.write(partial(endpoint_store.resume, account_id="a"))
        assert room.courier is not None
        room.courier.wake("a")
        await room.until(State.DELIVERED, 1)
    assert [request.headers.get(HEADER) for request in crm.requests] == [None]


async def test_who_waited_for_an_event_that_was_given_up_is_called_up(database: Database) -> None:
    room = Room(database, SystemClock())
    await room.open_account("a", URL)
    later = AT + timedelta(seconds=1)
    entries = [JournalEntry("call", "a", n, AT if n < 3 else later, "hold", {}) for n in (1, 2, 3)]
    await database.write(partial(Journal([room.lifecycle.project]).append, entries=entries))
    assert await database.write(partial(store.give_up_events, before=later, at=later)) == 2
    (due,) = await room.deliveries(State.DUE)
    assert (due.created_at, due.due_at) == (later, later)
    (first, _) = sorted(await room.deliveries(State.UNDELIVERED), key=lambda one: one.position or 0)
    late = Attempt(first.id, 1, AT, 1, 500, "no", b"")  # it was under way
    await database.write(partial(store.record, attempt=late, state=State.DUE, due_at=later, at=later))
    assert [one.due_at for one in await room.deliveries(State.UNDELIVERED)] == [None, None]


moods = st.lists(st.sampled_from(["takes", "fails", "breaks"]), min_size=1, max_size=40)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moods, st.lists(st.integers(0, 3), min_size=1, max_size=25))
def test_whatever_the_receiver_does_each_call_is_told_in_order(
    sqlite_database: Database, moods: list[str], happenings: list[int]
) -> None:
    async def play() -> None:
        async with receiver(*(_MOODS[mood] for mood in moods), answers(200)) as crm, open_room(sqlite_database, Hurried()) as room:
            account_id = new_call_id()[:24]
            await room.open_account(account_id, crm.url)
            calls = [new_call_id() for _ in range(4)]
            for number in happenings:
                await room.happen(calls[number], "hold", account_id=account_id)
            async with asyncio.timeout(PATIENCE_S):
                while [one for one in await room.deliveries() if one.finished_at is None]:  # noqa: ASYNC110 - SQL tells nobody
                    await asyncio.sleep(0.002)
            for number, call in enumerate(calls):
                told = sequences(crm.requests, call)
                assert sorted(told) == told
                assert set(told) == set(range(1, happenings.count(number) + 1))
                assert all(after - before <= 1 for before, after in pairwise(told))

    with asyncio.Runner() as runner:
        runner.run(play())


class Then(SystemClock):
    """The time of the samples, which passes as ours does: by today's, their events are too old to be sent."""

    def __init__(self) -> None:
        self._began = self.monotonic()

    def now(self) -> datetime:
        return AT + timedelta(seconds=self.monotonic() - self._began)


class Hurried(SystemClock):
    """Time that passes two hundred times as fast."""

    def now(self) -> datetime:
        return AT + timedelta(seconds=self.monotonic() - self._began)

    def monotonic(self) -> float:
        return 200 * time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 200)

    def __init__(self) -> None:
        self._began = self.monotonic()


async def breaks(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


_MOODS: dict[str, Behaviour] = {"takes": answers(200), "fails": answers(500), "breaks": breaks}
