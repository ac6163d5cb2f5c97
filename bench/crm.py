"""The CRM's side: a lean HTTP client that places calls, and the receiver of their results. Both on loopback.

Written on bare sockets because client and receiver share the machine with what is measured: a full client costs as much as
the platform itself.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

import orjson

from bench.calls import Ledger, Seen

ANSWER_S = 10.0


class Refusal(Exception):  # noqa: N818 - an answer, not a defect
    """The platform answered with something that is not 2xx."""


@dataclass(slots=True)
class Api:
    """A client of the platform's API that keeps its connections open."""

    base_url: str
    key: str = field(repr=False)
    _idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[Any, float]:
        """Return the decoded answer, and when the request was sent (wall clock). Raises Refusal, OSError, TimeoutError."""
        content = orjson.dumps(body) if body is not None else b""
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.key}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        async with asyncio.timeout(ANSWER_S):
            connection = self._kept() or await self._open()
            sent = time.time()
            connection[1].write(head.encode() + content)
            status, answer = await _answer(connection[0])
        self._idle.append(connection)
        if not 200 <= status <= 299:
            raise Refusal(f"HTTP {status} {orjson.loads(answer).get('code', '')}")
        return orjson.loads(answer), sent

    async def call(self, seen: Seen, caller_id: str) -> None:
        """Place the call; its `offered` is when the request was sent."""
        order = {"from_number": caller_id, "to_number": seen.customer_number, "agent_number": seen.agent_number}
        try:
            _, seen.offered = await self.ask("POST", "/calls", order | {"uuid": f"{seen.slot}-{id(seen)}"})
        except (Refusal, OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            seen.fail(f"{type(error).__name__} {error}")

    def _kept(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """Return an open connection; those that the platform closed meanwhile are dropped."""
        while self._idle:
            connection = self._idle.pop()
            if not connection[0].at_eof():
                return connection
            connection[1].close()
        return None

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        where = urlsplit(self.base_url)
        return await asyncio.open_connection("127.0.0.1", where.port)

    def close(self) -> None:
        for _, writer in self._idle:
            writer.close()
        self._idle.clear()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    return int(head[9:12]), await reader.readexactly(_length(head))


def _length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length:")
    return int(rest.partition(b"\r\n")[0] or 0)


class Receiver:
    """Takes results by POST, acknowledges them, and notes when each came."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.get_running_loop().create_server(lambda: _Connection(self._ledger), "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    def stop(self) -> None:
        if self._server:
            self._server.close()


class _Connection(asyncio.Protocol):
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._data = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        at = time.time()
        self._data += data
        head, end, rest = self._data.partition(b"\r\n\r\n")
        if not end or len(rest) < (length := _length(head + end)):
            return
        self._data = rest[length:]
        if self._transport:
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        self._note(orjson.loads(rest[:length]), at)

    def _note(self, result: dict[str, Any], at: float) -> None:
        found = self._ledger.find(str(result["customer_number"]))
        if found is None:
            return
        seen, _ = found
        seen.result_at, seen.status = at, str(result["status"])
        if result["status"] != "ANSWER" or not result["recording_url"]:
            seen.fail(f"result {result['status']} {result['reason']} recording {bool(result['recording_url'])}")
        seen.delivered.set()
