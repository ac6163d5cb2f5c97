"""The callbacks room as an account's backend sees it: its routes served over any database, a courier, a receiver, two accounts."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import Connection
from tests.callbacks.samples import AT, add_account, ended
from tests.support.receiver import Behaviour, Receiver, receiver

from intellicall.accounts import changes, store
from intellicall.accounts.keys import KeyKind
from intellicall.callbacks import store as callbacks
from intellicall.callbacks.courier import Courier
from intellicall.callbacks.feed_http import FeedApi
from intellicall.callbacks.feed_http import router as feed_router
from intellicall.callbacks.http import CallbackApi, router
from intellicall.callbacks.transport import HttpTransport
from intellicall.calls.door import Door
from intellicall.calls.journal import Journal, JournalEntry
from intellicall.clock import SystemClock
from intellicall.settings import EngineMode, Settings
from intellicall.storage.database import Database
from intellicall.web.application import make_app
from intellicall.web.server import Server

PATIENCE_S = 10.0
JOURNAL = Journal([callbacks.project])

Answer = tuple[int, Any]


@dataclass
class Office:
    """What a test holds in its hands. Account `a` receives at `receiver`; `b` has no callback URL."""

    database: Database
    courier: Courier
    receiver: Receiver
    session: aiohttp.ClientSession
    port: int
    keys: Mapping[str, str]

    async def ask(self, method: str, path: str, body: Any = None, *, account: str | None = "a", **query: str) -> Answer:
        """Send a request and return status and JSON."""
        headers = {"Authorization": f"Bearer {self.keys[account]}"} if account else {}
        data = json.dumps(body).encode() if body is not None else None
        if data is not None:
            headers["Content-Type"] = "application/json"
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self.session.request(method, url, headers=headers, data=data, params=query) as answer:
            return answer.status, await answer.json(content_type=None)

    async def get(self, path: str, **query: str) -> Any:
        """Return what a GET answers, which must be 200."""
        status, found = await self.ask("GET", path, **query)
        assert status == 200, found
        return found

    async def post(self, path: str, body: Any = None) -> Any:
        """Return what a POST answers, which must be 200 or 201."""
        status, found = await self.ask("POST", path, body)
        assert status in (200, 201), found
        return found

    async def end(self, *entries: JournalEntry, account: str = "a") -> None:
        """Let calls of the account end; one by default."""

        def work(connection: Connection) -> None:
            for entry in entries or (ended(account),):
                JOURNAL.append(connection, [entry])

        await self.database.write(work)
        self.courier.wake(account)

    async def until(self, delivery_id: str, state: str) -> dict[str, Any]:
        """Return the delivery once it is in this state."""
        async with asyncio.timeout(PATIENCE_S):
            while (found := await self.get(f"/deliveries/{delivery_id}"))["state"] != state:
                pass
        return dict(found)

    async def secrets(self, account: str = "a") -> list[str]:
        """Return the texts of the account's secrets, newest first."""
        found = await self.database.read(partial(store.list_secrets, account_id=account))
        return [secret.text for secret in found]


@asynccontextmanager
async def open_office(database: Database, folder: Path, *script: Behaviour) -> AsyncIterator[Office]:
    """Serve it; the receiver behaves as `script` says."""
    clock = SystemClock()
    settings = Settings(state_dir=folder, port=0, engine=EngineMode.SCRIPTED)
    async with receiver(*script) as crm, aiohttp.ClientSession() as session:
        keys = {
            name: await database.write(partial(_account, account_id=name, url=url)) for name, url in (("a", crm.url), ("b", None))
        }
        courier = Courier(database, clock, HttpTransport(allow_private=True), grace_s=0.1)
        door = Door(clock, [])
        app = make_app([router(CallbackApi(database, clock, door, courier)), feed_router(FeedApi(database, clock, door))], settings)
        server = Server(app, settings)
        port = await server.start()
        await courier.start()
        try:
            yield Office(database, courier, crm, session, port, keys)
        finally:
            await server.stop(1.0)
            await courier.stop()


def _account(connection: Connection, account_id: str, url: str | None) -> str:
    add_account(connection, account_id, url)
    return changes.create_key(connection, account_id, KeyKind.SERVER, AT).text
