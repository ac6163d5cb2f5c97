"""What a page asks for and is answered about by `ref`: orders, notes, searches, the history, a redial. Each is answered once."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from sqlalchemy import Connection

from intellicall.accounts import store as accounts
from intellicall.accounts.account import Agent
from intellicall.errors import Code, Refused
from intellicall.softphone.page_messages import (
    CALL_ID,
    CURSOR,
    REF,
    NoteMessage,
    OrderMessage,
    member,
    optional,
    read_note,
    read_order,
    read_query,
)
from intellicall.softphone.presence import Presence
from intellicall.softphone.sessions import Session, SoftphoneSessions
from intellicall.softphone.tab import Tab
from intellicall.storage.database import Database, StorageUnavailable

log = structlog.get_logger()

MOST_AT_ONCE = 16  # of one tab
AGENTS_SHOWN = 10
AGENTS_LOOKED_AT = 50  # to have the callable ones first
_FIRST = (Presence.READY, Presence.WRAP_UP, Presence.BUSY, Presence.ASLEEP, Presence.OFFLINE)


class Errands:
    """The errands of one tab. `check_owner` says, reading anew, whether the tab's agent may still use it."""

    def __init__(
        self,
        tab: Tab,
        database: Database,
        sessions: SoftphoneSessions,
        check_owner: Callable[[], Awaitable[bool]],
        refuse: Callable[[Refused, str], None],
    ) -> None:
        self._tab = tab
        self._database = database
        self._sessions = sessions
        self._check_owner = check_owner
        self._refuse = refuse
        self._under_way = 0

    def take(self, message: Mapping[str, Any]) -> None:
        """Begin what the message asks for; the page hears of its outcome. Raises Rude."""
        ref, work = member(message, "ref", REF), self._work(message)
        if self._under_way >= MOST_AT_ONCE:
            self._refuse(Refused(Code.TOO_MANY_REQUESTS, retry_after=1), ref)
            return
        self._under_way += 1
        self._sessions.start(self._carry_out(ref, work))

    def _work(self, message: Mapping[str, Any]) -> Callable[[str], Awaitable[None]]:
        """Read the message, whole, before anything begins."""
        match message["type"]:
            case "order":
                order = read_order(message)
                return lambda ref: self._order(ref, order)
            case "note":
                note = read_note(message)
                return lambda ref: self._note(ref, note)
            case "find_agents":
                query = read_query(message)
                return lambda ref: self._find_agents(ref, query)
            case "history":
                before = optional(message, "before", CURSOR)
                return lambda ref: self._history(ref, before)
            case _:
                call_id = member(message, "call_id", CALL_ID)
                return lambda ref: self._redial(ref, call_id)

    async def _carry_out(self, ref: str, work: Callable[[str], Awaitable[None]]) -> None:
        try:
            await work(ref)
        except Refused as refused:
            self._refuse(refused, ref)
        except StorageUnavailable as error:
            self._refuse(Refused(Code.STORAGE_UNAVAILABLE, str(error)), ref)
        except Exception:
            log.exception("softphone_errand_broke", agent_id=self._tab.owner.agent_id)
            self._refuse(Refused(Code.INTERNAL), ref)
        finally:
            self._under_way -= 1

    async def _order(self, ref: str, order: OrderMessage) -> None:
        await self._sessions.desk.order(self._tab.owner, order)
        self._tab.send({"type": "done", "ref": ref})

    async def _note(self, ref: str, note: NoteMessage) -> None:
        owner = self._tab.owner
        noted = await self._sessions.desk.note(owner, note)
        self._sessions.wrap_ups.note(owner.agent_id, note.call_id, noted["disposition"], noted["notes"])
        self._tab.send({"type": "noted", "ref": ref, "call_id": note.call_id, **noted})

    async def _find_agents(self, ref: str, query: str) -> None:
        if not await self._check_owner():
            return
        owner = self._tab.owner

        def find(connection: Connection) -> list[Agent]:
            return accounts.find_agents(connection, owner.account_id, query, AGENTS_LOOKED_AT)

        others = [agent for agent in await self._database.read(find) if agent.id != owner.agent_id]
        found = [(self._sessions.presence(agent.id), agent) for agent in others]
        found.sort(key=lambda one: _FIRST.index(one[0]))
        shown = [
            {"crm_username": agent.crm_username, "presence": presence, "has_phone": agent.number is not None}
            for presence, agent in found[:AGENTS_SHOWN]
        ]
        self._tab.send({"type": "agents", "ref": ref, "agents": shown})

    async def _history(self, ref: str, before: str | None) -> None:
        if await self._check_owner():
            self._tab.send({"type": "calls", "ref": ref, **await self._sessions.desk.history(self._tab.owner, before)})

    async def _redial(self, ref: str, call_id: str) -> None:
        session = ready_softphone(self._sessions, self._tab)
        if await self._check_owner():
            call = await self._sessions.desk.redial(call_id, session)
            self._tab.send({"type": "call", "call": call})
            self._tab.send({"type": "done", "ref": ref})


def ready_softphone(sessions: SoftphoneSessions, tab: Tab) -> Session:
    """Return the session of a tab that is the agent's softphone and can be rung. Refused: ENGINE_UNAVAILABLE, AGENT_OFFLINE."""
    session = sessions.session_of(tab)
    if session is not None and not sessions.engine.ready:
        raise Refused(Code.ENGINE_UNAVAILABLE)
    if session is None or not sessions.is_ready(session):
        raise Refused(Code.AGENT_OFFLINE)
    return session
