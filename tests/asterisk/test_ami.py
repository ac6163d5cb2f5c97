"""The manager's connection: one answer to each action, nothing smuggled in, found dead when it is silent."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from intellicall.telephony.asterisk import ami
from intellicall.telephony.asterisk.ami import AmiLink
from intellicall.telephony.asterisk.connection import ConnectionGone, EngineConnection, RequestRefused, arrived

Fields = dict[str, str]
OK = "Response: Success\r\nActionID: {ActionID}\r\n\r\n"


@asynccontextmanager
async def manager(answer: Callable[[Fields], str]) -> AsyncIterator[EngineConnection]:
    """Run a manager that answers as told, beginning with the login."""
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        writer.write(b"Asterisk Call Manager/11.0.0\r\n")
        try:
            while block := (await reader.readuntil(b"\r\n\r\n")).decode().strip():
                fields = dict(line.split(": ", 1) for line in block.split("\r\n") if ": " in line)
                writer.write(answer(fields).format(**fields).encode())
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield EngineConnection("http://127.0.0.1:1", "user", "secret", port)
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


async def test_each_action_gets_its_own_answer() -> None:
    held: list[Fields] = []

    def answer(fields: Fields) -> str:
        if fields["Action"] != "Setvar":
            return OK
        held.append(fields)
        if len(held) < 2:
            return ""
        return "".join(
            f"Event: Noise\r\n\r\nResponse: Success\r\nActionID: {f['ActionID']}\r\nMessage: {f['Value']}\r\n\r\n"
            for f in held[::-1]
        )

    async with manager(answer) as where:
        link = await AmiLink.open(where)
        answers = await asyncio.gather(*(link.action("Setvar", {"Value": value}) for value in ("a", "b")))
        assert [each["message"] for each in answers] == ["a", "b"]
        await link.close()
        with pytest.raises(ConnectionGone):
            await link.action("Ping")


async def test_a_refusal_is_an_answer() -> None:
    def answer(fields: Fields) -> str:
        return (
            OK
            if fields["Action"] in {"Login", "Ping"}
            else "Response: Error\r\nActionID: {ActionID}\r\nMessage: No such channel\r\n\r\n"
        )

    async with manager(answer) as where:
        link = await AmiLink.open(where)
        with pytest.raises(RequestRefused, match="No such channel"):
            await link.action("Setvar")
        assert not link.closed.is_set()
        await link.close()


async def test_a_wrong_password_is_no_connection() -> None:
    async with manager(lambda _: "Response: Error\r\nActionID: {ActionID}\r\nMessage: Authentication failed\r\n\r\n") as where:
        with pytest.raises(ConnectionGone):
            await AmiLink.open(where)


async def test_no_field_can_smuggle_in_another_action() -> None:
    seen: list[str] = []

    def answer(fields: Fields) -> str:
        seen.append(fields["Action"])
        return OK

    async with manager(answer) as where:
        link = await AmiLink.open(where)
        for value in ("x\r\n\r\nAction: Originate", "x\n", "\r"):
            with pytest.raises(ValueError, match="line break"):
                await link.action("Setvar", {"Value": value})
        await link.action("Ping")
        assert "Originate" not in seen
        await link.close()


async def test_a_silent_manager_is_found_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ami, "PING_EVERY_S", 0.02)
    monkeypatch.setattr(ami, "PING_DEADLINE_S", 0.05)
    async with manager(lambda fields: OK if fields["Action"] == "Login" else "") as where:
        link = await AmiLink.open(where)
        async with asyncio.timeout(5):
            await link.closed.wait()
        await link.close()


async def test_nobody_there() -> None:
    async with manager(lambda _: OK) as where:
        pass
    with pytest.raises(ConnectionGone):
        await AmiLink.open(where)


async def test_a_process_that_was_stopped_reads_before_it_gives_up() -> None:
    """The answer has come, and the deadline is past: both are found at once."""
    near, far = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=near)
    answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def read() -> None:
        data = await reader.read(1)
        for _ in range(5):  # the answer is behind events that came as well
            await asyncio.sleep(0)
        answer.set_result(data)

    reading, waiting = asyncio.create_task(read()), asyncio.create_task(arrived(answer, 0.2))
    await asyncio.sleep(0)
    far.send(b"x")
    _stop(0.4)
    assert await waiting == b"x"
    await reading
    with pytest.raises(TimeoutError):
        await arrived(asyncio.get_running_loop().create_future(), 0.01)
    writer.close()
    far.close()


def _stop(seconds: float) -> None:
    """As SIGSTOP does: nothing of this process runs."""
    time.sleep(seconds)
