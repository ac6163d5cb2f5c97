"""Real platform processes on one database and one real engine, which may be ill-treated: stopped, killed, started twice."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from pydantic import SecretStr
from sqlalchemy import Connection, insert
from tests.app.running import AGENT, CALLER_ID, seed
from tests.support.demo import until
from tests.support.ports import find_free_port
from tests.support.receiver import Receiver, receiver

from intellicall.accounts.tables import trunks
from intellicall.settings import EngineMode, Settings
from intellicall.storage.database import Database
from intellicall.storage.migrate import migrate
from intellicall.telephony.asterisk.config import ENGINE_OPTIONS
from intellicall.telephony.asterisk.dirs import EngineDirs
from intellicall.telephony.asterisk.embedded import write_operator_folder
from intellicall.telephony.asterisk.install import EngineInstall
from intellicall.telephony.asterisk.process import EngineProcess
from intellicall.telephony.testnet.network import TestNetwork
from intellicall.telephony.testnet.numbers import NUMBERS

Json = dict[str, Any]
START_S = 40.0


@dataclass
class PlatformProcess:
    """One `intellicall serve` (or `run`)."""

    process: asyncio.subprocess.Process
    port: int
    key: str
    log: Path

    async def send(self, method: str, path: str, body: object = None, timeout_s: float = 10.0) -> tuple[int, Json, dict[str, str]]:
        """Send one API request; return status, JSON and headers. Raises aiohttp.ClientError, TimeoutError."""
        headers = {"Authorization": f"Bearer {self.key}"}
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_s)) as session,
            session.request(method, f"http://127.0.0.1:{self.port}{path}", json=body, headers=headers) as answer,
        ):
            return answer.status, await answer.json(content_type=None), dict(answer.headers)

    async def start_call(self, customer: str, **fields: Any) -> str:
        """`POST /calls` to a number of the test network; return the call's id."""
        order = {"from_number": CALLER_ID, "to_number": NUMBERS[customer].number, "agent_number": AGENT, **fields}
        status, call, _ = await self.send("POST", "/calls", order)
        assert status == 201, call
        return str(call["call_id"])

    async def until_state(self, call_id: str, *states: str, patience_s: float = 15.0) -> Json:
        """Return the call once it is in one of these states; a platform that is just starting is waited for."""

        async def there() -> Json | None:
            with contextlib.suppress(aiohttp.ClientError):
                status, call, _ = await self.send("GET", f"/calls/{call_id}")
                return call if status == 200 and call["state"] in states else None
            return None

        return await until(there, patience_s)

    async def ready(self, patience_s: float = START_S) -> None:
        """Wait until it takes calls."""

        async def there() -> bool | None:
            assert self.process.returncode is None, self.log.read_text()[-2000:]
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                status, _, _ = await self.send("GET", "/readyz")
                return True if status == 200 else None
            return None

        await until(there, patience_s)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def gone(self, patience_s: float = 10.0) -> int:
        """Wait for its end; return its exit code."""
        async with asyncio.timeout(patience_s):
            return await self.process.wait()


@dataclass
class Site:
    """One database, one engine, one account, one receiver; platforms come and go. `network` is the witness of what was dialed."""

    settings: Settings
    engine: EngineProcess
    network: TestNetwork
    receiver: Receiver
    key: str
    processes: list[PlatformProcess] = field(default_factory=list)

    async def platform(self, command: str = "serve") -> PlatformProcess:
        """Start a platform process; it may not be ready yet."""
        port = find_free_port()
        log = self.settings.data_dir / f"platform-{len(self.processes)}.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "intellicall", command),
                env={**os.environ, **environment(self.settings), "INTELLICALL_PORT": str(port)},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.processes.append(PlatformProcess(process, port, self.key, log))
        return self.processes[-1]

    async def rung(self) -> int:
        """Count the calls that ever arrived at the far ends."""
        return int(re.findall(r"(\d+) calls? processed", await self.network.engine.console("core show channels count"))[0])

    def results(self, call_id: str) -> list[bytes]:
        """Return the bodies that the receiver got of this call."""
        return [request.body for request in self.receiver.requests if call_id.encode() in request.body]

    async def result(self, call_id: str, patience_s: float = 15.0) -> Json:
        """Return the call's result once it was pushed."""

        async def there() -> Json | None:
            bodies = self.results(call_id)
            return json.loads(bodies[0]) if bodies else None

        return await until(there, patience_s)

    async def close(self) -> None:
        for one in self.processes:
            if one.process.returncode is None:
                one.signal(signal.SIGCONT)
                one.signal(signal.SIGTERM)
        for one in self.processes:
            try:
                await one.gone(20)
            except TimeoutError:
                one.process.kill()
                await one.process.wait()


def environment(settings: Settings) -> dict[str, str]:
    """Return the settings as a process of its own reads them."""
    return {
        "INTELLICALL_STATE_DIR": str(settings.state_dir),
        "INTELLICALL_ENGINE": settings.engine.value,
        "INTELLICALL_ENGINE_ARI_URL": settings.engine_ari_url,
        "INTELLICALL_ENGINE_ARI_PASSWORD": settings.engine_ari_password.get_secret_value(),
        "INTELLICALL_ENGINE_AMI_PORT": str(settings.engine_ami_port),
        "INTELLICALL_SIP_PORT": str(settings.sip_port),
        "INTELLICALL_ALLOW_PRIVATE_CALLBACKS": "true",
    }


@asynccontextmanager
async def open_site(folder: Path, install: EngineInstall, network: TestNetwork, **account: Any) -> AsyncIterator[Site]:
    """Open a site in `folder` with an engine of its own, which no platform looks after. No platform runs yet."""
    settings = Settings(
        state_dir=folder / "state",
        engine=EngineMode.EXTERNAL,
        engine_ari_url=f"http://127.0.0.1:{find_free_port()}",
        engine_ari_password=SecretStr("between-us"),
        engine_ami_port=find_free_port(),
        sip_port=find_free_port(),
    )
    for needed in (settings.data_dir, settings.recordings_dir):
        needed.mkdir(mode=0o700, parents=True)
    engine = await _start_engine(EngineDirs.below(folder / "engine"), install, settings)
    migrate(settings.sql_url)
    async with receiver() as results:
        database = Database(settings.sql_url)
        key = await database.write(lambda connection: furnish(connection, network, results.url, account))
        await asyncio.to_thread(database.close)
        site = Site(settings, engine, network, results, key)
        try:
            yield site
        finally:
            await site.close()
            await engine.stop()


async def _start_engine(dirs: EngineDirs, install: EngineInstall, settings: Settings) -> EngineProcess:
    dirs.create()
    (dirs.keys / "keys").mkdir(exist_ok=True)
    write_operator_folder(dirs.etc, settings)
    dirs.configuration.write_text(dirs.asterisk_conf(install, **ENGINE_OPTIONS))
    engine = EngineProcess(install, dirs)
    await engine.start()
    return engine


def furnish(connection: Connection, network: TestNetwork, callback_url: str, account: dict[str, Any]) -> str:
    """Store an account whose one trunk leads to the test network; return its server key."""
    row = asdict(network.trunk) | {"codecs": list(network.trunk.codecs)}
    connection.execute(insert(trunks).values(**row))
    return seed(connection, "a1", CALLER_ID, callback_url, account)[0]
