"""`python -m bench.deliveries`: what the way from a stored end to its receiver costs, without telephony.

The lag is the time from the commit of an end to the arrival of its POST at the receiver, which is a process of its own.
`--url` measures on PostgreSQL instead of SQLite; its database must be empty.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog
import uvloop
from sqlalchemy import Connection, func, select

from bench.figures import percentile
from bench.usage import load
from intellicall.accounts.account import Account
from intellicall.accounts.changes import create_account
from intellicall.callbacks import store
from intellicall.callbacks.courier import Courier
from intellicall.callbacks.delivery import State
from intellicall.callbacks.tables import deliveries
from intellicall.callbacks.transport import HttpTransport
from intellicall.calls.journal import JournalEntry
from intellicall.calls.samples import results
from intellicall.clock import SystemClock
from intellicall.ids import new_call_id, new_id
from intellicall.storage.database import Database
from intellicall.storage.migrate import migrate

RATE = 200
SECONDS = 20
HEALTHY = 10
BACKLOG = 10_000
OUTAGE = 100_000
RESULT = results()["answered"]


@dataclass
class Scene:
    """A database, a courier and receivers; `committed` has the time of the commit of each result that was ended."""

    database: Database
    courier: Courier
    sink: asyncio.subprocess.Process
    port: int
    committed: dict[str, float] = field(default_factory=dict)

    def account(self, kind: str = "") -> str:
        """Make an account whose receiver is of this kind, and return its id."""
        name = new_id()
        url = f"http://127.0.0.1:{self.port}/{name}{kind}"
        made = Account(name, name, enabled=True, sandbox=False, default_region="IN", concurrent_calls=10, callback_url=url)
        self.database.write_now(lambda connection: create_account(connection, made, SystemClock().now()))
        return name

    async def end(self, account_id: str) -> None:
        """End a call, as the calls room does it."""
        entry = ended(account_id)
        await self.database.write(partial(store.project, entries=[entry]))
        self.committed[entry.call_id] = time.monotonic()
        self.courier.wake(account_id)

    async def backlog(self, accounts: Sequence[str], count: int) -> None:
        """Store results of calls that ended while nobody delivered."""
        for start in range(0, count, 1_000):
            entries = [ended(accounts[number % len(accounts)]) for number in range(start, min(start + 1_000, count))]
            await self.database.write(partial(store.project, entries=entries))

    async def load(self, accounts: Sequence[str], rate: float, seconds: float) -> None:
        """End calls at this rate, one account after the other, whatever becomes of those before."""
        began, tasks = time.monotonic(), []
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
            tasks.append(asyncio.create_task(self.end(accounts[number % len(accounts)])))
        await asyncio.gather(*tasks)

    async def lags(self) -> tuple[list[float], int]:
        """Return the lag in ms of what was ended, and how many others came, when all of it has come; at most a minute."""
        came: dict[str, float] = {}
        deadline = time.monotonic() + 60
        while not self.committed.keys() <= came.keys() and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
            came |= await self.arrivals()
        found = [(came[one] - at) * 1000 for one, at in self.committed.items() if one in came]
        others = len(came.keys() - self.committed.keys())
        missing = len(self.committed) - len(found)
        if missing:
            print(f"  {missing} results never came", file=sys.stderr)
        self.committed.clear()
        return found, others

    async def arrivals(self) -> dict[str, float]:
        assert self.sink.stdin is not None
        assert self.sink.stdout is not None
        self.sink.stdin.write(b"\n")
        found: dict[str, float] = json.loads(await self.sink.stdout.readline())
        return found


def ended(account_id: str) -> JournalEntry:
    call_id = new_call_id()
    return JournalEntry(call_id, account_id, 7, SystemClock().now(), "ended", {"result": {**RESULT, "call_id": call_id}})


@contextlib.asynccontextmanager
async def opened(url: str | None) -> AsyncIterator[Scene]:
    """A scene whose courier does not run yet."""
    with tempfile.TemporaryDirectory() as folder:
        url = url or f"sqlite:///{Path(folder) / 'bench.db'}"
        migrate(url)
        database = Database(url)
        pipe = asyncio.subprocess.PIPE
        sink = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.sink", stdin=pipe, stdout=pipe, limit=64 * 1024 * 1024
        )
        assert sink.stdout is not None
        port = int(await sink.stdout.readline())
        courier = Courier(database, SystemClock(), HttpTransport(allow_private=True))
        try:
            yield Scene(database, courier, sink, port)
        finally:
            await courier.stop()
            sink.kill()
            await sink.wait()
            database.close()


async def steady(scene: Scene, what: str, accounts: Sequence[str], seconds: float, rate: float = RATE) -> None:
    """End calls steadily and print how late their results were."""
    cpu = time.process_time()
    await scene.load(accounts, rate, seconds)
    found, _ = await scene.lags()
    cpu = (time.process_time() - cpu) * 1000 / max(len(found), 1)
    print(f"{what}: {len(found)} results at {rate:.0f}/s; {_shown(found)}; {cpu:.2f} ms CPU each", flush=True)


def _shown(found: Sequence[float]) -> str:
    p50, p99 = percentile(found, 0.5), percentile(found, 0.99)
    return f"lag p50 {p50:.1f} ms, p99 {p99:.1f} ms, most {max(found):.0f} ms"


async def drain(scene: Scene, count: int) -> None:
    """Take up a restart's backlog while other accounts' calls go on, and print how both fared."""
    behind, others = [scene.account() for _ in range(20)], [scene.account() for _ in range(5)]
    await scene.backlog(behind, count)
    began = time.monotonic()
    await scene.courier.start()
    lags: list[float] = []
    while await scene.database.read(_due):
        await scene.load(others, 20, 2)
        lags += (await scene.lags())[0]
    took = time.monotonic() - began
    print(
        f"restart with {count:,} due: drained in {took:.0f} s ({count / took:.0f}/s); meanwhile {_shown(lags)} for others",
        flush=True,
    )


def _due(connection: Connection) -> bool:
    return bool(connection.scalar(select(func.count()).where(deliveries.c.state == State.DUE.value)))


async def measure(url: str | None, outage: int, seconds: float) -> None:
    """Print every figure."""
    print(f"load of the machine before: {load()}", flush=True)
    async with opened(url) as scene:
        if outage:
            await drain(scene, outage)
        else:
            await scene.courier.start()
        await steady(scene, f"{HEALTHY} healthy receivers", [scene.account() for _ in range(HEALTHY)], seconds)
        await steady(scene, "one account, one receiver", [scene.account()], seconds)
        await steady(scene, f"{HEALTHY} receivers of 50 ms", [scene.account("/slow") for _ in range(HEALTHY)], seconds)
        dead = scene.account("/dead")
        await scene.backlog([dead], BACKLOG)
        scene.courier.wake(dead)
        await steady(scene, f"beside a dead one with {BACKLOG:,} waiting", [scene.account() for _ in range(HEALTHY)], seconds)


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(prog="python -m bench.deliveries", description=__doc__)
    parser.add_argument("--url", help="SQLAlchemy URL of an empty database; default: SQLite in a scratch folder")
    parser.add_argument("--outage", type=int, default=OUTAGE, help="results that are due when the courier starts; 0: none")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long each steady load takes")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    uvloop.run(measure(options.url, options.outage, options.seconds))


if __name__ == "__main__":
    main()
