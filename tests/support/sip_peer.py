"""A SIP peer in a few lines, for what SIPp does not show: it answers as told and keeps every request, over UDP, TCP or TLS.

No media. For calls that talk use the test network.
"""

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from intellicall.telephony.engine import Transport, Trunk


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it was on the wire; header names in lower case, the first of each."""

    method: str
    uri: str
    headers: dict[str, str]
    body: str

    def user(self, header: str) -> str:
        """Return the user part of the SIP URI in a header."""
        found = re.search(r"sips?:([^@>;]*)@", self.headers[header])
        assert found, f"no SIP URI with a user in {header}"
        return found[1]

    @property
    def dialed(self) -> str:
        """The user part of the request URI."""
        return self.uri.removeprefix("sip:").partition("@")[0]


Answers = Callable[[Request], Sequence[str]]
"""Response lines (`486 Busy Here`, with further header lines after a line feed) for a request; empty: say nothing."""


@dataclass
class SipPeer:
    """One peer. `requests` has every new request (no retransmission, no ACK)."""

    answers: Answers
    port: int = 0
    transport: Transport = Transport.UDP
    requests: list[Request] = field(default_factory=list)
    acks: int = 0
    _seen: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    _lines: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    _send: Callable[[str], None] = field(default=lambda _: None)
    """Sends to who asked last; over UDP only."""

    def of(self, method: str) -> list[Request]:
        return [request for request in self.requests if request.method == method]

    def trunk(self, name: str, **changes: object) -> Trunk:
        """Return the trunk that leads here."""
        return Trunk(name, "127.0.0.1", self.port, self.transport, **changes)  # type: ignore[arg-type]

    def answer(self, request: Request, answer: str) -> None:
        """Answer a request that came earlier. Over UDP."""
        key = (request.headers["call-id"], request.headers["cseq"])
        self._seen[key] = [_response(answer, self._lines[key])]
        self._send(self._seen[key][0])

    def take(self, text: str) -> list[str]:
        """Take one message and return the responses to it."""
        head, _, body = text.partition("\r\n\r\n")
        start, *lines = head.split("\r\n")
        if start.startswith("SIP/2.0"):
            return []
        method, uri, _ = start.split(" ", 2)
        if method == "ACK":
            self.acks += 1
            return []
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers.setdefault(name.strip().lower(), value.strip())
        key = (headers["call-id"], headers["cseq"])
        if key not in self._seen:
            request = Request(method, uri, headers, body)
            self.requests.append(request)
            self._lines[key] = lines
            self._seen[key] = [_response(answer, lines) for answer in self._chosen(request)]
            if method == "CANCEL":
                invite = (headers["call-id"], headers["cseq"].replace("CANCEL", "INVITE"))
                self._seen[key].append(_response("487 Request Terminated", lines).replace(headers["cseq"], invite[1]))
        return self._seen[key]

    def _chosen(self, request: Request) -> Sequence[str]:
        return self.answers(request) if request.method in {"INVITE", "REGISTER"} else ["200 OK"]


def _response(answer: str, lines: Sequence[str]) -> str:
    status, *more = answer.split("\n")
    copied = [line for line in lines if line.partition(":")[0].strip().lower() in {"via", "from", "call-id", "cseq"}]
    to = next(line for line in lines if line.lower().startswith("to:"))
    to = to if ";tag=" in to or status.startswith("100") else f"{to};tag=peer"
    return "\r\n".join([f"SIP/2.0 {status}", *copied, to, *more, "Content-Length: 0", "", ""])


def always(*answers: str) -> Answers:
    """Answer every request like this."""
    return lambda _: answers


@asynccontextmanager
async def sip_peer(
    answers: Answers, transport: Transport = Transport.UDP, tls: ssl.SSLContext | None = None
) -> AsyncIterator[SipPeer]:
    """Run a peer on a free port of loopback."""
    peer = SipPeer(answers, transport=transport)
    if transport is Transport.UDP:
        endpoint, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Datagrams(peer), ("127.0.0.1", 0))
        peer.port = endpoint.get_extra_info("sockname")[1]
        try:
            yield peer
        finally:
            endpoint.close()
        return
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        with contextlib.suppress(asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = re.search(r"(?im)^(?:content-length|l)\s*:\s*(\d+)", head)
                body = (await reader.readexactly(int(length[1]))).decode() if length else ""
                for response in peer.take(head.lstrip() + body):
                    writer.write(response.encode())
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, peer: SipPeer) -> None:
        self._peer = peer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._peer._send = lambda text: self._transport.sendto(text.encode(), addr)
        for response in self._peer.take(data.decode()):
            self._transport.sendto(response.encode(), addr)
