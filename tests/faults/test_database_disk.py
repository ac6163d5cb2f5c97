"""SQLite on a disk that fails: fsync with an error, power that goes away. What was promised is there, and nothing is half."""

import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pysqlite3 import dbapi2
from sqlalchemy import Connection, event, insert, select
from tests.faults.power import Moment, check, frames, judge_images, life, pairs
from tests.support.databases import create_tables

from intellicall.storage.database import Database

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def moments(tmp_path_factory: pytest.TempPathFactory) -> list[Moment]:
    return life(tmp_path_factory.mktemp("power"), 60)


def test_power_may_go_at_any_moment(moments: list[Moment]) -> None:
    assert judge_images(moments, seed=4) > 2000


def test_the_images_are_worth_something(moments: list[Moment], tmp_path: Path) -> None:
    """A commit that was not synced is lost in some of them: with synchronous=OFF, promises would be broken."""
    last = moments[-1]
    commits = [at for at in frames(last.wal) if struct.unpack(">I", last.wal[at + 4 : at + 8])[0]]
    (tmp_path / "image.db").write_bytes(last.database)
    (tmp_path / "image.db-wal").write_bytes(last.wal[: commits[-1]])
    with pytest.raises(AssertionError, match="promised"):
        check(tmp_path / "image.db", last.promised)


async def test_each_promise_is_synced(tmp_path: Path) -> None:
    """The writer's connections, also those opened after a fault, sync each commit."""
    create_tables(url := f"sqlite:///{tmp_path / 'test.db'}")
    database = Database(url)
    modes: list[Any] = []
    event.listen(database.engine, "commit", lambda connection: modes.append(_synchronous(connection)))
    await database.write(pairs.create)
    locking = dbapi2.connect(tmp_path / "test.db", isolation_level=None)
    locking.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Exception, match="locked"):
        await database.write(lambda connection: connection.execute(select(pairs)))
    locking.execute("ROLLBACK")
    locking.close()
    await database.write(lambda connection: connection.execute(insert(pairs).values(id=-1, twin=-1)))
    database.close()
    assert set(modes) == {2}


def _synchronous(connection: Connection) -> Any:
    driver: Any = connection.connection.dbapi_connection
    return driver.execute("PRAGMA synchronous").fetchone()[0]


_CHILD = """
import asyncio, os, sys
from tests.faults.power import write_pair
from intellicall.storage.database import Database, StorageUnavailable
database = Database(sys.argv[1])
async def main():
    print("begin", flush=True)
    for number in range(int(sys.argv[2])):
        await database.write(lambda connection: write_pair(connection, number))
        print(number, flush=True)
asyncio.run(main())
os._exit(9)
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="fsync can only be made to fail with strace")
def test_a_sync_that_fails_is_no_success(tmp_path: Path) -> None:
    """Every seventh sync fails. Nothing is promised by it: the transaction is done again, on a connection that was opened anew."""
    file = tmp_path / "test.db"
    create_tables(f"sqlite:///{file}")
    database = Database(f"sqlite:///{file}")
    database.write_now(pairs.create)
    database.write_now(lambda connection: connection.execute(insert(pairs).values(id=-1, twin=-1)))
    database.close()
    trace = tmp_path / "trace"
    inject = "inject=fsync,fdatasync:error=EIO:when=5+7"
    traced = ["strace", "-f", "-o", str(trace), "-e", "trace=fsync,fdatasync", "-e", inject]
    child = [sys.executable, "-c", _CHILD, f"sqlite:///{file}", "30"]
    done = subprocess.run([*traced, *child], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False, timeout=60)
    lines = done.stdout.split()
    promised = [int(line) for line in lines if line.isdigit()]
    failed = trace.read_text().count("INJECTED")
    assert failed >= 3
    assert promised == list(range(30)), done.stdout
    assert done.stdout.count("database_fault") >= 2
    assert check(file, 29) == 29
