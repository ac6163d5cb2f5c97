"""The list of calls on both databases: each filter, pages that shift for nobody, and the index by which each is found."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete
from tests.calls.world import ACCOUNT, AGENT, CALLER_ID

from intellicall.accounts import changes
from intellicall.accounts.account import Agent
from intellicall.accounts.numbers import parse
from intellicall.calls import history, store
from intellicall.calls.endings import Status
from intellicall.calls.filters import Filters, Position
from intellicall.calls.journal import Journal
from intellicall.calls.people import Person
from intellicall.calls.request import CallType, Request, compose
from intellicall.calls.result import Entry
from intellicall.calls.table import Reason, State
from intellicall.ids import new_token
from intellicall.storage.database import Database
from intellicall.telephony.engine import SoftphoneLine
from intellicall.telephony.testnet.numbers import NUMBERS

NOON = datetime(2026, 7, 3, 12, 0, tzinfo=UTC)
JOURNAL = Journal()
OTHER = Agent("g2", "a1", "agent.018")


def request(
    minute: int, *, agent: Agent | None = None, phone: str | None = "tone_440", customer: str = "tone_1000", **more: Any
) -> Request:
    """A request for a call, `minute` minutes after noon: from a softphone when `phone` is None."""
    line = SoftphoneLine(f"s-{agent.id}", new_token()) if phone is None and agent else parse(NUMBERS[phone or ""].number, "US")
    made = compose(
        replace(ACCOUNT, id=more.pop("account", "a1")),
        CALLER_ID,
        parse(NUMBERS[customer].number, "US"),
        line,
        agent,
        call_type=CallType.BROWSER if phone is None else CallType.SERVER,
        uuid=more.pop("uuid", None),
        at=NOON + timedelta(minutes=minute),
    )
    return replace(made, **more)


def put(database: Database, wanted: Request, state: State = State.ENDED, reason: Reason | None = None, **more: Any) -> str:
    """Store a call that stands in this state; with the reason of its end it was never answered."""

    def work(connection: Connection) -> None:
        entry, _ = store.admit(connection, JOURNAL, wanted, 1_000, engine_ready=True)
        call = replace(entry.call, state=state, reason=reason or (Reason.CUSTOMER_HUNG_UP if state is State.ENDED else None))
        if state is State.ENDED:
            answered = None if reason else wanted.created_at
            call = replace(call, ended_at=wanted.created_at, answered_at=answered)
        store.save(connection, JOURNAL, replace(entry, call=call, **more), [])

    database.write_now(work)
    return wanted.call_id


def found(database: Database, filters: Filters | None = None, before: Position | None = None, limit: int = 200) -> list[str]:
    page = database.read_now(lambda connection: history.find(connection, "a1", filters or Filters(), before, limit))
    assert page.next is None or len(page.entries) == limit
    return [entry.call.id for entry in page.entries]


def walk(database: Database, limit: int, filters: Filters | None = None) -> list[str]:
    """Every page, one after the other."""
    seen, before = list[str](), None
    while True:
        page = database.read_now(lambda c, before=before: history.find(c, "a1", filters or Filters(), before, limit))  # type: ignore[misc]
        seen += [entry.call.id for entry in page.entries]
        before = page.next
        if before is None:
            return seen


@pytest.fixture
def stored(database: Database) -> Database:
    """An account with two agents."""

    def seed(connection: Connection) -> None:
        changes.create_account(connection, ACCOUNT, NOON)
        changes._write_agents(connection, [AGENT, OTHER], [], NOON)  # with ids of our choice

    database.write_now(seed)
    return database


@pytest.fixture
def calls(stored: Database) -> dict[str, str]:
    """Ids by what is special about a call; the later the newer."""
    return {
        "plain": put(stored, request(0)),
        "softphone": put(stored, request(1, agent=AGENT, phone=None)),
        "busy": put(stored, request(2, agent=AGENT, phone=None, customer="busy"), reason=Reason.CUSTOMER_BUSY),
        "other agent": put(stored, request(3, agent=OTHER, phone="speech", uuid="u-3"), reason=Reason.CUSTOMER_NO_ANSWER),
        "talking": put(stored, request(4, phone="speech"), State.TALKING),
        "ringing": put(stored, request(5, agent=OTHER, phone=None), State.AGENT_RINGING),
        "another account's": put(stored, request(6, account="a2", uuid="u-3")),
    }


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (Filters(), ["ringing", "talking", "other agent", "busy", "softphone", "plain"]),
        (Filters(crm_username="agent.017"), ["busy", "softphone"]),
        (Filters(crm_username="Agent.017"), []),
        (Filters(crm_username="nobody"), []),
        (Filters(agent_number=NUMBERS["tone_440"].number), ["busy", "softphone", "plain"]),
        (Filters(agent_number=NUMBERS["speech"].number), ["talking", "other agent"]),
        (Filters(number=NUMBERS["busy"].number), ["busy"]),
        (Filters(number="+12025550999"), []),
        (Filters(status=Status.ANSWER), ["softphone", "plain"]),
        (Filters(status=Status.BUSY), ["busy"]),
        (Filters(status=Status.NO_ANSWER), ["other agent"]),
        (Filters(status=Status.CANCELED), []),
        (Filters(state="live"), ["ringing", "talking"]),
        (Filters(state="talking"), ["talking"]),
        (Filters(state="ended"), ["other agent", "busy", "softphone", "plain"]),
        (Filters(since=NOON + timedelta(minutes=2), until=NOON + timedelta(minutes=4)), ["other agent", "busy"]),
        (Filters(since=NOON + timedelta(minutes=5)), ["ringing"]),
        (Filters(until=NOON), []),
        (Filters(uuid="u-3"), ["other agent"]),
        (Filters(uuid="u-4"), []),
        (Filters(call_type=CallType.BROWSER), ["ringing", "busy", "softphone"]),
        (Filters(call_type=CallType.SERVER), ["talking", "other agent", "plain"]),
        (Filters(crm_username="agent.017", status=Status.BUSY), ["busy"]),
        (Filters(crm_username="agent.018", state="live"), ["ringing"]),
        (Filters(crm_username="agent.017", call_type=CallType.SERVER), []),
        (Filters(status=Status.ANSWER, call_type=CallType.BROWSER), ["softphone"]),
        (Filters(number=NUMBERS["tone_1000"].number, status=Status.ANSWER, until=NOON + timedelta(minutes=1)), ["plain"]),
        (Filters(uuid="u-3", status=Status.BUSY), []),
        (Filters(agent_number=NUMBERS["tone_440"].number, crm_username="agent.017", state="ended"), ["busy", "softphone"]),
    ],
)
def test_each_filter_lets_its_calls_through(stored: Database, calls: dict[str, str], filters: Filters, names: list[str]) -> None:
    assert found(stored, filters) == [calls[name] for name in names]
    assert walk(stored, 1, filters) == [calls[name] for name in names]


def test_a_call_without_a_uuid_is_found_by_its_id(stored: Database, calls: dict[str, str]) -> None:
    assert found(stored, Filters(uuid=calls["plain"])) == [calls["plain"]]
    assert found(stored, Filters(uuid=calls["other agent"])) == [], "its uuid is another"
    assert found(stored, Filters(uuid=calls["another account's"])) == []


def test_calls_of_one_moment_come_once_each(stored: Database) -> None:
    ids = sorted((put(stored, request(0)) for _ in range(7)), reverse=True)
    assert [walk(stored, limit) for limit in (1, 2, 3, 7, 8)] == [ids] * 5


def test_the_calls_of_a_removed_agent_are_still_found(stored: Database, calls: dict[str, str]) -> None:
    stored.write_now(lambda connection: changes.remove_agent(connection, "a1", "agent.017"))
    assert found(stored, Filters(crm_username="agent.017")) == [calls["busy"], calls["softphone"]]


def test_the_status_comes_with_the_end(stored: Database) -> None:
    wanted = request(0)
    put(stored, wanted, State.TALKING)

    def end(connection: Connection) -> Entry | None:
        entry = store.find(connection, wanted.call_id, "a1")
        assert entry
        assert connection.execute(store.calls.select()).one().status is None
        call = replace(entry.call, state=State.ENDED, answered_at=NOON, ended_at=NOON, reason=Reason.AGENT_HUNG_UP)
        store.save(connection, JOURNAL, replace(entry, call=call), [])
        return entry

    assert found(stored, Filters(status=Status.ANSWER)) == []
    stored.write_now(end)
    assert found(stored, Filters(status=Status.ANSWER)) == [wanted.call_id]


def test_an_agents_history_has_the_calls_that_another_one_called_the_agent_into(stored: Database) -> None:
    def invited(agent: Agent, number: int) -> Person:
        line = SoftphoneLine("s", "t")
        return Person(f"p{number}", f"p{number}", crm_username=agent.crm_username, agent_id=agent.id, softphone=line)

    own = [put(stored, request(minute, agent=AGENT, phone=None)) for minute in (0, 2, 4)]
    people = (invited(OTHER, 1), invited(AGENT, 2), Person("p3", "p3", "1", "+12025550100"))
    joined = [put(stored, request(minute, agent=OTHER, phone=None), people=people) for minute in (1, 3)]
    put(stored, request(5, agent=OTHER, phone=None))
    entry = stored.read_now(lambda connection: store.find(connection, joined[0], "a1"))
    assert entry
    stored.write_now(lambda connection: store.save(connection, JOURNAL, entry, []))  # again: once is enough
    expected = [own[2], joined[1], own[1], joined[0], own[0]]
    for limit in (1, 2, 3, 5):
        seen, before = list[str](), None
        while True:
            page = stored.read_now(lambda c, n=limit, at=before: history.of_agent(c, "a1", "g1", at, n))  # type: ignore[misc]
            assert len(page.entries) <= limit
            seen += [one.call.id for one in page.entries]
            before = page.next
            if before is None:
                break
        assert seen == expected
    assert stored.read_now(lambda connection: history.of_agent(connection, "a2", "g1", None, 10)).entries == ()


STEPS = st.lists(
    st.one_of(st.tuples(st.just("page"), st.integers(1, 4)), st.tuples(st.just("call"), st.integers(-3, 30))),
    min_size=1,
    max_size=25,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.lists(st.integers(0, 8), max_size=12), steps=STEPS)
def test_pages_give_every_call_once_in_order_while_calls_begin(
    stored: Database, start: list[int], steps: list[tuple[str, int]]
) -> None:
    """What was there at the beginning comes exactly once; what began meanwhile comes at most once and at its place."""
    stored.write_now(lambda connection: connection.execute(delete(store.calls)))
    first = [request(minute) for minute in start]
    for wanted in first:
        put(stored, wanted)
    everything = {wanted.call_id: wanted.created_at for wanted in first}
    seen, before, over = list[str](), None, False
    for what, number in [*steps, *[("page", 3)] * 40]:
        if what == "call":
            later = request(number)
            everything[later.call_id] = later.created_at
            put(stored, later)
        elif not over:
            page = stored.read_now(lambda c, n=number, at=before: history.find(c, "a1", Filters(), at, n))  # type: ignore[misc]
            seen += [entry.call.id for entry in page.entries]
            before, over = page.next, page.next is None
    assert len(set(seen)) == len(seen)
    assert {wanted.call_id for wanted in first} <= set(seen)
    assert seen == sorted(seen, key=lambda one: (everything[one], one), reverse=True)


INDEXES = [
    (Filters(), "ix_calls_account_created"),
    (Filters(since=NOON, until=NOON), "ix_calls_account_created"),
    (Filters(state="ended"), "ix_calls_account_created"),
    (Filters(crm_username="agent.017", since=NOON), "ix_calls_agent"),
    (Filters(agent_number="+12025550101", status=Status.BUSY), "ix_calls_agent_number"),
    (Filters(number="+12025550101", crm_username="agent.017", status=Status.BUSY, since=NOON), "ix_calls_customer"),
    (Filters(status=Status.BUSY), "ix_calls_status"),
    (Filters(status=Status.BUSY, call_type=CallType.BROWSER), "ix_calls_status_type"),
    (Filters(call_type=CallType.BROWSER, until=NOON), "ix_calls_call_type"),
    (Filters(state="live", crm_username="agent.017"), "ix_calls_live"),
    (Filters(state="talking"), "ix_calls_live"),
]


@pytest.mark.parametrize("before", [None, Position(NOON, "x")], ids=["first page", "next page"])
@pytest.mark.parametrize(("filters", "index"), INDEXES)
def test_sqlite_finds_a_page_by_the_index_of_its_filter_in_its_order(
    sqlite_database: Database, filters: Filters, index: str, before: Position | None
) -> None:
    plan = explained(sqlite_database, filters, before)
    assert f"USING INDEX {index} (account_id=?" in plan
    assert ("TEMP B-TREE" in plan) == (index == "ix_calls_live"), "only calls that live, which are few, are ordered when found"


def explained(database: Database, filters: Filters, before: Position | None) -> str:
    agent_id = "g1" if filters.crm_username else None
    statement = history.statement_for("a1", filters, agent_id, None, before, 50)
    text = str(statement.compile(database.engine, compile_kwargs={"literal_binds": True})).replace("%%", "%")
    how = "EXPLAIN QUERY PLAN" if database.engine.dialect.name == "sqlite" else "EXPLAIN"
    return database.read_now(lambda connection: "\n".join(str(row[-1]) for row in connection.exec_driver_sql(f"{how} {text}")))


@pytest.mark.parametrize("statement", [store._LIVE_COUNT.select, store._LIVE_OF_AGENT.select], ids=["count", "of an agent"])
def test_what_every_new_call_asks_does_not_read_the_history(sqlite_database: Database, statement: Any) -> None:
    text = str(statement.compile(sqlite_database.engine))
    values = ("a1",) * text.count("?")
    plan = sqlite_database.read_now(lambda c: str(c.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values).all()))
    assert "ix_calls_live (account_id=? AND live=?)" in plan


@pytest.mark.postgres
def test_postgres_finds_pages_by_these_indexes_too(stored: Database) -> None:
    """Its planner knows the data: 20,000 calls of 200 customers and 20 agents, nearly all answered."""
    if stored.engine.dialect.name == "sqlite":
        pytest.skip("SQLite's plans are told above")
    fill(stored, 20_000)
    for filters, index in INDEXES:
        plan = explained(stored, filters, None)
        if index == "ix_calls_agent_number" or (filters.number and filters.crm_username):
            continue  # nothing has these values: any index is good
        assert f"using {index} " in plan, (filters, plan)
        assert "Seq Scan" not in plan


def fill(database: Database, count: int) -> None:
    template = request(0)
    put(database, template)

    def work(connection: Connection) -> None:
        row = dict(connection.execute(store.calls.select()).mappings().one())
        rows = [
            row
            | {
                "id": f"{number:08}",
                "created_at": NOON + timedelta(seconds=number),
                "agent_id": f"g{number % 20}",
                "customer_e164": f"+120255{number % 200:05}",
                "status": "BUSY" if number % 50 == 0 else "ANSWER",
                "call_type": "browser" if number % 100 == 0 else "server",
            }
            for number in range(count)
        ]
        for start in range(0, count, 1_000):
            connection.execute(store.calls.insert(), rows[start : start + 1_000])

    database.write_now(work)
    database.write_now(lambda connection: connection.exec_driver_sql("ANALYZE calls"))


async def test_pages_are_read_while_calls_are_written(stored: Database) -> None:
    """Readers and the writer at once: nothing is lost, nothing comes twice."""
    old = [put(stored, request(0, uuid=f"old-{number}")) for number in range(30)]

    async def write() -> None:
        for number in range(40):
            wanted = request(1 + number)
            await stored.write(lambda c, wanted=wanted: store.admit(c, JOURNAL, wanted, 1_000, engine_ready=True))  # type: ignore[misc]

    async def read() -> list[str]:
        seen, before = list[str](), None
        while True:
            page = await stored.read(lambda c, at=before: history.find(c, "a1", Filters(), at, 3))  # type: ignore[misc]
            seen += [entry.call.id for entry in page.entries]
            before = page.next
            if before is None:
                return seen

    _, *walks = await asyncio.gather(write(), read(), read())
    for seen in walks:
        assert len(set(seen)) == len(seen)
        assert set(old) <= set(seen)
