"""A softphone's signalling half: SIP over a WebSocket (RFC 7118) with digest authentication. It can answer, but sends no audio."""

import asyncio
import contextlib
import hashlib
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from intellicall.telephony.engine import SipAccount

Headers = dict[str, str]


def _md5(*parts: str) -> str:
    return hashlib.md5(":".join(parts).encode(), usedforsecurity=False).hexdigest()


@dataclass
class Message:
    """A SIP message: first line, headers (first of each, lower case), all header lines, body."""

    start: str
    headers: Headers
    lines: list[str]
    body: str

    @property
    def status(self) -> int | None:
        return int(self.start.split()[1]) if self.start.startswith("SIP/2.0") else None

    @property
    def method(self) -> str | None:
        return None if self.status else self.start.split()[0]

    @classmethod
    def parse(cls, text: str) -> "Message":
        head, _, body = text.partition("\r\n\r\n")
        start, *lines = head.split("\r\n")
        headers: Headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers.setdefault(name.strip().lower(), value.strip())
        return cls(start, headers, lines, body)


@dataclass
class WsPhone:
    """One phone of one account on an open WebSocket."""

    account: SipAccount
    socket: aiohttp.ClientWebSocketResponse
    received: "asyncio.Queue[Message]" = field(default_factory=asyncio.Queue)
    _tag: str = field(default_factory=lambda: secrets.token_hex(4))
    _cseq: int = 0

    async def read(self) -> None:
        async for frame in self.socket:
            await self.received.put(Message.parse(frame.data if isinstance(frame.data, str) else frame.data.decode()))

    async def expect(self, *, method: str | None = None, status: bool = False, deadline_s: float = 10.0) -> Message:
        """Return the next request with this method, or the next final response; others are passed over."""
        async with asyncio.timeout(deadline_s):
            while True:
                message = await self.received.get()
                if method is not None and message.method == method:
                    return message
                if status and message.status is not None and message.status >= 200:
                    return message

    async def request(self, method: str, uri: str, *more: str, body: str = "") -> Message:
        """Send a request, authenticated when asked for it; return the final response."""
        response = await self._send(method, uri, more, body)
        challenge = response.headers.get("www-authenticate") or response.headers.get("proxy-authenticate")
        if response.status in {401, 407} and challenge:
            return await self._send(method, uri, (*more, self._credentials(method, uri, challenge)), body)
        return response

    async def register(self) -> Message:
        return await self.request("REGISTER", f"sip:{self.account.domain}", "Expires: 300")

    async def answer(self, invite: Message, status: str, body: str = "") -> None:
        """Answer a request."""
        copied = [line for line in invite.lines if line.partition(":")[0].lower() in {"via", "from", "call-id", "cseq"}]
        contact = f"Contact: <sip:{self.account.username}@phone.invalid;transport=ws>"
        kind = ["Content-Type: application/sdp"] if body else []
        to = f"To: {invite.headers['to']}" + ("" if "tag=" in invite.headers["to"] else f";tag={self._tag}")
        await self._write([f"SIP/2.0 {status}", *copied, to, contact, *kind], body)

    async def _send(self, method: str, uri: str, more: tuple[str, ...], body: str) -> Message:
        self._cseq += 1
        me = f"sip:{self.account.username}@{self.account.domain}"
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/WS phone.invalid;branch=z9hG4bK{secrets.token_hex(6)}",
            "Max-Forwards: 70",
            f"From: <{me}>;tag={self._tag}",
            f"To: <{me if method == 'REGISTER' else uri}>",
            f"Call-ID: {self._tag}-{method}",
            f"CSeq: {self._cseq} {method}",
            f"Contact: <sip:{self.account.username}@phone.invalid;transport=ws>",
            *more,
        ]
        await self._write(lines, body)
        response = await self.expect(status=True)
        if method == "INVITE":
            ack = [
                lines[0].replace("INVITE", "ACK", 1),
                *lines[1:4],
                f"To: {response.headers['to']}",
                lines[5],
                f"CSeq: {self._cseq} ACK",
            ]
            await self._write(ack, "")
        return response

    async def _write(self, lines: list[str], body: str) -> None:
        await self.socket.send_str("\r\n".join([*lines, f"Content-Length: {len(body)}", "", body]))

    def _credentials(self, method: str, uri: str, challenge: str) -> str:
        given = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
        secret = _md5(self.account.username, given["realm"], self.account.password)
        cnonce = secrets.token_hex(8)
        response = _md5(secret, given["nonce"], "00000001", cnonce, "auth", _md5(method, uri))
        return (
            f'Authorization: Digest username="{self.account.username}", realm="{given["realm"]}", nonce="{given["nonce"]}", '
            f'uri="{uri}", response="{response}", algorithm=MD5, qop=auth, nc=00000001, cnonce="{cnonce}"'
            + (f', opaque="{given["opaque"]}"' if "opaque" in given else "")
        )


@asynccontextmanager
async def ws_phone(account: SipAccount, url: str) -> AsyncIterator[WsPhone]:
    """Open a phone's WebSocket to the engine at `url` (its HTTP base)."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{url.replace('http', 'ws', 1)}/ws", protocols=["sip"]) as socket,
    ):
        phone = WsPhone(account, socket)
        reader = asyncio.create_task(phone.read())
        try:
            yield phone
        finally:
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader


SILENT_SDP = "\r\n".join(
    [
        *("v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE audio-0", "m=audio 9 UDP/TLS/RTP/SAVPF 8"),
        *("c=IN IP4 127.0.0.1", "a=rtpmap:8 PCMA/8000", "a=mid:audio-0", "a=sendrecv", "a=rtcp-mux", "a=setup:active"),
        *("a=ice-ufrag:abcd", "a=ice-pwd:abcdefghijklmnopqrstuvwx", "a=candidate:1 1 UDP 2122 127.0.0.1 9 typ host"),
        "a=fingerprint:sha-256 " + ":".join(["AB"] * 32),
        "",
    ]
)
"""A WebRTC answer behind which nobody is."""
