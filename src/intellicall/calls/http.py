"""The server-to-server API (integration guide, section 4): start a call, show it, say what it was about; the orders' addresses."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from intellicall.accounts import store as accounts
from intellicall.accounts.account import Account, Agent, disposition_for
from intellicall.accounts.numbers import Number, parse
from intellicall.calls import history, store
from intellicall.calls.bodies import CallOrder, NoteOrder
from intellicall.calls.calls import Calls
from intellicall.calls.described import OPERATIONS
from intellicall.calls.door import Door
from intellicall.calls.filters import PARAMETERS, read_listing
from intellicall.calls.orders import Note
from intellicall.calls.orders_http import KEY, CallId, OrdersApi
from intellicall.calls.patience import LATE_S
from intellicall.calls.request import CallType, Request, compose
from intellicall.calls.result import api_view
from intellicall.errors import Code, Refused
from intellicall.ids import new_token
from intellicall.softphone.sessions import SoftphoneSessions
from intellicall.telephony.engine import SoftphoneLine
from intellicall.web.request import read_model, read_query, waited_s


class CallsApi:
    """The handlers; `router` gives them their addresses."""

    def __init__(self, calls: Calls, sessions: SoftphoneSessions, door: Door) -> None:
        self._calls = calls
        self._sessions = sessions
        self._door = door
        self._database = calls.around.database
        self._clock = calls.around.clock

    async def start_call(self, request: HttpRequest) -> JSONResponse:
        """Ring the agent, then the customer, and bridge the two.

        Send a `uuid` and it is safe to send the request again: the same `uuid` never dials twice. There is no Idempotency-Key here.
        """
        self._calls.check_taking()  # before all that costs: after a standstill they may come by the hundred
        check = self._door.visitor(request)
        try:
            order = await _order(request)
        except Refused:
            await self._account(request)  # who has no key is told that first
            raise

        def prepare(connection: Connection) -> tuple[Request, int]:
            account = check(connection)
            room = not self._calls.around.space.full
            return _request(connection, account, order, self._sessions, self._clock.now(), room=room), account.concurrent_calls

        wanted, limit = await self._database.glance(prepare)
        if waited_s(request) > LATE_S:
            raise Refused(Code.PLATFORM_STALLED)  # whoever clicked so long ago may have given up
        try:
            entry, new = await self._calls.start(wanted, limit)
        except Refused as refused:
            raise _public(refused) from None
        return JSONResponse(api_view(entry), status_code=201 if new else 200)

    async def show_call(self, request: HttpRequest, call_id: CallId) -> JSONResponse:
        """Show a call: its record as far as it is known, where it stands, who is in it and what can be ordered now."""
        account = await self._account(request)
        read_query(request, allowed=())
        return JSONResponse(api_view(await self._calls.show(account.id, call_id)))

    async def find_calls(self, request: HttpRequest) -> JSONResponse:
        """List the account's calls, newest first; every parameter narrows the list.

        `next` leads to the page behind this one; calls that begin meanwhile neither shift nor repeat anything.
        """
        check = self._door.visitor(request)

        def page(connection: Connection) -> JSONResponse:
            """All on the reader's thread: 200 calls would hold up everybody else's."""
            account = check(connection)
            listing = read_listing(read_query(request, allowed=PARAMETERS), account)
            found = history.find(connection, account.id, listing.filters, listing.before, listing.limit)
            return JSONResponse({"calls": [api_view(one) for one in found.entries], "next": found.next and found.next.cursor})

        return await self._database.read(page)

    async def annotate_call(self, request: HttpRequest, call_id: CallId) -> JSONResponse:
        """Set the disposition and notes of a call, at any time.

        What is set before the end goes into the result; a later change is stored and told as an `updated` event.
        """
        account = await self._account(request)
        read_query(request, allowed=())
        await self._calls.show(account.id, call_id)  # an unknown call is told first
        note = _note(account, await read_model(request, NoteOrder))
        return JSONResponse(api_view(await self._calls.annotate(account.id, call_id, note)))

    async def _account(self, request: HttpRequest) -> Account:
        return await self._database.glance(self._door.visitor(request))


def router(api: CallsApi, orders: OrdersApi) -> APIRouter:
    """Return the routes of the calls room: docs/live-calls.md."""
    routes = APIRouter(tags=["calls"])
    routes.post("/calls", **_of(api.start_call))(api.start_call)
    routes.get("/calls", **_of(api.find_calls))(api.find_calls)
    routes.get("/calls/{call_id}", **_of(api.show_call))(api.show_call)
    routes.patch("/calls/{call_id}", **_of(api.annotate_call))(api.annotate_call)
    live = APIRouter(prefix="/calls/{call_id}", tags=["live calls"])
    for path, handler in (
        ("/hold", orders.hold),
        ("/resume", orders.resume),
        ("/mute", orders.mute),
        ("/unmute", orders.unmute),
        ("/dtmf", orders.dtmf),
        ("/participants", orders.add_participant),
        ("/swap", orders.swap),
        ("/merge", orders.merge),
        ("/transfer", orders.transfer),
        ("/recording/pause", orders.pause_recording),
        ("/recording/resume", orders.resume_recording),
        ("/hangup", orders.hang_up),
    ):
        live.post(path, **_of(handler))(handler)
    live.delete("/participants/{participant_id}", **_of(orders.drop_participant))(orders.drop_participant)
    whole = APIRouter()
    whole.include_router(routes)
    whole.include_router(live)
    return whole


def _of(handler: Any) -> dict[str, Any]:
    """What the API's description says of a handler, by its name."""
    return OPERATIONS[handler.__name__]


async def _order(request: HttpRequest) -> CallOrder:
    read_query(request, allowed=())
    if KEY in request.headers:
        raise Refused(Code.INVALID_FIELD, "A new call is made once by its uuid: send that in the body.", field=KEY)
    order = await read_model(request, CallOrder)
    if (order.agent_number is None) == (order.crm_username is None):
        raise Refused(Code.INVALID_FIELD, "Send exactly one of agent_number and crm_username.", field="agent_number")
    return order


def _note(account: Account, order: NoteOrder) -> Note:
    """Return what was sent. `notes` of null, or empty ones, remove what is there."""
    sent = order.model_fields_set
    if not sent:
        raise Refused(Code.MISSING_FIELD, "Send disposition, notes or both.", field="disposition")
    disposition = disposition_for(account, order.disposition) if "disposition" in sent else None
    return Note(disposition, (order.notes or "") if "notes" in sent else None)


def _request(
    connection: Connection, account: Account, order: CallOrder, sessions: SoftphoneSessions, now: datetime, *, room: bool
) -> Request:
    customer = parse(order.to_number, account.default_region)
    number = parse(order.from_number, account.default_region, "from_number")
    caller_id = accounts.caller_id(connection, account, number.e164)
    line, agent = _line(connection, account, order, sessions)
    return compose(account, caller_id, customer, line, agent, call_type=CallType.SERVER, uuid=order.uuid, at=now, room=room)


def _line(
    connection: Connection, account: Account, order: CallOrder, sessions: SoftphoneSessions
) -> tuple[SoftphoneLine | Number, Agent | None]:
    """Return where the agent is rung, and who that is as far as it is known."""
    if order.agent_number is not None:
        number = parse(order.agent_number, account.default_region, "agent_number")
        return number, accounts.agent_by_number(connection, account.id, number.e164)
    agent = accounts.agent(connection, account.id, order.crm_username or "")
    session = sessions.online(agent.id)
    if session is None:
        # A repeated request must find its call even when the agent has left meanwhile; `admit` looks by uuid first.
        if order.uuid is not None and store.find_by_uuid(connection, account.id, order.uuid):
            return SoftphoneLine("", new_token()), agent
        raise Refused(Code.AGENT_OFFLINE, field="crm_username")
    return SoftphoneLine(session.session_id, new_token()), agent


def _public(refused: Refused) -> Refused:
    """Name the living call by its id only."""
    entry = refused.more.pop("entry", None)
    if entry is not None:
        refused.more["call_id"] = entry.request.call_id  # type: ignore[attr-defined]  # `store.admit` puts an Entry there
    return refused
