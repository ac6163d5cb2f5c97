"""`GET /events`: what happens to the account's calls, live, as Server-Sent Events (HTML Standard, section 9.2)."""

import contextlib

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from fastapi.responses import Response, StreamingResponse
from sqlalchemy import Connection
from starlette.types import Receive, Scope, Send

from intellicall.calls import journal
from intellicall.calls.door import Door
from intellicall.calls.events import cursor_of, position_of
from intellicall.calls.events_hub import RETRY_MS, STREAMS, EventHub, Stream, Wanted, frame_of
from intellicall.calls.samples import CALL_ID, events
from intellicall.errors import Code, Refused
from intellicall.event_types import EventType
from intellicall.storage.database import Database
from intellicall.web.openapi import Answer, operation, parameter
from intellicall.web.request import read_query

MEDIA_TYPE = "text/event-stream"
_HEADERS = {"X-Accel-Buffering": "no"}  # nginx would keep events back until a buffer is full
LAST_EVENT_ID = "Last-Event-ID"


class EventsApi:
    """The handler; `router` gives it its address."""

    def __init__(self, database: Database, hub: EventHub, door: Door) -> None:
        self._database = database
        self._hub = hub
        self._door = door

    async def follow(self, request: HttpRequest) -> Response:
        """Follow what happens to the account's calls, from now on or from after the event whose `event_id` is named.

        Events come in the order in which they happened. The answer never ends by itself: a comment every 15 seconds shows that it
        lives, and whoever loses it comes back with `Last-Event-ID` and misses nothing. It is ended when the key is revoked, when
        the platform stops, and when too much waits for a reader that is too slow.
        """
        check = self._door.visitor(request)

        def prepare(connection: Connection) -> tuple[str, int, Wanted]:
            account = check(connection)
            query = read_query(request, allowed=("after", "call_id", "types"))
            wanted = Wanted(query.get("call_id"), _types(query.get("types")))
            if wanted.call_id is not None:
                _check_call(connection, account.id, wanted.call_id)
            return account.id, _begin(connection, request.headers.get(LAST_EVENT_ID), query.get("after")), wanted

        account_id, position, wanted = await self._database.glance(prepare)
        return EventsResponse(self._hub.open(account_id, position, wanted, check))


class EventsResponse(StreamingResponse):
    """A stream on the wire; when it is over, for whatever reason, the hub forgets it."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._pieces = stream.pieces()
        super().__init__(self._pieces, media_type=MEDIA_TYPE, headers=_HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.closing(self._stream):
            async with contextlib.aclosing(self._pieces):
                await super().__call__(scope, receive, send)


def _check_call(connection: Connection, account_id: str, call_id: str) -> None:
    """Raise Refused NOT_FOUND unless the call is the account's. Every call has entries from its beginning on."""
    if not call_id.isprintable() or not journal.read_after(connection, account_id, 0, 1, call_id):
        raise Refused(Code.NOT_FOUND, "There is no such call.", field="call_id")


def _begin(connection: Connection, last_event_id: str | None, after: str | None) -> int:
    """Return the position after which the stream begins. The header is newer: who comes back repeats the URL of the beginning.

    Refused with INVALID_FIELD for what no event of this platform has as its id.
    """
    last = journal.last_position(connection)
    cursor = last_event_id or after
    if cursor is None:
        return last
    position = position_of(cursor)
    if position is None or position > last:
        raise Refused(
            Code.INVALID_FIELD, "This is no event_id of this platform.", field=LAST_EVENT_ID if last_event_id else "after"
        )
    return position


def _types(text: str | None) -> frozenset[str]:
    types = frozenset(text.split(",")) if text is not None else frozenset()
    if not types <= set(EventType):
        raise Refused(Code.INVALID_FIELD, f"The types are {', '.join(EventType)}, separated by commas.", field="types")
    return types


def router(api: EventsApi) -> APIRouter:
    """Return the route."""
    routes = APIRouter(tags=["events"])
    routes.get("/events", response_class=StreamingResponse, **_DESCRIBED)(api.follow)
    return routes


def _example() -> str:
    """Return the beginning of a stream, as `EventHub` writes it."""
    frames = [frame_of(event) for event in events()[:2]]
    return "".join([f"retry: {RETRY_MS}\nid: {cursor_of(1040)}\n\n", *(frame.decode() for frame in frames), ": still here\n\n"])


_DESCRIBED = operation(
    "followEvents",
    "Follow what happens, live",
    {
        200: Answer(
            "`id:` is the `event_id`, `event:` the `type`, `data:` the event as JSON: see the webhook `event`.",
            content={MEDIA_TYPE: {"schema": {"type": "string"}, "examples": {"stream": {"value": _example()}}}},
        )
    },
    [
        Refused(Code.INVALID_FIELD, "This is no event_id of this platform.", field="after"),
        Refused(Code.UNKNOWN_FIELD, field="type"),
        Refused(Code.NOT_FOUND, "There is no such call.", field="call_id"),
        Refused(Code.TOO_MANY_REQUESTS, f"{STREAMS} streams of events are open, which is the most.", retry_after=10),
    ],
    parameters=[
        parameter("after", "query", "An `event_id`: begin with what happened after that event. Without it the stream begins now."),
        parameter("call_id", "query", "Only events of this call.", CALL_ID),
        parameter("types", "query", "Only events of these types, separated by commas.", "held,resumed,ended"),
        parameter(LAST_EVENT_ID, "header", "As `after`, which it overrides; clients that come back send it by themselves."),
    ],
)
