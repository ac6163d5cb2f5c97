"""A real server of the platform's own kind on a free port, for tests of every room."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter

from intellicall.settings import Settings
from intellicall.web.application import make_app
from intellicall.web.server import Server
from intellicall.web.wire import Limits


@asynccontextmanager
async def serving(
    routers: Iterable[APIRouter], limits: Limits | None = None, *, tick_s: float = 1.0, **settings: Any
) -> AsyncIterator[tuple[Server, int]]:
    """Yield a started server and its port."""
    chosen = Settings(**{"port": 0, **settings})
    server = Server(make_app(routers, chosen), chosen, limits, tick_s=tick_s)
    port = await server.start()
    try:
        yield server, port
    finally:
        await server.stop(grace_s=1)


async def send_raw(port: int, *pieces: bytes, within_s: float = 5.0) -> bytes:
    """Send bytes as they are and return everything that comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(within_s):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            received = b""
            while chunk := await _read(reader):
                received += chunk
            return received
    finally:
        writer.close()


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(65_536)
    except ConnectionResetError:
        return b""


async def until(condition: Callable[[], object], within_s: float = 5.0) -> None:
    """Return when the condition holds. Raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - what is looked at has no event to wait for
            await asyncio.sleep(0.005)
