"""The second connection to Asterisk: the manager interface (AMI), for the few orders that ARI does not have in any form.

These are: taking both legs out of `Dial` at once, variables and functions of channels that are not in Stasis, silence in a
running MixMonitor, DTMF towards such channels, and registrations. No event is read from it. The discipline is that of
`connection`: actions are matched to their answers by `ActionID`, a ping with a deadline finds a frozen engine, and a link that is
over is never reopened.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

import structlog

from intellicall.telephony.asterisk.connection import (
    CONNECT_TIMEOUT_S,
    PING_DEADLINE_S,
    PING_EVERY_S,
    REQUEST_TIMEOUT_S,
    ConnectionGone,
    EngineConnection,
    RequestRefused,
    arrived,
)

log = structlog.get_logger()

Answer = dict[str, str]
_END = b"\r\n\r\n"


class AmiLink:
    """One logged-in session. `closed` is set when it is over, for whatever reason.

    Asterisk carries out the actions of one session one after the other; an action that takes its time needs a session of its own.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._ids = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[Answer]] = {}
        self._listed: dict[str, list[Answer]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.closed = asyncio.Event()

    @classmethod
    async def open(cls, where: EngineConnection) -> "AmiLink":
        """Connect and log in. Raises ConnectionGone."""
        host = urlsplit(where.url).hostname or "127.0.0.1"
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                reader, writer = await asyncio.open_connection(host, where.ami_port)
        except (OSError, TimeoutError) as error:
            raise ConnectionGone(type(error).__name__) from error
        link = cls(reader, writer)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await reader.readline()  # the banner
                link._tasks.append(asyncio.create_task(link._read(), name="ami-reader"))
                await link.action("Login", {"Username": where.user, "Secret": where.password, "Events": "off"})
        except (OSError, TimeoutError, ConnectionGone, RequestRefused) as error:
            await link.close()
            raise ConnectionGone(f"AMI: {error}") from error
        except BaseException:
            await link.close()
            raise
        link._tasks.append(asyncio.create_task(link._ping(), name="ami-ping"))
        return link

    async def action(
        self, name: str, fields: Mapping[str, str] = MappingProxyType({}), *, deadline: float = REQUEST_TIMEOUT_S
    ) -> Answer:
        """Send one action and return its answer. Raises RequestRefused, ConnectionGone; ValueError for a line break in a field."""
        return await self._send(str(next(self._ids)), name, fields, deadline)

    async def listing(self, name: str) -> list[Answer]:
        """Send an action that is answered by a list, and return its members. Raises RequestRefused, ConnectionGone."""
        action_id = str(next(self._ids))
        listed: list[Answer] = []
        self._listed[action_id] = listed
        try:
            await self._send(action_id, name, {}, REQUEST_TIMEOUT_S)
        finally:
            del self._listed[action_id]
        return listed

    async def _send(self, action_id: str, name: str, fields: Mapping[str, str], deadline: float) -> Answer:
        if any("\r" in value or "\n" in value for value in fields.values()):
            raise ValueError("no field of an action has a line break")
        if self.closed.is_set():
            raise ConnectionGone("not connected")
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[action_id] = answer
        lines = [f"Action: {name}", f"ActionID: {action_id}", *(f"{key}: {value}" for key, value in fields.items()), "", ""]
        try:
            async with asyncio.timeout(deadline):
                self._writer.write("\r\n".join(lines).encode())
                await self._writer.drain()
            response = await arrived(answer, deadline)
        except (TimeoutError, OSError) as error:
            raise ConnectionGone(type(error).__name__) from error
        finally:
            self._waiting.pop(action_id, None)
        if response.get("response") == "Error":
            raise RequestRefused(400, response.get("message", ""))
        return response

    async def close(self) -> None:
        """Close the session. What the engine is doing goes on."""
        self._over()
        for task in self._tasks:
            task.cancel()
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await self._writer.wait_closed()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def abandon(self) -> None:
        """Treat the connection as over from this moment; `close` still has to follow."""
        self._over()

    def _over(self) -> None:
        self.closed.set()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ConnectionGone("connection lost"))
                answer.exception()
        self._waiting.clear()

    async def _read(self) -> None:
        try:
            while True:
                block = await self._reader.readuntil(_END)
                pairs = (line.partition(":") for line in block.decode(errors="replace").split("\r\n"))
                fields = {name.strip().lower(): value.strip() for name, colon, value in pairs if colon}
                self._take(fields)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self._over()

    def _take(self, fields: Answer) -> None:
        """An answer, or a part of one: a list comes as events behind the answer, and the last one says that it is whole."""
        action_id = fields.get("actionid", "")
        waiting, listed = self._waiting.get(action_id), self._listed.get(action_id)
        if waiting is None or waiting.done():
            return
        if listed is not None and fields.get("response") != "Error" and fields.get("eventlist", "").lower() != "complete":
            listed += [fields] if "event" in fields else []
        else:
            waiting.set_result(fields)

    async def _ping(self) -> None:
        while not self.closed.is_set():
            await asyncio.sleep(PING_EVERY_S)
            try:
                await self.action("Ping", deadline=PING_DEADLINE_S)
            except (ConnectionGone, RequestRefused):
                if not self.closed.is_set():
                    log.warning("engine's manager does not answer")
                self._over()
