"""A platform that can be killed at any one of its operations: everything by which it reaches the world counts, and can be cut.

A killed process does nothing more, cleans up nothing, and what it had not committed never was. So does a `Mortal` here: from its
death on no write is stored, no order leaves, no event is taken, nothing is sent, and no call that was under way ever returns; its
tasks are then dropped. What it holds in memory is lost with it; what it cannot take along are the database, the recordings, the
engine with its calls, and the receivers. `test_real_death.py` compares this with `os._exit` in a process of its own.
"""

import asyncio
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

from sqlalchemy import Connection, Engine

from intellicall.callbacks.delivery import Answer, Delivery
from intellicall.callbacks.transport import HttpTransport
from intellicall.recordings.disk import DiskShelf
from intellicall.recordings.shelf import Sealed
from intellicall.storage.database import Database
from intellicall.storage.writer import Job, Writer
from intellicall.telephony.engine import EngineEvent, Listener
from intellicall.telephony.scripted.engine import ScriptedEngine

T = TypeVar("T")


class Mortal:
    """One life of a platform process. `die_at`: the number of the point, from 1 on, at which it dies; None: never."""

    def __init__(self, die_at: int | None = None, *, on_death: Callable[[], None] = lambda: None) -> None:
        self.die_at = die_at
        self.points: list[str] = []
        self.dead = False
        self.busy = 0
        self.moved = asyncio.Event()
        self._on_death = on_death
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()

    def lives_past(self, point: str) -> bool:
        """Count this point; False when the process is dead by now."""
        with self._lock:
            if self.dead:
                return False
            self.points.append(point)
            if len(self.points) != self.die_at:
                return True
            self._on_death()
            self.dead = True
        self._loop.call_soon_threadsafe(self.moved.set)
        return False

    async def passes(self, point: str) -> None:
        """Return if the process lives on; otherwise never."""
        if not self.lives_past(point):
            await self.never()

    async def never(self) -> None:
        await asyncio.Event().wait()

    def passes_on_thread(self, point: str) -> None:
        """As `passes`, on a thread, which ends."""
        if not self.lives_past(point):
            raise SystemExit

    @contextmanager
    def working(self) -> Iterator[None]:
        """Something is under way that the event loop alone does not show: a thread, a socket."""
        self.busy += 1
        try:
            yield
        finally:
            self.busy -= 1
            self.moved.set()


class MortalWriter(Writer):
    """A writer whose thread may end in the middle of a transaction."""

    def _run(self) -> None:
        with suppress(SystemExit):
            super()._run()


class MortalDatabase(Database):
    """Dies before the work of a transaction, after it and before its commit, and after its commit and before its answer."""

    def __init__(self, url: str, engine: Engine, mortal: Mortal) -> None:
        self._mortal = mortal
        room = "intellicall.storage.database"
        with patch(f"{room}.open_engine", lambda _url: engine), patch(f"{room}.Writer", MortalWriter), patch(f"{room}.READERS", 1):
            super().__init__(url)  # with an engine whose compiled statements are kept from life to life

    async def write(self, work: Callable[[Connection], T], within_s: float | None = None) -> T:
        return await self._alive(super().write(work, within_s))

    async def read(self, work: Callable[[Connection], T], within_s: float = 5.0) -> T:
        return await self._alive(super().read(work, within_s))

    async def glance(self, work: Callable[[Connection], T]) -> T:
        return await self._alive(super().glance(work))

    async def _alive(self, asked: Coroutine[Any, Any, T]) -> T:
        with self._mortal.working():
            if self._mortal.dead:
                asked.close()
                await self._mortal.never()
            answer = await asked
            if self._mortal.dead:
                await self._mortal.never()
            return answer

    def _transact(self, group: Sequence[Job]) -> list[Any]:
        self._mortal.passes_on_thread("sql: before the work")
        worked = Job(lambda _connection: self._mortal.passes_on_thread("sql: before the commit"))
        results = super()._transact([*group, worked])
        self._mortal.passes_on_thread("sql: before the answer")
        return results[:-1]

    def drop(self) -> None:
        """Let go of threads and connections as the end of a process does: nothing is finished."""
        self._open = False
        self._writer.close()
        self._readers.shutdown(cancel_futures=True)
        for connection in self._kept.values():
            connection.close()
        self._kept.clear()
        self.engine.dispose()


ORDERS = ("ring_agent", "ring_customer", "ring", "arrange", "send_digits", "hang_up", "snapshot", "missed")
Around = Callable[[str, Callable[[], Any]], Any]
"""What becomes of an order: gets its name and how to carry it out, and is awaited in its place."""
Twist = Callable[[EngineEvent], Sequence[EngineEvent]]
"""What comes through of an event, and of those that were held back before."""


async def as_it_is(_name: str, carry_out: Callable[[], Any]) -> Any:
    return await carry_out()


class MortalEngine:
    """The port, between a platform process and an engine that outlives it."""

    def __init__(self, engine: ScriptedEngine, mortal: Mortal, twist: Twist, around: Around = as_it_is) -> None:
        self._engine = engine
        self._mortal = mortal
        self._twist = twist
        self._around = around

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._engine, name)
        return self._order(name, found) if name in ORDERS else found

    def _order(self, name: str, carry_out: Callable[..., Any]) -> Callable[..., Any]:
        async def ordered(*arguments: Any) -> Any:
            await self._mortal.passes(f"engine: before {name}")
            answer = await self._around(name, lambda: carry_out(*arguments))
            await self._mortal.passes(f"engine: after {name}")
            return answer

        return ordered

    def listen(self, listener: Listener) -> None:
        def hear(event: EngineEvent) -> None:
            for told in self._twist(event):
                if self._mortal.lives_past(f"engine: before {type(told).__name__}"):
                    listener(told)

        self._engine.listen(hear)


_NO_TLS = ssl.SSLContext(
    ssl.PROTOCOL_TLS_CLIENT
)  # the receiver of a play speaks HTTP; to read the machine's certificates takes longest


class MortalTransport(HttpTransport):
    """Dies before a request leaves, and after its answer came and before that is recorded."""

    def __init__(self, mortal: Mortal) -> None:
        super().__init__(allow_private=True, ssl_context=_NO_TLS)
        self._mortal = mortal

    async def post(self, delivery: Delivery, signature: Any = ()) -> Answer:
        await self._mortal.passes("courier: before the request")
        with self._mortal.working():
            answer = await super().post(delivery, signature)
        await self._mortal.passes("courier: after the answer")
        return answer


class MortalShelf(DiskShelf):
    """Dies before a recording is completed, and when it is complete and nobody knows yet."""

    def __init__(self, folder: Path, mortal: Mortal) -> None:
        super().__init__(folder)
        self._mortal = mortal

    async def seal(self, name: str) -> Sealed | None:
        await self._mortal.passes("recordings: before the seal")
        with self._mortal.working():
            sealed = await super().seal(name)
        await self._mortal.passes("recordings: after the seal")
        return sealed
