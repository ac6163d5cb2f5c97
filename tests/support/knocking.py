"""A client that opens a new connection for every request, every few milliseconds, and notes how each one fared."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from intellicall.web.server import NEWCOMER_S

KNOCK_EVERY_S = 0.01
PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class Knock:
    """One request: when it began (monotonic), how long until its answer or its failure, and what it was told."""

    began: float
    waited_s: float
    status: int | None = None
    retry_after: bool = False
    refused: bool = False
    """The connection itself was not made."""
    asked_after_s: float = 0.0
    """How long after `began` it had asked."""

    @property
    def served(self) -> bool:
        """2xx, or 503 that says when to come again."""
        return self.status is not None and (200 <= self.status < 300 or (self.status == 503 and self.retry_after))


@dataclass
class Knocks:
    """All of them, in the order of their ends."""

    all: list[Knock] = field(default_factory=list)
    under_way: set[asyncio.Task[Knock]] = field(default_factory=set)
    pauses: list[tuple[float, float]] = field(default_factory=list)
    """When our own loop stood still for so long that whoever had not asked yet may have found the doors closed (NEWCOMER_S)."""

    @property
    def longest_s(self) -> float:
        return max(one.waited_s for one in self.all)

    @property
    def unserved(self) -> list[Knock]:
        return [one for one in self.all if not one.served and (one.refused or not self._hesitated(one))]

    def _hesitated(self, one: Knock) -> bool:
        return any(one.began <= until and since <= one.began + one.asked_after_s for since, until in self.pauses)


@asynccontextmanager
async def knocking(port: int, *requests: bytes) -> AsyncIterator[Knocks]:
    """Send these requests, in turn, from now to the end of the block; each says `Connection: close`."""
    knocks = Knocks()

    def ended(task: asyncio.Task[Knock]) -> None:
        knocks.under_way.discard(task)
        knocks.all.append(task.result())

    async def go_on() -> None:
        for one in itertools.cycle(requests):
            task = asyncio.create_task(knock(port, one))
            knocks.under_way.add(task)
            task.add_done_callback(ended)
            asleep = time.monotonic()
            await asyncio.sleep(KNOCK_EVERY_S)
            if time.monotonic() - asleep > NEWCOMER_S / 2:
                knocks.pauses.append((asleep, time.monotonic()))

    going = asyncio.create_task(go_on())
    try:
        yield knocks
    finally:
        going.cancel()
        await asyncio.gather(going, *knocks.under_way, return_exceptions=True)


async def knock(port: int, request: bytes) -> Knock:
    """Send one request on a connection of its own."""
    began = time.monotonic()
    asked = began
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return Knock(began, time.monotonic() - began, refused=True)
    try:
        async with asyncio.timeout(PATIENCE_S):
            writer.write(request)
            asked = time.monotonic()
            head = (await reader.read()).partition(b"\r\n\r\n")[0].lower()
    except (OSError, TimeoutError):
        head = b""
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    status = int(head.split(b" ", 2)[1]) if head else None
    return Knock(began, time.monotonic() - began, status, b"\r\nretry-after: " in head, asked_after_s=asked - began)


def request(method: str, path: str, key: str = "", body: bytes = b"") -> bytes:
    """Return a request as it goes over the wire."""
    head = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", f"Content-Length: {len(body)}"]
    if body:
        head.append("Content-Type: application/json")
    if key:
        head.append(f"Authorization: Bearer {key}")
    return ("\r\n".join(head) + "\r\n\r\n").encode() + body
