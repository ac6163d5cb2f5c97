"""The softphone's room for tests: real SQL, a real server, a scripted engine and desk, a clock that is moved by hand."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
from sqlalchemy import func, select
from tests.support.clock import HandClock
from tests.web.serving import serving

from intellicall.accounts import changes
from intellicall.accounts.account import Account, Agent
from intellicall.accounts.keys import KeyKind
from intellicall.errors import Code, Refused
from intellicall.ids import new_call_id, new_id
from intellicall.softphone import store
from intellicall.softphone.http import COOKIE, Softphone, make_router
from intellicall.softphone.launch import Launch
from intellicall.softphone.page_messages import NoteMessage, OrderMessage
from intellicall.softphone.sessions import Session, SoftphoneSessions
from intellicall.softphone.sip_proxy import SipProxy
from intellicall.storage.database import Database
from intellicall.telephony.scripted.behaviour import Behaviour
from intellicall.telephony.scripted.engine import ScriptedEngine
from intellicall.web.wire import Limits

TONE = "+12025550100"
ECHO = "+12025550103"
CALLER_ID = "+911140000001"
LAUNCH = "/CRM_API/webphone/launch"


class Desk:
    """A call desk that makes calls out of nothing. `refuses` is raised by the next dial."""

    def __init__(self) -> None:
        self.dialed: list[tuple[Launch, str]] = []
        self.living: dict[str, dict[str, Any]] = {}
        self.hung_up: list[str] = []
        self.lost: list[tuple[str, str]] = []
        self.ready: list[tuple[str, str]] = []
        self.orders: list[OrderMessage] = []
        self.refuses: Refused | None = None
        self.gate: asyncio.Event | None = None
        self.moves = False

    async def dial(self, launch: Launch, session: Session) -> Mapping[str, Any]:
        if self.gate is not None:
            await self.gate.wait()
        if self.refuses is not None:
            refused, self.refuses = self.refuses, None
            raise refused
        self.dialed.append((launch, session.session_id))
        self.living[launch.agent_id] = {"call_id": new_call_id(), "state": "initiated", "customer_number": launch.to_number}
        return self.living[launch.agent_id]

    async def hang_up(self, agent: store.Owner, call_id: str) -> None:
        call = self.living.get(agent.agent_id)
        if call is None or call["call_id"] != call_id:
            raise Refused(Code.NOT_FOUND)
        self.hung_up.append(call_id)
        del self.living[agent.agent_id]

    def current(self, agent_id: str) -> Mapping[str, Any] | None:
        return self.living.get(agent_id)

    def movable(self, agent_id: str) -> bool:
        return self.moves and agent_id in self.living

    async def softphone_lost(self, agent_id: str, session_id: str) -> None:
        self.lost.append((agent_id, session_id))
        self.living.pop(agent_id, None)

    async def softphone_ready(self, agent_id: str, session_id: str) -> None:
        self.ready.append((agent_id, session_id))

    async def redial(self, call_id: str, session: Session) -> Mapping[str, Any]:
        raise NotImplementedError

    async def order(self, agent: store.Owner, message: OrderMessage) -> None:
        self.orders.append(message)
        if self.gate is not None:
            await self.gate.wait()

    async def note(self, agent: store.Owner, message: NoteMessage) -> Mapping[str, Any]:
        return {"disposition": message.disposition, "notes": message.notes}

    async def history(self, agent: store.Owner, before: str | None) -> Mapping[str, Any]:
        return {"calls": [], "next": before}


class Page:
    """A softphone page, as far as the platform sees one."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def say(self, kind: str, **members: object) -> None:
        await self.socket.send_json({"type": kind, **members})

    async def hear(self, kind: str) -> dict[str, Any]:
        """Return the next message, which must be of this kind."""
        async with asyncio.timeout(5):
            frame = await self.socket.receive()
        assert frame.type is aiohttp.WSMsgType.TEXT, f"{frame.type} {frame.data} instead of {kind}"
        message: dict[str, Any] = frame.json()
        assert message["type"] == kind, message
        return message

    async def closed(self) -> int:
        """Return the code that the platform closes with, after nothing more was said."""
        async with asyncio.timeout(5):
            frame = await self.socket.receive()
        assert frame.type is aiohttp.WSMsgType.CLOSE, frame
        return int(frame.data)

    async def wait(self, kind: str, true: Callable[[dict[str, Any]], bool] = lambda _: True) -> dict[str, Any]:
        """Return the next message of this kind of which something is true; what is said before is passed over."""
        async with asyncio.timeout(5):
            while True:
                message: dict[str, Any] = (await self.socket.receive()).json()
                if message["type"] == kind and true(message):
                    return message

    async def hello(self, tab: str, ticket: str | None = None, **more: object) -> None:
        await self.say("hello", **{"tab": tab, "ticket": ticket, "visible": True, **more})

    async def settled(self) -> None:
        """Return when everything that was said so far has been dealt with, and was not answered."""
        await self.say("ping")
        await self.hear("pong")

    async def leave(self) -> None:
        await self.socket.close()


@dataclass
class Room:
    """One platform with one sandbox account and two agents."""

    database: Database
    clock: HandClock
    engine: ScriptedEngine
    sessions: SoftphoneSessions
    proxy: SipProxy
    desk: Desk
    port: int
    account: Account
    agent: Agent
    other: Agent
    browser_key: str
    server_key: str
    sip_url: list[str]
    _clients: list[aiohttp.ClientSession] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.port}"

    def browser(self) -> aiohttp.ClientSession:
        """Return a browser with cookies of its own."""
        client = aiohttp.ClientSession(self.origin, cookie_jar=aiohttp.CookieJar(unsafe=True))
        self._clients.append(client)
        return client

    async def close(self) -> None:
        for client in self._clients:
            await client.close()

    def link(self, **changes: str | None) -> str:
        """Return a good launch link with changes; None takes a parameter away."""
        parameters: dict[str, str | None] = {
            "crm_username": self.agent.crm_username,
            "api_key": self.browser_key,
            "to_number": TONE,
            "from_number": CALLER_ID,
            **changes,
        }
        return LAUNCH + "?" + urlencode({name: value for name, value in parameters.items() if value is not None})

    async def click(self, browser: aiohttp.ClientSession, **changes: str | None) -> str | None:
        """Open a launch link and return the ticket."""
        async with browser.get(self.link(**changes), allow_redirects=False) as answer:
            assert answer.status == 303, await answer.text()
            _, _, ticket = answer.headers["Location"].partition("#ticket=")
            return ticket or None

    @asynccontextmanager
    async def page(self, browser: aiohttp.ClientSession, origin: str | None = None) -> AsyncIterator[Page]:
        headers = {"Origin": origin or self.origin}
        async with browser.ws_connect("/softphone/socket", headers=headers, autoclose=False) as socket:
            yield Page(socket)

    @asynccontextmanager
    async def softphone(self, browser: aiohttp.ClientSession, tab: str = "tab-1", ticket: str | None = None) -> AsyncIterator[Page]:
        """A page that is the agent's softphone and is ready."""
        async with self.page(browser) as page:
            await page.hello(tab, ticket)
            await page.hear("welcome")
            await page.say("ready")
            await page.settled()
            yield page

    def count(self, table: Any) -> int:
        return self.database.read_now(
            lambda connection: int(connection.execute(select(func.count()).select_from(table)).scalar_one())
        )

    def kept_launch(self) -> Any:
        """Return the one launch that is stored."""
        return self.database.read_now(lambda connection: connection.execute(store.launches.select()).one())

    @property
    def launches(self) -> int:
        return self.count(store.launches)

    def cookie_of(self, browser: aiohttp.ClientSession) -> str:
        return next(cookie.value for cookie in browser.cookie_jar if cookie.key == COOKIE)


@asynccontextmanager
async def open_room(
    database: Database, pages: Path, limits: Limits | None = None, script: Mapping[str, Behaviour] | None = None, **softphone: Any
) -> AsyncIterator[Room]:
    """Yield a room on a database that has every table."""
    clock = HandClock()
    now = clock.now()
    account, agent, other, browser_key, server_key = await database.write(lambda connection: people(connection, now))
    engine = ScriptedEngine(clock, script or {}, pages)
    await engine.start()
    sip_url: list[str] = []
    url = lambda: sip_url[0] if sip_url else None  # noqa: E731 - two lines for one question
    sessions = SoftphoneSessions(engine, clock, sip_url=url)
    desk = Desk()
    sessions.desk = desk
    proxy = SipProxy(url)
    address: list[str] = []
    room = Softphone(database, sessions, proxy, clock, lambda: address[0], pages, **softphone)
    async with serving([make_router(room)], limits) as (_, port):
        address.append(f"http://localhost:{port}")
        opened = Room(database, clock, engine, sessions, proxy, desk, port, account, agent, other, browser_key, server_key, sip_url)
        try:
            yield opened
        finally:
            await opened.close()
    await sessions.stop()
    await proxy.close()
    await engine.stop()


def people(connection: Any, now: Any) -> tuple[Account, Agent, Agent, str, str]:
    """Store a sandbox account with two agents, a caller ID and both keys."""
    account = Account(id=new_id(), name="test", enabled=True, sandbox=True, default_region="IN", concurrent_calls=10)
    changes.create_account(connection, account, now)
    agent = changes.add_agent(connection, account, "agent.017", None, now)
    other = changes.add_agent(connection, account, "agent.018", None, now)
    changes.assign_number(connection, account, CALLER_ID, (), now)
    browser = changes.create_key(connection, account.id, KeyKind.BROWSER, now)
    server = changes.create_key(connection, account.id, KeyKind.SERVER, now)
    return account, agent, other, browser.text, server.text
