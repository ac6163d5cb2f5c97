"""SIP over the platform's own origin, over real sockets: who is connected, what passes, what ends it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from tests.softphone.room import Page, Room
from tests.softphone.sip_texts import register, request, sip
from tests.web.serving import until

from intellicall.softphone.sip_message import parse


class Engine:
    """The engine's SIP WebSocket: accepts every REGISTER and keeps everything else that it got."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.sockets: list[web.WebSocketResponse] = []

    async def serve(self, incoming: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("sip",), autoclose=True)
        await socket.prepare(incoming)
        self.sockets.append(socket)
        async for frame in socket:
            self.got.append(frame.data)
            message = parse(frame.data)
            if message.method == "REGISTER":
                headers = [f"{name}: {message.need(name)}" for name in ("Via", "From", "Call-ID", "CSeq", "Contact")]
                await socket.send_str(sip("SIP/2.0 200 OK", *headers, f"To: {message.need('To')};tag=e"))
        return socket

    async def ask(self, text: str) -> None:
        await self.sockets[-1].send_str(text)


@pytest.fixture
async def engine(room: Room) -> AsyncIterator[Engine]:
    engine = Engine()
    application = web.Application()
    application.router.add_get("/ws", engine.serve)
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    room.sip_url.append(f"ws://127.0.0.1:{runner.addresses[0][1]}/ws")
    yield engine
    await runner.cleanup()


@asynccontextmanager
async def softphone(room: Room, browser: aiohttp.ClientSession) -> AsyncIterator[tuple[Page, str, str]]:
    """Yield a page, the path of its SIP connection and its SIP user."""
    await room.click(browser)
    async with room.page(browser) as page:
        await page.hello("tab-1")
        account = (await page.hear("welcome"))["sip"]
        await page.say("ready")
        yield page, account["path"], account["username"]


@asynccontextmanager
async def connect(
    room: Room, browser: aiohttp.ClientSession, path: str, origin: str | None = None, protocol: str = "sip"
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    headers = {"Origin": origin or room.origin}
    async with browser.ws_connect(path, protocols=(protocol,), headers=headers, autoclose=False) as line:
        yield line


def own_register(username: str, **changes: str) -> str:
    """Return a REGISTER of this account of the scripted engine."""
    account = f"<sip:{username}@softphone.invalid>"
    right = {"start": "REGISTER sip:softphone.invalid SIP/2.0", "To": account, "From": f"{account};tag=1"}
    return register(**{**right, **changes})


async def test_a_softphone_registers_and_is_online(room: Room, engine: Engine) -> None:
    browser = room.browser()
    async with softphone(room, browser) as (page, path, username):
        await page.settled()
        assert room.sessions.online(room.agent.id) is None  # ready, but not registered
        async with connect(room, browser, path) as line:
            assert line.protocol == "sip"
            await line.send_str("\r\n\r\n")  # a keep-alive
            await line.send_str(own_register(username))
            answer = parse(await line.receive_str())
            assert answer.status == 200
            assert "f0o9i8u7" in answer.need("Contact")
            assert room.sessions.online(room.agent.id) is not None
        await until(lambda: room.sessions.online(room.agent.id) is None)
    assert len(engine.got) == 1
    assert "f0o9i8u7" not in engine.got[0]


async def test_what_is_refused_never_reaches_the_engine_and_is_not_logged(
    room: Room, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    browser = room.browser()
    async with softphone(room, browser) as (_, path, username):
        async with connect(room, browser, path) as line:
            for method in ("INVITE", "MESSAGE", "REFER", "SUBSCRIBE"):
                await line.send_str(request(method))
                assert parse(await line.receive_str()).status == 405
            await line.send_str(own_register(username, To="<sip:other@softphone.invalid>"))
            assert parse(await line.receive_str()).status == 403
        await until(lambda: not [one for one in room.sessions._sessions.values() if one.hang_up_sip])
    assert engine.got == []
    logged = capsys.readouterr().out
    assert "softphone_sip_refused" in logged
    assert "9876543210" not in logged


@pytest.mark.parametrize("frame", ["garbage", register() * 2, b"\x00\x01", "x" * 40_000, register(User_Agent="a\r\n b")])
async def test_what_is_no_sip_closes_the_connection(room: Room, engine: Engine, frame: str | bytes) -> None:
    browser = room.browser()
    async with softphone(room, browser) as (page, path, _):
        async with connect(room, browser, path) as line:
            await (line.send_bytes(frame) if isinstance(frame, bytes) else line.send_str(frame))
            assert (await line.receive()).data == 1008
        await page.settled()
    assert engine.got == []


async def test_a_page_that_goes_on_asking_is_cut_off(room: Room, engine: Engine) -> None:
    browser = room.browser()
    async with softphone(room, browser) as (_, path, _username), connect(room, browser, path) as line:
        for _ in range(30):
            await line.send_str(request("INVITE"))
        frames = [await line.receive() for _ in range(22)]
    assert frames[-1].data == 1008
    assert engine.got == []


@pytest.mark.parametrize("wrong", ["origin", "agent", "session", "cookie", "protocol"])
async def test_a_stranger_is_denied_before_the_connection(room: Room, engine: Engine, wrong: str) -> None:
    mine, theirs = room.browser(), room.browser()
    await room.click(theirs, crm_username="agent.018")
    async with softphone(room, mine) as (_, path, _username):
        browser = {"agent": theirs, "cookie": room.browser()}.get(wrong, mine)
        target = "/softphone/sip/000000000000" if wrong == "session" else path
        origin = "https://evil.example" if wrong == "origin" else None
        with pytest.raises(aiohttp.WSServerHandshakeError) as denied:
            async with connect(room, browser, target, origin, "xmpp" if wrong == "protocol" else "sip"):
                pass
    assert denied.value.status == 403
    assert engine.sockets == []


async def test_the_end_of_the_session_ends_its_sip(room: Room, engine: Engine) -> None:
    browser = room.browser()
    async with softphone(room, browser) as (_, path, username):
        async with connect(room, browser, path) as line, room.page(browser) as second:
            await line.send_str(own_register(username))
            await line.receive_str()
            await second.hello("tab-2")
            await second.hear("elsewhere")
            await second.say("take_over")
            await second.hear("welcome")
            assert (await line.receive()).type is aiohttp.WSMsgType.CLOSE
        with pytest.raises(aiohttp.WSServerHandshakeError):
            async with connect(room, browser, path):
                pass


async def test_a_second_connection_of_the_session_takes_the_place_of_the_first(room: Room, engine: Engine) -> None:
    browser = room.browser()
    async with (
        softphone(room, browser) as (_, path, username),
        connect(room, browser, path) as first,
        connect(room, browser, path) as second,
    ):
        assert (await first.receive()).type is aiohttp.WSMsgType.CLOSE
        await second.send_str(own_register(username))
        assert parse(await second.receive_str()).status == 200
        assert [one.registered for one in room.sessions._sessions.values()] == [True]


async def test_the_engine_going_away_closes_with_1012(room: Room, engine: Engine) -> None:
    browser = room.browser()
    async with softphone(room, browser) as (_, path, username):
        async with connect(room, browser, path) as line:
            await line.send_str(own_register(username))
            await line.receive_str()
            await engine.sockets[0].close()
            assert (await line.receive()).data == 1012
        assert room.sessions.online(room.agent.id) is None


async def test_no_engine_is_answered_503(room: Room) -> None:
    browser = room.browser()
    for url in ([], ["ws://127.0.0.1:1/ws"]):
        room.sip_url[:] = url
        async with softphone(room, browser) as (_, path, _username):
            with pytest.raises(aiohttp.WSServerHandshakeError) as denied:
                async with connect(room, browser, path):
                    pass
            assert denied.value.status == 503


async def test_the_engines_odd_messages_do_not_reach_the_page(room: Room, engine: Engine) -> None:
    browser = room.browser()
    async with softphone(room, browser) as (_, path, username), connect(room, browser, path) as line:
        await line.send_str(own_register(username))
        await line.receive_str()
        await engine.ask("nonsense")
        notify = request("NOTIFY", uri="sip:x@y.invalid")
        await engine.ask(notify)
        await until(lambda: len(engine.got) == 2)
        assert parse(engine.got[1]).status == 405
        await engine.ask(request("OPTIONS", uri="sip:x@y.invalid", CSeq="2 OPTIONS"))
        async with asyncio.timeout(5):
            assert parse(await line.receive_str()).method == "OPTIONS"
