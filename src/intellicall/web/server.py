"""The HTTP server of one platform process, inside the caller's event loop."""

import asyncio
import contextlib
import logging
import time
from email.utils import formatdate
from typing import Any

import structlog
from uvicorn.config import Config
from uvicorn.server import ServerState

from intellicall.settings import Settings
from intellicall.web.address import check_doors
from intellicall.web.tls import Certificate
from intellicall.web.wire import Doorkeeper, GuardedHttp, GuardedWebSocket, Limits

log = structlog.get_logger()


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
        self._listener: asyncio.AbstractServer | None = None
        self._ticker: asyncio.Task[None] | None = None

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._state.connections)

    async def start(self) -> int:
        """Listen, and return the port (found by the machine when the settings say 0).

        Raises UnsafeDoors, OSError when the port is taken, ssl.SSLError when the certificate and key cannot be used.
        """
        check_doors(self.settings)
        if self.settings.tls_certificate and self.settings.tls_key:
            self._certificate = Certificate(self.settings.tls_certificate, self.settings.tls_key)
        self._config.load()
        self._set_date()
        loop = asyncio.get_running_loop()
        certificate = self._certificate
        options: dict[str, Any] = {"ssl_handshake_timeout": self.keeper.limits.header_s} if certificate else {}
        self._listener = await loop.create_server(
            self._new_connection,
            host=self.settings.host,
            port=self.settings.port,
            ssl=certificate.context if certificate else None,
            backlog=1_024,
            **options,
        )
        self._ticker = asyncio.create_task(self._tick(), name="web-ticker")
        port: int = self._listener.sockets[0].getsockname()[1]
        log.info("listening", port=port, tls=certificate is not None)
        return port

    async def stop(self, grace_s: float = 5.0) -> None:
        """Accept nothing more, let running requests finish for `grace_s`, close WebSockets with 1012, then cut off the rest."""
        if self._listener is None or self._ticker is None:
            return
        self._ticker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._ticker
        self._listener.close()
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
        await self._listener.wait_closed()
        self._listener = None
        log.info("stopped_listening")

    def _new_connection(self) -> asyncio.Protocol:
        return GuardedHttp(self._config, self._state, {"doorkeeper": self.keeper})

    def _set_date(self) -> None:
        self._state.default_headers = [(b"date", formatdate(time.time(), usegmt=True).encode())]

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._tick_s)
            self._set_date()
            if self._certificate is not None:
                self._certificate.reload_when_changed()
