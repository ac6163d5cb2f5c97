"""`GET /calls/{id}/timeline`: what happened to a call, and why it ended so (docs/durability.md, "Explained")."""

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from intellicall.calls import traces
from intellicall.calls.calls import Calls
from intellicall.calls.described import NO_CALL
from intellicall.calls.door import Door
from intellicall.calls.explanation import Fault, explain
from intellicall.calls.orders_http import CallId
from intellicall.calls.result import Entry
from intellicall.calls.samples import BEGAN, ENDED
from intellicall.calls.samples import entry as sample_entry
from intellicall.calls.table import Party, Reason, State
from intellicall.calls.timeline import TimelineEntry, TimelineSource, in_order, policy_entries, trace_entries
from intellicall.calls.traces import Source, Trace
from intellicall.errors import Code, Refused
from intellicall.web.openapi import Answer, operation
from intellicall.web.request import read_query


class ExplanationView(BaseModel):
    """Why the call ended so. The first and the two parties are null while it lives."""

    reason: Reason | None = Field(description="docs/endings.md has each.")
    title: str = Field(description="The reason in plain words.")
    ended_by: Party | None = Field(description="Whose doing the end was.")
    whose_fault: Fault | None = Field(description="Who has something to put right.")
    remedy: str = Field(description="What to do.")
    sentence: str = Field(description="All that is known of it, for people who know nothing of telephony.")


class EntryView(BaseModel):
    """One thing that happened."""

    at: str = Field(description="ISO 8601 in UTC, with milliseconds.")
    source: Source
    what: str = Field(description="A stable word.")
    text: str = Field(description="A sentence for people.")
    data: dict[str, Any] = Field(description="What the sentence was made of.")


class TimelineView(BaseModel):
    """Everything that happened to one call, in order of time."""

    call_id: str
    state: State
    explanation: ExplanationView
    entries: list[EntryView]


def compose(entry: Entry, seen: Sequence[Trace], told: Sequence[TimelineEntry]) -> dict[str, Any]:
    """Return the JSON of a timeline. `told`: the entries of all sources."""
    entries = in_order([*policy_entries(entry), *trace_entries(seen), *told])
    return {
        "call_id": entry.call.id,
        "state": entry.call.state,
        "explanation": explain(entry, seen).as_json(),
        "entries": [one.as_json() for one in entries],
    }


def read_timeline(
    connection: Connection, entry: Entry, sources: Sequence[TimelineSource], unsaved: Sequence[Trace] = ()
) -> dict[str, Any]:
    """Read everything about the call and return the JSON of its timeline."""
    call_id, account_id = entry.call.id, entry.request.account_id
    stored = traces.read(connection, call_id)
    seen = stored + [trace for trace in unsaved if trace not in stored]  # they may have been stored this moment
    told = [one for source in sources for one in source(connection, account_id, call_id)]
    return compose(entry, seen, told)


class TimelineApi:
    """The handler. `sources` are read in this order; `unsaved` has what was seen and is not stored yet."""

    def __init__(
        self, calls: Calls, door: Door, sources: Sequence[TimelineSource], unsaved: Callable[[str], Sequence[Trace]]
    ) -> None:
        self._calls = calls
        self._door = door
        self._sources = sources
        self._unsaved = unsaved

    async def show_timeline(self, request: HttpRequest, call_id: CallId) -> JSONResponse:
        """Tell everything that happened to a call, in order of time: the call itself, SIP and audio, the agent's browser, what was
        decided, the recording, and each attempt to deliver its result. And one sentence: why it ended so.

        What the engine and the browser told is stored once a second: a crash of the platform may lose the last second of it.
        """
        database = self._calls.around.database
        account = await database.glance(self._door.visitor(request))
        read_query(request, allowed=())
        entry = await self._calls.show(account.id, call_id)
        unsaved = self._unsaved(call_id)
        return JSONResponse(await database.read(lambda connection: read_timeline(connection, entry, self._sources, unsaved)))


def router(api: TimelineApi) -> APIRouter:
    """Return the route."""
    routes = APIRouter(tags=["calls"])
    routes.get("/calls/{call_id}/timeline", **_SHOW)(api.show_timeline)
    return routes


def _example() -> dict[str, Any]:
    entry = sample_entry("ended")
    heard = {"leg": "customer", "packets": 7500, "lost": 3, "jitter_ms": 1.9, "rtt_ms": 41.0}
    seen = [
        Trace(BEGAN, Source.SIP, "invite", {"leg": "customer", "trunk": "carrier1"}),
        Trace(ENDED, Source.SIP, "audio", heard),
    ]
    told = TimelineEntry(ENDED, Source.CALL, "ended", "The call ended after 150 s of talk. The customer hung up.", {})
    return compose(entry, seen, [told])


_SHOW = operation(
    "showTimeline",
    "Explain a call",
    {200: Answer("The timeline.", TimelineView, {"ended": _example()})},
    [NO_CALL, Refused(Code.UNKNOWN_FIELD, field="page")],
)

__all__ = ["TimelineApi", "read_timeline", "router"]
