"""A whole platform over HTTP, real but for the telephony, which the scripted engine plays; ways to bring a call into each state."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from tests.support.receiver import Receiver, receiver

from intellicall.accounts import changes
from intellicall.accounts.account import Account
from intellicall.accounts.keys import KeyKind
from intellicall.app import Platform, scripted_engine
from intellicall.calls.call import Order
from intellicall.calls.orders import Ask
from intellicall.calls.table import Move, Party, State
from intellicall.clock import SystemClock
from intellicall.settings import EngineMode, Settings
from intellicall.storage.database import Database
from intellicall.storage.migrate import migrate
from intellicall.telephony.scripted.engine import Behaviour, ScriptedEngine
from intellicall.telephony.testnet.numbers import NUMBERS

CALLER_ID = "+12025550190"
CUSTOMER = NUMBERS["tone_1000"].number
AGENT = NUMBERS["tone_440"].number
GUEST = NUMBERS["echo"].number
RINGS = NUMBERS["no_answer"].number
SILENT = NUMBERS["unknown"].number
"""In these tests: dialed, and nothing is ever heard of it."""
PATIENCE_S = 10.0

Answer = tuple[int, Any, Any]
SILENCE = {SILENT: Behaviour(rings=False, answers_s=None)}


@dataclass
class Api:
    """A running platform, its server key, and the receiver of its results."""

    platform: Platform
    engine: ScriptedEngine
    key: str
    browser_key: str
    receiver: Receiver
    session: aiohttp.ClientSession
    account: str = "a1"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.platform.port}"

    async def send(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        """Send a request and return status, JSON and headers."""
        headers = {"Authorization": f"Bearer {self.key}"} | options.pop("headers", {})
        data = json.dumps(body).encode() if body is not None else options.pop("data", None)
        if data is not None:
            headers.setdefault("Content-Type", "application/json")
        async with self.session.request(method, f"{self.url}{path}", headers=headers, data=data, **options) as answer:
            return answer.status, await answer.json(content_type=None), answer.headers

    async def start(self, **fields: Any) -> Answer:
        body = {"from_number": CALLER_ID, "to_number": CUSTOMER, "agent_number": AGENT} | fields
        return await self.send("POST", "/calls", {name: value for name, value in body.items() if value is not None})

    async def order(self, call_id: str, path: str, body: Any = None, key: str | None = None, method: str = "POST") -> Answer:
        headers = {"Idempotency-Key": key} if key is not None else {}
        return await self.send(method, f"/calls/{call_id}/{path}", body, headers=headers)

    async def show(self, call_id: str) -> dict[str, Any]:
        status, call, _ = await self.send("GET", f"/calls/{call_id}")
        assert status == 200, call
        return dict(call)

    async def until(self, call_id: str, state: str) -> dict[str, Any]:
        """Return the call once it is in this state. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE_S):
            while (call := await self.show(call_id))["state"] != state:
                pass
        return call

    async def call_in(self, state: State, **fields: Any) -> str:
        """Return a call that stands in this state."""
        return await WAYS[state](self, fields)

    async def softphone(self, crm_username: str) -> aiohttp.ClientWebSocketResponse:
        """Open an agent's softphone, as the page does it, and return its socket; it can be rung."""
        origin = self.platform.public_url
        link = f"{self.url}/CRM_API/webphone/launch?crm_username={crm_username}&api_key={self.browser_key}"
        async with self.session.get(link, allow_redirects=False) as answer:
            cookie = answer.cookies["intellicall_softphone"].value
        headers = {"Origin": origin, "Cookie": f"intellicall_softphone={cookie}"}
        socket = await self.session.ws_connect(f"{self.url}/softphone/socket", headers=headers)
        await socket.send_json({"type": "hello", "tab": crm_username.replace(".", "-"), "ticket": None, "visible": True})
        assert (await socket.receive_json())["type"] == "welcome"
        for message in ("ready", "ping"):
            await socket.send_json({"type": message})
        while (await socket.receive_json())["type"] != "pong":
            pass
        return socket


async def _talking(api: Api, fields: Mapping[str, Any]) -> str:
    return await _reached(api, State.TALKING, fields)


async def _reached(api: Api, state: State, fields: Mapping[str, Any]) -> str:
    status, call, _ = await api.start(**fields)
    while status == 503 and call["code"] == "platform_stalled":  # a test beside it held up the loop for seconds: ask again
        status, call, _ = await api.start(**fields)
    assert status == 201, call
    await api.until(call["call_id"], state)
    return str(call["call_id"])


def _setup(state: State, **numbers: str) -> "Way":
    async def way(api: Api, fields: Mapping[str, Any]) -> str:
        return await _reached(api, state, numbers | dict(fields))

    return way


def _ordered(state: State, path: str, body: Any = None, *, after: State = State.TALKING) -> "Way":
    async def way(api: Api, fields: Mapping[str, Any]) -> str:
        call_id = await WAYS[after](api, fields)
        status, answer, _ = await api.order(call_id, path, body)
        assert status in (200, 201), answer
        await api.until(call_id, state)
        return call_id

    return way


async def _away(api: Api, fields: Mapping[str, Any]) -> str:
    call_id = await _talking(api, fields)
    await api.platform.calls.order(api.account, call_id, Ask(Order(Move.AGENT_LOST, Party.PLATFORM)))
    await api.until(call_id, State.AGENT_AWAY)
    return call_id


async def _ending(api: Api, fields: Mapping[str, Any]) -> str:
    """The engine takes the order to end the call and does nothing: it stays so until somebody looks after it."""
    call_id = await _talking(api, fields)
    api.engine.deaf.add(call_id)
    await api.order(call_id, "hangup")
    await api.until(call_id, State.ENDING)
    return call_id


async def _ended(api: Api, fields: Mapping[str, Any]) -> str:
    call_id = await _talking(api, fields)
    await api.order(call_id, "hangup")
    await api.until(call_id, State.ENDED)
    return call_id


Way = Callable[[Api, Mapping[str, Any]], Awaitable[str]]
WAYS: dict[State, Way] = {
    State.INITIATED: _setup(State.INITIATED, agent_number=SILENT),
    State.AGENT_RINGING: _setup(State.AGENT_RINGING, agent_number=RINGS),
    State.AGENT_ANSWERED: _setup(State.AGENT_ANSWERED, to_number=SILENT),
    State.CUSTOMER_RINGING: _setup(State.CUSTOMER_RINGING, to_number=RINGS),
    State.TALKING: _talking,
    State.HELD: _ordered(State.HELD, "hold"),
    State.CONSULT_RINGING: _ordered(State.CONSULT_RINGING, "participants", {"to_number": RINGS, "mode": "consult"}),
    State.CONSULTING: _ordered(State.CONSULTING, "participants", {"to_number": GUEST, "mode": "consult"}),
    State.CONSULT_HELD: _ordered(State.CONSULT_HELD, "swap", after=State.CONSULTING),
    State.ADDING: _ordered(State.ADDING, "participants", {"to_number": RINGS, "mode": "three_way"}),
    State.THREE_WAY: _ordered(State.THREE_WAY, "merge", after=State.CONSULTING),
    State.TRANSFERRING: _ordered(State.TRANSFERRING, "transfer", {"to_number": RINGS}),
    State.AGENT_AWAY: _away,
    State.ENDING: _ending,
    State.ENDED: _ended,
}
"""How a call comes into each state."""


@asynccontextmanager
async def open_api(folder: Path, options: Mapping[str, Any] | None = None, **account: Any) -> AsyncIterator[Api]:
    """Run a platform with one account, in `folder`, which may have been used before; `account` are fields of the account, `options`
    settings.
    """
    usual: dict[str, Any] = {"state_dir": folder, "port": 0, "engine": EngineMode.SCRIPTED, "allow_private_callbacks": True}
    settings = Settings(**usual | dict(options or {}))
    migrate(settings.sql_url)
    async with receiver() as results, aiohttp.ClientSession() as session:
        database = Database(settings.sql_url)
        key, browser_key = await database.write(lambda c: seed(c, "a1", CALLER_ID, results.url, account))
        await asyncio.to_thread(database.close)
        async with running(settings) as (platform, engine):
            yield Api(platform, engine, key, browser_key, results, session)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[tuple[Platform, ScriptedEngine]]:
    """Run a platform in a folder that is set up."""
    clock = SystemClock()
    engine = scripted_engine(clock, settings.recordings_dir)
    engine._script = {**engine._script, **SILENCE}
    platform = Platform(settings, clock, engine)
    await platform.start()
    try:
        yield platform, engine
    finally:
        await platform.stop()


def seed(connection: Any, account_id: str, caller_id: str, callback_url: str, fields: Mapping[str, Any]) -> tuple[str, str]:
    """Make an account with two agents and return its server key and its browser key."""
    now = SystemClock().now()
    usual: dict[str, Any] = {"sandbox": True, "default_region": "US", "concurrent_calls": 5, "callback_url": callback_url}
    account = changes.create_account(connection, Account(id=account_id, name=account_id, enabled=True, **usual | dict(fields)), now)
    changes.assign_number(connection, account, caller_id, (), now)
    for crm_username in ("agent.017", "agent.018"):
        changes.add_agent(connection, account, crm_username, None, now)
    keys = [changes.create_key(connection, account.id, kind, now).text for kind in (KeyKind.SERVER, KeyKind.BROWSER)]
    return keys[0], keys[1]
