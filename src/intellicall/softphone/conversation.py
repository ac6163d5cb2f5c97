"""The conversation with one page over WS /softphone/socket, as docs/softphone-protocol.md describes it."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from intellicall.clock import Clock
from intellicall.errors import Code, Refused
from intellicall.softphone import store
from intellicall.softphone.errands import Errands, ready_softphone
from intellicall.softphone.page_messages import CALL_ID, NAME, TICKET, Rude, member, optional, read_report
from intellicall.softphone.sessions import Click, Session, SoftphoneSessions
from intellicall.softphone.tab import NO_HELLO, NO_SESSION, POLICY, Tab
from intellicall.storage.database import ANSWER_S, Database, StorageUnavailable
from intellicall.web.request import parse_json

log = structlog.get_logger()

HELLO_S = 5.0
RATE = 5.0  # messages a second, in the long run
BURST = 60.0
_TROUBLES = {"microphone_denied", "microphone_missing", "microphone_busy", "insecure_page", "sip_failed"}


class Conversation:
    """One accepted socket, whose Origin was checked."""

    def __init__(
        self,
        socket: WebSocket,
        cookie: str | None,
        database: Database,
        sessions: SoftphoneSessions,
        clock: Clock,
        hello_s: float = HELLO_S,
    ) -> None:
        self.socket = socket
        self.cookie = cookie
        self.database = database
        self.sessions = sessions
        self.clock = clock
        self.hello_s = hello_s
        self._errands: Errands | None = None
        self._allowance = BURST
        self._counted_at = clock.monotonic()

    async def run(self) -> None:
        """Talk until one side has enough."""
        try:
            owner = await self._owner()
        except Refused as refused:
            await self.socket.send_json({"type": "signed_out", **_words(refused)})
            await self.socket.close(NO_SESSION)
            return
        try:
            async with asyncio.timeout(self.hello_s):
                hello = await self._receive()
            tab = _tab(owner, hello, self.clock.monotonic())
        except TimeoutError:
            await self.socket.close(NO_HELLO)
        except Rude:
            await self.socket.close(POLICY)
        except WebSocketDisconnect:
            pass
        else:
            await self._talk(tab, hello)

    async def _talk(self, tab: Tab, hello: Mapping[str, Any]) -> None:
        writer = asyncio.create_task(self._write(tab))
        reader = asyncio.create_task(self._read(tab, hello))
        try:
            await asyncio.wait((writer, reader), return_when=asyncio.FIRST_COMPLETED)
            if reader.done() and tab.closed:
                await asyncio.wait((writer,), timeout=1)  # what was said last still goes out
        finally:
            for task in (writer, reader):
                task.cancel()
            results = await asyncio.gather(writer, reader, return_exceptions=True)
            await self.sessions.depart(tab)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, WebSocketDisconnect | RuntimeError):
                raise result

    async def _write(self, tab: Tab) -> None:
        while True:
            message = await tab.next()
            if isinstance(message, int):
                await self.socket.close(message)
                return
            await self.socket.send_json(message)

    async def _read(self, tab: Tab, hello: Mapping[str, Any]) -> None:
        try:
            await self._greet(tab, hello)
            while True:
                message = await self._receive()
                tab.heard_at = self.clock.monotonic()
                await self._handle(tab, message)
        except Rude:
            tab.close(POLICY)
        except WebSocketDisconnect:
            return

    async def _receive(self) -> dict[str, Any]:
        now = self.clock.monotonic()
        self._allowance = min(BURST, self._allowance + (now - self._counted_at) * RATE) - 1
        self._counted_at = now
        event = await self.socket.receive()
        if event["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(event.get("code", 1005))
        text = event.get("text")
        if text is None or self._allowance < 0:
            raise Rude
        try:
            return parse_json(text)
        except Refused:
            raise Rude from None

    async def _greet(self, tab: Tab, hello: Mapping[str, Any]) -> None:
        """Hello: a click counts only when somebody looks at the page."""
        ticket = optional(hello, "ticket", TICKET)
        click, refused = None, None
        if ticket is not None and hello.get("visible") is True:
            try:
                click = await self._claim(tab, ticket)
            except Refused as error:
                refused = error
        await self.sessions.arrive(tab, click)
        # A page that comes back while its call lives has its ticket still: the call is answer enough.
        if refused is not None and not (refused.code is Code.LAUNCH_SPENT and self.sessions.desk.current(tab.owner.agent_id)):
            self._refuse(tab, refused)

    async def _claim(self, tab: Tab, ticket: str) -> Click:
        agent_id, now = tab.owner.agent_id, self.clock.now()
        try:
            launch = await self.database.write(lambda connection: store.claim(connection, ticket, agent_id, now), ANSWER_S)
        except StorageUnavailable as error:
            raise Refused(Code.STORAGE_UNAVAILABLE, str(error)) from None
        return Click(ticket, launch)

    async def _handle(self, tab: Tab, message: Mapping[str, Any]) -> None:
        """Do what the page asks. Messages that we do not know are from a newer page and are passed over."""
        await self._answer(tab, self._act(tab, message))

    async def _answer(self, tab: Tab, work: Awaitable[None]) -> None:
        """Do it, and tell the page when it is refused."""
        try:
            await work
        except Refused as refused:
            self._refuse(tab, refused)
        except StorageUnavailable as error:
            self._refuse(tab, Refused(Code.STORAGE_UNAVAILABLE, str(error)))

    async def _act(self, tab: Tab, message: Mapping[str, Any]) -> None:
        match message.get("type"):
            case "ready":
                self.sessions.page_is_ready(tab)
            case "dial":
                self._dial(tab, member(message, "ticket", TICKET))
            case "order" | "note" | "find_agents" | "history" | "redial":
                self._errands_of(tab).take(message)
            case "wrap_up_done":
                self.sessions.wrap_ups.end(tab.owner.agent_id)
            case "hang_up":
                await self.sessions.desk.hang_up(tab.owner, member(message, "call_id", CALL_ID))
            case "take_over":
                await self._take_over(tab)
            case "ping":
                await self._pong(tab)
            case "report":
                self.sessions.page_reports(tab, read_report(message))
            case "trouble":
                self._trouble(tab, message.get("code"))

    async def _pong(self, tab: Tab) -> None:
        if await self._check_owner(tab):
            tab.send({"type": "pong"})

    def _trouble(self, tab: Tab, code: object) -> None:
        self.sessions.page_in_trouble(tab, code if isinstance(code, str) and code in _TROUBLES else "unknown")

    def _dial(self, tab: Tab, ticket: str) -> None:
        """Turn a click into a call: only in the agent's softphone, only when it is ready, once."""
        session = ready_softphone(self.sessions, tab)
        self.sessions.acknowledge(tab, ticket)
        # A task of its own: that the tab goes away is seen meanwhile, and does not cut the way from click to call in two.
        self.sessions.start(self._answer(tab, self._spend(tab, session, ticket)))

    async def _spend(self, tab: Tab, session: Session, ticket: str) -> None:
        if not await self._check_owner(tab):
            return
        now, agent_id = self.clock.now(), session.agent_id
        launch = await self.database.write(lambda connection: store.spend(connection, ticket, agent_id, now), ANSWER_S)
        log.info("launch_spent", launch_id=launch.id, session_id=session.session_id)
        call = await self.sessions.desk.dial(launch, session)
        call_id = str(call["call_id"])
        tab.send({"type": "call", "call": call})
        await self.database.write(lambda connection: store.note_call(connection, launch.id, call_id))

    async def _take_over(self, tab: Tab) -> None:
        if not await self.sessions.take_over(tab):
            raise Refused(Code.AGENT_BUSY, "The call goes on in the other tab.", call=self._call(tab))

    def _errands_of(self, tab: Tab) -> Errands:
        if self._errands is None:
            self._errands = Errands(
                tab,
                self.database,
                self.sessions,
                lambda: self._check_owner(tab),
                lambda refused, ref: self._refuse(tab, refused, ref),
            )
        return self._errands

    async def _check_owner(self, tab: Tab) -> bool:
        """Sign the tab out when its agent may not use it any more; a living call is talked to its end first."""
        try:
            await self._owner()
        except Refused as refused:
            if self._call(tab) is None:
                words = _words(refused)
                await self.sessions.sign_out(tab, words["code"], words["title"], words["remedy"])
                return False
        return True

    async def _owner(self) -> store.Owner:
        now = self.clock.now()
        return await self.database.read(lambda connection: store.owner_of(connection, self.cookie, now))

    def _call(self, tab: Tab) -> Mapping[str, Any] | None:
        return self.sessions.desk.current(tab.owner.agent_id)

    def _refuse(self, tab: Tab, refused: Refused, ref: str | None = None) -> None:
        log.info("softphone_refused", code=refused.code, agent_id=tab.owner.agent_id)
        tab.send({"type": "refused", "ref": ref, **_words(refused), "call": refused.more.get("call")})


def _tab(owner: store.Owner, hello: Mapping[str, Any], now: float) -> Tab:
    if hello.get("type") != "hello":
        raise Rude
    voiceless = hello.get("voice") is False
    return Tab(owner, member(hello, "tab", NAME), optional(hello, "page", NAME), now, voiceless=voiceless)


def _words(refused: Refused) -> dict[str, str]:
    return {
        "code": str(refused.code),
        "title": refused.kind.title,
        "detail": refused.detail or refused.kind.title,
        "remedy": refused.kind.remedy,
    }
