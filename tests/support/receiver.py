"""A CRM's callback receiver: a real HTTP/1.1 server on a free port of loopback that behaves as badly as it is told."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Received:
    """One request as it came. Header names are in lower case; `at` is the event loop's time in seconds."""

    at: float
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Receiver:
    """Notes every request, then behaves: each request takes the next of `script`, the last one repeats."""

    script: list[Behaviour]
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    open_now: int = 0
    most_open: int = 0
    port: int = 0
    scheme: str = "http"
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/results"

    async def until(self, count: int, patience_s: float = 10.0) -> list[Received]:
        """Return the requests when there are at least `count`. Raises TimeoutError."""
        async with asyncio.timeout(patience_s):
            while len(self.requests) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.requests

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while not writer.is_closing():
                await self._one(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client went away
        except asyncio.CancelledError:
            writer.transport.abort()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        index = min(len(self.requests), len(self.script) - 1)
        self.requests.append(Received(asyncio.get_running_loop().time(), method, target, headers, body))
        self._changed.set()
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            await self.script[index](writer)
        finally:
            self.open_now -= 1


@asynccontextmanager
async def receiver(*script: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """Run a receiver as long as the block."""
    made = Receiver(list(script) or [answers(200)], scheme="https" if tls else "http")
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(made.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


def answers(status: int, body: bytes = b"ok", headers: Mapping[str, str] | None = None) -> Behaviour:
    """Answer at once with this status and body, and keep the connection open."""
    extra = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())

    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status} Answer\r\n{extra}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()

    return behave


def sends(raw: bytes) -> Behaviour:
    """Send these bytes and close."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        with suppress(ConnectionError):
            await writer.drain()
        writer.close()

    return behave


def drips(prefix: bytes, every_s: float = 0.02) -> Behaviour:
    """Send `prefix`, then one byte again and again, for ever."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(prefix)
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(every_s)

    return behave


def floods(prefix: bytes, sent: list[int]) -> Behaviour:
    """Send `prefix`, then as much as the client takes; `sent` gets the count of bytes."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(prefix)
        with suppress(ConnectionError):
            while not writer.is_closing():
                writer.write(b"x" * 16384)
                await writer.drain()
                sent.append(16384)

    return behave


async def hangs(_writer: asyncio.StreamWriter) -> None:
    """Read the request and never answer."""
    await asyncio.Event().wait()


async def resets(writer: asyncio.StreamWriter) -> None:
    """Break the connection without an answer."""
    writer.transport.abort()
