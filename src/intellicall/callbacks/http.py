"""The account's endpoint and its delivery log over HTTP: look, pause, resume, test, rotate, send again (docs/durability.md)."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path
from fastapi import Request as HttpRequest
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import Connection

from intellicall.accounts.account import Account
from intellicall.accounts.changes import rotate_secret
from intellicall.callbacks import delivery_log, endpoint_store, store
from intellicall.callbacks.bodies import Nothing, ResendOrder, Rotation
from intellicall.callbacks.courier import Courier
from intellicall.callbacks.delivery import Delivery, Kind, State
from intellicall.callbacks.described import OPERATIONS
from intellicall.callbacks.views import delivery_view, endpoint_view, secret_views, whole_view
from intellicall.calls.door import Door
from intellicall.calls.filters import needed_time
from intellicall.clock import Clock
from intellicall.errors import Code, Refused
from intellicall.storage.database import Database
from intellicall.web.rate import Limiter
from intellicall.web.request import read_model, read_query

B = TypeVar("B", bound=BaseModel)
DeliveryId = Annotated[str, Path(max_length=36, description="The `id` of a delivery.")]

TESTS = 10
TESTS_PERIOD_S = 60.0


class CallbackApi:
    """The handlers; `router` gives them their addresses."""

    def __init__(self, database: Database, clock: Clock, door: Door, courier: Courier) -> None:
        self._database = database
        self._clock = clock
        self._door = door
        self._courier = courier
        self._tests = Limiter(TESTS, TESTS_PERIOD_S)

    async def show_callback(self, request: HttpRequest) -> JSONResponse:
        """Show where callbacks go, and how that endpoint stands."""
        check = self._door.visitor(request)

        def look(connection: Connection) -> JSONResponse:
            account = check(connection)
            read_query(request, allowed=())
            return self._shown(connection, account)

        return await self._database.read(look)

    async def pause(self, request: HttpRequest) -> JSONResponse:
        """Send no results and no events until resumed; they wait, and none is lost. Requests under way end as they will."""
        account = await self._enter(request)
        await _read(request, Nothing)

        def pause(connection: Connection) -> JSONResponse:
            endpoint_store.pause(connection, account.id, self._clock.now())
            return self._shown(connection, account)

        return await self._database.write(pause)

    async def resume(self, request: HttpRequest) -> JSONResponse:
        """Send again, beginning with what has waited longest."""
        account = await self._enter(request)
        await _read(request, Nothing)

        def resume(connection: Connection) -> JSONResponse:
            endpoint_store.resume(connection, account.id)
            return self._shown(connection, account)

        answer = await self._database.write(resume)
        for kind in (Kind.RESULT, Kind.EVENT):
            self._courier.wake(account.id, kind)
        return answer

    async def test(self, request: HttpRequest) -> JSONResponse:
        """Send a sample result to the callback URL, also to one that is paused: its `uuid` begins with `test-`.

        It is in no feed and no count. What the receiver answered is told by `GET /deliveries/{id}`.
        """
        account = await self._enter(request)
        await _read(request, Nothing)
        self._tests.count(account.id, self._clock.monotonic())
        made = await self._database.write(lambda c: endpoint_store.queue_test(c, account.id, self._clock.now()))
        self._courier.wake(account.id, Kind.TEST)
        return JSONResponse(delivery_view(made), status_code=201)

    async def rotate(self, request: HttpRequest) -> JSONResponse:
        """Make a new secret. The one of before goes on signing beside it for `overlap_hours`.

        The new secret is shown now and never again. When the answer was lost, send it again: that makes another one, and the one
        that the receiver has still goes on signing until its end. At most four sign; `overlap_hours` 0 ends all but the new one.
        """
        account = await self._enter(request)
        overlap_s = (await _read(request, Rotation)).overlap_hours * 3600
        born, others = await self._database.write(lambda c: rotate_secret(c, account.id, self._clock.now(), overlap_s))
        return JSONResponse({"secret": born.text, "secrets": secret_views([born, *others])})

    async def list_deliveries(self, request: HttpRequest) -> JSONResponse:
        """List callbacks, newest first; every parameter narrows the list."""
        check = self._door.visitor(request)

        def page(connection: Connection) -> JSONResponse:
            account = check(connection)
            listing = delivery_log.read_listing(read_query(request, allowed=delivery_log.PARAMETERS))
            found = delivery_log.find(connection, account.id, listing)
            return JSONResponse({"deliveries": found.deliveries, "next": found.next and found.next.cursor})

        return await self._database.read(page)

    async def show_delivery(self, request: HttpRequest, delivery_id: DeliveryId) -> JSONResponse:
        """Show a callback: what was sent, and what came of every attempt, in plain words."""
        check = self._door.visitor(request)

        def look(connection: Connection) -> JSONResponse:
            account = check(connection)
            read_query(request, allowed=())
            found = _own(connection, account, delivery_id)
            return JSONResponse(whole_view(found, store.attempts_of(connection, found.id)))

        return await self._database.read(look)

    async def resend(self, request: HttpRequest, delivery_id: DeliveryId) -> JSONResponse:
        """Send one again, the same bytes under the same id, to where the account receives now: a fresh round of attempts."""
        account = await self._enter(request)
        await _read(request, Nothing)

        def again(connection: Connection) -> Delivery:
            _own(connection, account, delivery_id)
            return store.resend(connection, delivery_id, self._clock.now())

        made = await self._database.write(again)
        self._courier.wake(account.id, made.kind)
        return JSONResponse(delivery_view(made))

    async def resend_results(self, request: HttpRequest) -> JSONResponse:
        """Send the results of a time again, oldest first: the undelivered ones, unless `state` says otherwise.

        At most 10,000 at once, oldest first; while `more` is true, send the same request again. Ask for `delivered` ones in shorter
        ranges: what is delivered anew is found again.
        """
        account = await self._enter(request)
        order = await _read(request, ResendOrder)
        begin, end, state = needed_time(order.begin, "from"), needed_time(order.end, "to"), State(order.state)
        now = self._clock.now()
        count = await self._database.write(lambda c: store.resend_results(c, account.id, begin, end, state, now))
        self._courier.wake(account.id)
        return JSONResponse({"count": count, "more": count == store.MOST_AGAIN})

    async def _enter(self, request: HttpRequest) -> Account:
        account = await self._database.glance(self._door.visitor(request))
        read_query(request, allowed=())
        return account

    def _shown(self, connection: Connection, account: Account) -> JSONResponse:
        standing = endpoint_store.standing(connection, account.id, self._clock.now())
        return JSONResponse(endpoint_view(account, standing, endpoint_store.backlog(connection, account.id)))


def _own(connection: Connection, account: Account, delivery_id: str) -> Delivery:
    """Return the account's delivery. Raises Refused NOT_FOUND, for another account's as for none."""
    found = store.find(connection, delivery_id) if delivery_id.isprintable() else None
    if found is None or found.account_id != account.id:
        raise Refused(Code.NOT_FOUND, "There is no such delivery.")
    return found


async def _read(request: HttpRequest, model: type[B]) -> B:
    """Return the body; where nothing has to be said, no body at all is `{}`."""
    needed = any(field.is_required() for field in model.model_fields.values())
    return model() if not needed and not await request.body() else await read_model(request, model)


def router(api: CallbackApi) -> APIRouter:
    """Return the routes."""
    endpoint = APIRouter(prefix="/callback", tags=["callbacks"])
    endpoint.get("", **_of(api.show_callback))(api.show_callback)
    endpoint.post("/pause", **_of(api.pause))(api.pause)
    endpoint.post("/resume", **_of(api.resume))(api.resume)
    endpoint.post("/test", **_of(api.test))(api.test)
    endpoint.post("/secret/rotate", **_of(api.rotate))(api.rotate)
    log = APIRouter(prefix="/deliveries", tags=["callbacks"])
    log.get("", **_of(api.list_deliveries))(api.list_deliveries)
    log.post("/resend", **_of(api.resend_results))(api.resend_results)
    log.get("/{delivery_id}", **_of(api.show_delivery))(api.show_delivery)
    log.post("/{delivery_id}/resend", **_of(api.resend))(api.resend)
    whole = APIRouter()
    whole.include_router(endpoint)
    whole.include_router(log)
    return whole


def _of(handler: Callable[..., Any]) -> dict[str, Any]:
    """What the API's description says of a handler, by its name."""
    return OPERATIONS[handler.__name__]
