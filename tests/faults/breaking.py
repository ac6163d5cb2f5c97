"""Ways to break a database under a running platform, and to mend it."""

import contextlib
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from pysqlite3 import dbapi2  # the product's library: locks of two SQLite libraries in one process do not see each other
from sqlalchemy import event

from intellicall.storage.database import Database
from intellicall.storage.faults import Fault

Breaking = Callable[[Database, Path], AbstractContextManager[None]]


@contextmanager
def locked(_database: Database, file: Path) -> Iterator[None]:
    """A backup tool that holds the SQLite database for itself."""
    other = dbapi2.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@contextmanager
def read_only(database: Database, _file: Path) -> Iterator[None]:
    """A SQLite database that can only be read, for every connection, also those that are opened meanwhile."""
    on = threading.Event()
    on.set()

    def forbid(connection: Any, _record: Any, _proxy: Any) -> None:
        connection.execute(f"PRAGMA query_only={int(on.is_set())}")

    event.listen(database.engine, "checkout", forbid)
    for connection in database._kept.values():
        driver: Any = connection.connection.dbapi_connection
        driver.execute("PRAGMA query_only=1")
    try:
        yield
    finally:
        on.clear()


@contextmanager
def full(_database: Database, file: Path) -> Iterator[None]:
    """The disk of the SQLite database, which must be a small one of the test's own, has no byte left."""
    ballast = file.with_name("ballast")
    with ballast.open("wb", buffering=0) as written, contextlib.suppress(OSError):
        while True:
            written.write(bytes(4096))
    try:
        yield
    finally:
        ballast.unlink()


SQLITE: dict[Fault, Breaking] = {Fault.LOCKED: locked, Fault.READ_ONLY: read_only, Fault.FULL: full}


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a disk of the test's own in memory. Needs root: raises PermissionError without."""
    if os.geteuid() != 0:
        raise PermissionError
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "intellicall-test", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


class Gate:
    """Holds every commit while it is closed: a disk whose fsync does not come back."""

    def __init__(self, database: Database) -> None:
        self._open = threading.Event()
        self._open.set()
        self.reached = threading.Event()
        event.listen(database.engine, "commit", self._hold)

    def close(self) -> None:
        self.reached.clear()
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    def _hold(self, connection: Any) -> None:
        if connection.get_execution_options().get("writes") and not self._open.is_set():
            self.reached.set()
            assert self._open.wait(30)


@contextmanager
def table_locked(url: str) -> Iterator[None]:
    """Somebody holds PostgreSQL's table of calls for himself."""
    with psycopg.connect(url.replace("+psycopg", "")) as other:
        other.execute("LOCK TABLE calls IN ACCESS EXCLUSIVE MODE")
        yield
        other.rollback()
