"""What no engine should send: unknown, foreign, broken and huge events. Row D4 of docs/faults.md.

They are logged and ignored, and the next good one is taken. Only bytes that are not text end the connection, as RFC 6455 section
8.1 wants it; the keeper then opens another one.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
from aiohttp import WSMsgType, web
from structlog.testing import capture_logs
from tests.faults.mutations import AT, CALL, RING, idle_engine, take_mutations

from intellicall.telephony.asterisk.adapter import AsteriskEngine
from intellicall.telephony.asterisk.connection import AriLink, EngineConnection
from intellicall.telephony.engine import EngineEvent, LegRinging

MUTATIONS = 10_000
GARBAGE = (
    b"",
    b"null",
    b"[]",
    b'"text"',
    b"{",
    b"{}",
    b'{"type": null}',
    b'{"type": {"a": 1}}',
    b'{"type": "NeverHeardOf", "channel": 7}',
    b'{"type": "Dial"}',
    b'{"type": "ChannelStateChange", "channel": {"id": "x"}}',
    b'{"type": "ChannelDestroyed", "channel": {"id": "x", "channelvars": {"IC_CALL": "nobody"}}}',
    b'{"type": "RESTResponse"}',
    b'{"type": "RESTResponse", "request_id": "none", "status_code": "many"}',
    orjson.dumps(RING | {"timestamp": "yesterday"}),
    orjson.dumps({name: value for name, value in RING.items() if name != "timestamp"}),
    orjson.dumps(RING | {"channel": {"channelvars": {"IC_CALL": CALL}}}),
    orjson.dumps(RING | {"channel": {"id": 7, "channelvars": {"IC_CALL": CALL}}}),
    orjson.dumps({"type": "ChannelVarset", "timestamp": AT, "value": "x" * 1_000_000}),
    b"[" * 100_000,
)


@pytest.fixture
def engine(tmp_path: Path) -> AsteriskEngine:
    return idle_engine(tmp_path)


class _Wire:
    """The engine's end of the connection."""

    def __init__(self) -> None:
        self.socket: web.WebSocketResponse | None = None
        self.open = asyncio.Event()

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        self.socket = web.WebSocketResponse()
        await self.socket.prepare(request)
        self.open.set()
        async for _ in self.socket:
            pass
        return self.socket

    async def send(self, data: bytes) -> None:
        assert self.socket is not None
        assert self.socket._writer is not None
        await self.socket._writer.send_frame(data, WSMsgType.TEXT)


@asynccontextmanager
async def connected(engine: AsteriskEngine) -> AsyncIterator[tuple[_Wire, AriLink]]:
    wire, application = _Wire(), web.Application()
    application.router.add_get("/ari/events", wire.serve)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    link = await AriLink.open(EngineConnection(f"http://127.0.0.1:{port}", "u", "p"), engine._on_event)
    try:
        await wire.open.wait()
        yield wire, link
    finally:
        await link.close()
        await runner.cleanup()


async def test_garbage_on_the_wire_is_ignored_and_the_next_event_is_taken(engine: AsteriskEngine) -> None:
    heard: asyncio.Queue[EngineEvent] = asyncio.Queue()
    engine.listen(heard.put_nowait)
    with capture_logs() as logs:
        async with connected(engine) as (wire, link):
            for garbage in GARBAGE:
                await wire.send(garbage)
            await wire.send(orjson.dumps(RING))
            async with asyncio.timeout(10):
                first = await heard.get()
            assert isinstance(first, LegRinging)
            assert heard.empty()
            assert not link.closed.is_set()
    complaints = [entry["event"] for entry in logs if entry["event"].startswith(("engine sent", "event not"))]
    assert len(complaints) >= 8
    assert "x" * 100 not in repr(logs)


async def test_bytes_that_are_no_text_end_the_connection_and_nothing_else(engine: AsteriskEngine) -> None:
    async with connected(engine) as (wire, link):
        await wire.send(b'{"type": "\xff\xfe"}')
        async with asyncio.timeout(10):
            await link.closed.wait()
    assert set(engine._calls) == {CALL}


async def test_no_mutation_of_an_event_gets_out_of_the_reader(engine: AsteriskEngine) -> None:
    """Single bytes changed, cut and doubled, members taken away and of another type: seeded, the same every time."""
    take_mutations(engine, MUTATIONS, seed=4)
    await engine.stop()
