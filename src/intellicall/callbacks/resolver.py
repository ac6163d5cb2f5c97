"""Host names of receivers, looked up on threads of our own.

The event loop's own look-up shares four threads among everything (uvloop) or the default executor (asyncio): a few dead name
servers of one account would stop the look-ups of all. Here they take a few of many threads.
"""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor

from aiohttp.abc import AbstractResolver, ResolveResult

_THREADS = 64
_FLAGS = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class ThreadedResolver(AbstractResolver):
    """The system's own name resolution (hosts file, DNS) for one session."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="callback-dns")

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        """Return the addresses of a host, as literals. Raises OSError (socket.gaierror) when there are none."""
        loop = asyncio.get_running_loop()
        infos = await loop.run_in_executor(self._threads, _look_up, host, port, family)
        return [
            ResolveResult(hostname=host, host=str(sockaddr[0]), port=port, family=found, proto=proto, flags=_FLAGS)
            for found, _, proto, _, sockaddr in infos
        ]

    async def close(self) -> None:
        """Let go of the threads; a look-up that hangs in the C library ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int, family: int) -> list[tuple[int, int, int, str, tuple[str | int, ...]]]:
    return [tuple(info) for info in socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)]  # type: ignore[misc]
