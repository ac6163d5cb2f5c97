"""A TCP line between platform and engine that can be cut after a request has passed, closed, or left open and silent."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class CutLine:
    """Passes bytes on. `cut_after` names what a request must contain for its reply, and everything after it, to be lost.

    With `holds`, the request itself stays on the way, and its connection with the engine open, until `release`.
    """

    def __init__(self, target: int) -> None:
        self.port = 0
        self.connections = 0
        self.cut_after: bytes | None = None
        self.cut = asyncio.Event()
        self.silent = False
        self.holds = False
        self._held: tuple[asyncio.StreamWriter, bytes] | None = None
        self._target = target
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def close_all(self) -> None:
        """Close every connection politely, both ways."""
        for writer in list(self._writers):
            self._close(writer)

    def _close(self, writer: asyncio.StreamWriter) -> None:
        if self._held is None or writer is not self._held[0]:
            writer.close()

    async def release(self) -> None:
        """Let the engine have what was held."""
        assert self._held is not None
        writer, data = self._held
        writer.write(data)
        await writer.drain()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            from_engine, to_engine = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        self._writers |= {writer, to_engine}
        ways = [
            asyncio.create_task(self._pass(reader, to_engine, [writer], watch=True)),
            asyncio.create_task(self._pass(from_engine, writer, [to_engine], watch=False)),
        ]
        self._tasks.update(ways)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, others: list[asyncio.StreamWriter], *, watch: bool
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if self.silent or (self.cut.is_set() and not watch):
                    continue
                found = watch and self.cut_after is not None and self.cut_after in _unmasked(data)
                if found and self.holds:
                    self._held = (writer, data)
                else:
                    writer.write(data)
                    await writer.drain()
                if found:
                    self.cut_after = None
                    self.cut.set()
        for end in (writer, *others):
            self._writers.discard(end)
            self._close(end)

    async def stop(self) -> None:
        if self._held is not None:
            self._held[0].close()
        self.close_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _unmasked(data: bytes) -> bytes:
    """Return the payloads of WebSocket frames (RFC 6455 section 5.2) that a client sent; other bytes as they are."""
    text, at = data, 0
    while at + 6 <= len(data) and data[at] & 0x0F == 1 and data[at + 1] & 0x80:
        length, at = data[at + 1] & 0x7F, at + 2
        if length == 126:
            length, at = int.from_bytes(data[at : at + 2], "big"), at + 2
        elif length == 127:
            length, at = int.from_bytes(data[at : at + 8], "big"), at + 8
        mask, at = data[at : at + 4], at + 4
        text += bytes(byte ^ mask[place % 4] for place, byte in enumerate(data[at : at + length]))
        at += length
    return text


@asynccontextmanager
async def cut_line(target: int) -> AsyncIterator[CutLine]:
    """Open the line to a port of loopback."""
    line = CutLine(target)
    server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
    line.port = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        server.close()
        await line.stop()
