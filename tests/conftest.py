"""Fixtures for every room's tests: the real engine, the test network, SIPp, free ports. Keep it small."""

import logging
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.support.databases import database, database_url, postgres_server, sqlite_database
from tests.support.demo import demo
from tests.support.ports import find_free_port

from intellicall.telephony.asterisk.install import EngineInstall, fetch_sipp, find_or_fetch
from intellicall.telephony.testnet.network import TestNetwork

__all__ = ["database", "database_url", "demo", "postgres_server", "sqlite_database"]


def _say_nothing(what: str, share: float | None) -> None:
    pass


@pytest.fixture(scope="session")
def engine_install() -> EngineInstall:
    """Return a usable Asterisk 22; the first run on a machine fetches it into the user's cache."""
    return find_or_fetch(None, _say_nothing)


@pytest.fixture(scope="session")
def sipp_command() -> tuple[str, ...]:
    """Return how to start SIPp; the first run on a machine fetches it into the user's cache."""
    return fetch_sipp(None, _say_nothing)


@pytest.fixture(scope="session")
def short_tmp() -> Iterator[Path]:
    """Return a temporary folder with a short path (Unix sockets have to fit into 107 characters)."""
    with tempfile.TemporaryDirectory(prefix="ic-") as folder:
        yield Path(folder)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def test_network(engine_install: EngineInstall, short_tmp: Path) -> AsyncIterator[TestNetwork]:
    """Run the test network for the whole session. It is a process of its own: tests of any event loop may call it."""
    network = TestNetwork(engine_install, short_tmp / "testnet")
    await network.start()
    yield network
    await network.stop()


@pytest.fixture
def free_port() -> int:
    """Return a port that is free for UDP and TCP on loopback at this moment."""
    return find_free_port()


@pytest.fixture(autouse=True)
def _libraries_have_nothing_to_complain_of(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """An error that uvicorn logs is a bug of ours. What asyncio says, it says when it collects: it may be another test's."""
    yield
    errors = [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    complaints = [f"{record.name}: {record.getMessage()}" for record in errors if record.name.startswith("uvicorn")]
    assert not complaints, complaints
