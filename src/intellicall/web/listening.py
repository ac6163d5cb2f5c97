"""The sockets that clients connect to. They outlive the process that serves: whoever comes next takes them over as they are.

A connection that comes while nobody accepts waits in the kernel's queue instead of being refused.
"""

import contextlib
import os
import socket
from collections.abc import Callable, Sequence

BACKLOG = 1_024
"""How many connections may wait; the kernel's own limit (net.core.somaxconn) holds besides."""

Held = Callable[[], list[socket.socket]]
"""Asks for the sockets that were kept since the last process served; none when there are none. May block for a moment."""


def nothing_held() -> list[socket.socket]:
    """For a process that nobody keeps sockets for."""
    return []


def open_sockets(host: str, port: int, held: Sequence[socket.socket] = ()) -> list[socket.socket]:
    """Return a bound socket for each address of the host: the held ones when they are just these, else new ones. May block.

    Port 0 is any port, a held one too. Held sockets of other addresses are shut for everybody who has them, for the settings were
    changed. Raises OSError when an address is taken.
    """
    wanted = _addresses(host, port)
    if held and sorted(_where(one, port) for one in held) == sorted((family, *address[:2]) for family, address in wanted):
        return list(held)
    for one in held:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)  # listen(2) ends for every holder, and the address is free
        one.close()
    with contextlib.ExitStack() as undo:
        opened = [undo.enter_context(_bound(family, address)) for family, address in wanted]
        undo.pop_all()
    return opened


def _addresses(host: str, port: int) -> list[tuple[int, tuple[str, int]]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((int(family), address) for family, _, _, _, address in found))  # type: ignore[misc]  # str first


def _where(held: socket.socket, port: int) -> tuple[int, str, int]:
    host, its_port, *_ = held.getsockname()
    return int(held.family), host, port and its_port


def _bound(family: int, address: tuple[str, int]) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(address)
    except OSError as problem:
        one.close()
        why = os.strerror(problem.errno or 0).lower()
        raise OSError(problem.errno, f"error while attempting to bind on address {address[:2]}: {why}") from None
    return one
