"""The HTTP server of one platform process, inside the caller's event loop."""

import asyncio
import contextlib
import logging
import socket
import time
import weakref
from email.utils import formatdate
from typing import Any

import structlog
from uvicorn.config import Config
from uvicorn.server import ServerState

from intellicall.settings import Settings
from intellicall.web.address import check_doors
from intellicall.web.listening import BACKLOG, Held, nothing_held, open_sockets
from intellicall.web.tls import Certificate
from intellicall.web.wire import Doorkeeper, GuardedHttp, GuardedWebSocket, Limits

log = structlog.get_logger()

NEWCOMER_S = 0.3
"""Who connected less than this before the doors closed is waited for: the first request of a new connection is on its way."""


class Server:
    """Serves one ASGI application over HTTP and WebSocket, or HTTPS and WSS when a certificate is given."""

    def __init__(self, app: Any, settings: Settings, limits: Limits | None = None, *, tick_s: float = 1.0) -> None:
        """`tick_s`: how often the certificate's files are looked at."""
        self.settings = settings
        self.keeper = Doorkeeper(limits or Limits())
        self._tick_s = tick_s
        self._config = Config(
            app,
            http=GuardedHttp,
            ws=GuardedWebSocket,
            ws_max_size=self.keeper.limits.message_bytes,
            ws_ping_interval=self.keeper.limits.ping_s,
            ws_ping_timeout=self.keeper.limits.pong_s,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
        )
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # its info lines carry addresses and query strings
        self._state = ServerState()
        self._certificate: Certificate | None = None
        self.sockets: list[socket.socket] = []
        """What it listens on, while it does."""
        self._listeners: list[asyncio.AbstractServer] = []
        self._made: weakref.WeakSet[GuardedHttp] = weakref.WeakSet()
        self._ticker: asyncio.Task[None] | None = None

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._state.connections)

    async def start(self, held: Held = nothing_held) -> int:
        """Listen, and return the port (found by the machine when the settings say 0). `held` asks for sockets to take over.

        Raises UnsafeDoors, OSError when the port is taken, ssl.SSLError when the certificate and key cannot be used.
        """
        check_doors(self.settings)
        if self.settings.tls_certificate and self.settings.tls_key:
            self._certificate = Certificate(self.settings.tls_certificate, self.settings.tls_key)
        self._config.load()
        self._set_date()
        self.sockets, taken_over = await asyncio.to_thread(self._open_sockets, held)
        try:
            await self._listen()
        except BaseException:
            for one in self.sockets:
                one.close()
            raise
        self._ticker = asyncio.create_task(self._tick(), name="web-ticker")
        port: int = self.sockets[0].getsockname()[1]
        log.info("listening", port=port, tls=self._certificate is not None, taken_over=taken_over)
        return port

    def _open_sockets(self, held: Held) -> tuple[list[socket.socket], bool]:
        kept = held()
        opened = open_sockets(self.settings.host, self.settings.port, kept)
        return opened, opened == kept

    async def _listen(self) -> None:
        certificate = self._certificate
        options: dict[str, Any] = {"ssl_handshake_timeout": self.keeper.limits.header_s} if certificate else {}
        context = certificate.context if certificate else None
        loop = asyncio.get_running_loop()
        for one in self.sockets:
            self._listeners.append(
                await loop.create_server(self._new_connection, sock=one, ssl=context, backlog=BACKLOG, **options)
            )

    async def stop(self, grace_s: float = 5.0) -> None:
        """Accept nothing more, let running requests finish for `grace_s`, close WebSockets with 1012, then cut off the rest."""
        if self._ticker is None:
            return
        self._ticker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._ticker
        self._ticker = None
        for listener in self._listeners:
            listener.close()
        await self._hear_newcomers()
        for connection in list(self._state.connections):
            connection.shutdown()
        tasks = list(self._state.tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for connection in list(self._state.connections):
            connection.transport.abort()
        for listener in self._listeners:
            await listener.wait_closed()
        self._listeners, self.sockets = [], []
        log.info("stopped_listening")

    def _new_connection(self) -> asyncio.Protocol:
        made = GuardedHttp(self._config, self._state, {"doorkeeper": self.keeper})
        self._made.add(made)
        return made

    async def _hear_newcomers(self) -> None:
        """Read what has arrived already, and the first request of those who have just been let in."""
        while True:
            await asyncio.sleep(0.01)
            if not any(one.silent_for_s < NEWCOMER_S for one in self._made):
                return

    def _set_date(self) -> None:
        self._state.default_headers = [(b"date", formatdate(time.time(), usegmt=True).encode())]

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._tick_s)
            self._set_date()
            if self._certificate is not None:
                self._certificate.reload_when_changed()
