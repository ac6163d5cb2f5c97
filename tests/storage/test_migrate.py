"""The schema that the migrations make is the schema that the code expects, on both databases; all steps or none."""

import importlib
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, func, inspect, select, text
from tests.support.databases import PostgresServer

from intellicall.storage import migrate as migrations
from intellicall.storage.database import Database, StorageUnavailable
from intellicall.storage.migrate import UnknownSchema, migrate, pending
from intellicall.storage.schema import metadata

ROOMS = (
    "accounts.tables",
    "calls.store",
    "calls.traces",
    "recordings.store",
    "recordings.access",
    "callbacks.tables",
    "softphone.store",
)
for room in ROOMS:
    importlib.import_module(f"intellicall.{room}")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database that has nothing in it yet (SQLite: not even a file)."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'state' / 'intellicall.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    server.run("CREATE DATABASE migrations")
    yield server.url("migrations")
    server.run("DROP DATABASE migrations WITH (FORCE)")


def tables(url: str) -> set[str]:
    database = Database(url)
    try:
        return set(database.read_now(lambda connection: inspect(connection).get_table_names()))
    finally:
        database.close()


def test_migrations_make_the_schema_that_the_code_expects(empty_url: str) -> None:
    migrate(empty_url)
    database = Database(empty_url)

    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata))

    assert database.read_now(differences) == []
    database.close()
    assert tables(empty_url) == set(metadata.tables) | {"alembic_version"}


def test_it_tells_what_it_does_and_does_it_once(empty_url: str) -> None:
    missing = pending(empty_url)
    assert missing
    assert pending(empty_url) == missing  # looking changes nothing
    assert migrate(empty_url) == missing
    assert pending(empty_url) == []
    assert migrate(empty_url) == []


def test_looking_makes_no_file(tmp_path: Path) -> None:
    pending(f"sqlite:///{tmp_path / 'state' / 'intellicall.db'}")
    assert list(tmp_path.iterdir()) == []


def test_two_that_start_at_once_migrate_once(empty_url: str) -> None:
    expected = pending(empty_url)
    done: list[list[str]] = []
    threads = [threading.Thread(target=lambda: done.append(migrate(empty_url))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(done) == [[], [], [], expected]


def test_a_step_that_fails_leaves_nothing_behind(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(connection: Connection) -> None:
        connection.execute(text("SELECT * FROM no_such_table"))

    with monkeypatch.context() as patch:
        patch.setattr(migrations, "_check_references", broken)
        with pytest.raises(StorageUnavailable):
            migrate(empty_url)
    assert tables(empty_url) == set()
    assert migrate(empty_url)


def test_a_database_of_a_later_version_is_refused(empty_url: str) -> None:
    migrate(empty_url)
    database = Database(empty_url)
    database.write_now(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    database.close()
    with pytest.raises(UnknownSchema):
        migrate(empty_url)
    with pytest.raises(UnknownSchema):
        pending(empty_url)


def test_the_file_is_its_owners_only(tmp_path: Path) -> None:
    file = tmp_path / "state" / "intellicall.db"
    migrate(f"sqlite:///{file}")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    database = Database(f"sqlite:///{file}")
    database.write_now(lambda connection: connection.execute(text("CREATE TABLE x (y INTEGER)")))
    assert {stat.S_IMODE(one.stat().st_mode) for one in file.parent.iterdir()} == {0o600}
    database.close()
    file.chmod(0o644)
    migrate(f"sqlite:///{file}")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnavailable):
        migrate(f"sqlite:///{tmp_path / 'file' / 'intellicall.db'}")


def test_counting_live_calls_does_not_read_the_history(tmp_path: Path) -> None:
    """SQLite takes a partial index only for the very same term; otherwise every POST /calls would read the account's history."""
    url = f"sqlite:///{tmp_path / 'intellicall.db'}"
    migrate(url)
    calls = metadata.tables["calls"]
    query = select(func.count()).select_from(calls).where(calls.c.account_id == "a1", calls.c.live)
    database = Database(url)
    sql = str(query.compile(database.engine, compile_kwargs={"literal_binds": True}))
    plan = database.read_now(lambda connection: str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}").all()))
    database.close()
    assert "ix_calls_live" in plan
