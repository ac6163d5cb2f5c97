"""Following `GET /events`: a served stream over any database, and a client that reads Server-Sent Events as the standard says."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import Connection

from intellicall.accounts import changes
from intellicall.accounts.account import Account
from intellicall.accounts.keys import KeyKind
from intellicall.calls.door import Door
from intellicall.calls.events_http import EventsApi, router
from intellicall.calls.events_hub import EventHub
from intellicall.calls.journal import Journal, JournalEntry
from intellicall.clock import Clock, SystemClock
from intellicall.settings import EngineMode, Settings
from intellicall.storage.database import Database
from intellicall.web.application import make_app
from intellicall.web.server import Server
from intellicall.web.wire import Limits

AT = datetime(2026, 7, 3, 10, 0, tzinfo=UTC)
PATIENCE_S = 10.0


@dataclass(frozen=True)
class Block:
    """One block of a stream: its fields, comments left out."""

    id: str | None = None
    event: str | None = None
    data: Any = None
    retry: str | None = None


@dataclass
class Follower:
    """A client of one stream. `last_id` is what it would come back with."""

    answer: aiohttp.ClientResponse
    last_id: str | None = None
    comments: int = 0

    async def block(self) -> Block | None:
        """Return the next block that has any field; None when the stream has ended or broken off."""
        fields: dict[str, str] = {}
        while True:
            try:
                line = (await self.answer.content.readline()).decode()
            except aiohttp.ClientError:
                return None
            if not line:
                return None
            name, _, value = line.rstrip("\n").partition(": ")
            if line.startswith(":"):
                self.comments += 1
            elif line != "\n":
                fields[name] = value
            elif fields:
                self.last_id = fields.get("id", self.last_id)
                data = json.loads(fields["data"]) if "data" in fields else None
                return Block(fields.get("id"), fields.get("event"), data, fields.get("retry"))

    async def events(self, most: int) -> list[dict[str, Any]]:
        """Return the next so many events, fewer when the stream ends before."""
        found: list[dict[str, Any]] = []
        async with asyncio.timeout(PATIENCE_S):
            while len(found) < most and (block := await self.block()):
                if block.data is not None:
                    assert (block.id, block.event) == (block.data["event_id"], block.data["type"])
                    found.append(block.data)
        return found

    async def ended(self) -> None:
        """Return when the stream has ended; events that come before are passed over. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.block():
                pass


@dataclass
class Desk:
    """A served `GET /events` with two accounts, `a` and `b`, and the writer of their calls."""

    database: Database
    hub: EventHub
    server: Server
    port: int
    session: aiohttp.ClientSession
    keys: Mapping[str, str]
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/events"

    @asynccontextmanager
    async def follow(self, account: str = "a", last_id: str | None = None, **query: str) -> AsyncIterator[Follower]:
        headers = {"Authorization": f"Bearer {self.keys[account]}"} | ({"Last-Event-ID": last_id} if last_id else {})
        async with self.session.get(self.url, headers=headers, params=query) as answer:
            assert answer.status == 200, await answer.text()
            assert answer.content_type == "text/event-stream"
            follower = Follower(answer)
            first = await follower.block()
            assert first is not None
            assert (first.id is not None, first.retry) == (True, "2000")
            yield follower

    async def refusal(self, account: str | None = "a", last_id: str | None = None, **query: str) -> tuple[int, str, str | None]:
        headers = {"Authorization": f"Bearer {self.keys[account]}"} if account else {}
        async with self.session.get(
            self.url, headers=headers | ({"Last-Event-ID": last_id} if last_id else {}), params=query
        ) as answer:
            problem = await answer.json(content_type=None)
            return answer.status, problem["code"], problem.get("field")

    async def happen(
        self, *kinds: str, account: str = "a", call_id: str | None = None, wake: bool = True, notes: str | None = None
    ) -> str:
        """Let these things happen to a call (a new one by default), in one transaction. Returns its id."""
        call_id = call_id or f"call-{next(self._numbers)}"
        await self.database.write(partial(append, account_id=account, call_id=call_id, kinds=kinds, notes=notes))
        if wake:
            self.hub.wake(account)
        return call_id


def append(
    connection: Connection,
    account_id: str,
    call_id: str,
    kinds: Sequence[str],
    journal: Journal | None = None,
    notes: str | None = None,
) -> None:
    """Append entries of these kinds to a call's journal, with numbers that follow."""
    from intellicall.calls.journal import read  # noqa: PLC0415 - its name says too little at the top

    first = len(read(connection, call_id)) + 1
    data = {"uuid": f"uuid of {call_id}", "state": "talking", "participant_id": "customer", "notes": notes}
    entries = [JournalEntry(call_id, account_id, first + n, AT, kind, data) for n, kind in enumerate(kinds)]
    (journal or Journal()).append(connection, entries)


@asynccontextmanager
async def open_desk(
    database: Database, folder: Path, clock: Clock | None = None, limits: Limits | None = None
) -> AsyncIterator[Desk]:
    """Serve `GET /events` over this database on a free port."""
    clock = clock or SystemClock()
    keys = {name: await database.write(partial(add_account, account_id=name)) for name in ("a", "b")}
    hub = EventHub(database, clock)
    settings = Settings(state_dir=folder, port=0, engine=EngineMode.SCRIPTED)
    app = make_app([router(EventsApi(database, hub, Door(clock, [])))], settings)
    server = Server(app, settings, limits)
    port = await server.start()
    hub.start()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        try:
            yield Desk(database, hub, server, port, session, keys)
        finally:
            await hub.stop()
            await server.stop(1.0)
            assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("events")]


def add_account(connection: Connection, account_id: str, **fields: Any) -> str:
    """Create an account; returns its server key."""
    wanted: dict[str, Any] = {"enabled": True, "sandbox": True, "default_region": "US", "concurrent_calls": 5} | fields
    account = changes.create_account(connection, Account(id=account_id, name=account_id, **wanted), AT)
    return changes.create_key(connection, account.id, KeyKind.SERVER, AT).text
