"""`GET /agents`: whether the account's agents can be called now (docs/live-calls.md)."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi import Request as HttpRequest
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from intellicall.accounts import store as accounts
from intellicall.accounts.account import Agent
from intellicall.calls import store
from intellicall.calls.door import Door
from intellicall.calls.filters import MOST, USUAL, read_limit
from intellicall.calls.result import iso
from intellicall.clock import Clock
from intellicall.errors import Code, Refused
from intellicall.softphone.presence import ASLEEP_S, Presence, presence_of
from intellicall.softphone.sessions import SoftphoneSessions
from intellicall.storage.database import Database
from intellicall.web.cursor import broken, from_cursor, to_cursor
from intellicall.web.openapi import Answer, operation, parameter
from intellicall.web.request import read_query

Live = dict[str, tuple[str, datetime]]
CrmUsername = Annotated[str, Path(max_length=128, description="The agent's name in your CRM, exact to the letter.")]


class AgentView(BaseModel):
    """An agent, and whether the softphone can be rung now."""

    crm_username: str
    number: str | None = Field(description="The real phone, E.164.")
    presence: Presence
    since: str | None = Field(description="When this began, where it is known: of `busy`, `wrap_up` and a silent `asleep`.")
    call_id: str | None = Field(description="The call that the agent is in, or writes down.")


class AgentList(BaseModel):
    """A page of agents, by their names."""

    agents: list[AgentView]
    next: str | None = Field(description="The `cursor` of the page behind this one; null when there is none.")


class AgentsApi:
    """The handlers; `router` gives them their addresses."""

    def __init__(self, database: Database, clock: Clock, sessions: SoftphoneSessions, door: Door) -> None:
        self._database = database
        self._clock = clock
        self._sessions = sessions
        self._door = door

    async def list_agents(self, request: HttpRequest) -> JSONResponse:
        """List the agents of the account by their names, with their presence."""
        check = self._door.visitor(request)

        def page(connection: Connection) -> tuple[list[Agent], int, Live]:
            account = check(connection)
            query = read_query(request, allowed=("limit", "cursor"))
            after = from_cursor(query["cursor"], 1)[0] if "cursor" in query else ""
            limit = read_limit(query)
            return accounts.agents_of(connection, account.id, after, limit + 1), limit, store.live_by_agent(connection, account.id)

        agents, limit, live = await self._database.read(page)
        following = to_cursor(agents[limit - 1].crm_username) if len(agents) > limit else None
        return JSONResponse({"agents": [self._view(agent, live) for agent in agents[:limit]], "next": following})

    async def show_agent(self, request: HttpRequest, crm_username: CrmUsername) -> JSONResponse:
        """Show whether an agent can be called now."""
        check = self._door.visitor(request)

        def find(connection: Connection) -> tuple[Agent, Live]:
            account = check(connection)
            read_query(request, allowed=())
            return accounts.agent(connection, account.id, crm_username), store.live_by_agent(connection, account.id)

        return JSONResponse(self._view(*await self._database.glance(find)))

    def _view(self, agent: Agent, live: Live) -> dict[str, Any]:
        seen, wrap_up = self._sessions.seen(agent.id), self._sessions.wrap_ups.of(agent.id)
        call_id, since = live.get(agent.id, (None, None))
        presence = presence_of(seen, in_call=call_id is not None, wrapping_up=wrap_up is not None)
        if presence is Presence.WRAP_UP and wrap_up is not None:
            call_id, since = wrap_up.call_id, wrap_up.since
        elif presence is Presence.ASLEEP and seen is not None and seen.silent_s > ASLEEP_S:
            since = self._clock.now() - timedelta(seconds=seen.silent_s)
        return {
            "crm_username": agent.crm_username,
            "number": agent.number,
            "presence": presence,
            "since": iso(since),
            "call_id": call_id,
        }


def router(api: AgentsApi) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["agents"])
    routes.get("/agents", **_LIST)(api.list_agents)
    # A crm_username may have slashes in it; encoded, they reach us as they are.
    routes.get("/agents/{crm_username:path}", **_SHOW)(api.show_agent)
    return routes


_READY = {"crm_username": "agent.018", "number": "+12025550101", "presence": "ready", "since": None, "call_id": None}
_BUSY = {
    "crm_username": "agent.017",
    "number": None,
    "presence": "busy",
    "since": "2026-07-03T10:00:00Z",
    "call_id": "5deb67aa-d54d-4536-9a25-a29813b3bddd",
}
_UNKNOWN_QUERY = Refused(Code.UNKNOWN_FIELD, field="page")
_LIST = operation(
    "listAgents",
    "List agents",
    {200: Answer("A page of them.", AgentList, {"some": {"agents": [_BUSY, _READY], "next": to_cursor("agent.018")}})},
    [_UNKNOWN_QUERY, broken()],
    parameters=[
        parameter(
            "limit",
            "query",
            "Agents on a page.",
            USUAL,
            schema={"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL},
        ),
        parameter("cursor", "query", "`next` of the page before."),
    ],
)
_SHOW = operation(
    "showAgent",
    "Show an agent",
    {200: Answer("The agent.", AgentView, {"ready": _READY, "busy": _BUSY})},
    [Refused(Code.UNKNOWN_AGENT, field="crm_username"), Code.NOT_FOUND, Code.INVALID_FIELD, _UNKNOWN_QUERY],
)
