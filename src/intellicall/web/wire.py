"""The limits at the socket: what uvicorn with httptools accepts without end, ended.

uvicorn has no limit for headers and no deadline for them (measured: a 200 MB header is stored; half-open requests stay for
ever). These subclasses of its protocols count and time every request before the application sees it, and answer in
problem+json. Why not h11 or a front proxy: docs/decisions/0004-http-server.md.
"""

import asyncio
import math
import socket
import struct
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState

from intellicall.errors import Code, Refused
from intellicall.ids import new_id
from intellicall.web.problem import problem_body

SLICE = 16_384
CRITICAL = frozenset(
    {
        b"host",
        b"authorization",
        b"content-length",
        b"content-type",
        b"transfer-encoding",
        b"origin",
        b"expect",
        b"upgrade",
        b"range",
    }
)


CAME_AT = "came_at"
"""In a request's state: when the kernel got the last of it that was there when it was read, in the loop's time."""
_LAST_DATA_RECV = 52  # in tcp_info of <linux/tcp.h>: u32, milliseconds


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may cost. Bytes, seconds and counts."""

    header_bytes: int = 16_384  # request line included
    header_count: int = 100
    header_s: float = 5.0  # from the connection, or from the first byte of a following request
    body_bytes: int = 65_536
    body_s: float = 10.0
    idle_s: float = 15.0  # between two requests of one connection
    stalled_write_s: float = 30.0  # a reader that takes nothing
    linger_s: float = 1.0  # how long a refused sender may go on before the connection is cut
    connections_per_address: int = 1_000
    message_bytes: int = 65_536  # of a WebSocket
    message_fragments: int = 64
    unsent_bytes: int = 1_048_576  # of a WebSocket whose reader is slow
    ping_s: float = 5.0
    pong_s: float = 5.0
    close_s: float = 2.0


class Doorkeeper:
    """Counts the connections of each address. `refused` counts what was turned away, for the metrics."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.refused = 0
        self._open: Counter[str] = Counter()

    def enter(self, address: str) -> bool:
        if self._open[address] >= self.limits.connections_per_address:
            self.refused += 1
            return False
        self._open[address] += 1
        return True

    def leave(self, address: str) -> None:
        self._open[address] -= 1
        if self._open[address] <= 0:
            del self._open[address]


def _keeper(app_state: dict[str, Any]) -> Doorkeeper:
    keeper: Doorkeeper = app_state["doorkeeper"]
    return keeper


class GuardedHttp(HttpToolsProtocol):
    """One HTTP connection. Every limit that is broken ends it, with an answer where one can still be given."""

    def __init__(self, config: Any, server_state: Any, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.keeper = _keeper(app_state)
        self.limits = self.keeper.limits
        self.timeout_keep_alive = self.limits.idle_s  # type: ignore[assignment]  # a float will do
        self._address: str | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._in_headers = True
        self._in_body = False
        self._unfinished_bytes = 0
        self._header_bytes = 0
        self._body_bytes = 0
        self._raw_body_bytes = 0
        self._seen: set[bytes] = set()
        self._refusal: Refused | None = None
        self._ended = False
        self._upgraded = False
        self._discarded = 0
        self._let_in_at = time.monotonic()  # the loop's own time is that of the last look for what has come

    # the connection

    @property
    def silent_for_s(self) -> float:
        """For how long it has asked nothing yet; infinite when it has, or never will."""
        cycle: Any = self.cycle  # None before the first request
        return math.inf if cycle or self._upgraded or self._ended else time.monotonic() - self._let_in_at

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        address = self.client[0] if self.client else "local"
        if not self.keeper.enter(address):
            self._end(Refused(Code.TOO_MANY_REQUESTS, "Too many connections from this address.", retry_after=5))
            return
        self._address = address
        self._arm(self.limits.header_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._disarm()
        self._stop_write_timer()
        self._leave()
        super().connection_lost(exc)

    def _leave(self) -> None:
        if self._address is not None:
            self.keeper.leave(self._address)
            self._address = None

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        for start in range(0, len(data), SLICE):
            if self._ended:
                self._discard(len(data) - start)
                return
            if self._upgraded:
                return
            self._feed(data[start : start + SLICE])

    def _feed(self, piece: bytes) -> None:
        if not self._in_headers and not self._in_body:
            self._begin_headers()  # blank lines before a request count, too
        began_in_headers = self._in_headers
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            if self._should_upgrade():
                self._upgrade()
            return
        except httptools.HttpParserError as error:
            self._end(self._refusal or _as_refusal(error))
            return
        self._count_unfinished(len(piece), began_in_headers=began_in_headers)

    def _count_unfinished(self, size: int, *, began_in_headers: bool) -> None:
        """Count what the parser holds back until a header, trailer or chunk is complete: its callbacks do not see that."""
        if self._in_body:
            self._raw_body_bytes += size
            if self._raw_body_bytes > 8 * self.limits.body_bytes:
                self._end(Refused(Code.BODY_TOO_LARGE, field="body"))
        elif began_in_headers and self._in_headers:
            self._unfinished_bytes += size
            if self._unfinished_bytes > self.limits.header_bytes:
                self._end(Refused(Code.HEADERS_TOO_LARGE, field="headers"))

    def _upgrade(self) -> None:
        if max((len(name) + len(value) for name, value in self.headers), default=0) > 8_000:
            self._end(Refused(Code.HEADERS_TOO_LARGE, field="headers"))  # the WebSocket library's own limit for a line
            return
        self._upgraded = True
        self._disarm()
        self._leave()
        self.handle_websocket_upgrade()

    # the parser's callbacks; what they raise comes out of feed_data as HttpParserError

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begin_headers()
        self._header_bytes = 0
        self._body_bytes = 0
        self._raw_body_bytes = 0
        self._seen = set()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count_header(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_header(len(name) + len(value) + 4)
        if not self._in_headers:
            return  # a trailer of a chunked body: nobody asked for it
        super().on_header(name, value)
        lowered = name.lower()
        if lowered in CRITICAL:
            if lowered in self._seen:
                self._refuse(Refused(Code.DUPLICATE_FIELD, field=lowered.decode()))
            self._seen.add(lowered)
        if len(self.headers) > self.limits.header_count:
            self._refuse(Refused(Code.HEADERS_TOO_LARGE, "Too many headers.", field="headers"))
        if lowered == b"content-length" and int(value[:20]) > self.limits.body_bytes:  # the parser lets digits through only
            self._refuse(Refused(Code.BODY_TOO_LARGE, field="body"))
        if lowered == b"transfer-encoding" and value.strip().lower() != b"chunked":
            self._refuse(Refused(Code.BAD_REQUEST, "Only chunked is understood.", field="transfer-encoding"))

    def on_headers_complete(self) -> None:
        if self.parser.get_http_version() == "1.1" and b"host" not in self._seen:
            self._refuse(Refused(Code.BAD_REQUEST, "The Host header is missing.", field="host"))
        self._in_headers = False
        self._in_body = True
        self._unfinished_bytes = 0
        self._arm(self.limits.body_s)
        self.scope["state"][CAME_AT] = self.loop.time() - _waited_in_kernel(self.transport)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > self.limits.body_bytes:
            self._refuse(Refused(Code.BODY_TOO_LARGE, field="body"))
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body = False
        self._disarm()
        super().on_message_complete()

    def _count_header(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > self.limits.header_bytes:
            self._refuse(Refused(Code.HEADERS_TOO_LARGE, field="headers"))

    def _refuse(self, refused: Refused) -> None:
        """Stop the parser; `_feed` answers."""
        self._refusal = refused
        raise refused

    # deadlines

    def _begin_headers(self) -> None:
        self._in_headers = True
        if self._timer is None:
            self._arm(self.limits.header_s)

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._timer = self.loop.call_later(seconds, self._too_slow, seconds)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self, seconds: float) -> None:
        self._timer = None
        if self.flow.read_paused:  # we do not read: the delay is ours
            self._arm(seconds)
            return
        self._end(Refused(Code.REQUEST_TIMEOUT, field="headers" if self._in_headers else "body"))

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stop_write_timer()
        self._write_timer = self.loop.call_later(self.limits.stalled_write_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_write_timer()

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    # the end

    def _end(self, refused: Refused) -> None:
        """Answer when nothing was answered yet, stop reading the request, and close when the sender has had time to see it."""
        if self._ended or self.transport.is_closing():
            return
        self._ended = True
        self._disarm()
        self.keeper.refused += 1
        cycle: Any = self.cycle  # None before the first request
        busy = cycle is not None and not cycle.response_complete
        answered = busy and (self.cycle.response_started or bool(self.pipeline) or self._in_headers)
        if busy:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if answered:
            self.transport.close()
            return
        self.transport.write(_answer(refused))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(self.limits.linger_s, self.transport.abort)

    def _discard(self, size: int) -> None:
        """Reading on for a moment lets the answer arrive: closing with unread bytes resets the connection (RFC 9112, 9.6)."""
        self._discarded += size
        if self._discarded > 16 * self.limits.body_bytes:
            self.transport.abort()


def _waited_in_kernel(transport: asyncio.Transport) -> float:
    """Return for how many seconds what was read now had waited to be read (tcp(7), TCP_INFO): long when we were stopped."""
    try:
        info = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_DATA_RECV + 4)
        return float(struct.unpack_from("=I", info, _LAST_DATA_RECV)[0]) / 1000
    except (AttributeError, OSError, struct.error):
        return 0.0  # not TCP, or closed


def _as_refusal(error: httptools.HttpParserError) -> Refused:
    text = str(error).lower()
    if "content-length" in text:
        return Refused(Code.DUPLICATE_FIELD, "The length of the body is given twice.", field="content-length")
    return Refused(Code.BAD_REQUEST, "This is not a valid HTTP request.")


def _answer(refused: Refused) -> bytes:
    request_id = new_id()
    body = problem_body(refused, request_id)
    head = [
        STATUS_LINE[refused.kind.status],
        b"content-type: application/problem+json\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\n",
        b"connection: close\r\n",
        f"x-request-id: {request_id}\r\ncontent-length: {len(body)}\r\n".encode(),
        f"retry-after: {refused.retry_after}\r\n".encode() if refused.retry_after else b"",
    ]
    return b"".join([*head, b"\r\n", body])


class GuardedWebSocket(WebSocketsSansIOProtocol):
    """One WebSocket connection. Pings find a dead tab within `ping_s + pong_s`; a reader that takes nothing is cut off."""

    def __init__(self, config: Any, server_state: Any, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.keeper = _keeper(app_state)
        self.limits = self.keeper.limits
        self.close_timeout = self.limits.close_s
        self._address: str | None = None
        self._abort_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        address = self.client[0] if self.client else "local"
        if self.keeper.enter(address):
            self._address = address
        else:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._address is not None:
            self.keeper.leave(self._address)
            self._address = None
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # A handshake comes whole from the HTTP parser; one that the library did not understand would stay open for ever.
        # Pongs are written without asking whether the other side reads.
        if not self.handshake_initiated or self.transport.get_write_buffer_size() > self.limits.unsent_bytes:
            self.transport.abort()

    def handle_cont(self, event: Any) -> None:
        super().handle_cont(event)
        if len(self.frames) > self.limits.message_fragments:
            self.conn.fail(1009, "too many fragments")
            self.handle_parser_exception()

    def shutdown(self) -> None:
        try:
            super().shutdown()
        except InvalidState:  # it is closing already
            self.transport.abort()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.transport.abort()  # closing would wait until somebody reads what was written

    async def send(self, message: Any) -> None:
        if self.transport.is_closing() and not self.handshake_complete:
            raise ClientDisconnected  # uvicorn 0.54 would take it for accepted, and say later that it never was
        await super().send(message)
        if self.close_sent:
            self.handshake_complete = True  # answered, be it by a refusal: uvicorn forgets those (`websocket.http.response`)
        if message["type"] == "websocket.close" and self._abort_timer is None:
            self._abort_timer = self.loop.call_later(2 * self.limits.close_s, self.transport.abort)
