"""The courier and an endpoint: signatures, schedules, pauses, failing and recovering, tests and alerts, with real receivers."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import orjson
import pytest
from sqlalchemy import Connection, delete
from standardwebhooks.webhooks import Webhook
from structlog.testing import capture_logs
from tests.callbacks.samples import AT, AUTH, account, add_account, end_calls, ended
from tests.callbacks.test_courier import PATIENCE_S, attempts, end, running, until_state
from tests.support.clock import HandClock
from tests.support.receiver import Received, Receiver, answers, receiver

from intellicall.accounts.account import Retries
from intellicall.accounts.changes import rotate_secret, update_account
from intellicall.accounts.store import list_secrets
from intellicall.accounts.tables import signing_secrets
from intellicall.callbacks import endpoint_store, feed, store
from intellicall.callbacks.courier import SWEEP_S
from intellicall.callbacks.delivery import Kind, State
from intellicall.callbacks.endpoint import FAILURES, EndpointState
from intellicall.clock import SystemClock
from intellicall.storage.database import Database

SIGNATURE = ("webhook-id", "webhook-timestamp", "webhook-signature")


async def set_account(database: Database, url: str | None, **fields: Any) -> None:
    await database.write(partial(update_account, account=replace(account("a", url), **fields)))


async def open_account(database: Database, url: str | None, **fields: Any) -> None:
    await database.write(partial(add_account, account_id="a", url=url))
    await set_account(database, url, **fields)


async def state_of(database: Database) -> EndpointState:
    return (await database.read(partial(endpoint_store.standing, account_id="a", now=AT))).state


def verified(request: Received, secret: str) -> Any:
    """What a receiver with the public library makes of a callback: its JSON. Raises when it is not signed with the secret."""
    return Webhook(secret).verify(request.body, dict(request.headers))


def moment() -> datetime:
    """A time of now: the library refuses what was signed more than five minutes ago."""
    return datetime.now(UTC).replace(microsecond=0)


async def test_every_attempt_is_signed_anew_with_the_secrets_of_its_moment(database: Database) -> None:
    clock = HandClock(moment())
    async with receiver(answers(500), answers(500), answers(200)) as crm, running(database, clock) as courier:
        await open_account(database, crm.url)
        (first,) = await database.read(partial(list_secrets, account_id="a"))
        await end(database, courier, ended("a", at=clock.now()))
        await clock.until_asleep(1.0)
        second, _ = await database.write(partial(rotate_secret, account_id="a", now=clock.now()))
        await clock.advance(1)
        await clock.until_asleep(2.0)
        third, _ = await database.write(partial(rotate_secret, account_id="a", now=clock.now(), overlap_s=0))
        await clock.advance(2)
        (delivery,) = await until_state(database, State.DELIVERED)
    assert {request.headers["webhook-id"] for request in crm.requests} == {delivery.id}
    times = [int(request.headers["webhook-timestamp"]) for request in crm.requests]
    assert [time - times[0] for time in times] == [0, 1, 3]
    assert {request.body for request in crm.requests} == {delivery.body}
    assert {request.headers[AUTH[0].lower()] for request in crm.requests} == {AUTH[1]}
    known = {"first": first, "second": second, "third": third}
    valid = [{name for name, secret in known.items() if _accepts(request, secret.text)} for request in crm.requests]
    assert valid == [{"first"}, {"first", "second"}, {"third"}]


def _accepts(request: Received, secret: str) -> bool:
    try:
        verified(request, secret)
    except Exception:  # noqa: BLE001 - whatever the library says against it
        return False
    return True


async def test_an_account_of_before_there_were_secrets_gets_one_on_demand(database: Database) -> None:
    async with receiver() as crm, running(database, SystemClock()) as courier:
        await open_account(database, crm.url)
        await database.write(lambda connection: connection.execute(delete(signing_secrets)))
        await end(database, courier, ended("a"), ended("a"))
        await until_state(database, State.DELIVERED, 2)
    (secret,) = await database.read(partial(list_secrets, account_id="a"))
    assert all(verified(request, secret.text)["status"] == "ANSWER" for request in crm.requests)


async def test_the_extended_schedule_waits_as_it_is_asked_and_then_it_is_a_dead_letter(sqlite_database: Database) -> None:
    clock = HandClock(AT)
    script = [answers(503, headers={"Retry-After": "90"}), answers(500, headers={"Retry-After": "90"}), answers(410)]
    async with receiver(*script) as crm, running(sqlite_database, clock, draw=lambda: 0.5) as courier:
        await open_account(sqlite_database, crm.url, retries=Retries.EXTENDED)
        await end(sqlite_database, courier, ended("a"))
        for wait in (90, 2, 4, 10, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800):
            assert await state_or_none(sqlite_database, State.UNDELIVERED) == 0
            (due,) = await waiting(sqlite_database, clock, wait)
            assert due.due_at == clock.now() + timedelta(seconds=wait)
            await clock.advance(wait)
        (delivery,) = await until_state(sqlite_database, State.UNDELIVERED)
        assert delivery.attempts == len(crm.requests) == 13
        assert len({(request.body, request.headers["webhook-id"]) for request in crm.requests}) == 1


async def waiting(database: Database, clock: HandClock, wait: float) -> list[Any]:
    """Return what is due in `wait` seconds, when the courier sleeps until then."""
    await clock.until_asleep(wait)
    return await database.read(partial(store.list_deliveries, state=State.DUE))


async def state_or_none(database: Database, state: State) -> int:
    return len(await database.read(partial(store.list_deliveries, state=state)))


async def test_another_schedule_holds_from_the_next_attempt_on(sqlite_database: Database) -> None:
    clock = HandClock(AT)
    async with receiver(answers(500)) as crm, running(sqlite_database, clock, draw=lambda: 1.0) as courier:
        await open_account(sqlite_database, crm.url)
        await end(sqlite_database, courier, ended("a"))
        for wait in (1.0, 2.0, 4.0):
            await clock.until_asleep(wait)
            await set_account(sqlite_database, crm.url, retries=Retries.EXTENDED)
            await clock.advance(wait)
        await clock.until_asleep(12.0)
        await set_account(sqlite_database, crm.url)
        await clock.advance(12)
        await until_state(sqlite_database, State.UNDELIVERED)
        assert len(crm.requests) == 5


async def test_a_paused_endpoint_is_sent_nothing_and_then_everything_in_order(database: Database) -> None:
    clock = HandClock(AT)
    async with receiver(answers(500), answers(200)) as crm, running(database, clock) as courier:
        await open_account(database, crm.url)
        await end(database, courier, ended("a", "first"))
        await clock.until_asleep(1.0)
        await database.write(partial(endpoint_store.pause, account_id="a", now=clock.now()))  # by another process: nobody told us
        assert await state_of(database) is EndpointState.PAUSED
        for number in range(30):
            await end(database, courier, ended("a", f"c{number:02}", clock.now()))
            await clock.advance(SWEEP_S / 10)
        assert await database.read(partial(store.may_be_sent, kind=Kind.RESULT)) == []
        assert len(crm.requests) == 1
        found = await database.read(partial(store.look, account_id="a", now=clock.now(), skip=(), limit=40))
        assert [one.call_id for one in found.deliveries] == ["c00", "c01", "first", *(f"c{number:02}" for number in range(2, 30))]
        await database.write(partial(endpoint_store.resume, account_id="a"))
        assert await state_of(database) is EndpointState.ACTIVE
        async with asyncio.timeout(PATIENCE_S):  # how often the sweep comes by until SQL has answered is not ours to say
            while len(crm.requests) < 32:
                await clock.advance(SWEEP_S)
        await until_state(database, State.DELIVERED, 31)
    told = [orjson.loads(request.body)["call_id"] for request in crm.requests[1:]]
    assert sorted(told) == sorted(one.call_id or "" for one in found.deliveries)


async def test_a_pause_between_the_look_and_the_attempt_holds(sqlite_database: Database) -> None:
    database = sqlite_database
    async with receiver() as crm, running(database, SystemClock()) as courier:
        await open_account(database, crm.url)
        await asyncio.gather(*(courier._all[Kind.RESULT].acquire() for _ in range(courier._all[Kind.RESULT]._value)))
        await end(database, courier, ended("a"))
        async with asyncio.timeout(PATIENCE_S):
            while not courier._lanes["a", Kind.RESULT].in_flight:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0)
        await database.write(partial(endpoint_store.pause, account_id="a", now=AT))
        courier._all[Kind.RESULT].release()
        async with asyncio.timeout(PATIENCE_S):
            while ("a", Kind.RESULT) in courier._lanes:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0)
        assert crm.requests == []
        (kept,) = await database.read(partial(store.list_deliveries, state=State.DUE))
        assert kept.attempts == 0


async def test_a_failing_endpoint_is_tried_one_at_a_time_until_it_is_well_and_the_account_is_told(database: Database) -> None:
    mood = {"status": 500}

    async def crm_answers(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.002)
        await answers(mood["status"])(writer)

    clock = SystemClock()
    with capture_logs() as logs:
        async with receiver(crm_answers) as crm, receiver() as alerts, running(database, clock) as courier:
            await open_account(database, crm.url, alert_url=alerts.url, retries=Retries.EXTENDED)
            (secret,) = await database.read(partial(list_secrets, account_id="a"))
            await end(database, courier, *(ended("a", at=clock.now()) for _ in range(FAILURES)))
            await alerts.until(1)
            assert await state_of(database) is EndpointState.FAILING
            await settled(crm)
            crm.most_open = 0
            await end(database, courier, *(ended("a", at=clock.now()) for _ in range(15)))
            await crm.until(len(crm.requests) + 5)
            assert crm.most_open == 1
            mood["status"] = 200
            await until_state(database, State.DELIVERED, FAILURES + 15 + 2)
            assert await state_of(database) is EndpointState.ACTIVE
    told = [verified(request, secret.text) for request in alerts.requests]
    assert [one["type"] for one in told] == ["endpoint_failing", "endpoint_recovered"]
    assert [request.headers["x-intellicall-event"] for request in alerts.requests] == ["endpoint_failing", "endpoint_recovered"]
    assert all(AUTH[0].lower() not in request.headers for request in alerts.requests)
    assert {one["callback_url"] for one in told} == {"127.0.0.1"}
    assert told[0]["last_outcome"] == "answered with HTTP 500"
    assert told[0]["failing_since"] == told[1]["failing_since"]
    assert [entry["event"] for entry in logs if entry["event"].startswith("endpoint_")] == [
        "endpoint_failing",
        "endpoint_recovered",
    ]


async def settled(crm: Receiver) -> None:
    """Return when no request is under way."""
    async with asyncio.timeout(PATIENCE_S):
        while crm.open_now:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.001)


async def test_a_restart_knows_that_an_endpoint_is_failing(database: Database) -> None:
    clock = HandClock(AT)
    async with receiver(answers(500)) as crm:
        await open_account(database, crm.url)
        async with running(database, clock) as courier:
            await end(database, courier, *(ended("a") for _ in range(FAILURES)))
            await crm.until(FAILURES)
            async with asyncio.timeout(PATIENCE_S):
                while await state_of(database) is not EndpointState.FAILING:  # noqa: ASYNC110 - SQL tells nobody
                    await asyncio.sleep(0.005)
        await clock.advance(10)
        crm.most_open, before = 0, len(crm.requests)
        async with running(database, clock):
            await crm.until(before + 12)
        assert crm.most_open == 1


async def test_an_endpoint_with_a_new_url_is_not_failing(sqlite_database: Database) -> None:
    database, clock = sqlite_database, HandClock(AT)
    async with receiver(answers(500)) as old, receiver() as new, running(database, clock) as courier:
        await open_account(database, old.url)
        await end(database, courier, *(ended("a") for _ in range(FAILURES)))
        async with asyncio.timeout(PATIENCE_S):
            while await state_of(database) is not EndpointState.FAILING:  # noqa: ASYNC110 - SQL tells nobody
                await asyncio.sleep(0.005)
        await set_account(database, new.url)
        assert await state_of(database) is EndpointState.ACTIVE
        await end(database, courier, ended("a", at=clock.now()))
        await until_state(database, State.DELIVERED, 1)
        await clock.advance(2)
        assert await state_of(database) is EndpointState.ACTIVE, "what still fails at the old address says nothing"


async def test_a_test_is_sent_to_a_paused_endpoint_too_and_is_in_no_feed_and_no_count(database: Database) -> None:
    async with receiver() as crm, running(database, SystemClock()) as courier:
        await open_account(database, crm.url)
        (secret,) = await database.read(partial(list_secrets, account_id="a"))
        await database.write(partial(endpoint_store.pause, account_id="a", now=AT))
        made = await database.write(partial(endpoint_store.queue_test, account_id="a", now=AT))
        courier.wake("a", Kind.TEST)
        (sent,) = await until_state(database, State.DELIVERED)
    (request,) = crm.requests
    assert (made.id, made.kind, made.state) == (sent.id, Kind.TEST, State.DUE)
    body = verified(request, secret.text)
    assert body["uuid"].startswith("test-")
    assert body["status"] == "ANSWER"
    assert request.headers[AUTH[0].lower()] == AUTH[1]
    assert "x-intellicall-event" not in request.headers

    def books(connection: Connection) -> tuple[int, int]:
        days = feed.counts(connection, "a", AT.date(), datetime.now(UTC).date())
        return len(feed.read(connection, "a", None, 10).results), sum(day["results"] for day in days)

    assert await database.read(books) == (0, 0)
    assert await database.read(partial(endpoint_store.backlog, account_id="a")) == (0, 0)


async def test_a_test_that_gets_through_makes_a_failing_endpoint_well(sqlite_database: Database) -> None:
    database, clock = sqlite_database, HandClock(AT)
    async with receiver(*[answers(500)] * FAILURES, answers(200)) as crm, running(database, clock) as courier:
        await open_account(database, crm.url)
        await end(database, courier, *(ended("a") for _ in range(FAILURES)))
        async with asyncio.timeout(PATIENCE_S):
            while await state_of(database) is not EndpointState.FAILING:  # noqa: ASYNC110 - SQL tells nobody
                await asyncio.sleep(0.005)
        await database.write(partial(endpoint_store.queue_test, account_id="a", now=clock.now()))
        courier.wake("a", Kind.TEST)
        await until_state(database, State.DELIVERED)
        assert await state_of(database) is EndpointState.ACTIVE


@pytest.mark.parametrize("url", ["https://169.254.169.254/x", "https://10.0.0.1/"])
async def test_alerts_are_guarded_as_callbacks_are(sqlite_database: Database, url: str) -> None:
    database = sqlite_database
    async with running(database, SystemClock(), allow_private=False) as courier:
        await open_account(database, "https://127.0.0.1:1/", alert_url=url, retries=Retries.EXTENDED)
        await end(database, courier, *(ended("a") for _ in range(FAILURES)))
        async with asyncio.timeout(PATIENCE_S):
            while not (tried := [one for one in await every(database) if one.kind is Kind.ALERT and one.attempts]):  # noqa: ASYNC110 - SQL tells nobody
                await asyncio.sleep(0.005)
        (attempt, *_) = await attempts(database, tried[0])
        assert attempt.status is None
        assert attempt.outcome.startswith("the callback URL leads to an address that is not allowed")


async def every(database: Database) -> list[Any]:
    return await database.read(partial(store.list_deliveries, limit=1_000))


async def test_a_range_of_results_is_sent_again(database: Database) -> None:
    clock = HandClock(AT)
    async with receiver(answers(200)) as crm:
        await open_account(database, crm.url)
        await database.write(partial(end_calls, entries=[ended("a", f"c{n}", AT + timedelta(seconds=n)) for n in range(5)]))
        await clock.advance(10)
        async with running(database, clock) as courier:
            await until_state(database, State.DELIVERED, 5)
            again = partial(store.resend_results, account_id="a", state=State.DELIVERED, now=clock.now())
            begin, end_at = AT + timedelta(seconds=1), AT + timedelta(seconds=4)
            assert await database.write(partial(again, begin=begin, end=end_at, limit=2)) == 2
            courier.wake("a")
            await crm.until(7)
            await until_state(database, State.DELIVERED, 5)
    sent = [(orjson.loads(request.body)["call_id"], request.headers["webhook-id"], request.body) for request in crm.requests]
    assert sorted(one[0] for one in sent[5:]) == ["c1", "c2"]
    assert set(sent[5:]) < set(sent[:5]), "the same bytes, the same ids"
