"""The one thread that writes: it takes what waits, in order, and stores it in groups.

While the database has a fault (locked, full, away) what waits goes on waiting, in order, and is tried again several times a second;
who cannot wait any longer is told so, and then is never stored. When nobody waits, a probe finds out when the fault is over.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import structlog
from sqlalchemy import Connection

from intellicall.storage.faults import Fault, StorageUnavailable, as_told, fault_of

log = structlog.get_logger()

GROUP_LIMIT = 64
PATIENCE_S = 2.0
"""How long a piece of work waits for its turn before its caller hears that nothing was stored."""
RETRY_S = 0.2
"""Between two attempts while the database has a fault."""
PROBE_S = 0.5
STUCK_S = 1.0
"""An attempt that lasts longer makes the database count as too slow."""


@dataclass(slots=True, eq=False)
class Job:
    """A piece of work, and who waits for it."""

    work: Callable[[Connection], Any]
    future: "Future[Any]" = field(default_factory=Future)
    handed_in: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class Health:
    """How writing goes. `reason`: why it does not, in plain words, and since how many seconds; `waiting`: writes not stored yet."""

    ok: bool
    reason: str | None
    waiting: int
    failing_s: float


class Writer:
    """`transact` stores a group in one transaction, or raises, storing nothing; `probe` raises while nothing can be written."""

    def __init__(self, transact: Callable[[Sequence[Job]], list[Any]], probe: Callable[[], None]) -> None:
        self._transact = transact
        self._probe = probe
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._waiting: deque[Job] = deque()
        self._closing = threading.Event()
        self._fault: Fault | None = None
        self._failing_since = 0.0
        self._attempt_since: float | None = None
        self._thread = threading.Thread(target=self._run, name="sql-write", daemon=True)
        self._thread.start()

    def hand_in(self, work: Callable[[Connection], Any]) -> "Future[Any]":
        """Take the work into the queue."""
        job = Job(work)
        self._jobs.put(job)
        return job.future

    def close(self, patience_s: float = 10.0) -> None:
        """Store what was handed in; what cannot be stored within PATIENCE_S is refused."""
        self._closing.set()
        self._jobs.put(None)
        self._thread.join(patience_s)

    @property
    def closing(self) -> bool:
        """Whether nothing is handed in any more."""
        return self._closing.is_set()

    def health(self) -> Health:
        """Return how writing goes. From any thread."""
        now, attempt = time.monotonic(), self._attempt_since
        waiting = self._jobs.qsize() + len(self._waiting)
        if self._fault is not None:
            return Health(ok=False, reason=self._fault.value, waiting=waiting, failing_s=now - self._failing_since)
        if attempt is not None and now - attempt > STUCK_S:
            return Health(ok=False, reason=Fault.SLOW.value, waiting=waiting, failing_s=now - attempt)
        return Health(ok=True, reason=None, waiting=waiting, failing_s=0.0)

    @property
    def at_ease(self) -> bool:
        """Whether nothing hints at an ill disk or server: the last attempt went well, and none is unusually long under way."""
        attempt = self._attempt_since
        return self._fault is None and (attempt is None or time.monotonic() - attempt < RETRY_S)

    # -- the thread -----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self.closing or self._waiting or not self._jobs.empty():
            self._gather()
            self._refuse_the_late()
            group = list(islice(self._waiting, GROUP_LIMIT))
            if group:
                self._store(group)
                self._waiting = deque(job for job in self._waiting if not job.future.done())
            elif self._fault is not None and not self.closing:
                self._look()

    def _gather(self) -> None:
        """Take all that was handed in; wait for the first, unless something waits already."""
        pause = PROBE_S if self._fault is not None and not self.closing else None
        try:
            if not self._waiting and not (self.closing and self._jobs.empty()):
                self._take(self._jobs.get(timeout=pause))
            while True:
                self._take(self._jobs.get_nowait())
        except queue.Empty:
            return

    def _take(self, job: Job | None) -> None:
        if job is not None:  # None: wake up, for we are closing
            self._waiting.append(job)

    def _refuse_the_late(self) -> None:
        if self._fault is None:
            return  # it is only a matter of the next group
        limit = time.monotonic() - PATIENCE_S
        while self._waiting and self._waiting[0].handed_in < limit:
            self._waiting.popleft().future.set_exception(StorageUnavailable(self._fault))

    def _store(self, group: Sequence[Job]) -> None:
        """One transaction for all. When one of them fails by itself each gets its own; at a fault all go on waiting."""
        if (fault := self._attempt(group)) is not None:
            self._failed(fault)
            time.sleep(RETRY_S)

    def _attempt(self, group: Sequence[Job]) -> Fault | None:
        self._attempt_since = time.monotonic()
        try:
            results = self._transact(group)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must reach the callers and not end the writer
            if (fault := fault_of(error)) is not None:
                return fault
            if len(group) == 1:
                group[0].future.set_exception(as_told(error))
                return None
            return next((fault for job in group if (fault := self._attempt([job])) is not None), None)
        finally:
            self._attempt_since = None
        self._succeeded()
        for job, result in zip(group, results, strict=True):
            job.future.set_result(result)
        return None

    def _look(self) -> None:
        try:
            self._probe()
        except Exception as error:  # noqa: BLE001 - as above
            self._failed(fault_of(error) or Fault.AWAY)
        else:
            self._succeeded()

    def _failed(self, fault: Fault) -> None:
        if self._fault is None:
            self._failing_since = time.monotonic()
        if fault is not self._fault:
            log.warning("database_fault", fault=fault.name.lower())
        self._fault = fault

    def _succeeded(self) -> None:
        if self._fault is not None:
            log.info("database_recovered", seconds=round(time.monotonic() - self._failing_since, 1), waiting=len(self._waiting))
        self._fault = None
