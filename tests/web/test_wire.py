"""The limits at the socket, over real sockets: faults G1, G2, F7 and issue 2's "bad input gets a clear answer"."""

import asyncio
import json
import socket
import time

import aiohttp
import pytest
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket
from tests.web.serving import send_raw, serving, until

from intellicall.web.request import read_json, waited_s
from intellicall.web.wire import Limits

HEAD = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
QUICK = Limits(header_s=0.2, body_s=0.2, idle_s=0.3, linger_s=0.2, ping_s=0.1, pong_s=0.2, stalled_write_s=0.3)


def router() -> APIRouter:
    routes = APIRouter()

    @routes.post("/echo")
    async def echo(request: Request) -> dict[str, object]:
        return {"got": await read_json(request)}

    @routes.get("/hello")
    async def hello() -> dict[str, str]:
        return {"hello": "world"}

    @routes.get("/waited")
    async def waited(request: Request) -> dict[str, float]:
        return {"seconds": waited_s(request)}

    @routes.get("/big")
    async def big() -> Response:
        return Response(b"x" * 20_000_000)

    @routes.websocket("/talk")
    async def talk(connection: WebSocket) -> None:
        await connection.accept()
        async for text in connection.iter_text():
            await connection.send_text(text)

    return routes


def problem_of(raw: bytes) -> dict[str, object]:
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    assert b"connection: close" in head
    problem: dict[str, object] = json.loads(body)
    assert head.split()[1] == str(problem["status"]).encode()
    return problem


@pytest.mark.parametrize(
    ("request_bytes", "status", "code", "field"),
    [
        (b"GET /hello HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 17_000 + b"\r\n\r\n", 431, "headers_too_large", "headers"),
        (b"GET /hello?a=" + b"a" * 17_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431, "headers_too_large", "headers"),
        (b"GET /hello HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 60_000, 431, "headers_too_large", "headers"),
        (b"GET /hello HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 101 + b"\r\n", 431, "headers_too_large", "headers"),
        (HEAD + b"Content-Length: 65537\r\n\r\n", 413, "body_too_large", "body"),
        (HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n", 400, "duplicate_field", "content-length"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + (b"4000\r\n" + b"a" * 0x4000 + b"\r\n") * 5, 413, "body_too_large", "body"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-T: " + b"a" * 20_000 + b"\r\n\r\n", 431, "headers_too_large", "headers"),
        (b"GET /hello HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, "duplicate_field", "host"),
        (
            b"GET /hello HTTP/1.1\r\nHost: x\r\nAuthorization: a\r\nauthorization: b\r\n\r\n",
            400,
            "duplicate_field",
            "authorization",
        ),
        (HEAD + b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 400, "duplicate_field", "content-type"),
        (HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400, "duplicate_field", "content-length"),
        (HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", 400, "duplicate_field", "content-length"),
        (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400, "bad_request", "transfer-encoding"),
        (b"GET /hello HTTP/1.1\r\n\r\n", 400, "bad_request", "host"),
        (b"NONSENSE\r\n\r\n", 400, "bad_request", None),
        (b"GET /h\xffllo HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request", None),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "bad_request", None),
    ],
)
async def test_what_breaks_a_limit_is_answered_and_closed(request_bytes: bytes, status: int, code: str, field: str | None) -> None:
    async with serving([router()], Limits(linger_s=0.3)) as (_, port):
        problem = problem_of(await send_raw(port, request_bytes))
    assert (problem["status"], problem["code"], problem.get("field")) == (status, code, field)
    assert problem["remedy"]
    assert problem["request_id"]


async def test_headers_of_just_the_limit_pass() -> None:
    line = b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    async with serving([router()]) as (_, port):
        answer = await send_raw(port, line + b"X-A: " + b"a" * (16_384 - len(line) - 20) + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")


async def test_body_of_just_the_limit_passes_chunked_and_plain() -> None:
    body = b'{"a":"' + b"x" * (65_536 - 8) + b'"}'
    chunked = HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    plain = HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    async with serving([router()]) as (_, port):
        assert (await send_raw(port, chunked)).startswith(b"HTTP/1.1 200")
        assert (await send_raw(port, plain)).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("request_bytes", "field"),
    [
        (b"", "headers"),
        (b"GET /hello HTTP/1.1\r\nHost: x\r\nX-A", "headers"),
        (b"\r\n\r\n", "headers"),
        (HEAD + b"Content-Length: 10\r\n\r\n{", "body"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", "body"),
    ],
)
async def test_slow_requests_are_answered_408(request_bytes: bytes, field: str) -> None:
    async with serving([router()], QUICK) as (_, port):
        problem = problem_of(await send_raw(port, request_bytes))
    assert (problem["status"], problem["code"], problem["field"]) == (408, "request_timeout", field)


async def test_drops_of_a_header_do_not_extend_the_deadline() -> None:
    async with serving([router()], QUICK) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /hello HTTP/1.1\r\nHost: x\r\n")
        async with asyncio.timeout(3):
            answer = asyncio.create_task(reader.read())
            while not answer.done():
                writer.write(b"A: b\r\n")
                await asyncio.wait((answer,), timeout=0.05)
        assert b"408" in answer.result()[:20]
        writer.close()


async def test_second_request_of_a_connection_has_its_own_deadline() -> None:
    async with serving([router()], QUICK) as (_, port):
        answer = await send_raw(port, b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.1\r\n")
    first, second = answer.split(b"HTTP/1.1 ")[1:]
    assert first.startswith(b"200")
    assert second.startswith(b"408")


async def test_idle_connection_is_closed_silently() -> None:
    async with serving([router()], QUICK) as (_, port):
        answer = await send_raw(port, b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.count(b"HTTP/1.1") == 1


async def test_pipelined_requests_are_answered_in_order() -> None:
    second = b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    async with serving([router()]) as (_, port):
        answer = await send_raw(port, HEAD + b"Content-Length: 7\r\n\r\n" + b'{"a":1}' + second)
    assert answer.index(b'{"got":{"a":1}}') < answer.index(b'{"hello":"world"}')


async def test_connections_of_one_address_are_capped_and_given_back() -> None:
    async with serving([router()], Limits(connections_per_address=2, linger_s=0.1)) as (server, port):
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        problem = problem_of(await send_raw(port, b""))
        assert (problem["status"], problem["code"]) == (429, "too_many_requests")
        for _, writer in held:
            writer.close()
            await writer.wait_closed()
        await until(lambda: not server.connections)
        answer = await send_raw(port, b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200")


async def test_reader_that_takes_nothing_is_cut_off() -> None:
    async with serving([router()], QUICK) as (server, port):
        stuck = socket.socket()
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        stuck.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(stuck, ("127.0.0.1", port))
        await loop.sock_sendall(stuck, b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: server.connections)
        await until(lambda: not server.connections)
        stuck.close()


async def test_many_half_open_requests_do_not_stop_a_whole_one() -> None:
    async with serving([router()], Limits(connections_per_address=2_000, linger_s=0.1)) as (_, port):
        half = [await asyncio.open_connection("127.0.0.1", port) for _ in range(300)]
        for _, writer in half:
            writer.write(b"GET /hello HTTP/1.1\r\nHo")
        answer = await send_raw(port, b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200")
        for _, writer in half:
            writer.close()


async def test_websocket_talks_and_offers_no_compression() -> None:
    async with (
        serving([router()]) as (_, port),
        aiohttp.ClientSession() as client,
        client.ws_connect(f"http://127.0.0.1:{port}/talk", compress=15) as socket_,
    ):
        assert socket_.compress == 0
        await socket_.send_str("hello")
        assert await socket_.receive_str() == "hello"


async def test_websocket_message_beyond_the_limit_closes_with_1009() -> None:
    async with (
        serving([router()]) as (_, port),
        aiohttp.ClientSession() as client,
        client.ws_connect(f"http://127.0.0.1:{port}/talk") as socket_,
    ):
        await socket_.send_str("x" * 65_536)
        assert len(await socket_.receive_str()) == 65_536
        await socket_.send_str("x" * 65_537)
        assert (await socket_.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
        assert socket_.close_code == 1009


async def test_endless_fragments_close_the_websocket() -> None:
    handshake = (
        b"GET /talk HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    empty_first, empty_next = b"\x01\x80\0\0\0\0", b"\x00\x80\0\0\0\0"
    async with serving([router()]) as (_, port), asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(handshake)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(empty_first + empty_next * 100)
        assert b"\x03\xf1" in await reader.read()  # 1009
        writer.close()


async def test_dead_tab_is_seen_by_missing_pongs() -> None:
    async with serving([router()], QUICK) as (server, port), aiohttp.ClientSession() as client:
        async with client.ws_connect(f"http://127.0.0.1:{port}/talk", autoping=False) as socket_:
            assert server.connections == 1
            async with asyncio.timeout(3):
                while (await socket_.receive()).type not in (
                    aiohttp.WSMsgType.CLOSE,
                    aiohttp.WSMsgType.CLOSED,
                    aiohttp.WSMsgType.ERROR,
                ):
                    pass
        assert server.connections == 0


async def test_handshake_that_the_library_does_not_read_is_not_left_open() -> None:
    broken = b"GET /talk HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nab"
    async with serving([router()]) as (server, port):
        await send_raw(port, broken)
        await until(lambda: not server.connections)


async def test_stop_closes_websockets_with_1012_and_leaves_no_connection() -> None:
    async with serving([router()]) as (server, port), aiohttp.ClientSession() as client:
        async with client.ws_connect(f"http://127.0.0.1:{port}/talk", autoclose=False) as socket_:
            await socket_.send_str("hello")
            await socket_.receive_str()
            await server.stop()
            assert await socket_.receive() == (aiohttp.WSMsgType.CLOSE, 1012, "")
        assert server.connections == 0


async def test_a_request_tells_how_long_it_has_waited_to_be_read() -> None:
    """As one does that comes while the process is stopped: in a connection that nobody has accepted, and in an open one."""
    request = b"GET /waited HTTP/1.1\r\nHost: x\r\n\r\n"
    async with serving([router()]) as (_, port):
        with socket.create_connection(("127.0.0.1", port)) as client:
            for _ in range(2):
                client.sendall(request)
                time.sleep(0.3)  # noqa: ASYNC251 - nothing of the server runs
                assert 0.29 < await asyncio.to_thread(_seconds, client) < 3
            client.sendall(request)
            assert await asyncio.to_thread(_seconds, client) < 0.29


def _seconds(client: socket.socket) -> float:
    answer = b""
    while not answer.endswith(b"}"):
        answer += client.recv(65_536)
    seconds: float = json.loads(answer.partition(b"\r\n\r\n")[2])["seconds"]
    return seconds
