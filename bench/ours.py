"""The platform under measurement: one `intellicall serve` in a scratch state folder, with its own engine and test network."""

import asyncio
import ctypes
import os
import signal
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection

from bench.calls import CALLER_ID
from bench.crm import Api
from intellicall.accounts import changes
from intellicall.accounts.account import Account
from intellicall.accounts.keys import KeyKind
from intellicall.app import engine_pid, stop_engines
from intellicall.ids import new_id
from intellicall.settings import Settings
from intellicall.storage.database import Database
from intellicall.storage.migrate import migrate
from intellicall.telephony.engine import Transport, Trunk

READY_S = 60.0
PATIENCE_S = 10.0
AGENTS = tuple(f"bench.{number:02}" for number in range(30))
TEST_CALLER_ID = "+12025550190"


@dataclass(frozen=True, slots=True)
class Keys:
    """What the bench calls with: the account whose trunk leads to our peer, and a sandbox account."""

    server: str = field(repr=False)
    browser: str = field(repr=False)
    sandbox: str = field(repr=False)


@dataclass(slots=True)
class Ours:
    """Start it, use `api` and `sandbox`, stop it: then no process of it is left."""

    state: Path
    port: int
    scripted: bool = False
    _process: asyncio.subprocess.Process | None = None
    keys: Keys | None = None

    @property
    def settings(self) -> Settings:
        return Settings(state_dir=self.state)

    @property
    def base_url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def engine_pid(self) -> int:
        pid = engine_pid(self.settings)
        assert pid is not None
        return pid

    @property
    def testnet_port(self) -> int:
        return int((self.settings.testnet_dir / "sip-port").read_text())

    def api(self) -> Api:
        """Return a client for the account whose calls go to the bench's own peer."""
        assert self.keys is not None
        return Api(self.base_url, self.keys.server)

    def sandbox(self) -> Api:
        """Return a client for the account whose calls go to the test network."""
        assert self.keys is not None
        return Api(self.base_url, self.keys.sandbox)

    def seed(self, peer_port: int, receiver_port: int) -> None:
        """Make the database and its accounts."""
        self.state.mkdir(parents=True, exist_ok=True)
        migrate(self.settings.sql_url)
        database = Database(self.settings.sql_url)
        try:
            self.keys = database.write_now(lambda connection: _seed(connection, peer_port, receiver_port))
        finally:
            database.close()

    async def start(self) -> None:
        """Start the platform and wait until it takes calls. Raises TimeoutError, ChildProcessError."""
        environment = {
            "INTELLICALL_STATE_DIR": str(self.state),
            "INTELLICALL_PORT": str(self.port),
            "INTELLICALL_SANDBOX": "false" if self.scripted else "true",
            "INTELLICALL_ENGINE": "scripted" if self.scripted else "embedded",
            "INTELLICALL_ALLOW_PRIVATE_CALLBACKS": "true",
        }
        with (self.state / "platform.log").open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "intellicall", "serve"),
                env={**os.environ, **environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=_end_with_parent,
            )
        async with asyncio.timeout(READY_S):
            while not await self._ready():
                if self._process.returncode is not None:
                    raise ChildProcessError(f"the platform did not start: {self._log_end()}")
                await asyncio.sleep(0.1)

    async def stop(self) -> None:
        """End the platform, then its engine and test network."""
        if self._process and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), PATIENCE_S)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        if not self.scripted:
            await stop_engines(self.settings)

    def _log_end(self) -> str:
        return (self.state / "platform.log").read_text(errors="replace")[-2000:]

    async def _ready(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = await reader.read(64)
            writer.close()
        except OSError:
            return False
        return b" 200 " in answer


def _seed(connection: Connection, peer_port: int, receiver_port: int) -> Keys:
    now = datetime.now(UTC)
    url = f"http://127.0.0.1:{receiver_port}/results"
    trunk = Trunk("peer", "127.0.0.1", peer_port, Transport.UDP, codecs=("alaw",))
    changes.put_trunk(connection, trunk)
    plain = changes.create_account(connection, _account("bench", sandbox=False, url=url), now)
    sandbox = changes.create_account(connection, _account("bench-sandbox", sandbox=True, url=None), now)
    changes.assign_number(connection, plain, CALLER_ID, (trunk.name,), now)
    changes.assign_number(connection, sandbox, TEST_CALLER_ID, (), now)
    for username in AGENTS:
        changes.add_agent(connection, plain, username, None, now)
    return Keys(
        server=changes.create_key(connection, plain.id, KeyKind.SERVER, now).text,
        browser=changes.create_key(connection, plain.id, KeyKind.BROWSER, now).text,
        sandbox=changes.create_key(connection, sandbox.id, KeyKind.SERVER, now).text,
    )


def _account(name: str, *, sandbox: bool, url: str | None) -> Account:
    return Account(
        id=new_id(),
        name=name,
        enabled=True,
        sandbox=sandbox,
        default_region="US" if sandbox else "GB",
        concurrent_calls=5_000,
        callback_url=url,
    )


def _end_with_parent() -> None:
    """In the child: be told to stop when the benchmark itself is killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG, prctl(2)
