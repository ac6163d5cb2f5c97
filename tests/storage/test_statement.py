"""Statements that go past SQLAlchemy mean the same as through it: values, columns and errors, on both databases."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    event,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError, StatementError

from intellicall.storage.connections import open_engine
from intellicall.storage.database import Database
from intellicall.storage.faults import Fault, fault_of
from intellicall.storage.schema import UtcTime
from intellicall.storage.statement import Query, Statement

things = Table(
    "statement_things",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("name", String(20), nullable=False),
    Column("at", UtcTime),
    Column("facts", JSON(none_as_null=True)),
    Column("live", Boolean),
)
INSERT = Statement(insert(things), things.c.keys())
RENAME = Statement(update(things).where(things.c.id == bindparam("thing"), things.c.name != "fixed"), ("name",))
BY_ID = Query(select(things).where(things.c.id == bindparam("thing")))
LIVE = Query(select(things).where(things.c.live, things.c.name != "nobody").order_by(things.c.id).limit(bindparam("most")))
EITHER = Query(
    select(things.c.id).where(
        or_(things.c.name == bindparam("name"), things.c.id == bindparam("thing"), bindparam("name") == "all")
    )
)
AT = datetime(2026, 2, 3, 4, 5, 6, 789012, UTC)
ROWS: list[dict[str, Any]] = [
    {"id": 1, "name": "one", "at": AT, "facts": {"deep": [1, None, "ü"]}, "live": True},
    {"id": 2, "name": "two", "at": None, "facts": None, "live": False},
    {"id": 3, "name": "three", "at": AT, "facts": [], "live": True},
]


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.engine.execution_options(writes=True).connect() as made:
        things.create(made)
        yield made


def test_what_was_written_is_read_as_through_sqlalchemy(connection: Connection) -> None:
    INSERT.run(connection, *ROWS)
    for row in ROWS:
        by_hand = connection.execute(select(things).where(things.c.id == row["id"])).one()
        found = BY_ID.row(connection, thing=row["id"])
        assert tuple(found) == tuple(by_hand) == tuple(row.values())
        assert (found.at, found.facts, found.live) == (row["at"], row["facts"], row["live"])
    assert BY_ID.row(connection, thing=9) is None


def test_names_and_fixed_values_and_a_value_that_is_needed_twice(connection: Connection) -> None:
    INSERT.run(connection, *ROWS)
    assert [row.id for row in LIVE.rows(connection, most=5)] == [1, 3]
    assert [row.id for row in LIVE.rows(connection, most=1)] == [1]
    assert [row.id for row in EITHER.rows(connection, name="two", thing=3)] == [2, 3]
    assert len(EITHER.rows(connection, name="all", thing=0)) == 3
    RENAME.run(connection, {"thing": 1, "name": "fixed"}, {"thing": 1, "name": "not any more"}, {"thing": 2, "name": "deux"})
    assert [BY_ID.row(connection, thing=number).name for number in (1, 2)] == ["fixed", "deux"]


def test_a_value_that_was_forgotten_is_not_taken_for_null(connection: Connection) -> None:
    with pytest.raises(KeyError):
        INSERT.run(connection, {"id": 1, "name": "one"})
    with pytest.raises((KeyError, StatementError), match="thing"):
        BY_ID.row(connection)


def test_more_rows_than_one_are_no_row(connection: Connection) -> None:
    INSERT.run(connection, *ROWS)
    with pytest.raises(ValueError, match="more rows"):
        EITHER.row(connection, name="all", thing=0)


def test_a_naive_time_is_refused(connection: Connection) -> None:
    with pytest.raises(Exception, match="naive"):
        INSERT.run(connection, {**ROWS[0], "at": AT.replace(tzinfo=None)})


def test_errors_are_sqlalchemys(connection: Connection) -> None:
    INSERT.run(connection, ROWS[0])
    with pytest.raises(IntegrityError) as raised:
        INSERT.run(connection, ROWS[0])
    assert fault_of(raised.value) is None
    assert "ü" not in str(raised.value), "values may be phone numbers; what is raised may be logged"
    connection.rollback()
    with pytest.raises((OperationalError, ProgrammingError)):
        Statement(insert(Table("nowhere", MetaData(), Column("id", Integer))), ("id",)).run(connection, {"id": 1})


def test_a_locked_database_is_a_fault(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'x.db'}")
    event.listen(engine, "connect", lambda made, _record: made.execute("PRAGMA busy_timeout=0"))
    writing = engine.execution_options(writes=True)
    with writing.connect() as first, writing.connect() as second:
        with first.begin():
            things.create(first)
            with pytest.raises(OperationalError) as raised, second.begin():
                pass
        assert fault_of(raised.value) is Fault.LOCKED
        with second.begin():
            INSERT.run(second, ROWS[0])
    engine.dispose()
