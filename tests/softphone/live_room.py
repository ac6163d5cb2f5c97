"""The softphone's room with the room of calls behind it: pages whose orders reach real calls on the scripted engine."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import Connection, update
from tests.softphone.room import CALLER_ID, ECHO, TONE, Page, Room, open_room
from tests.web.serving import until

from intellicall.accounts import changes
from intellicall.accounts.tables import accounts
from intellicall.calls.attendance import Attendance
from intellicall.calls.calls import Calls
from intellicall.calls.conductor import Surroundings
from intellicall.calls.desk import Desk
from intellicall.calls.journal import Journal
from intellicall.calls.result import Entry
from intellicall.calls.table import State
from intellicall.recordings.disk import DiskShelf
from intellicall.storage.database import Database
from intellicall.telephony.engine import Cause, DigitPressed, Place
from intellicall.telephony.scripted.engine import BEHAVIOURS, Behaviour

THIRD = "agent.019"
SLOW = "+12025550104"
SCRIPT = {TONE: BEHAVIOURS["answers"], ECHO: BEHAVIOURS["answers"], SLOW: BEHAVIOURS["no_answer"]}
RINGS = Behaviour(answers_s=None)
DECLINES = Behaviour(answers_s=None, cause=Cause.REJECTED, sip_code=603)


@dataclass
class LiveRoom:
    """One platform with real calls."""

    room: Room
    calls: Calls
    attendance: Attendance
    _refs: list[int] = field(default_factory=lambda: [0])

    @asynccontextmanager
    async def at_work(self, crm_username: str = "agent.017", tab: str = "tab-1", **more: Any) -> AsyncIterator[Page]:
        """The ready softphone of an agent in a browser of its own."""
        browser = more.pop("browser", None) or self.room.browser()
        await self.room.click(browser, crm_username=crm_username, to_number=None)
        async with self.room.page(browser) as page:
            await page.hello(tab, **more)
            await page.hear("welcome")
            await page.say("ready")
            yield page

    @asynccontextmanager
    async def talking(self, customer: str = TONE, browser: aiohttp.ClientSession | None = None) -> AsyncIterator[tuple[Page, str]]:
        """The page of agent.017, who talks to the customer, and the call's id."""
        browser = browser or self.room.browser()
        ticket = await self.room.click(browser, to_number=customer)
        async with self.room.page(browser) as page:
            await page.hello("tab-1", ticket, page="load-1")
            await page.hear("welcome")
            await page.say("ready")
            yield page, await self.dial(page, ticket)

    @asynccontextmanager
    async def page_of(self, browser: aiohttp.ClientSession, tab: str, **hello: Any) -> AsyncIterator[tuple[Page, dict[str, Any]]]:
        """A page that says hello, and its welcome; it is not ready yet."""
        async with self.room.page(browser) as page:
            await page.hello(tab, **hello)
            yield page, await page.hear("welcome")

    async def dial(self, page: Page, ticket: str | None) -> str:
        await page.say("dial", ticket=ticket)
        call = (await page.wait("call", lambda m: m["call"]["state"] == "talking"))["call"]
        return str(call["call_id"])

    async def order(self, page: Page, call_id: str, order: str, **more: object) -> dict[str, Any]:
        """Give an order and return its answer: `done` or `refused`."""
        return await self.ask(page, "order", call_id=call_id, order=order, **more)

    async def ask(self, page: Page, kind: str, **more: object) -> dict[str, Any]:
        """Say something with a `ref` and return the message that answers it; what is said meanwhile is passed over."""
        self._refs[0] += 1
        ref = f"page.{self._refs[0]}"
        await page.say(kind, ref=ref, **more)
        async with asyncio.timeout(5):
            while True:
                message: dict[str, Any] = (await page.socket.receive()).json()
                if message.get("ref") == ref:
                    return message

    async def consult(self, page: Page, call_id: str, order: str = "consult", **to: str) -> dict[str, Any]:
        return await self.order(page, call_id, order, to=to or {"crm_username": "agent.018"})

    def entry(self, call_id: str) -> Entry:
        return self.calls._conductors[call_id].entry

    async def until_hears(self, call_id: str, leg: str, what: set[str] | Place) -> None:
        """Return when a leg hears this: pages are told of a change before the engine is."""
        await until(lambda: self.room.engine.hears(call_id, leg) == what)

    async def advance(self, seconds: float) -> None:
        """Let time pass for everybody, and let the janitor look."""
        await self.room.clock.advance(seconds)
        for conductor in list(self.calls._conductors.values()):
            if overdue := conductor.overdue(self.room.clock.monotonic()):
                conductor.post(overdue)

    async def until_state(self, call_id: str, state: State) -> None:
        """Return when the live call has this state, or, for ENDED, when it lives no more."""
        if state is State.ENDED:
            await until(lambda: call_id not in self.calls._conductors)
        else:
            await until(lambda: self.entry(call_id).call.state is state)

    async def set_account(self, **values: object) -> None:
        await self.room.database.write(
            lambda connection: connection.execute(update(accounts).where(accounts.c.id == self.room.account.id).values(**values))
        )

    def softphone_of(self, agent_id: str, behaviour: Behaviour) -> None:
        """What the agent's softphone does when it is rung."""
        session = self.room.sessions.active(agent_id)
        assert session is not None
        self.room.engine.softphones[session.session_id] = behaviour


@asynccontextmanager
async def open_live_room(
    database: Database, pages: Path, recordings: Path, *, changed: Callable[[Entry], None] | None = None
) -> AsyncIterator[LiveRoom]:
    """Yield a room on a database that has every table; a third agent is there, who has a phone."""
    shelf = DiskShelf(recordings)
    async with open_room(database, pages, script=SCRIPT) as room:
        await database.write(lambda connection: _third(connection, room))
        room.engine._recordings_dir = recordings

        def tell(entry: Entry) -> None:
            attendance.changed(entry)
            if changed:
                changed(entry)

        def pressed(entry: Entry, event: DigitPressed) -> None:
            attendance.pressed(entry, event)

        url = "https://calls.example/recordings/{}.wav".format
        around = Surroundings(
            database,
            Journal([]),
            room.engine,
            shelf,
            room.clock,
            url,
            tell,
            pressed,
        )
        calls = Calls(around)
        attendance = Attendance(calls, room.sessions)
        room.sessions.desk = Desk(calls, room.sessions)
        room.engine.listen(calls.engine_event)
        calls.watch_engine(room.sessions.engine_changed)
        await calls.recover()
        try:
            yield LiveRoom(room, calls, attendance)
        finally:
            await calls.close()
            shelf.close()


def _third(connection: Connection, room: Room) -> None:
    changes.add_agent(connection, room.account, THIRD, ECHO, room.clock.now())


__all__ = ["CALLER_ID", "DECLINES", "ECHO", "RINGS", "SLOW", "THIRD", "TONE", "LiveRoom", "open_live_room"]
