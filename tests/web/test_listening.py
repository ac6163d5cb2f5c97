"""The doors' sockets: taken over as they are, or shut for everybody; who is let in at the last moment is answered."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from fastapi import APIRouter
from tests.support.listening import addresses
from tests.web.serving import send_raw, serving, until

from intellicall.settings import Settings
from intellicall.web.application import make_app
from intellicall.web.listening import open_sockets
from intellicall.web.server import Server

ASKS = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def held() -> Iterator[socket.socket]:
    with open_sockets("127.0.0.1", 0)[0] as one:
        one.listen()
        yield one


def router() -> APIRouter:
    routes = APIRouter()

    @routes.get("/hello")
    async def hello() -> dict[str, str]:
        return {"hello": "world"}

    return routes


def test_what_fits_is_taken_over(held: socket.socket) -> None:
    host, port = held.getsockname()
    assert open_sockets(host, port, [held]) == [held]
    assert open_sockets(host, 0, [held]) == [held], "any port is a port"


@pytest.mark.parametrize("host", ["127.0.0.2", "0.0.0.0"])  # noqa: S104 - for a moment
def test_what_does_not_fit_is_shut_for_everybody(held: socket.socket, host: str) -> None:
    """Its other holder keeps a socket that no longer listens, so the port is free for another address."""
    address, port = held.getsockname()
    with held.dup() as another_holders, open_sockets(host, port, [held])[0] as opened:
        opened.listen()
        assert opened.getsockname() == (host, port)
        assert not another_holders.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        if host == "127.0.0.2":
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((address, port))


def test_a_name_with_two_addresses_has_two_sockets() -> None:
    with ExitStack() as closing:
        opened = [closing.enter_context(one) for one in open_sockets("localhost", 0)]
        hosts = {one.getsockname()[0] for one in opened}
        assert hosts == {entry[4][0] for entry in socket.getaddrinfo("localhost", 0)}
        assert open_sockets("localhost", 0, opened) == opened


def test_a_taken_address_is_told_in_plain_words(held: socket.socket) -> None:
    with pytest.raises(OSError, match=r"attempting to bind on address .*: address already in use"):
        open_sockets(*held.getsockname())


async def test_who_waits_is_answered_by_the_next_server(held: socket.socket) -> None:
    """A connection that was made, and had asked, before anybody accepted."""
    asking = asyncio.create_task(send_raw(held.getsockname()[1], ASKS.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")))
    settings = Settings(host="127.0.0.1", port=held.getsockname()[1])
    server = Server(make_app([router()], settings), settings)
    await server.start(lambda: [held])
    try:
        assert (await asking).startswith(b"HTTP/1.1 200")
    finally:
        await server.stop()


async def test_who_was_just_let_in_is_answered_before_the_end() -> None:
    """The connection is there, its request arrives a moment after the doors were closed."""
    async with serving([router()]) as (server, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        quiet, silent = await asyncio.open_connection("127.0.0.1", port)
        stopping = asyncio.create_task(server.stop())
        await until(lambda: not addresses(port))
        writer.write(ASKS)
        async with asyncio.timeout(5):
            assert (await reader.read()).startswith(b"HTTP/1.1 200")
            assert await quiet.read() == b"", "who says nothing is not waited for"
            await stopping
        for one in (writer, silent):
            one.close()
