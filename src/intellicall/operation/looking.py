"""What is looked up when somebody asks for the metrics: how things stand at this moment."""

import asyncio
from collections import Counter, deque
from dataclasses import dataclass

import structlog

from intellicall.callbacks.delivery import Kind
from intellicall.callbacks.tally import tally
from intellicall.calls.calls import Calls
from intellicall.calls.table import State
from intellicall.operation.metrics import Metrics, set_states
from intellicall.recordings.space import Space
from intellicall.softphone.sessions import SoftphoneSessions
from intellicall.storage.database import StorageUnavailable
from intellicall.telephony.engine import EngineUnavailable, TrunkState

log = structlog.get_logger()

TICK_S = 0.1
WINDOW = 100
"""Ticks of which the slowest counts: ten seconds."""
TRUNKS_AGE_S = 5.0
"""How old the trunks' states may be: the engine is not asked more often."""
QUIET_S = 2.0
"""How long the database may take; after that its gauges stay as they were."""


@dataclass(frozen=True, slots=True)
class Sights:
    """Where to look."""

    calls: Calls
    sessions: SoftphoneSessions
    space: Space


class Looking:
    """One for a platform. `run` measures the event loop, for ever; `look` sets the gauges."""

    def __init__(self, metrics: Metrics, sights: Sights) -> None:
        self._metrics = metrics
        self._sights = sights
        self._around = sights.calls.around
        self._late: deque[float] = deque(maxlen=WINDOW)
        self._trunks: dict[str, TrunkState] = {}
        self._trunks_at = float("-inf")

    async def run(self) -> None:
        """Measure how late the event loop is, ten times a second, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + TICK_S
            await asyncio.sleep(TICK_S)
            self._late.append(max(loop.time() - due, 0.0))

    async def look(self) -> None:
        """Set every gauge. What cannot be asked now stays as it was."""
        metrics, database = self._metrics, self._around.database
        counted = self._sights.calls.states()
        for state in State:
            if state is not State.ENDED:
                metrics.calls.labels(state).set(counted.get(state, 0))
        opened, ready = self._sights.sessions.counts()
        metrics.softphones.labels("open").set(opened)
        metrics.softphones.labels("ready").set(ready)
        metrics.engine_up.set(self._around.engine.ready)
        metrics.database_up.set(database.health().ok)
        metrics.loop_lag.set(max(self._late, default=0.0))
        if self._sights.space.free is not None:
            metrics.disk_free.set(self._sights.space.free)
        for name, state_of_trunk in (await self.trunks()).items():
            set_states(metrics.trunk_up, name, state_of_trunk)
        await self._look_at_deliveries()

    async def _look_at_deliveries(self) -> None:
        metrics, now = self._metrics, self._around.clock.now()
        try:
            found = await self._around.database.read(lambda connection: tally(connection, now), QUIET_S)
        except StorageUnavailable:
            return
        for kind in Kind:
            metrics.waiting.labels(kind).set(found.waiting.get(kind, 0))
        metrics.undelivered.set(found.undelivered)
        metrics.lag.set(found.lag_s)
        metrics.endpoints_failing.set(found.failing)
        metrics.endpoints_paused.set(found.paused)

    async def detail(self) -> dict[str, object]:
        """Return what `/readyz` tells beside the parts that decide. No trunk is named: nobody is asked for a key there."""
        counted = Counter((await self.trunks()).values())
        return {"disk": dict(self._sights.space.shown()), "trunks": {state.value: counted[state] for state in TrunkState}}

    async def trunks(self) -> dict[str, TrunkState]:
        """Return each trunk's state, as it was a few seconds ago at most; while the engine is away, as it was last."""
        now = self._around.clock.monotonic()
        if now - self._trunks_at > TRUNKS_AGE_S:
            self._trunks_at = now
            try:
                found = await self._around.engine.trunk_states()
            except EngineUnavailable:
                return self._trunks
            for gone in self._trunks.keys() - found.keys():
                for state in TrunkState:
                    self._metrics.trunk_up.remove(gone, state)
            self._trunks = found
        return self._trunks
