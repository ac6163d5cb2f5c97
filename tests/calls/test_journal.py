"""Positions in the journal: they grow with what becomes visible, on SQLite and on PostgreSQL."""

import asyncio
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, delete
from sqlalchemy.exc import IntegrityError
from tests.calls.following import AT, append

from intellicall.calls import journal
from intellicall.calls.journal import Journal, JournalEntry
from intellicall.storage.database import Database


def entry(call_id: str, seq: int, account_id: str = "a") -> JournalEntry:
    return JournalEntry(call_id, account_id, seq, AT, "hold", {})


async def test_who_has_read_up_to_one_position_never_finds_a_new_entry_below_it(database: Database) -> None:
    """Many writes at once, some of which fail and are undone in their group, read meanwhile."""

    def broken(connection: Connection, call_id: str) -> None:
        append(connection, "a", call_id, ["hold"])
        raise ValueError("this one's transaction is undone")

    writes = [
        database.write(partial(broken, call_id=f"broken-{n}"))
        if n % 7 == 3
        else database.write(partial(append, account_id="a", call_id=f"call-{n}", kinds=["hold", "resume"]))
        for n in range(100)
    ]
    writing = asyncio.gather(*writes, return_exceptions=True)
    seen: list[int] = []
    while not writing.done() or len(seen) < 2 * 86:
        found = await database.read(partial(journal.read_after, account_id="a", position=seen[-1] if seen else 0, most=50))
        seen += [entry.position or 0 for entry in found]
    assert seen == sorted(set(seen))
    assert [
        entry.position for entry in await database.read(partial(journal.read_after, account_id="a", position=0, most=999))
    ] == seen
    assert sum(isinstance(outcome, ValueError) for outcome in await writing) == 14
    assert await database.read(journal.last_position) == seen[-1]


def test_a_position_is_never_given_out_again(database: Database) -> None:
    """Not even when the newest entries were erased: a cursor of before would miss what comes after."""
    database.write_now(partial(append, account_id="a", call_id="one", kinds=["hold", "resume"]))
    last = database.read_now(journal.last_position)
    database.write_now(lambda connection: connection.execute(delete(journal.journal)))
    assert database.read_now(journal.last_position) == 0
    database.write_now(partial(append, account_id="a", call_id="two", kinds=["hold"]))
    assert database.read_now(journal.last_position) > last


def test_two_entries_with_one_number_are_two_writers_of_one_call(database: Database) -> None:
    database.write_now(lambda connection: Journal().append(connection, [entry("c", 1)]))
    with pytest.raises(IntegrityError):
        database.write_now(lambda connection: Journal().append(connection, [entry("c", 1)]))


def test_an_account_reads_its_own_entries_and_those_of_one_call(database: Database) -> None:
    entries = [entry("c1", 1), entry("c2", 1), entry("c3", 1, "b"), entry("c1", 2)]
    for one in entries:
        database.write_now(partial(Journal().append, entries=[one]))

    def read(connection: Connection, account_id: str, call_id: str | None) -> list[tuple[str, int]]:
        return [(one.call_id, one.seq) for one in journal.read_after(connection, account_id, 0, 10, call_id)]

    assert database.read_now(partial(read, account_id="a", call_id=None)) == [("c1", 1), ("c2", 1), ("c1", 2)]
    assert database.read_now(partial(read, account_id="a", call_id="c1")) == [("c1", 1), ("c1", 2)]
    assert database.read_now(partial(read, account_id="a", call_id="c3")) == []
    assert [one.seq for one in database.read_now(partial(journal.read, call_id="c1", first=2))] == [2]


def test_reading_takes_the_indexes_and_not_the_history(sqlite_database: Database) -> None:
    def plan(connection: Connection, call_id: str | None) -> str:
        query = journal._OF_CALL_AFTER if call_id else journal._OF_ACCOUNT
        sql: Any = query.compile(connection, compile_kwargs={"render_postcompile": True})
        values = {"account": "a", "after": 5, "call": call_id}
        return str(
            connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", tuple(values.get(n, 50) for n in sql.positiontup or ())).all()
        )

    assert "ix_journal_account (account_id=? AND position>?)" in sqlite_database.read_now(partial(plan, call_id=None))
    of_call = sqlite_database.read_now(partial(plan, call_id="c"))
    assert "(call_id=?)" in of_call
    assert "TEMP B-TREE" not in of_call
