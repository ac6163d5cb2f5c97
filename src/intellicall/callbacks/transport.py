"""One HTTP request to one receiver: guarded, bounded in time and size, and always answered in plain words."""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType

import aiohttp
from aiohttp.abc import AbstractResolver

from intellicall import __version__
from intellicall.accounts.account import OWN_HEADERS
from intellicall.callbacks.address_guard import guarded_sockets, note_refusals, refusal_sentence, url_fault
from intellicall.callbacks.delivery import ANSWER_KEPT, Answer, Delivery, judge
from intellicall.callbacks.resolver import ThreadedResolver

TIMEOUT_S = 10.0
"""For everything: name, connection, TLS, request, answer (integration guide, section 5)."""
BODY_TIME_S = 2.0
"""Seconds that the first ANSWER_KEPT bytes of an answer's body may take: they are read for people's sake only, the status has told
all. What is longer is not read; its connection is closed."""
KEEP_ALIVE_S = 4.0
"""Below the 5 s after which common servers close an idle connection, so that we do not send into a closing one."""

WAITS_ASKED_BY = (429, 503)
"""Statuses whose Retry-After means something (RFC 9110, section 10.2.3; RFC 6585, section 4)."""

EVENT_HEADER = "X-Intellicall-Event"
"""Carries the type of an event or alert. A result has no such header."""


UNSIGNED: Mapping[str, str] = MappingProxyType({})


class HttpTransport:
    """Posts deliveries. One session for all; opened by `open`, inside the event loop."""

    def __init__(
        self,
        *,
        allow_private: bool = False,
        timeout_s: float = TIMEOUT_S,
        ssl_context: ssl.SSLContext | None = None,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._allow_private = allow_private
        self._timeout_s = timeout_s
        self._ssl = ssl_context
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the session. Certificates are verified by the system's authorities unless a context was given."""
        self._resolver = self._resolver or ThreadedResolver()
        connector = aiohttp.TCPConnector(
            socket_factory=guarded_sockets(allow_private=self._allow_private),
            resolver=self._resolver,
            ssl=self._ssl or ssl.create_default_context(),
            limit=0,  # the courier bounds what is under way
            keepalive_timeout=KEEP_ALIVE_S,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),  # our own deadline: aiohttp rounds its up to whole seconds
            auto_decompress=False,
            read_bufsize=ANSWER_KEPT,
            trust_env=False,
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
        if self._resolver is not None:
            await self._resolver.close()

    async def post(self, delivery: Delivery, signature: Mapping[str, str] = UNSIGNED) -> Answer:
        """Send the delivery once, with the headers that sign this attempt.

        Never raises but for cancellation: whatever goes wrong is an answer that does not acknowledge.
        """
        fault = self._fault(delivery)
        if fault is not None:
            return Answer(acknowledged=False, outcome=fault)
        refusals = note_refusals()
        try:
            return await self._exchange(delivery, signature, asyncio.get_running_loop().time() + self._timeout_s)
        except TimeoutError:
            return Answer(acknowledged=False, outcome=f"no answer within {self._timeout_s:g} s")
        except Exception as error:  # noqa: BLE001 - one receiver's strangeness must not stop the others
            if refusals:
                return Answer(acknowledged=False, outcome=refusal_sentence(refusals[0]))
            return Answer(acknowledged=False, outcome=in_plain_words(error))

    def _fault(self, delivery: Delivery) -> str | None:
        if delivery.url is None:
            return "the account has no callback URL"
        if (delivery.header_name or "").lower() in OWN_HEADERS:
            return "the account's auth header has a name that is used for something else"
        return url_fault(delivery.url, allow_private=self._allow_private)

    async def _exchange(self, delivery: Delivery, signature: Mapping[str, str], deadline: float) -> Answer:
        """The status that arrived in time counts, whatever becomes of the body behind it."""
        if self._session is None:
            raise RuntimeError("the transport is not open")
        async with asyncio.timeout_at(deadline):
            response = await self._session.post(
                delivery.url or "", data=delivery.body, headers=_headers(delivery, signature), allow_redirects=False
            )
        try:
            answer = judge(response.status, await _read(response, deadline))
            if response.status not in WAITS_ASKED_BY:
                return answer
            return replace(answer, retry_after=response.headers.get("Retry-After"))
        finally:
            if response.content.at_eof():
                response.release()
            else:
                response.close()


def _headers(delivery: Delivery, signature: Mapping[str, str]) -> dict[str, str]:
    headers = {
        **signature,
        "Content-Type": "application/json",
        "User-Agent": f"Intellicall/{__version__}",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
    }
    if delivery.event is not None:
        headers[EVENT_HEADER] = delivery.event
    if delivery.header_name is not None and delivery.header_value is not None:
        headers[delivery.header_name] = delivery.header_value
    return headers


async def _read(response: aiohttp.ClientResponse, deadline: float) -> bytes:
    """Return at most ANSWER_KEPT bytes of the body: what came before it broke off, grew too long or took too long."""
    body = b""
    with suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout_at(min(deadline, asyncio.get_running_loop().time() + BODY_TIME_S)):
            while len(body) < ANSWER_KEPT and (chunk := await response.content.read(ANSWER_KEPT - len(body))):
                body += chunk
    return body


def in_plain_words(error: Exception) -> str:
    """Say what went wrong with a request, without the URL that most libraries put into their messages."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _certificate(error)
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return "no encrypted connection could be agreed with the receiver"
    cause: BaseException = getattr(error, "os_error", None) or error
    for kind, sentence in _SENTENCES:
        if isinstance(error, kind) or isinstance(cause, kind):
            return sentence
    if isinstance(cause, OSError) and cause.strerror:
        return f"the receiver could not be reached ({cause.strerror})"
    return f"the request failed ({type(error).__name__})"


def _certificate(error: aiohttp.ClientConnectorCertificateError) -> str:
    cause = error.certificate_error
    reason = getattr(cause, "verify_message", "") or type(cause).__name__
    return f"the receiver's certificate is not valid ({reason})"


_SENTENCES: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "the receiver's host name could not be found"),
    (ConnectionRefusedError, "the receiver refused the connection"),
    (aiohttp.InvalidURL, "the callback URL is malformed"),
    (aiohttp.ServerDisconnectedError, "the receiver closed the connection without an answer"),
    (ConnectionResetError, "the receiver reset the connection"),
    (aiohttp.ClientResponseError, "the receiver's answer is not HTTP"),
    (aiohttp.ClientPayloadError, "the receiver's answer broke off"),
)
