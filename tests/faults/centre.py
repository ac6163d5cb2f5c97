"""A whole platform in the test's process, on a real engine of its own and with a receiver: what engine faults are tried on."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from tests.app.running import AGENT, CALLER_ID
from tests.faults.platforms import furnish
from tests.support.demo import until
from tests.support.receiver import Receiver, receiver

from intellicall.app import Platform, stop_engines
from intellicall.clock import Clock
from intellicall.settings import EngineMode, Settings
from intellicall.storage.database import Database
from intellicall.storage.migrate import migrate
from intellicall.telephony.asterisk.adapter import AsteriskEngine
from intellicall.telephony.testnet.network import TestNetwork
from intellicall.telephony.testnet.numbers import NUMBERS


@dataclass
class Centre:
    """A platform in this process, on an engine of its own."""

    platform: Platform
    network: TestNetwork
    receiver: Receiver
    key: str
    http: aiohttp.ClientSession

    @property
    def engine_pid(self) -> int:
        assert isinstance(self.platform.engine, AsteriskEngine)
        assert self.platform.engine.pid is not None
        return self.platform.engine.pid

    async def send(self, method: str, path: str, body: object = None) -> tuple[int, Any, Any]:
        headers = {"Authorization": f"Bearer {self.key}"}
        async with self.http.request(method, f"http://127.0.0.1:{self.platform.port}{path}", json=body, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None), answer.headers

    async def order(self, customer: str = "tone_1000", **fields: Any) -> tuple[int, Any, Any]:
        body = {"from_number": CALLER_ID, "to_number": NUMBERS[customer].number, "agent_number": AGENT, **fields}
        return await self.send("POST", "/calls", body)

    async def call_in(self, state: str, customer: str = "tone_1000", **fields: Any) -> str:
        """Return a call that stands in this state."""
        status, call, _ = await self.order(customer, **fields)
        assert status == 201, call
        await self.until_state(call["call_id"], state)
        return str(call["call_id"])

    async def until_state(self, call_id: str, state: str) -> None:
        async def there() -> bool | None:
            _, call, _ = await self.send("GET", f"/calls/{call_id}")
            return True if call["state"] == state else None

        await until(there)

    def results(self) -> dict[str, Any]:
        """Return what the receiver got, by call. One result a call."""
        bodies = [json.loads(request.body) for request in self.receiver.requests]
        found = {body["call_id"]: body for body in bodies}
        assert len(found) == len(bodies)
        return found

    async def rung(self) -> int:
        shown = await self.network.engine.console("core show channels count")
        return int(next(line.split()[0] for line in shown.splitlines() if "processed" in line))


@asynccontextmanager
async def centre(folder: Path, network: TestNetwork, clock: Clock | None = None) -> AsyncIterator[Centre]:
    settings = Settings(state_dir=folder, port=0, engine=EngineMode.EMBEDDED, allow_private_callbacks=True)
    settings.data_dir.mkdir(parents=True)
    migrate(settings.sql_url)
    async with receiver() as results, aiohttp.ClientSession() as session:
        database = Database(settings.sql_url)
        key = await database.write(lambda connection: furnish(connection, network, results.url, {"concurrent_calls": 20}))
        await asyncio.to_thread(database.close)
        platform = Platform(settings, clock)
        await platform.start()
        try:
            yield Centre(platform, network, results, key, session)
        finally:
            await platform.stop()
            await stop_engines(settings)
