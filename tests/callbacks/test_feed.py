"""The feed of results on both databases: nothing is lost and nothing comes twice, and a long history costs nothing."""

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import orjson
import pytest
from sqlalchemy import Connection, Select, insert, select
from tests.callbacks.samples import AT, add_account, ended

from intellicall.callbacks import feed, store, tables
from intellicall.callbacks.delivery import Attempt, State
from intellicall.calls import journal
from intellicall.calls.journal import Journal, JournalEntry
from intellicall.errors import Code, Refused
from intellicall.storage.database import Database
from intellicall.web.cursor import to_cursor

JOURNAL = Journal([store.project])
URL = "https://crm.example/results"


@pytest.fixture
def crm(database: Database) -> Database:
    database.write_now(partial(add_account, account_id="a", url=URL))
    database.write_now(partial(add_account, account_id="b", url=None))
    return database


def end(connection: Connection, *entries: JournalEntry) -> None:
    for entry in entries:
        JOURNAL.append(connection, [entry])


def page(after: str | None = None, limit: int = 500, account_id: str = "a") -> Callable[[Connection], feed.Page]:
    return partial(feed.read, account_id=account_id, after=after, limit=limit)


def test_it_is_what_is_pushed_in_the_order_of_storing(crm: Database) -> None:
    late, early = ended("a", at=AT + timedelta(hours=1)), ended("a", at=AT)
    noise = [JournalEntry(late.call_id, "a", seq, AT, kind, {}) for seq, kind in ((1, "initiated"), (8, "recording_ready"))]
    crm.write_now(partial(_append, entries=[*noise, late, ended("b"), early]))
    found = crm.read_now(page())
    assert [result["call_id"] for result in found.results] == [late.call_id, early.call_id]
    pushed = crm.read_now(lambda c: [d.body for entry in (late, early) if (d := store.find_by_call(c, entry.call_id))])
    assert [orjson.dumps(result) for result in found.results] == pushed, "to the byte"
    assert found.more is False


def _append(connection: Connection, entries: list[JournalEntry]) -> None:
    end(connection, *entries)


def test_an_empty_feed_has_a_cursor_too(crm: Database) -> None:
    empty = crm.read_now(page())
    assert (empty.results, empty.more) == ((), False)
    assert crm.read_now(page(empty.next)) == empty
    crm.write_now(lambda c: end(c, ended("a", "first")))
    found = crm.read_now(page(empty.next))
    assert [result["call_id"] for result in found.results] == ["first"]
    again = crm.read_now(page(found.next))
    assert (again.results, again.next, again.more) == ((), found.next, False)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
def test_every_length_of_page_gives_each_result_once(crm: Database, limit: int) -> None:
    calls = [f"call-{number}" for number in range(7)]
    crm.write_now(lambda c: end(c, *(ended(account, f"{account}{call}") for call in calls for account in ("b", "a"))))
    seen, after = list[str](), None
    while True:
        found = crm.read_now(page(after, limit))
        seen += [result["call_id"] for result in found.results]
        after = found.next
        if not found.more:
            break
        assert len(found.results) == limit
    assert seen == [f"a{call}" for call in calls]


async def test_nothing_is_lost_or_repeated_while_calls_end(crm: Database) -> None:
    """Calls of two accounts end all at once, some in transactions that fail; two readers follow in pages of three."""

    def end_one(connection: Connection, number: int) -> None:
        end(connection, ended("a", f"a-{number}"), ended("b", f"b-{number}"))
        if number % 5 == 3:
            raise ValueError("this one's transaction is undone")

    writing = asyncio.gather(*(crm.write(partial(end_one, number=n)) for n in range(60)), return_exceptions=True)

    async def follow(account_id: str) -> list[str]:
        seen, after = list[str](), None
        while True:
            over = writing.done()
            found = await crm.read(page(after, 3, account_id))
            seen += [result["call_id"] for result in found.results]
            after = found.next
            if over and not found.more and not found.results:
                return seen

    expected = {f"{n}" for n in range(60) if n % 5 != 3}
    for account_id, seen in zip("ab", await asyncio.gather(follow("a"), follow("b")), strict=True):
        assert sorted(seen) == sorted(f"{account_id}-{n}" for n in expected), "each once"
        assert seen == [r["call_id"] for r in (await crm.read(page(account_id=account_id))).results]
    assert sum(isinstance(outcome, ValueError) for outcome in await writing) == 12


def test_a_cursor_that_was_not_given_out_is_refused(crm: Database) -> None:
    """Of another account, of another platform, of a history that a restored backup does not have: results would be left out."""
    crm.write_now(lambda c: end(c, ended("b", "theirs"), ended("a", "mine")))
    crm.write_now(lambda c: JOURNAL.append(c, [JournalEntry("mine", "a", 8, AT, "recording_ready", {})]))
    theirs = crm.read_now(page(account_id="b")).next
    mine = crm.read_now(page()).next
    position = crm.read_now(journal.last_position)
    others = [to_cursor(str(position + 1), "mine"), to_cursor(str(position - 1), "another"), to_cursor(str(position), "mine")]
    broken = ["", "x", "0" * 16, mine + "=", mine[:-1], to_cursor("1"), to_cursor("-1", "mine"), to_cursor("9" * 30, "mine")]
    for word in (theirs, *others, *broken):
        with pytest.raises(Refused) as refused:
            crm.read_now(page(word))
        assert (refused.value.code, refused.value.field) == (Code.INVALID_FIELD, "after"), word
    assert crm.read_now(page(mine)).results == ()


def test_counts_are_what_the_books_should_have(crm: Database) -> None:
    evening = datetime(2026, 7, 3, 23, 59, 59, tzinfo=UTC)
    entries = [ended("a", f"c{number}", evening + timedelta(seconds=number // 3)) for number in range(6)]
    for entry, status in zip(entries, ("ANSWER", "BUSY", "ANSWER", "FAILED", "CANCELED", "NO_ANSWER"), strict=True):
        entry.data["result"]["status"] = status
    crm.write_now(lambda c: end(c, *entries, ended("b", "theirs", evening)))
    for number, state in ((0, State.DELIVERED), (1, State.UNDELIVERED), (3, State.DELIVERED)):
        crm.write_now(partial(_attempted, call_id=f"c{number}", state=state))
    days = crm.read_now(lambda c: feed.counts(c, "a", date(2026, 7, 2), date(2026, 7, 4)))
    none = {"ANSWER": 0, "NO_ANSWER": 0, "BUSY": 0, "FAILED": 0, "CANCELED": 0}
    settled = {"delivered": 0, "undelivered": 0, "no_endpoint": 0, "waiting": 0}
    assert days == [
        {"date": "2026-07-02", "results": 0, "by_status": none} | settled,
        {"date": "2026-07-03", "results": 3, "by_status": none | {"ANSWER": 2, "BUSY": 1}}
        | settled
        | {"delivered": 1, "undelivered": 1, "waiting": 1},
        {"date": "2026-07-04", "results": 3, "by_status": none | {"FAILED": 1, "CANCELED": 1, "NO_ANSWER": 1}}
        | settled
        | {"delivered": 1, "waiting": 2},
    ]
    (theirs,) = crm.read_now(lambda c: feed.counts(c, "b", date(2026, 7, 3), date(2026, 7, 3)))
    assert (theirs["results"], theirs["no_endpoint"], theirs["waiting"]) == (1, 1, 0)


def _attempted(connection: Connection, call_id: str, state: State) -> None:
    found = store.find_by_call(connection, call_id)
    assert found is not None
    store.record(connection, Attempt(found.id, 1, AT, 5, 200, "", b""), state, None, AT)


TODAY = date(2026, 7, 31)


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ({}, ("2026-07-25", "2026-07-31")),
        ({"to": "2026-07-03"}, ("2026-06-27", "2026-07-03")),
        ({"from": "2026-07-30"}, ("2026-07-30", "2026-07-31")),
        ({"from": "2026-07-01", "to": "2026-07-31"}, ("2026-07-01", "2026-07-31")),
        ({"to": "0001-01-01"}, ("0001-01-01", "0001-01-01")),
        ({"from": "2026-06-30", "to": "2026-07-31"}, "from"),
        ({"from": "2026-08-01"}, "from"),
        ({"from": "2026-07-03T00:00:00Z"}, "from"),
        ({"to": "2026-02-29"}, "to"),
        ({"to": "20260703"}, "to"),
        ({"to": "२०२६-०७-०३"}, "to"),
        ({"to": ""}, "to"),
    ],
)
def test_days_that_can_be_counted(query: dict[str, str], days: Any) -> None:
    if isinstance(days, str):
        with pytest.raises(Refused) as refused:
            feed.read_days(query, TODAY)
        assert (refused.value.code, refused.value.field) == (Code.INVALID_FIELD, days)
    else:
        assert tuple(day.isoformat() for day in feed.read_days(query, TODAY)) == days


def test_a_long_history_costs_nothing(crm: Database) -> None:
    """Both are answered by their index in its order: neither reads what it does not show, nor sorts."""
    crm.write_now(fill)
    plan = explained(crm, journal._ENDS, {"account": "a1", "after": 99, "most": 101})
    assert "ix_journal_ended" in plan
    assert not any(word in plan for word in ("Seq Scan", "Sort", "TEMP B-TREE", "SCAN")), plan
    plan = explained(crm, feed._OF_DAYS, {"account": "a1", "first": "2026-07-05", "last": "2026-07-06"})
    assert "ix_deliveries_day" in plan
    assert not any(word in plan for word in ("Seq Scan", "Sort", "TEMP B-TREE", "SCAN")), plan


def explained(database: Database, statement: Select[Any], values: dict[str, Any]) -> str:
    how = "EXPLAIN QUERY PLAN" if database.engine.dialect.name == "sqlite" else "EXPLAIN"
    compiled = statement.compile(database.engine)
    bound: Any = compiled.construct_params(values)
    if compiled.positional:
        bound = tuple(bound[name] for name in compiled.positiontup or ())
    return database.read_now(lambda c: "\n".join(str(row[-1]) for row in c.exec_driver_sql(f"{how} {compiled}", bound)))


def fill(connection: Connection) -> None:
    """2,000 calls of two accounts in ten days, five entries each."""
    kinds = ("initiated", "agent_rings", "agent_answers", "ended", "recording_ready")
    calls = range(2_000)
    entries = [
        {"call_id": str(n), "seq": seq, "account_id": f"a{n % 2}", "at": AT, "kind": kind, "data": {}}
        for n in calls
        for seq, kind in enumerate(kinds)
    ]
    connection.execute(insert(journal.journal), entries)
    end(connection, ended("a", "template"))
    row = dict(connection.execute(select(tables.deliveries)).mappings().one())
    days = [(AT + timedelta(days=n)).date().isoformat() for n in range(10)]
    rows = [row | {"id": str(n), "call_id": str(n), "account_id": f"a{n % 2}", "day": days[n // 200]} for n in calls]
    connection.execute(insert(tables.deliveries), rows)
    connection.exec_driver_sql("ANALYZE")
