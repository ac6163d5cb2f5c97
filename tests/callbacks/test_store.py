"""The outbox in SQL, on SQLite and on PostgreSQL."""

from datetime import timedelta
from functools import partial

import orjson
import pytest
from sqlalchemy.exc import IntegrityError
from tests.callbacks.samples import AT, add_account, end_calls, ended, set_endpoint

from intellicall.callbacks import store
from intellicall.callbacks.delivery import Attempt, Kind, State
from intellicall.calls.journal import Journal, JournalEntry
from intellicall.errors import Code, Refused
from intellicall.storage.database import Database

URL = "https://crm.example/results"
LATER = AT + timedelta(minutes=5)


@pytest.fixture
def crm(database: Database) -> Database:
    database.write_now(partial(add_account, account_id="a", url=URL))
    database.write_now(partial(add_account, account_id="b", url=None))
    return database


def attempt(delivery_id: str, number: int, status: int | None = 500) -> Attempt:
    return Attempt(delivery_id, number, AT, 12, status, f"answered with HTTP {status}", b"\x00no \xff")


def test_an_end_and_its_delivery_are_one_transaction(crm: Database) -> None:
    journal = Journal([store.project])
    entry = ended("a")
    crm.write_now(lambda connection: journal.append(connection, [entry]))
    found = crm.read_now(lambda connection: store.find_by_call(connection, entry.call_id))
    assert found is not None
    assert (found.state, found.url, found.header_name, found.due_at) == (State.DUE, URL, "X-Crm-Token", AT)
    assert found.body == orjson.dumps(entry.data["result"])
    assert list(orjson.loads(found.body))[:3] == ["call_id", "uuid", "status"]

    def fail_after(connection: object) -> None:
        journal.append(connection, [ended("a", "second")])  # type: ignore[arg-type]
        raise ValueError("the transaction fails later")

    with pytest.raises(ValueError, match="later"):
        crm.write_now(fail_after)
    assert crm.read_now(lambda connection: store.find_by_call(connection, "second")) is None


def test_only_ends_make_deliveries(crm: Database) -> None:
    entries = [JournalEntry("c", "a", 1, AT, "initiated", {}), JournalEntry("c", "a", 2, AT, "agent_ringing", {})]
    crm.write_now(partial(end_calls, entries=entries))
    assert crm.read_now(store.list_deliveries) == []


def test_a_call_that_ends_twice_is_refused(crm: Database) -> None:
    crm.write_now(partial(end_calls, entries=[ended("a", "one")]))
    with pytest.raises(IntegrityError):
        crm.write_now(partial(end_calls, entries=[ended("a", "one")]))


@pytest.mark.parametrize("account_id", ["b", "gone"])
def test_without_a_callback_url_the_result_is_kept_and_visible(crm: Database, account_id: str) -> None:
    crm.write_now(partial(end_calls, entries=[ended(account_id)]))
    (kept,) = crm.read_now(partial(store.list_deliveries, account_id=account_id, state=State.NO_ENDPOINT))
    assert kept.url is None
    assert kept.finished_at == AT
    assert crm.read_now(partial(store.may_be_sent, kind=Kind.RESULT)) == []


def test_look_finds_what_is_due_oldest_first_and_when_the_next_is(crm: Database) -> None:
    entries = [ended("a", f"call-{n}", AT + timedelta(seconds=n)) for n in (0, 3, 1, 2)]
    crm.write_now(partial(end_calls, entries=entries))
    put_off = crm.read_now(lambda connection: store.find_by_call(connection, "call-0"))
    assert put_off is not None
    later = AT + timedelta(seconds=20)
    crm.write_now(partial(store.record, attempt=attempt(put_off.id, 1), state=State.DUE, due_at=later, at=AT))
    now = AT + timedelta(seconds=3)
    found = crm.read_now(partial(store.look, account_id="a", now=now, skip=(), limit=10))
    assert [delivery.call_id for delivery in found.deliveries] == ["call-1", "call-2", "call-3"]
    assert found.next_due == AT + timedelta(seconds=20)
    skipped = crm.read_now(partial(store.look, account_id="a", now=now, skip={found.deliveries[0].id}, limit=1))
    assert [delivery.call_id for delivery in skipped.deliveries] == ["call-2"]
    assert crm.read_now(partial(store.look, account_id="b", now=now, skip=(), limit=10)).deliveries == []
    assert crm.read_now(partial(store.may_be_sent, kind=Kind.RESULT)) == ["a"]


def test_a_due_time_that_a_clock_set_back_left_far_away_is_due(crm: Database) -> None:
    crm.write_now(partial(end_calls, entries=[ended("a", at=AT + timedelta(hours=1))]))
    assert len(crm.read_now(partial(store.look, account_id="a", now=AT, skip=(), limit=10)).deliveries) == 1


def test_the_destination_is_frozen_when_the_call_ends(crm: Database) -> None:
    entry = ended("a")
    crm.write_now(partial(end_calls, entries=[entry]))
    crm.write_now(partial(set_endpoint, account_id="a", url="https://new.example/", header=("X-New", "new secret")))
    found = crm.read_now(lambda connection: store.find_by_call(connection, entry.call_id))
    assert found is not None
    assert (found.url, found.header_value) == (URL, "a secret of the receiver's")


def test_attempts_are_kept_and_the_secret_is_forgotten_at_the_end(crm: Database) -> None:
    crm.write_now(partial(end_calls, entries=[ended("a")]))
    (delivery,) = crm.read_now(store.list_deliveries)
    crm.write_now(partial(store.record, attempt=attempt(delivery.id, 1), state=State.DUE, due_at=LATER, at=AT))
    (waiting,) = crm.read_now(store.list_deliveries)
    assert (waiting.attempts, waiting.due_at, waiting.header_value is None, waiting.finished_at) == (1, LATER, False, None)
    crm.write_now(partial(store.record, attempt=attempt(delivery.id, 2), state=State.UNDELIVERED, due_at=None, at=LATER))
    (over,) = crm.read_now(partial(store.list_deliveries, state=State.UNDELIVERED))
    assert (over.attempts, over.due_at, over.header_name, over.header_value, over.finished_at) == (2, None, None, None, LATER)
    assert over.body == delivery.body
    kept = crm.read_now(partial(store.attempts_of, delivery_id=delivery.id))
    assert kept == [attempt(delivery.id, 1), attempt(delivery.id, 2)]


def test_the_list_is_newest_first_and_limited(crm: Database) -> None:
    crm.write_now(partial(end_calls, entries=[ended("a", f"c{n}", AT + timedelta(seconds=n)) for n in range(5)]))
    listed = crm.read_now(partial(store.list_deliveries, account_id="a", limit=2))
    assert [delivery.call_id for delivery in listed] == ["c4", "c3"]


def test_a_delivery_sent_again_is_the_same_bytes_to_the_endpoint_of_now(crm: Database) -> None:
    crm.write_now(partial(end_calls, entries=[ended("a")]))
    (delivery,) = crm.read_now(store.list_deliveries)
    with pytest.raises(Refused) as under_way:
        crm.write_now(partial(store.resend, delivery_id=delivery.id, now=LATER))
    assert under_way.value.code is Code.NOT_POSSIBLE_NOW
    crm.write_now(partial(store.record, attempt=attempt(delivery.id, 1), state=State.UNDELIVERED, due_at=None, at=AT))
    crm.write_now(partial(set_endpoint, account_id="a", url="https://new.example/", header=("X-New", "new secret")))
    again = crm.write_now(partial(store.resend, delivery_id=delivery.id, now=LATER))
    assert crm.read_now(partial(store.find, delivery_id=delivery.id)) == again
    assert (again.state, again.url, again.header_value, again.round_start) == (State.DUE, "https://new.example/", "new secret", 1)
    assert again.body == delivery.body


def test_sending_again_needs_a_delivery_and_an_endpoint(crm: Database) -> None:
    crm.write_now(partial(end_calls, entries=[ended("b")]))
    (delivery,) = crm.read_now(store.list_deliveries)
    for delivery_id, code in ((delivery.id, Code.NOT_POSSIBLE_NOW), ("nothing", Code.NOT_FOUND)):
        with pytest.raises(Refused) as refused:
            crm.write_now(partial(store.resend, delivery_id=delivery_id, now=LATER))
        assert refused.value.code is code
