"""The server-to-server API (integration guide, section 4): start a call, show it, end it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import Connection

from intellicall.accounts import store as accounts
from intellicall.accounts.account import Account, Address, Agent, Network
from intellicall.accounts.numbers import Number, parse
from intellicall.calls import store
from intellicall.calls.calls import Calls
from intellicall.calls.endings import Status
from intellicall.calls.request import CallType, Request, compose
from intellicall.calls.result import api_view
from intellicall.calls.table import Party, State
from intellicall.errors import Code, Refused
from intellicall.ids import new_token
from intellicall.softphone.sessions import SoftphoneSessions
from intellicall.telephony.engine import SoftphoneLine
from intellicall.web.address import client_address
from intellicall.web.request import read_model, read_query


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("control characters are not allowed")
    return text


Text = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_printable)]


class CallOrder(BaseModel):
    """The body of `POST /calls`. Exactly one of `agent_number` and `crm_username`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    from_number: Text = Field(description="One of the account's caller-ID numbers.")
    to_number: Text = Field(description="The customer's number; without a country code it is read in the account's region.")
    agent_number: Text | None = Field(default=None, description="The agent's real phone.")
    crm_username: Text | None = Field(default=None, description="The agent whose open softphone is to be used.")
    uuid: Text | None = Field(default=None, description="Your own id of this call. The same uuid never dials twice.")


class CallView(BaseModel):
    """A call as the API shows it. Times are ISO 8601 in UTC; what is not known yet is null."""

    call_id: str
    uuid: str
    state: State
    status: Status | None
    duration: int | None = Field(description="Talk time in seconds.")
    from_number: str
    customer_number: str
    agent_number: str | None
    crm_username: str | None
    call_type: CallType
    disposition: str
    direction: str
    start_time: str
    answer_time: str | None
    end_time: str | None
    reason: str | None
    ended_by: Party | None
    recording_url: str | None


class CallList(BaseModel):
    """Calls, newest first."""

    calls: list[CallView]


class CallsApi:
    """The handlers; `router` gives them their addresses."""

    def __init__(self, calls: Calls, sessions: SoftphoneSessions, trusted_proxies: Sequence[Network]) -> None:
        self._calls = calls
        self._sessions = sessions
        self._proxies = trusted_proxies
        self._database = calls.around.database
        self._clock = calls.around.clock

    async def start_call(self, request: HttpRequest) -> JSONResponse:
        """Ring the agent, then the customer, and bridge the two. 201: dialing. 200: this uuid's call, made before."""
        key, address = self._key(request)
        try:
            order = await _order(request)
        except Refused:
            await self._account(request)  # who has no key is told that first
            raise

        def prepare(connection: Connection) -> tuple[Request, int]:
            account = accounts.authenticate_server(connection, key, address, self._clock.now())
            return _request(connection, account, order, self._sessions, self._clock.now()), account.concurrent_calls

        wanted, limit = await self._database.glance(prepare)
        try:
            entry, new = await self._calls.start(wanted, limit)
        except Refused as refused:
            raise _public(refused) from None
        return JSONResponse(api_view(entry), status_code=201 if new else 200)

    async def show_call(self, request: HttpRequest, call_id: str) -> dict[str, Any]:
        """Show one call."""
        account = await self._account(request)
        return api_view(await self._calls.show(account.id, call_id))

    async def find_calls(self, request: HttpRequest) -> dict[str, Any]:
        """Find the call that was started with the query parameter `uuid`: a list of one, or an empty one."""
        account = await self._account(request)
        uuid = read_query(request, allowed=("uuid",)).get("uuid")
        if not uuid:
            raise Refused(Code.MISSING_FIELD, "Name the call by its uuid.", field="uuid")
        entry = await self._database.glance(lambda connection: store.find_by_uuid_or_id(connection, account.id, uuid))
        return {"calls": [api_view(entry)] if entry else []}

    async def hang_up(self, request: HttpRequest, call_id: str) -> dict[str, Any]:
        """End the call for both."""
        account = await self._account(request)
        return api_view(await self._calls.hang_up(account.id, call_id, Party.ACCOUNT))

    async def _account(self, request: HttpRequest) -> Account:
        key, address = self._key(request)
        return await self._database.glance(
            lambda connection: accounts.authenticate_server(connection, key, address, self._clock.now())
        )

    def _key(self, request: HttpRequest) -> tuple[str, Address | None]:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise Refused(Code.MISSING_KEY, field="Authorization")
        return key.strip(), client_address(request.scope, self._proxies)


def router(api: CallsApi) -> APIRouter:
    """Return the routes of the calls room."""
    routes = APIRouter(tags=["calls"])
    body = {"required": True, "content": {"application/json": {"schema": CallOrder.model_json_schema()}}}
    routes.post("/calls", status_code=201, response_model=CallView, openapi_extra={"requestBody": body})(api.start_call)
    routes.get("/calls/{call_id}", response_model=CallView)(api.show_call)
    routes.get("/calls", response_model=CallList)(api.find_calls)
    routes.post("/calls/{call_id}/hangup", response_model=CallView)(api.hang_up)
    return routes


async def _order(request: HttpRequest) -> CallOrder:
    order = await read_model(request, CallOrder)
    if (order.agent_number is None) == (order.crm_username is None):
        raise Refused(Code.INVALID_FIELD, "Send exactly one of agent_number and crm_username.", field="agent_number")
    return order


def _request(connection: Connection, account: Account, order: CallOrder, sessions: SoftphoneSessions, now: datetime) -> Request:
    customer = parse(order.to_number, account.default_region)
    number = parse(order.from_number, account.default_region, "from_number")
    caller_id = accounts.caller_id(connection, account, number.e164)
    line, agent = _line(connection, account, order, sessions)
    return compose(account, caller_id, customer, line, agent, call_type=CallType.SERVER, uuid=order.uuid, at=now)


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
