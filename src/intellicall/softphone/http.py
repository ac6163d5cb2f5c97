"""All routes of the softphone: the launch link, the page, the page's two WebSockets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import structlog
from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.websockets import WebSocket

from intellicall.accounts import account as account_rules
from intellicall.accounts import numbers
from intellicall.accounts import store as accounts
from intellicall.accounts.account import Account, Agent
from intellicall.clock import Clock
from intellicall.errors import Code, Refused
from intellicall.ids import new_id, new_token
from intellicall.softphone import launch, store
from intellicall.softphone.conversation import HELLO_S, Conversation
from intellicall.softphone.described import DESCRIBED
from intellicall.softphone.launch import Launch, Link
from intellicall.softphone.pages import refused_page
from intellicall.softphone.sessions import SoftphoneSessions
from intellicall.softphone.sip_proxy import SUBPROTOCOL, SipProxy
from intellicall.softphone.tab import WRONG_ORIGIN
from intellicall.storage.database import ANSWER_S, Database, StorageUnavailable
from intellicall.web.address import Network, client_address
from intellicall.web.problem import problem_headers
from intellicall.web.rate import Limiter
from intellicall.web.request import read_query
from intellicall.web.static import Pages

log = structlog.get_logger()

LAUNCH = "/CRM_API/webphone/launch"
COOKIE = "intellicall_softphone"
REFUSED_POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_LOOPBACK = {"localhost", "127.0.0.1", "[::1]"}


@dataclass(slots=True)
class Softphone:
    """What the routes need. `public_url`: the one address that links start with, known when the port is."""

    database: Database
    sessions: SoftphoneSessions
    proxy: SipProxy
    clock: Clock
    public_url: Callable[[], str]
    pages: Path
    proxies: Sequence[Network] = ()
    hello_s: float = HELLO_S


def make_router(softphone: Softphone) -> APIRouter:
    """Return the routes."""
    router = APIRouter(include_in_schema=False)
    launcher = _Launcher(softphone)
    pages = Pages(softphone.pages)

    @router.api_route("/softphone", methods=["GET", "HEAD"])
    async def without_slash() -> Response:
        return RedirectResponse("/softphone/", 308)

    @router.api_route("/softphone/", methods=["GET", "HEAD"])
    async def page(request: Request) -> Response:
        response = pages.respond(request, "softphone/index.html")
        await _renew_cookie(softphone, request, response)
        return response

    @router.websocket("/softphone/socket")
    async def socket(connection: WebSocket) -> None:
        await connection.accept()
        if not is_own_origin(connection, softphone.public_url()):
            await connection.close(WRONG_ORIGIN)
            return
        cookie = connection.cookies.get(COOKIE)
        await Conversation(connection, cookie, softphone.database, softphone.sessions, softphone.clock, softphone.hello_s).run()

    @router.websocket("/softphone/sip/{session_id}")
    async def sip(connection: WebSocket, session_id: str) -> None:
        await _serve_sip(softphone, connection, session_id)

    @router.api_route("/softphone/{name:path}", methods=["GET", "HEAD"])
    async def softphone_file(request: Request, name: str) -> Response:
        return pages.respond(request, f"softphone/{name}")

    @router.api_route("/assets/{name:path}", methods=["GET", "HEAD"])
    async def asset(request: Request, name: str) -> Response:
        return pages.respond(request, f"assets/{name}")

    whole = APIRouter()
    whole.add_api_route(LAUNCH, launcher.serve, methods=["GET", "HEAD"], tags=["launch"], **DESCRIBED)
    whole.include_router(router)
    return whole


async def _serve_sip(softphone: Softphone, connection: WebSocket, session_id: str) -> None:
    """Admit the SIP connection of a living session to the browser that owns it; anybody else gets 403 and learns nothing."""
    now, cookie = softphone.clock.now(), connection.cookies.get(COOKIE)
    session = softphone.sessions.find(session_id)
    try:
        owner = await softphone.database.read(lambda sql: store.owner_of(sql, cookie, now))
    except Refused:
        owner = None
    allowed = session is not None and owner is not None and session.agent_id == owner.agent_id
    own = is_own_origin(connection, softphone.public_url())
    if session is None or not allowed or not own or SUBPROTOCOL not in connection.scope.get("subprotocols", ()):
        log.info("softphone_sip_denied", own_origin=own, known=allowed)
        await connection.send_denial_response(Response(status_code=403))
        return
    await softphone.proxy.serve(connection, session)


async def _renew_cookie(softphone: Softphone, request: Request, response: Response) -> None:
    """A cookie that is used lives on. What goes wrong with it, the page learns over its socket."""
    token, now = request.cookies.get(COOKIE), softphone.clock.now()
    if not token or request.method != "GET":
        return
    try:
        await softphone.database.read(lambda connection: store.owner_of(connection, token, now))
        await softphone.database.write(lambda connection: store.extend_cookie(connection, token, now), ANSWER_S)
    except (Refused, StorageUnavailable):
        return
    _set_cookie(response, token, softphone.public_url())


def _set_cookie(response: Response, token: str, public_url: str) -> None:
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(store.COOKIE_LIFETIME.total_seconds()),
        path="/softphone",
        secure=public_url.startswith("https:"),
        httponly=True,
        samesite="lax",
    )


def is_own_origin(connection: HTTPConnection, public_url: str) -> bool:
    """Whether a WebSocket was opened by a page of ours: its Origin (RFC 6454) is the public address.

    Where the public address is this machine itself, its other names are as good.
    """
    origin = urlsplit(connection.headers.get("origin", ""))
    public = urlsplit(public_url)
    if origin.scheme not in ("http", "https") or origin.path or origin.query:
        return False
    if (origin.scheme, origin.netloc.lower()) == (public.scheme, public.netloc.lower()):
        return True
    hosts = [_host_and_port(origin.netloc), _host_and_port(public.netloc)]
    return origin.scheme == public.scheme and hosts[0][1] == hosts[1][1] and all(host in _LOOPBACK for host, _ in hosts)


def _host_and_port(netloc: str) -> tuple[str, str]:
    host, colon, port = netloc.lower().rpartition(":")
    return (host, port) if colon and not port.endswith("]") else (netloc.lower(), "")


class _Launcher:
    """`GET /CRM_API/webphone/launch`: checks a click, keeps it, and sends the browser to the softphone. It rings nobody."""

    def __init__(self, softphone: Softphone) -> None:
        self.softphone = softphone
        self._wrong_keys = Limiter(limit=20, period_s=60)  # of one address
        self._clicks = Limiter(limit=60, period_s=60)  # of one agent

    async def serve(self, request: Request) -> Response:
        """Open the agent's softphone with a call to make: the link behind a CRM's Dial button (integration guide, section 2)."""
        try:
            return await self._launch(request)
        except Refused as refused:
            return self._refused(request, refused)
        except StorageUnavailable as error:
            return self._refused(request, Refused(Code.STORAGE_UNAVAILABLE, str(error)))

    async def _launch(self, request: Request) -> Response:
        parameters = read_query(request, launch.PARAMETERS, ignore_others=True)
        _refuse_prefetch(request)
        link = launch.clean(parameters)
        now = self.softphone.clock.now()
        click = await self._check(request, link, now)
        if request.method == "HEAD":
            return RedirectResponse("/softphone/", 303)
        agent, made = click
        self._clicks.count(agent.id, self.softphone.clock.monotonic())
        ticket, cookie = new_token(), new_token()

        def keep(connection: Connection) -> None:
            store.add_cookie(connection, cookie, agent.id, now)
            if made is not None:
                store.add_launch(connection, made, ticket)

        await self.softphone.database.write(keep, ANSWER_S)
        log.info("launched", account_id=agent.account_id, agent_id=agent.id, launch_id=made.id if made else None)
        response = RedirectResponse(f"/softphone/#ticket={ticket}" if made else "/softphone/", 303)
        _set_cookie(response, cookie, self.softphone.public_url())
        return response

    async def _check(self, request: Request, link: Link, now: datetime) -> tuple[Agent, Launch | None]:
        """Wrong keys of one address are limited; a right one passes always, for a whole office shares an address."""
        try:
            return await self.softphone.database.read(lambda connection: checked(connection, link, now))
        except Refused as refused:
            if refused.code in (Code.INVALID_KEY, Code.WRONG_KEY_KIND):
                address = str(client_address(request.scope, self.softphone.proxies))
                self._wrong_keys.count(address, self.softphone.clock.monotonic())
            raise

    def _refused(self, request: Request, refused: Refused) -> Response:
        request_id = str(request.state.request_id)
        log.info("launch_refused", code=refused.code, field=refused.field)
        sent = launch.as_sent(dict(request.query_params)) if refused.code is not Code.PREFETCH_REFUSED else {}
        page = refused_page(refused, sent, request_id, self.softphone.clock.now())
        headers = {**problem_headers(refused), "Content-Security-Policy": REFUSED_POLICY}
        headers.pop("WWW-Authenticate", None)
        return HTMLResponse(page, refused.kind.status, headers)


def checked(connection: Connection, link: Link, now: datetime) -> tuple[Agent, Launch | None]:
    """Return the link's agent and, unless the link only opens the softphone, the launch to keep.

    Checks in this order, raising Refused: key, agent, caller ID, customer's number, whether the account may call it.
    """
    account = accounts.authenticate_browser(connection, link.api_key or "", now)
    agent = accounts.agent(connection, account.id, link.crm_username)
    from_number = _caller_id(connection, account, link.from_number) if link.from_number is not None else None
    if link.to_number is None or from_number is None:
        return agent, None
    customer = numbers.parse(link.to_number, account.default_region, "to_number")
    account_rules.check_destination(account, customer.e164)
    made = Launch(
        new_id(), account.id, agent.id, agent.crm_username, customer.e164, customer.as_sent, from_number, link.uuid, created_at=now
    )
    return agent, made


def _caller_id(connection: Connection, account: Account, raw: str) -> str:
    """Return the caller ID as E.164. What is no number at all is not assigned either."""
    try:
        number = numbers.parse(raw, account.default_region, "from_number")
    except Refused:
        raise Refused(Code.NUMBER_NOT_ASSIGNED, field="from_number") from None
    return accounts.caller_id(connection, account, number.e164).number


def _refuse_prefetch(request: Request) -> None:
    """Raise Refused for a browser that fetches ahead of a click, and for a page that hides the link in a frame or an image.

    `Sec-Purpose` is today's header (Fetch standard), `Purpose` and `X-Moz` are what older browsers send.
    """
    for name in ("sec-purpose", "purpose", "x-purpose", "x-moz"):
        if any(word in request.headers.get(name, "").lower() for word in ("prefetch", "prerender", "preview")):
            raise Refused(Code.PREFETCH_REFUSED)
    if request.headers.get("sec-fetch-dest", "document").lower() not in ("document", "empty"):
        raise Refused(Code.BAD_REQUEST, "The link was opened inside another page; it needs a tab of its own.")
