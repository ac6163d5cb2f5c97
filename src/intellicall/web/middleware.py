"""What every request passes, as plain ASGI: an id, the check of the transport, security headers, one log line, a last resort.

The log line names the route's pattern, never the path or the query: those carry keys, tickets and recordings' names.
"""

import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from uvicorn.protocols.utils import ClientDisconnected

from intellicall.errors import Code, Refused
from intellicall.ids import new_id
from intellicall.web.address import Network, travelled_encrypted
from intellicall.web.problem import problem_response
from intellicall.where import where_of

log = structlog.get_logger()

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

API_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "media-src 'self' blob:; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": API_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}
HSTS = "max-age=31536000"


class Front:
    """The outermost part of the application. `proxies`: the networks of configured reverse proxies."""

    def __init__(self, app: App, proxies: Sequence[Network] = ()) -> None:
        self.app = app
        self.proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        passage = _Passage(scope, send)
        with structlog.contextvars.bound_contextvars(request_id=passage.request_id):
            try:
                self._check_transport(scope)
                await self.app(scope, receive, passage.send)
            except Refused as refused:
                await passage.answer(refused, receive)
            except ClientDisconnect:  # while its request was read
                log.info("client_went_away")
            except ClientDisconnected:  # before its socket was accepted: uvicorn wants to know
                log.info("client_went_away")
                raise
            except Exception as error:  # noqa: BLE001 - the last resort: nothing of it reaches the client
                log.error("unhandled_error", error=type(error).__name__, where=where_of(error))  # noqa: TRY400 - its text may be personal
                await passage.answer(Refused(Code.INTERNAL), receive)
            finally:
                passage.report()

    def _check_transport(self, scope: Scope) -> None:
        if not travelled_encrypted(scope, self.proxies):
            raise Refused(Code.INSECURE_TRANSPORT)


class _Passage:
    """One request on its way through."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope = scope
        self.status: int | None = None
        self.request_id = new_id()
        scope.setdefault("state", {})["request_id"] = self.request_id
        self._send = send
        self._began = time.monotonic()

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind in ("http.response.start", "websocket.http.response.start"):
            self.status = message["status"]
            self._add_headers(message)
        elif kind == "websocket.accept":
            self.status = 101
            self._add_headers(message, only_id=True)
        elif kind == "websocket.close" and self.status is None:
            self.status = 403
        await self._send(message)

    def _add_headers(self, message: Message, *, only_id: bool = False) -> None:
        headers = MutableHeaders(raw=list(message.get("headers", [])))
        headers["X-Request-Id"] = self.request_id
        if not only_id:
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            if self.scope.get("scheme") in ("https", "wss"):
                headers.setdefault("Strict-Transport-Security", HSTS)
        message["headers"] = headers.raw

    async def answer(self, refused: Refused, receive: Receive) -> None:
        """Answer with the problem where nothing was answered yet.

        An answer that had begun stays unfinished: the server then closes the connection, so that nobody takes it for whole.
        """
        if self.scope["type"] == "websocket":
            if self.status is None or self.status == 101:
                await self.send({"type": "websocket.close", "code": 1011})
        elif self.status is None:
            await problem_response(refused, self.request_id)(self.scope, receive, self.send)

    def report(self) -> None:
        route = getattr(self.scope.get("route"), "path", None)
        log.info(
            "request",
            method=self.scope.get("method", "WS"),
            route=route or "unknown",
            status=self.status,
            ms=round((time.monotonic() - self._began) * 1000, 1),
        )
