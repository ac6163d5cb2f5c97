"""SIP over WebSocket between one softphone and the engine: two connections, and the gate between them.

The softphone's page never reaches the engine itself. Each frame is one message; it is parsed, judged by `SipGate` and written anew.
"""

import asyncio
import contextlib
from collections.abc import Callable

import aiohttp
import structlog
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from intellicall.softphone.sessions import Session
from intellicall.softphone.sip_gate import Passed, SipGate
from intellicall.softphone.sip_message import LONGEST, BadSip, parse

log = structlog.get_logger()

SUBPROTOCOL = "sip"
CONNECT_S = 5.0
HEARTBEAT_S = 10.0
MOST_REFUSALS = 20  # of one connection: a page that goes on asking for what it may not is no page of ours
RATE = 40.0  # frames a second, in the long run
BURST = 120.0


class SipProxy:
    """All SIP connections of this process. `url` names the engine's WebSocket, or None while there is none."""

    def __init__(self, url: Callable[[], str | None]) -> None:
        self.url = url
        self._client: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close what is kept between connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def serve(self, page: WebSocket, session: Session) -> None:
        """Connect the page of a session, whose right was checked, with the engine until one of them goes."""
        engine = await self._connect()
        if engine is None or session.sip is None:
            if engine is not None:
                await engine.close()
            await page.send_denial_response(Response(status_code=503, headers={"Retry-After": "2"}))
            return
        async with engine:
            await page.accept(subprotocol=SUBPROTOCOL)
            await _Passage(page, engine, session, SipGate(session.sip)).run()

    async def _connect(self) -> aiohttp.ClientWebSocketResponse | None:
        url = self.url()
        if url is None:
            return None
        if self._client is None:
            self._client = aiohttp.ClientSession(trust_env=False)
        try:
            async with asyncio.timeout(CONNECT_S):
                return await self._client.ws_connect(
                    url, protocols=(SUBPROTOCOL,), max_msg_size=2 * LONGEST, heartbeat=HEARTBEAT_S, compress=0
                )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("softphone_engine_unreachable", error=type(error).__name__)
            return None


class _Passage:
    """One pair of connections."""

    def __init__(self, page: WebSocket, engine: aiohttp.ClientWebSocketResponse, session: Session, gate: SipGate) -> None:
        self.page = page
        self.engine = engine
        self.session = session
        self.gate = gate
        self._close_code = 1012  # the engine went away: come again
        self._allowance = BURST
        self._counted_at = asyncio.get_running_loop().time()

    async def run(self) -> None:
        ways = [asyncio.create_task(self._page_to_engine()), asyncio.create_task(self._engine_to_page())]
        replaced = self.session.hang_up_sip
        if replaced is not None:
            replaced()  # one SIP connection for a softphone: the newer one

        def hang_up() -> None:
            for way in ways:
                way.cancel()

        self.session.hang_up_sip = hang_up
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hang_up()
            results = await asyncio.gather(*ways, return_exceptions=True)
            self._over(hang_up, results)
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await self.page.close(self._close_code)

    def _over(self, own: Callable[[], None], results: list[BaseException | None]) -> None:
        if self.session.hang_up_sip is own:
            self.session.hang_up_sip = None
            self.session.set_registered(False)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, WebSocketDisconnect | ConnectionError | RuntimeError):
                log.error("softphone_sip_failed", session_id=self.session.session_id, error=type(result).__name__)
        if self.gate.counts:
            log.warning("softphone_sip_refused", session_id=self.session.session_id, counts=dict(self.gate.counts))

    async def _page_to_engine(self) -> None:
        while True:
            event = await self.page.receive()
            if event["type"] == "websocket.disconnect":
                return None
            text = event.get("text")
            if text is None or not self._within_rate():
                return self._cut("binary" if text is None else "rate")
            if not text.strip("\r\n"):
                continue  # a keep-alive (RFC 5626 section 3.5.1)
            try:
                passed = self.gate.from_page(parse(text))
            except BadSip as bad:
                return self._cut(str(bad))
            if passed.forward is not None:
                await self.engine.send_str(passed.forward)
            if passed.answer is not None:
                await self.page.send_text(passed.answer)
            if passed.refused is not None and sum(self.gate.counts.values()) > MOST_REFUSALS:
                return self._cut("too many")

    def _cut(self, why: str) -> None:
        self.gate.counts[why] += 1
        self._close_code = 1008

    def _within_rate(self) -> bool:
        now = asyncio.get_running_loop().time()
        self._allowance = min(BURST, self._allowance + (now - self._counted_at) * RATE) - 1
        self._counted_at = now
        return self._allowance >= 0

    async def _engine_to_page(self) -> None:
        async for message in self.engine:
            if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                return
            try:
                passed = self._judge(message.data)
            except BadSip as bad:
                self.gate.counts[f"engine: {bad}"] += 1
                continue
            if passed.registered is not None:
                self.session.set_registered(passed.registered)
            if passed.answer is not None:
                await self.engine.send_str(passed.answer)
            if passed.forward is not None:
                await self.page.send_text(passed.forward)

    def _judge(self, frame: str | bytes) -> Passed:
        if not frame.strip():
            return Passed()
        return self.gate.from_engine(parse(frame))
