"""One connection to Asterisk: the ARI events WebSocket with REST requests sent over it (Asterisk 22, "REST over WebSocket").

The reader hands each event to a callback at once and waits for nothing else, so a slow room never stalls the socket.
Requests are matched to their answers by `request_id`. A ping with a deadline finds an engine that is frozen rather than dead.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import orjson
import structlog

from intellicall.telephony.asterisk.dialplan import APP

EVENT_TYPES = (
    "RESTResponse",  # the filter holds answers back too
    "ApplicationReplaced",
    "StasisStart",
    "Dial",
    "ChannelStateChange",
    "ChannelHangupRequest",
    "ChannelDestroyed",
    "ChannelDtmfReceived",
)
CONNECT_TIMEOUT_S = 2.0
REQUEST_TIMEOUT_S = 1.0
PING_EVERY_S = 0.5
PING_DEADLINE_S = 1.2
READING_SHARE = 0.2

Event = dict[str, Any]
OnEvent = Callable[[Event], None]
Answer = TypeVar("Answer")

log = structlog.get_logger()


async def arrived(answer: asyncio.Future[Answer], deadline: float) -> Answer:
    """Return the answer within `deadline` seconds. Raises TimeoutError.

    The time is waited for in two parts: a process that was stopped for long finds the first part past, and the answer unread; in
    the second it reads.
    """
    for part in (1 - READING_SHARE, READING_SHARE):
        done, _ = await asyncio.wait({answer}, timeout=part * deadline)
        if done:
            return answer.result()
    raise TimeoutError


@dataclass(frozen=True, slots=True)
class EngineConnection:
    """Where an engine is: base URL of its HTTP server (`http://127.0.0.1:8088`), and the user and password of ARI and AMI.

    AMI is on the same host, TCP port `ami_port`.
    """

    url: str
    user: str
    password: str = field(repr=False)
    ami_port: int = 5038

    @property
    def events_url(self) -> str:
        """The WebSocket that yields our application's events."""
        parts = urlsplit(self.url)
        scheme = {"http": "ws", "https": "wss"}[parts.scheme]
        return urlunsplit((scheme, parts.netloc, f"{parts.path.rstrip('/')}/ari/events", f"app={APP}", ""))


class ConnectionGone(Exception):  # noqa: N818 - a state of the world, not a bug
    """The engine cannot be asked: not connected, or no answer in time. Whether the request was carried out is unknown."""


class RequestRefused(Exception):  # noqa: N818 - an answer, not a bug
    """The engine answered, and said no. `status` is the HTTP status of ARI."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status


class AriLink:
    """One open WebSocket. `closed` is set when it is over, for whatever reason; it is never reopened."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, session: aiohttp.ClientSession, on_event: OnEvent) -> None:
        self._socket = socket
        self._session = session
        self._on_event = on_event
        self._ids = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[Event]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.closed = asyncio.Event()

    @classmethod
    async def open(cls, where: EngineConnection, on_event: OnEvent) -> "AriLink":
        """Connect and start reading. Raises ConnectionGone."""
        session = aiohttp.ClientSession(headers={"Authorization": aiohttp.encode_basic_auth(where.user, where.password)})
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                socket = await session.ws_connect(where.events_url, max_msg_size=0, autoping=True)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            await session.close()
            raise ConnectionGone(type(error).__name__) from error
        except BaseException:
            await session.close()
            raise
        link = cls(socket, session, on_event)
        link._tasks = [asyncio.create_task(link._read(), name="ari-reader"), asyncio.create_task(link._ping(), name="ari-ping")]
        return link

    async def request(
        self,
        method: str,
        uri: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        deadline: float = REQUEST_TIMEOUT_S,
    ) -> Any:
        """Send one REST request and return its decoded JSON body (None without one).

        Raises RequestRefused on an answer that is not 2xx and ConnectionGone when there is none in time.
        """
        if self.closed.is_set():
            raise ConnectionGone("not connected")
        request_id = str(next(self._ids))
        answer: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = answer
        try:
            async with asyncio.timeout(deadline):
                await self._socket.send_str(_frame(request_id, method, uri, query, body))
            response = await arrived(answer, deadline)
        except (TimeoutError, OSError, aiohttp.ClientError) as error:
            raise ConnectionGone(type(error).__name__) from error
        finally:
            self._waiting.pop(request_id, None)
        status = int(response.get("status_code", 0))
        if not 200 <= status < 300:
            raise RequestRefused(status, str(response.get("reason_phrase", "")))
        text = response.get("message_body")
        return orjson.loads(text) if text else None

    def abandon(self) -> None:
        """Treat the connection as over from this moment; `close` still has to follow."""
        self._over()

    async def close(self) -> None:
        """Close the socket. What the engine is doing goes on."""
        self._over()
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with asyncio.timeout(1):
                await self._socket.close()
        await self._session.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _over(self) -> None:
        self.closed.set()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ConnectionGone("connection lost"))
                answer.exception()
        self._waiting.clear()

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._take(message.data)
        except (aiohttp.ClientError, OSError):
            log.info("engine connection broke")
        finally:
            self._over()

    def _take(self, text: str) -> None:
        try:
            message = orjson.loads(text)
            kind = message["type"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            log.warning("engine sent something that is not an event")
            return
        if kind == "RESTResponse":
            waiting = self._waiting.get(str(message.get("request_id")))
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
            return
        try:
            self._on_event(message)
        except Exception:
            log.exception("event not handled", event_type=kind)

    async def _ping(self) -> None:
        while not self.closed.is_set():
            await asyncio.sleep(PING_EVERY_S)
            try:
                await self.request("GET", "asterisk/ping", deadline=PING_DEADLINE_S)
            except (ConnectionGone, RequestRefused):
                if not self.closed.is_set():
                    log.warning("engine does not answer")
                self._over()


def _frame(request_id: str, method: str, uri: str, query: Mapping[str, str] | None, body: object) -> str:
    frame: dict[str, object] = {"type": "RESTRequest", "request_id": request_id, "method": method, "uri": uri}
    if query:
        frame["query_strings"] = [{"name": name, "value": value} for name, value in query.items()]
    if body is not None:
        frame["content_type"] = "application/json"
        frame["message_body"] = orjson.dumps(body).decode()
    return orjson.dumps(frame).decode()
