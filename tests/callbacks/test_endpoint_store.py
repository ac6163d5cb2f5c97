"""How endpoints stand in SQL, on SQLite and on PostgreSQL; and that a long history or a long queue costs nothing."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select
from tests.callbacks.samples import AT, add_account, end_calls, ended
from tests.callbacks.test_feed import explained
from tests.callbacks.test_store import URL, attempt

from intellicall.callbacks import endpoint_store, store
from intellicall.callbacks.delivery import Delivery, Kind, State
from intellicall.callbacks.endpoint import FAILURES, EndpointState, News
from intellicall.callbacks.tables import callback_endpoints, deliveries
from intellicall.errors import Code, Refused
from intellicall.storage.database import Database

WIDTH = 7


@pytest.fixture
def crm(database: Database) -> Database:
    database.write_now(partial(add_account, account_id="a", url=URL))
    database.write_now(partial(add_account, account_id="b", url=None))
    return database


def widths(database: Database) -> dict[Kind, int]:
    return {kind: database.read_now(lambda c, kind=kind: endpoint_store.width(c, "a", kind, WIDTH)) for kind in Kind}  # type: ignore[misc]


def the_delivery(database: Database) -> Delivery:
    (found,) = database.read_now(store.list_deliveries)
    return found


def learn(database: Database, delivery: Delivery, *, acknowledged: bool) -> News | None:
    work = partial(endpoint_store.learn, delivery=delivery, at=AT, outcome="no", acknowledged=acknowledged)
    return database.write_now(work)


def test_a_pause_closes_the_lanes_of_results_and_events_and_says_since_when(crm: Database) -> None:
    assert widths(crm) == dict.fromkeys(Kind, WIDTH)
    crm.write_now(partial(endpoint_store.pause, account_id="a", now=AT))
    crm.write_now(partial(endpoint_store.pause, account_id="a", now=AT + timedelta(hours=1)))
    found = crm.read_now(partial(endpoint_store.standing, account_id="a", now=AT))
    assert (found.state, found.paused_at) == (EndpointState.PAUSED, AT)
    assert widths(crm) == {Kind.RESULT: 0, Kind.EVENT: 0, Kind.TEST: WIDTH, Kind.ALERT: WIDTH}
    for _ in range(2):
        crm.write_now(partial(endpoint_store.resume, account_id="a"))
        assert widths(crm) == dict.fromkeys(Kind, WIDTH)


@pytest.mark.parametrize(
    "work", [partial(endpoint_store.pause, now=AT), endpoint_store.resume, partial(endpoint_store.queue_test, now=AT)]
)
def test_accounts_that_are_not_there(crm: Database, work: Any) -> None:
    with pytest.raises(Refused) as refused:
        crm.write_now(partial(work, account_id="gone"))
    assert refused.value.code is Code.NOT_FOUND


def test_a_test_needs_somewhere_to_go(crm: Database) -> None:
    with pytest.raises(Refused) as refused:
        crm.write_now(partial(endpoint_store.queue_test, account_id="b", now=AT))
    assert refused.value.code is Code.NOT_POSSIBLE_NOW


def test_health_is_kept_and_a_failing_endpoint_has_one_delivery_at_a_time(crm: Database) -> None:
    crm.write_now(partial(end_calls, entries=[ended("a")]))
    delivery = the_delivery(crm)
    told = [learn(crm, delivery, acknowledged=False) for _ in range(FAILURES)]
    assert told == [None] * (FAILURES - 1) + [News.FAILING]
    assert widths(crm) == {Kind.RESULT: 1, Kind.EVENT: 1, Kind.TEST: WIDTH, Kind.ALERT: WIDTH}
    assert len(crm.read_now(store.list_deliveries)) == 1, "without an alert URL nobody is told"
    crm.write_now(partial(endpoint_store.pause, account_id="a", now=AT))
    crm.write_now(partial(endpoint_store.resume, account_id="a"))
    found = crm.read_now(partial(endpoint_store.standing, account_id="a", now=AT))
    assert (found.state, found.failing_since) == (EndpointState.FAILING, AT)
    assert learn(crm, delivery, acknowledged=True) is News.RECOVERED
    assert widths(crm) == dict.fromkeys(Kind, WIDTH)


def test_the_backlog_counts_results_alone(crm: Database) -> None:
    crm.write_now(partial(end_calls, entries=[ended("a"), ended("a"), ended("b")]))
    (first, *_) = crm.read_now(partial(store.list_deliveries, account_id="a"))
    crm.write_now(partial(store.record, attempt=attempt(first.id, 1), state=State.UNDELIVERED, due_at=None, at=AT))
    crm.write_now(partial(endpoint_store.queue_test, account_id="a", now=AT))
    assert crm.read_now(partial(endpoint_store.backlog, account_id="a")) == (1, 1)


def test_accounts_with_deliveries_due_but_for_paused_ones(crm: Database) -> None:
    crm.write_now(partial(add_account, account_id="c", url=URL))
    crm.write_now(partial(end_calls, entries=[ended("a"), ended("c", at=AT + timedelta(hours=8))]))
    crm.write_now(partial(endpoint_store.queue_test, account_id="a", now=AT))

    def due(kind: Kind, hours: int | None = None) -> list[str]:
        before = None if hours is None else AT + timedelta(hours=hours)
        return crm.read_now(partial(store.may_be_sent, kind=kind, before=before))

    assert (due(Kind.RESULT), due(Kind.RESULT, 1), due(Kind.TEST), due(Kind.EVENT)) == (["a", "c"], ["a"], ["a"], [])
    crm.write_now(partial(endpoint_store.pause, account_id="a", now=AT))
    assert (due(Kind.RESULT), due(Kind.TEST)) == (["c"], ["a"])


def test_results_of_a_time_are_sent_again_oldest_first_and_nothing_else(crm: Database) -> None:
    crm.write_now(partial(end_calls, entries=[ended("a", f"c{n}", AT + timedelta(seconds=n)) for n in range(6)]))
    crm.write_now(partial(endpoint_store.queue_test, account_id="a", now=AT))
    for one in crm.read_now(store.list_deliveries):
        crm.write_now(partial(store.record, attempt=attempt(one.id, 1), state=State.UNDELIVERED, due_at=None, at=AT))
    again = partial(store.resend_results, account_id="a", state=State.UNDELIVERED, now=AT, begin=AT + timedelta(seconds=1))
    assert crm.write_now(partial(again, end=AT + timedelta(seconds=5), limit=3)) == 3
    due = crm.read_now(partial(store.list_deliveries, state=State.DUE))
    assert [(one.call_id, one.round_start, one.round_at) for one in due] == [(f"c{n}", 1, None) for n in (3, 2, 1)]
    assert crm.write_now(partial(again, end=AT + timedelta(seconds=5))) == 1
    with pytest.raises(Refused) as refused:
        crm.write_now(partial(store.resend_results, account_id="a", begin=AT, end=AT, state=State.DUE, now=AT))
    assert refused.value.code is Code.INVALID_FIELD
    with pytest.raises(Refused) as refused:
        crm.write_now(partial(store.resend_results, account_id="b", begin=AT, end=AT, state=State.DELIVERED, now=AT))
    assert refused.value.code is Code.NOT_POSSIBLE_NOW


def fill(connection: Connection) -> None:
    """Ten accounts: 150 results due and 150 delivered each, and as many events as results."""
    for number in range(10):
        add_account(connection, f"f{number}", URL)
    end_calls(connection, [ended("a", "template")])
    row = dict(connection.execute(select(deliveries)).mappings().one())
    states = (State.DUE, State.DELIVERED)
    for kind in (Kind.RESULT, Kind.EVENT):
        rows = [
            row
            | {"id": f"{kind}{n}", "call_id": f"{n}", "account_id": f"f{n % 10}", "kind": kind.value, "state": states[n // 10 % 2]}
            | {"position": n, "finished_at": None if n // 10 % 2 == 0 else AT, "created_at": AT + timedelta(seconds=n)}
            for n in range(3_000)
        ]
        connection.execute(insert(deliveries), rows)
    connection.execute(insert(callback_endpoints), [{"account_id": "f1", "failures": 0, "paused_at": AT}])
    connection.exec_driver_sql("ANALYZE")


SORTS = ("Sort", "TEMP B-TREE")
READS_ALL = ("Seq Scan on deliveries", "SCAN deliveries", "Bitmap")


def test_a_long_queue_costs_nothing(crm: Database) -> None:
    """What is asked for at each attempt, and every few seconds, is answered by the first entries of an index."""
    crm.write_now(fill)
    by_due, by_age, by_call = "ix_deliveries_due", "ix_deliveries_open_events", "ix_deliveries_queue"
    asked: Sequence[tuple[Any, dict[str, Any], str, Sequence[str]]] = (
        (store._LOOK.select, {"account_id": "f1", "kind": "result", "limit": 10}, by_due, SORTS),
        (store._LOOK.select, {"account_id": "f1", "kind": "event", "limit": 10}, by_due, SORTS),
        (store._HAVE_DUE_AND_NO_PAUSE, {"kind": "result", "before": store._EVER}, by_due, ()),  # accounts are sorted
        (store._OLD_EVENTS, {"before": AT, "limit": 500}, by_age, SORTS),
        (store._FIRST_OF_QUEUE, {"call_id": "1"}, by_call, ()),  # the few events of one call are sorted
    )
    for statement, values, index, forbidden in asked:
        plan = explained(crm, statement, values)
        assert index in plan, plan
        assert not any(word in plan for word in (*READS_ALL, *forbidden)), plan


def test_events_of_yesterday_are_given_up_in_pieces(crm: Database) -> None:
    crm.write_now(fill)
    before = AT + timedelta(seconds=1_000)
    counts = [crm.write_now(partial(store.give_up_events, before=before, at=AT, limit=300)) for _ in range(3)]
    assert counts == [300, 200, 0]
    assert not crm.read_now(partial(store.has_old_events, before=before))
    given_up = crm.read_now(partial(store.list_deliveries, state=State.UNDELIVERED, limit=2_000))
    assert len(given_up) == 500
    assert all(one.kind is Kind.EVENT and one.created_at < before and one.header_value is None for one in given_up)
