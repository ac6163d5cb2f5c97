"""The application's front: one form for every refusal, headers on every answer, nothing personal in the log."""

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_network

import aiohttp
import pytest
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.websockets import WebSocket
from tests.web.serving import serving

from intellicall.errors import KINDS, Code, Refused
from intellicall.storage.database import StorageUnavailable
from intellicall.web.problem import problem
from intellicall.web.request import read_model, read_query

SECRET = "+919876543210"


class Order(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    to_number: str = Field(max_length=20)
    seconds: int = Field(default=1, ge=1)


def sockets() -> APIRouter:
    routes = APIRouter()

    @routes.websocket("/broken-socket")
    async def broken_socket(connection: WebSocket) -> None:
        await connection.accept()
        raise RuntimeError(SECRET)

    @routes.websocket("/late-socket")
    async def late_socket(connection: WebSocket) -> None:
        for kind in ("websocket.connect", "websocket.disconnect"):
            assert (await connection.receive())["type"] == kind
        await connection.accept()

    @routes.websocket("/closing-socket")
    async def closing_socket(connection: WebSocket) -> None:
        """It is being closed, and nobody has told its handler yet."""
        connection._receive.__self__.transport.close()  # type: ignore[attr-defined]
        await connection.accept()
        await connection.send_text("hello")

    return routes


def router() -> APIRouter:
    routes = APIRouter()

    @routes.post("/orders")
    async def order(request: Request) -> dict[str, object]:
        return (await read_model(request, Order)).model_dump()

    @routes.post("/by-framework")
    async def by_framework(body: Order) -> Order:
        return body

    @routes.get("/find")
    async def find(request: Request) -> dict[str, str]:
        return read_query(request, {"uuid"})

    @routes.get("/refused")
    async def refused() -> None:
        raise Refused(Code.UUID_CONFLICT, "Other content.", field="uuid", call_id="c-1", status=200)

    @routes.get("/broken/{number}")
    async def broken(number: str) -> None:
        raise RuntimeError(f"something about {number}")

    @routes.get("/no-storage")
    async def no_storage() -> None:
        raise StorageUnavailable("disk I/O error")

    @routes.get("/half")
    async def half() -> Response:
        async def body() -> AsyncIterator[bytes]:
            yield b"half"
            raise RuntimeError(SECRET)

        return StreamingResponse(body(), headers={"Content-Length": "8"})

    routes.include_router(sockets())
    return routes


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with serving([router()]) as (_, port), aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        yield session


async def ask(client: aiohttp.ClientSession, method: str, path: str, **options: object) -> tuple[int, dict[str, object]]:
    async with client.request(method, path, **options) as answer:  # type: ignore[arg-type]
        body: dict[str, object] = await answer.json(content_type=None)
        if answer.status >= 400:
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert body["status"] == answer.status
            assert body["type"] == f"urn:intellicall:error:{body['code']}"
            assert body["title"]
            assert body["detail"]
            assert body["remedy"]
            assert body["request_id"] == answer.headers["X-Request-Id"]
        return answer.status, body


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ('{"to_number":"1"}', 200, None, None),
        ("", 400, "malformed_json", None),
        ("[]", 400, "malformed_json", None),
        ('"x"', 400, "malformed_json", None),
        ("{", 400, "malformed_json", None),
        ('{"to_number":"1"}{}', 400, "malformed_json", None),
        ('{"to_number":NaN}', 400, "malformed_json", None),
        ('{"seconds":-Infinity}', 400, "malformed_json", None),
        ('{"seconds":1e999}', 400, "malformed_json", None),
        ('{"seconds":' + "9" * 5_000 + "}", 400, "malformed_json", None),
        ("[" * 60_000, 400, "malformed_json", None),
        ('{"a":' * 40 + "1" + "}" * 40, 400, "malformed_json", None),
        (b'{"to_number":"\xff"}', 400, "malformed_json", None),
        ('{"to_number":"\\ud800"}', 400, "malformed_json", None),
        ("\ufeff{}", 400, "malformed_json", None),
        ('{"to_number":"1","to_number":"1"}', 400, "duplicate_field", "to_number"),
        ('{"to_number":"1","\\u0074o_number":"1"}', 400, "duplicate_field", "to_number"),
        ('{"a":{"b":1,"b":2}}', 400, "duplicate_field", "b"),
        ("{}", 422, "missing_field", "to_number"),
        ('{"to_number":1}', 422, "invalid_field", "to_number"),
        ('{"to_number":null}', 422, "invalid_field", "to_number"),
        ('{"to_number":"1","seconds":0}', 422, "invalid_field", "seconds"),
        ('{"to_number":"1","seconds":1.5}', 422, "invalid_field", "seconds"),
        ('{"to_numbr":"1"}', 422, "unknown_field", "to_numbr"),
        ('{"to_number":"' + SECRET * 3 + '"}', 422, "invalid_field", "to_number"),
    ],
)
async def test_bodies(client: aiohttp.ClientSession, body: str | bytes, status: int, code: str | None, field: str | None) -> None:
    answer = await ask(client, "POST", "/orders", data=body, headers=JSON)
    assert (answer[0], answer[1].get("code"), answer[1].get("field")) == (status, code, field)
    assert status == 200 or SECRET not in str(answer[1])


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_other_kinds_of_body_are_refused(client: aiohttp.ClientSession, headers: dict[str, str]) -> None:
    assert (await ask(client, "POST", "/orders", data="{}", headers=headers))[1]["code"] == "unsupported_media_type"


async def test_the_frameworks_own_refusals_have_the_same_form(client: aiohttp.ClientSession) -> None:
    assert (await ask(client, "GET", "/nowhere"))[1]["code"] == "not_found"
    assert (await ask(client, "PUT", "/orders"))[1]["code"] == "method_not_allowed"
    assert (await ask(client, "POST", "/by-framework", data="{", headers=JSON))[1]["code"] == "malformed_json"
    status, body = await ask(client, "POST", "/by-framework", data='{"to_number":1}', headers=JSON)
    assert (status, body["code"], body["field"]) == (422, "invalid_field", "to_number")


async def test_refusals_carry_more_but_more_never_hides_what_is_the_problems_own(client: aiohttp.ClientSession) -> None:
    status, body = await ask(client, "GET", "/refused")
    assert (status, body["status"], body["call_id"], body["field"], body["detail"]) == (409, 409, "c-1", "uuid", "Other content.")


@pytest.mark.parametrize("query", ["uuid=1&uuid=2", "uuid=1&UUID=1", "UUID=1&uuid=1", "uuid=%ff", "other=1", "UUID=1"])
async def test_queries_have_one_meaning(client: aiohttp.ClientSession, query: str) -> None:
    status, body = await ask(client, "GET", f"/find?{query}")
    assert status in (400, 422)
    assert body["code"] in ("duplicate_field", "unknown_field", "bad_request")


async def test_what_breaks_is_told_without_its_text_and_logged_without_it(
    client: aiohttp.ClientSession, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    status, body = await ask(client, "GET", f"/broken/{SECRET}?key={SECRET}")
    assert (status, body["code"]) == (500, "internal_error")
    assert SECRET not in str(body)
    logged = capsys.readouterr().out + caplog.text
    assert "RuntimeError" in logged
    assert "test_application.py" in logged
    assert "/broken/{number}" in logged
    assert str(body["request_id"]) in logged
    assert SECRET not in logged


async def test_no_storage_is_503_with_retry_after(client: aiohttp.ClientSession) -> None:
    async with client.get("/no-storage") as answer:
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert (await answer.json(content_type=None))["code"] == "storage_unavailable"


async def test_an_answer_that_breaks_in_the_middle_is_cut_off(
    client: aiohttp.ClientSession, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with client.get("/half") as answer:
        with pytest.raises(aiohttp.ClientError):
            await answer.read()
    assert SECRET not in capsys.readouterr().out + caplog.text
    assert [record.getMessage() for record in caplog.records] == ["ASGI callable returned without completing response."]
    caplog.clear()  # uvicorn says so when it cuts an answer off, as it is to


async def test_a_socket_that_breaks_is_closed_with_1011(
    client: aiohttp.ClientSession, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with client.ws_connect("/broken-socket", autoclose=False) as socket:
        async with asyncio.timeout(5):
            assert (await socket.receive()).data == 1011
    assert SECRET not in capsys.readouterr().out + caplog.text


@pytest.mark.parametrize("path", ["/late-socket", "/closing-socket"])
async def test_a_client_that_goes_before_its_socket_is_accepted_is_no_error(
    path: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    handshake = (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    async with serving([router()]) as (_, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(handshake.encode())
        await writer.drain()
        if path == "/late-socket":
            writer.close()
        logged = ""
        async with asyncio.timeout(5):
            while path not in logged:
                logged += capsys.readouterr().out
                await asyncio.sleep(0.01)
        writer.close()
    assert "client_went_away" in logged
    assert "unhandled_error" not in logged
    assert caplog.text == "", "uvicorn knows"


async def test_every_answer_has_the_security_headers(client: aiohttp.ClientSession) -> None:
    for path in ("/refused", "/nowhere", "/broken/1", "/openapi.json"):
        async with client.get(path) as answer:
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
            assert answer.headers["Cache-Control"] == "no-store"
            assert "Server" not in answer.headers
            assert "Strict-Transport-Security" not in answer.headers
    for path in ("/docs", "/redoc"):
        async with client.get(path) as answer:
            assert answer.status == 404


async def test_plain_http_through_a_proxy_needs_its_word_that_it_was_https() -> None:
    proxies = [ip_network("127.0.0.1/32")]
    async with (
        serving([router()], trusted_proxies=proxies) as (_, port),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        forwarded = {"X-Forwarded-For": "198.51.100.1"}
        assert (await ask(session, "GET", "/find", headers=forwarded))[1]["code"] == "insecure_transport"
        assert (await ask(session, "GET", "/find", headers=forwarded | {"X-Forwarded-Proto": "https"}))[0] == 200
        assert (await ask(session, "GET", "/find"))[0] == 200  # from this machine itself
        with pytest.raises(aiohttp.WSServerHandshakeError):
            async with session.ws_connect("/broken-socket", headers=forwarded):
                pass


def test_every_code_renders() -> None:
    for code in Code:
        body = problem(Refused(code), "r-1")
        assert body["status"] == KINDS[code].status
        assert 400 <= KINDS[code].status <= 599
