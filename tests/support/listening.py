"""Who listens on a TCP port of this machine (IPv4), as the kernel tells it (proc(5): /proc/net/tcp)."""

import contextlib
import socket
from pathlib import Path


def addresses(port: int) -> set[str]:
    """Return the addresses on which somebody listens on this port."""
    return {socket.inet_ntoa(bytes.fromhex(row[1].partition(":")[0])[::-1]) for row in _rows(port)}


def holders(port: int) -> set[int]:
    """Return the processes that have a socket which listens on this port."""
    inodes = {row[9] for row in _rows(port)}
    return {pid for pid in _processes() if _sockets(pid) & inodes} if inodes else set()


def _rows(port: int) -> list[list[str]]:
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [row for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "0A"]


def _processes() -> list[int]:
    return [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]


def _sockets(pid: int) -> set[str]:
    found: set[str] = set()
    with contextlib.suppress(OSError):  # it may end while we look
        for held in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(str(held.readlink()).removeprefix("socket:[").removesuffix("]"))
    return found
