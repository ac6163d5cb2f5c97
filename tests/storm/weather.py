"""The storm's faults: which, when and how hard comes of one seed."""

import asyncio
import contextlib
import random
import signal
import sqlite3
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import psycopg
from tests.storm.site import Site, send

CALM_S = (4.0, 9.0)
"""Between the end of one fault and the next, so that each is a recovery of its own."""


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault: what it was, from when to when (seconds of the wall clock), until when the platform was whole again.

    `engine_killed`: when the engine was killed by it, if it was.
    """

    what: str
    at: float
    over: float
    healed: float
    engine_killed: float | None


async def _platform(site: Site, _dice: random.Random) -> None:
    send(site.platform_pid(), signal.SIGKILL)


async def _upgrade(site: Site, _dice: random.Random) -> None:
    """Another version takes over, as by `systemctl reload`."""
    before = site.platform_pid()
    assert site.supervisor is not None
    site.supervisor.send_signal(signal.SIGHUP)
    async with asyncio.timeout(60):
        while site.platform_pid() in (before, None):  # noqa: ASYNC110 - other processes bring it about
            await asyncio.sleep(0.02)


async def _freeze(site: Site, dice: random.Random) -> None:
    await _stopped(site, dice.uniform(0.15, 4))


async def _long_freeze(site: Site, dice: random.Random) -> None:
    await _stopped(site, dice.choice((10.0, 60.0)))


async def _stopped(site: Site, seconds: float) -> None:
    pid = site.platform_pid()
    send(pid, signal.SIGSTOP)
    await asyncio.sleep(seconds)
    send(pid, signal.SIGCONT)


async def _engine(site: Site, _dice: random.Random) -> float:
    send(site.engine_pid(), signal.SIGKILL)
    return time.time()


async def _both(site: Site, dice: random.Random) -> float:
    """Platform and engine, in either order, within a moment."""
    platform, engine = site.platform_pid(), site.engine_pid()
    killed = 0.0
    for pid in dice.sample((platform, engine), 2):
        send(pid, signal.SIGKILL)
        killed = time.time() if pid == engine else killed
        await asyncio.sleep(dice.choice((0.0, 0.1, 0.5)))
    return killed


async def _receiver(site: Site, dice: random.Random) -> None:
    await site.kill_receiver()
    await asyncio.sleep(dice.uniform(0.5, 10))
    await site.start_receiver()


async def _database(site: Site, dice: random.Random) -> None:
    """Another program holds the write lock, as a careless backup does; on PostgreSQL every connection is cut."""
    if site.database_url:
        await asyncio.to_thread(_cut_connections, site.database_url)
        return
    await asyncio.to_thread(_hold_lock, str(site.state / "intellicall.db"), dice.uniform(1, 6))


# Each returns when it killed the engine, if it did.
FAULTS: dict[str, Callable[[Site, random.Random], Awaitable[float | None]]] = {
    "platform": _platform,
    "engine": _engine,
    "both": _both,
    "receiver": _receiver,
    "database": _database,
    "freeze": _freeze,
    "long-freeze": _long_freeze,
    "upgrade": _upgrade,
}

SHORT = [name for name in FAULTS if name != "long-freeze"]


async def strike(site: Site, seed: int, until: float, kinds: list[str]) -> list[Struck]:
    """Strike again and again until `until` (wall clock): each kind once in a shuffled order, then shuffled anew."""
    dice = random.Random(seed)  # noqa: S311 - a storm, not a secret
    struck: list[Struck] = []
    order: list[str] = []
    await asyncio.sleep(2)
    while kinds and time.time() < until:
        order = order or dice.sample(kinds, len(kinds))
        what, at = order.pop(), time.time()
        engine_killed = await FAULTS[what](site, dice)
        over = time.time()
        await _until_it_is_known(site)
        await site.until_ready()
        struck.append(Struck(what, at, over, time.time(), engine_killed))
        await asyncio.sleep(dice.uniform(*CALM_S))
    return struck


async def _until_it_is_known(site: Site) -> None:
    """A process that was killed a moment ago must not count as ready still."""
    async with asyncio.timeout(20):
        while site.platform_pid() is None or site.engine_pid() is None:  # noqa: ASYNC110 - other processes bring it about
            await asyncio.sleep(0.02)


def _hold_lock(file: str, seconds: float) -> None:
    with contextlib.closing(sqlite3.connect(file, timeout=30, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        time.sleep(seconds)
        connection.execute("ROLLBACK")


def _cut_connections(url: str) -> None:
    with psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
