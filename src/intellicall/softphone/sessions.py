"""Which tab is an agent's softphone: one at a time, through reloads, second tabs, lost networks and engine restarts.

Everything here happens in one event loop. What one agent's tabs do is taken one after the other; agents do not wait for each other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from intellicall.accounts import numbers
from intellicall.clock import Clock
from intellicall.ids import new_id
from intellicall.softphone.desk import CallDesk
from intellicall.softphone.launch import Launch
from intellicall.softphone.page_messages import Report
from intellicall.softphone.presence import Presence, Seen, presence_of
from intellicall.softphone.tab import NO_SESSION, REPLACED, Tab
from intellicall.softphone.wrap_up import WrapUps
from intellicall.telephony.engine import Engine, EngineUnavailable, SipAccount

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the registry waits, in seconds."""

    acknowledge_s: float = 1.5  # for the open softphone to dial a click that another tab brought
    return_s: float = 5.0  # for a tab whose connection broke


@dataclass(frozen=True, slots=True)
class Click:
    """A launch, and the ticket under which pages know it."""

    ticket: str = field(repr=False)
    launch: Launch

    def view(self) -> dict[str, Any]:
        return {"ticket": self.ticket, "to_number": self.launch.to_number, "to_display": numbers.display(self.launch.to_number)}


@dataclass(slots=True, eq=False)
class Session:
    """One active softphone. `sip` is None while the engine is away; `trouble` is what the page last said it suffers from."""

    session_id: str
    account_id: str
    agent_id: str
    crm_username: str
    tab: Tab | None
    sip: SipAccount | None = field(repr=False)
    page_ready: bool = False
    registered: bool = False
    trouble: str | None = None
    ended: bool = False
    click: Click | None = None  # brought to this softphone and not dialed yet
    hang_up_sip: Callable[[], None] | None = None  # closes the session's SIP connection
    tab_name: str = ""
    page: str | None = None
    may_be_ready: Callable[[], None] | None = field(default=None, repr=False)

    def set_registered(self, registered: bool) -> None:  # noqa: FBT001 - the one fact of this news
        """The engine has taken the softphone's registration, or it is over."""
        self.registered = registered
        if registered and self.may_be_ready is not None:
            self.may_be_ready()


@dataclass(slots=True, eq=False)
class _Agent:
    active: Session | None = None
    standby: list[Tab] = field(default_factory=list)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


Noticing = Callable[[str, str, Mapping[str, Any], str | None], None]
"""Told what happens to an agent's softphone, for people who look for a fault: what, its data, the call that the page means."""


def _ignore(*_: object) -> None:
    """Nobody is told."""


class SoftphoneSessions:
    """All softphones of this platform process. `desk` is set by whoever makes calls, before the first tab arrives."""

    desk: CallDesk
    noticed: Noticing

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        *,
        sip_url: Callable[[], str | None] = lambda: None,
        patience: Patience | None = None,
    ) -> None:
        """`sip_url`: where the engine takes SIP over WebSocket; None while it does not, or when it has none (scripted)."""
        self.engine = engine
        self.clock = clock
        self.sip_url = sip_url
        self.patience = patience or Patience()
        self.noticed = _ignore
        self._agents: dict[str, _Agent] = {}
        self._sessions: dict[str, Session] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.wrap_ups = WrapUps(clock, self.notify, self.start)

    # what calls uses

    def online(self, agent_id: str) -> Session | None:
        """Return the agent's softphone when it can be rung: connected, registered, microphone granted."""
        session = self.active(agent_id)
        return session if session is not None and self.is_ready(session) else None

    def is_ready(self, session: Session) -> bool:
        """Whether this softphone can be rung now. An engine that is there without SIP over WebSocket knows no registration."""
        connected = session.tab is not None and not session.ended and session.page_ready
        return connected and (session.registered or (self.engine.ready and self.sip_url() is None))

    def active(self, agent_id: str) -> Session | None:
        """Return the agent's softphone, ready or not."""
        agent = self._agents.get(agent_id)
        return agent.active if agent else None

    def counts(self) -> tuple[int, int]:
        """Return how many softphones are open, and how many of them can be rung."""
        return len(self._sessions), sum(self.is_ready(session) for session in self._sessions.values())

    def seen(self, agent_id: str) -> Seen | None:
        """Return what is known of the agent's softphone; None when there is none."""
        session = self.active(agent_id)
        if session is None:
            return None
        silent_s = self.clock.monotonic() - session.tab.heard_at if session.tab is not None else 0.0
        return Seen(session.tab is not None, self.is_ready(session), silent_s)

    def presence(self, agent_id: str) -> Presence:
        """Return whether the agent can be called now."""
        in_call, wrapping_up = self.desk.current(agent_id) is not None, self.wrap_ups.of(agent_id) is not None
        return presence_of(self.seen(agent_id), in_call=in_call, wrapping_up=wrapping_up)

    def notify(self, agent_id: str, message: Mapping[str, Any]) -> None:
        """Send a message to the agent's softphone, if one is connected. Nothing is kept for later."""
        session = self.active(agent_id)
        if session is not None and session.tab is not None:
            session.tab.send(message)

    def find(self, session_id: str) -> Session | None:
        """Return the living session with this id."""
        return self._sessions.get(session_id)

    # what tabs do

    async def arrive(self, tab: Tab, click: Click | None) -> None:
        """A tab said hello, perhaps with a click. It becomes the softphone, or learns that another one is."""
        async with _Turn(self._agents, tab.owner.agent_id) as agent:
            session, call = agent.active, self._call(tab)
            if session is not None and session.tab_name == tab.name:
                await self._resume(agent, session, tab, click)
            elif session is None:
                await self._activate(agent, tab, click)
                if tab.voiceless and call is not None and agent.active is not None:
                    # It was loaded anew while nobody was there to notice: before our own last start.
                    await self.desk.softphone_lost(tab.owner.agent_id, agent.active.session_id)
            elif call is None and (session.tab is None or (click is not None and session.trouble is not None)):
                await self._replace(agent, session, tab, click)
            else:
                self._stand_by(agent, session, tab, click)

    async def take_over(self, tab: Tab) -> bool:
        """Make this tab the softphone; a call between two goes on here. Return False when another call lives in the other tab.

        Such a call would lose somebody with its voice: one whose customer has not answered, or with a guest.
        """
        async with _Turn(self._agents, tab.owner.agent_id) as agent:
            session = agent.active
            if session is not None and session.tab is tab:
                return True
            in_other_tab = self._call(tab) is not None and session is not None and session.tab is not None
            if in_other_tab and not self.desk.movable(tab.owner.agent_id):
                return False
            if session is None:
                await self._activate(agent, tab, None)
            else:
                await self._replace(agent, session, tab, session.click)
            return True

    async def depart(self, tab: Tab) -> None:
        """The tab's connection is over."""
        tab.closed = True
        async with _Turn(self._agents, tab.owner.agent_id) as agent:
            if tab in agent.standby:
                agent.standby.remove(tab)
            session = agent.active
            if session is not None and session.tab is tab:
                session.tab = None
                session.page_ready = False
                log.info("softphone_disconnected", session_id=session.session_id)
                self.noticed(session.agent_id, "disconnected", {}, None)
                self.start(self._wait_for_return(agent, session))

    def session_of(self, tab: Tab) -> Session | None:
        """Return the session whose softphone this tab is."""
        session = self.active(tab.owner.agent_id)
        return session if session is not None and session.tab is tab else None

    def page_is_ready(self, tab: Tab) -> None:
        """The page has its microphone and is registered."""
        session = self.session_of(tab)
        if session is not None and not session.page_ready:
            session.page_ready = True
            session.trouble = None
            log.info("softphone_ready", session_id=session.session_id)
            self.noticed(session.agent_id, "ready", {}, None)
            self._may_be_ready(session)

    def _may_be_ready(self, session: Session) -> None:
        if self.is_ready(session):
            self.start(self._tell_ready(session))

    async def _tell_ready(self, session: Session) -> None:
        """A call that waits for this agent's softphone comes back to it."""
        async with _Turn(self._agents, session.agent_id) as agent:
            if agent.active is session and self.is_ready(session):
                await self.desk.softphone_ready(session.agent_id, session.session_id)

    def page_in_trouble(self, tab: Tab, code: str) -> None:
        """The page cannot work, for a reason of docs/softphone-protocol.md."""
        session = self.session_of(tab)
        if session is not None:
            session.page_ready = False
            session.trouble = code
            log.info("softphone_in_trouble", session_id=session.session_id, code=code)
            self.noticed(session.agent_id, code, {}, None)

    def page_reports(self, tab: Tab, report: Report) -> None:
        """The page tells how its side of a call goes."""
        if (session := self.session_of(tab)) is not None:
            self.noticed(session.agent_id, report.what, report.data, report.call_id)

    def acknowledge(self, tab: Tab, ticket: str) -> None:
        """The softphone dials this click: nobody else needs to."""
        session = self.session_of(tab)
        if session is not None and session.click is not None and session.click.ticket == ticket:
            session.click = None

    async def sign_out(self, tab: Tab, code: str, title: str, remedy: str) -> None:
        """The tab's agent may not use a softphone any more."""
        tab.send({"type": "signed_out", "code": code, "title": title, "remedy": remedy})
        tab.close(NO_SESSION)
        async with _Turn(self._agents, tab.owner.agent_id) as agent:
            if agent.active is not None and agent.active.tab is tab:
                await self._end(agent, agent.active)

    # what the engine does

    def engine_changed(self, ready: bool) -> None:  # noqa: FBT001 - the one fact of this event
        """The engine went away or came back; after a restart it knows no softphone any more. Called within the event loop."""
        if ready:
            self.start(self._reopen())
            return
        for session in self._sessions.values():
            session.registered = False
            _tell(session, {"type": "engine", "ready": False})

    async def _reopen(self) -> None:
        for session in list(self._sessions.values()):
            account = await self._open(session.session_id)
            if session.ended or account is None:
                continue
            if account != session.sip:
                session.sip = account
                if session.tab is not None:
                    session.tab.send(self._welcome(session, session.tab))
            _tell(session, {"type": "engine", "ready": True})

    async def stop(self) -> None:
        """Stop waiting for anything. Connections are closed by the server."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # how a tab becomes, stays and stops being the softphone

    async def _activate(self, agent: _Agent, tab: Tab, click: Click | None) -> None:
        owner, session_id = tab.owner, new_id()
        account = await self._open(session_id)
        session = Session(session_id, owner.account_id, owner.agent_id, owner.crm_username, tab, account)
        session.tab_name, session.page, session.click = tab.name, tab.page, click
        session.may_be_ready = lambda: self._may_be_ready(session)
        agent.active = session
        self._sessions[session_id] = session
        if tab in agent.standby:
            agent.standby.remove(tab)
        log.info("softphone_opened", session_id=session_id, account_id=owner.account_id, agent_id=owner.agent_id)
        tab.send(self._welcome(session, tab))

    async def _resume(self, agent: _Agent, session: Session, tab: Tab, click: Click | None) -> None:
        """The same tab again: its connection broke, or it was reloaded, and then its voice in a call is gone."""
        reloaded = session.page is not None and tab.page is not None and session.page != tab.page
        before = session.tab
        self.noticed(session.agent_id, "reloaded" if reloaded else "reconnected", {}, None)
        session.tab, session.page, session.page_ready = tab, tab.page, False
        if click is not None:
            session.click = click
        if tab in agent.standby:
            agent.standby.remove(tab)
        if before is not None and before is not tab:
            _dismiss(before)
        if session.sip is None:
            session.sip = await self._open(session.session_id)
        tab.send(self._welcome(session, tab))
        if reloaded and self._call(tab) is not None:
            await self.desk.softphone_lost(session.agent_id, session.session_id)

    async def _replace(self, agent: _Agent, session: Session, tab: Tab, click: Click | None) -> None:
        before = session.tab
        lost_call = self._call(tab) is not None
        await self._end(agent, session)
        self.noticed(session.agent_id, "moved", {}, None)
        if before is not None:
            _dismiss(before)
        if lost_call:
            await self.desk.softphone_lost(session.agent_id, session.session_id)
        await self._activate(agent, tab, click)

    async def _end(self, agent: _Agent, session: Session) -> None:
        session.ended = True
        session.tab = None
        agent.active = None
        self._sessions.pop(session.session_id, None)
        if session.hang_up_sip is not None:
            session.hang_up_sip()
        log.info("softphone_closed", session_id=session.session_id)
        try:
            await self.engine.close_softphone(session.session_id)
        except EngineUnavailable:
            log.info("softphone_left_to_engine", session_id=session.session_id)

    def _stand_by(self, agent: _Agent, session: Session, tab: Tab, click: Click | None) -> None:
        """Another tab is the softphone: it gets the click, this one learns so."""
        if tab not in agent.standby:
            agent.standby.append(tab)
        tab.send({"type": "elsewhere", "launch": click.view() if click else None, "call": self._call(tab)})
        if click is not None and session.tab is not None:
            session.click = click
            session.tab.send({"type": "launch", **click.view()})
            self.start(self._expect_dial(agent, session, tab, click))

    async def _expect_dial(self, agent: _Agent, session: Session, tab: Tab, click: Click) -> None:
        """A softphone that does not dial the click that it was handed is frozen or stuck: the new tab takes its place."""
        await self.clock.sleep(self.patience.acknowledge_s)
        async with _Turn(self._agents, tab.owner.agent_id):
            waits = agent.active is session and session.click is click and not tab.closed
            if waits and self._call(tab) is None:
                log.info("softphone_did_not_dial", session_id=session.session_id)
                await self._replace(agent, session, tab, click)

    async def _wait_for_return(self, agent: _Agent, session: Session) -> None:
        await self.clock.sleep(self.patience.return_s)
        async with _Turn(self._agents, session.agent_id):
            if agent.active is not session or session.tab is not None:
                return
            call = self.desk.current(session.agent_id)
            self.noticed(session.agent_id, "closed", {}, None)
            await self._end(agent, session)
            if call is not None:
                await self.desk.softphone_lost(session.agent_id, session.session_id)
            heirs = [tab for tab in agent.standby if not tab.closed]
            if heirs:
                await self._activate(agent, heirs[-1], None)

    async def _open(self, session_id: str) -> SipAccount | None:
        try:
            return await self.engine.open_softphone(session_id)
        except EngineUnavailable:
            return None

    def _call(self, tab: Tab) -> Mapping[str, Any] | None:
        return self.desk.current(tab.owner.agent_id)

    def _welcome(self, session: Session, tab: Tab) -> dict[str, Any]:
        sip, wrap_up = session.sip, self.wrap_ups.of(session.agent_id)
        return {
            "type": "welcome",
            "server_time": self.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "agent": {"crm_username": session.crm_username},
            "dispositions": list(tab.owner.dispositions),
            "default_disposition": tab.owner.default_disposition,
            "wrap_up": wrap_up.view() if wrap_up else None,
            "sip": None
            if sip is None
            else {
                "username": sip.username,
                "password": sip.password,
                "domain": sip.domain,
                "path": f"/softphone/sip/{session.session_id}",
            },
            "launch": session.click.view() if session.click else None,
            "call": self._call(tab),
            "engine_ready": self.engine.ready,
        }

    def start(self, work: Awaitable[None]) -> None:
        """Do this in the background, until `stop`."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("softphone_task_failed", error=type(task.exception()).__name__)


class _Turn:
    """One agent's turn: what is done inside is not interleaved with anything else of this agent. Unused agents are forgotten."""

    def __init__(self, agents: dict[str, _Agent], agent_id: str) -> None:
        self._agents, self._agent_id = agents, agent_id
        self._agent = agents.setdefault(agent_id, _Agent())

    async def __aenter__(self) -> _Agent:
        self._agent.users += 1
        try:
            await self._agent.turn.acquire()
        except BaseException:
            self._agent.users -= 1
            raise
        return self._agent

    async def __aexit__(self, *_error: object) -> None:
        agent = self._agent
        agent.users -= 1
        agent.turn.release()
        if agent.users == 0 and agent.active is None and not agent.standby:
            self._agents.pop(self._agent_id, None)


def _tell(session: Session, message: Mapping[str, Any]) -> None:
    if session.tab is not None:
        session.tab.send(message)


def _dismiss(tab: Tab) -> None:
    tab.send({"type": "replaced"})
    tab.close(REPLACED)
