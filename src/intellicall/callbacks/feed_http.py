"""`GET /results` and `GET /results/counts`: every result, for those who receive no callbacks, too (docs/durability.md)."""

from typing import Any

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from intellicall.callbacks import feed
from intellicall.calls.door import Door
from intellicall.calls.filters import read_limit
from intellicall.calls.samples import CALL_ID, results
from intellicall.calls.webhooks import ResultPush
from intellicall.clock import Clock
from intellicall.errors import Code, Refused
from intellicall.storage.database import Database
from intellicall.web.cursor import to_cursor
from intellicall.web.openapi import Answer, operation, parameter
from intellicall.web.request import read_query


class ResultPage(BaseModel):
    """A page of the feed, in the order in which the results were stored."""

    results: list[ResultPush]
    next: str = Field(description="Keep it: with it as `after` comes what follows, now or later. Never null.")
    more: bool = Field(description="Whether more is there already.")


class StatusCounts(BaseModel):
    """Results by their status."""

    ANSWER: int
    NO_ANSWER: int
    BUSY: int
    FAILED: int
    CANCELED: int


class DayCounts(BaseModel):
    """The results of one day, by the `end_time` in them; the last four members add up to `results`."""

    date: str = Field(description="A day of UTC.")
    results: int
    by_status: StatusCounts
    delivered: int = Field(description="Acknowledged by the receiver.")
    undelivered: int = Field(description="Every attempt failed: `POST /deliveries/resend` sends them again.")
    waiting: int = Field(description="On their way: being tried, or kept while the endpoint is paused.")
    no_endpoint: int = Field(description="There was no callback URL when the call ended.")


class ResultCounts(BaseModel):
    """What the account's own books should have: each day once, in order."""

    days: list[DayCounts]


class FeedApi:
    """The handlers; `router` gives them their addresses."""

    def __init__(self, database: Database, clock: Clock, door: Door) -> None:
        self._database = database
        self._clock = clock
        self._door = door

    async def read_results(self, request: HttpRequest) -> JSONResponse:
        """Read every result of the account, in the order in which they were stored: the same records that are pushed.

        Begin without `after`; then ask again and again with `next` of the answer before, at once while `more` is true, later when
        it is false. Nothing is left out and nothing comes twice, whatever became of the callbacks.
        """
        check = self._door.visitor(request)

        def page(connection: Connection) -> JSONResponse:
            """All on the reader's thread: 500 results would hold up everybody else's."""
            account = check(connection)
            query = read_query(request, allowed=("after", "limit"))
            limit = read_limit(query, feed.USUAL, feed.MOST)
            found = feed.read(connection, account.id, query.get("after"), limit)
            return JSONResponse({"results": found.results, "next": found.next, "more": found.more})

        return await self._database.read(page)

    async def count_results(self, request: HttpRequest) -> JSONResponse:
        """Count the results of each day, to reconcile your books with: by status, and by what became of the callback.

        A day is complete when it is over and no call of it goes on; a call whose end was found out later is counted to the day on
        which it ended.
        """
        check = self._door.visitor(request)

        def count(connection: Connection) -> JSONResponse:
            account = check(connection)
            query = read_query(request, allowed=("from", "to"))
            first, last = feed.read_days(query, self._clock.now().date())
            return JSONResponse({"days": feed.counts(connection, account.id, first, last)})

        return await self._database.read(count)


def router(api: FeedApi) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["results"])
    routes.get("/results", **_FEED)(api.read_results)
    routes.get("/results/counts", **_COUNTS)(api.count_results)
    return routes


_UNKNOWN_QUERY = Refused(Code.UNKNOWN_FIELD, field="page")
_NEXT = to_cursor("1047", CALL_ID)
_FEED = operation(
    "readResults",
    "Read every result",
    {
        200: Answer(
            "A page of them.",
            ResultPage,
            {
                "some": {"results": list(results().values()), "next": _NEXT, "more": False},
                "nothing_new": {"results": [], "next": _NEXT, "more": False},
            },
        )
    },
    [_UNKNOWN_QUERY, feed.unknown_cursor()],
    parameters=[
        parameter("after", "query", "`next` of the page before. Without it the feed begins with the first result.", _NEXT),
        parameter(
            "limit",
            "query",
            "Results on a page.",
            feed.USUAL,
            schema={"type": "integer", "minimum": 1, "maximum": feed.MOST, "default": feed.USUAL},
        ),
    ],
)


def _day(name: str, description: str, example: str) -> dict[str, Any]:
    return parameter(name, "query", description, example, schema={"type": "string", "format": "date"})


_COUNTED = {
    "date": "2026-07-03",
    "results": 1204,
    "by_status": {"ANSWER": 730, "NO_ANSWER": 301, "BUSY": 120, "FAILED": 48, "CANCELED": 5},
    "delivered": 1203,
    "undelivered": 1,
    "waiting": 0,
    "no_endpoint": 0,
}
_COUNTS = operation(
    "countResults",
    "Count the results of each day",
    {200: Answer("Each day from `from` to `to`.", ResultCounts, {"a_day": {"days": [_COUNTED]}})},
    [_UNKNOWN_QUERY, Refused(Code.INVALID_FIELD, "A day is written as 2026-07-03; days are those of UTC.", field="from")],
    parameters=[
        _day("from", f"The first day (UTC). Without it: the {feed.USUAL_DAYS} days that end with `to`.", "2026-07-03"),
        _day("to", f"The last day (UTC), {feed.MOST_DAYS} days at most in all. Without it: today.", "2026-07-03"),
    ],
)
