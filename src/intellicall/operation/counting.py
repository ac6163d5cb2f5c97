"""What is counted while it happens: a listener beside the calls, the engine, the courier and the database."""

from collections.abc import Iterable
from datetime import datetime

from intellicall.callbacks.delivery import Attempt, Delivery, Kind, State
from intellicall.calls.endings import status_of
from intellicall.calls.result import Entry
from intellicall.calls.table import Reason
from intellicall.operation.metrics import Metrics
from intellicall.telephony.engine import (
    EngineEvent,
    EngineLost,
    EngineReady,
    LegAnswered,
    LegEnded,
    LegHeard,
    LegNote,
    LegTried,
    Role,
    TryFailed,
)

MOST_TIMED = 20_000
"""Calls whose set-up is being timed at once; beyond it the oldest are forgotten."""


class Counting:
    """Every method returns at once and touches memory only: some ten microseconds a call, all told."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._accepted: dict[str, datetime] = {}
        self._agent_up: dict[str, datetime] = {}
        self._live: set[str] = set()
        legs = (Role.AGENT.value, Role.CUSTOMER.value, "guest")
        self._loss = {leg: metrics.loss.labels(leg) for leg in legs}
        self._jitter = {leg: metrics.jitter.labels(leg) for leg in legs}

    def taken_up(self, call_ids: Iterable[str]) -> None:
        """These calls were live when the platform started."""
        self._live.update(call_ids)

    def changed(self, entry: Entry) -> None:
        """A change of a call was stored."""
        call = entry.call
        if call.live:
            if call.id not in self._live:
                self._live.add(call.id)
                _keep(self._accepted, call.id, call.created_at)
        elif call.id in self._live:  # a later change of its notes is no end
            self._live.discard(call.id)
            self._accepted.pop(call.id, None)
            self._agent_up.pop(call.id, None)
            self._metrics.ended.labels(status_of(call), call.reason or Reason.UNEXPLAINED).inc()

    def engine_event(self, event: EngineEvent) -> None:
        """The engine's listener, beside the calls."""
        match event:
            case LegAnswered(leg=Role.AGENT):
                if event.call_id in self._live:
                    _keep(self._agent_up, event.call_id, event.at)
            case LegEnded(leg=Role.AGENT):
                self._agent_up.pop(event.call_id, None)
            case EngineLost():
                self._metrics.engine_losses.inc()
            case EngineReady(restarted=True):
                self._metrics.engine_restarts.inc()
            case EngineReady():
                self._metrics.engine_adoptions.inc()

    def note(self, note: LegNote) -> None:
        """The engine's watcher."""
        match note:
            case LegTried():
                self._tried(note)
            case TryFailed():
                self._metrics.trunk_attempts.labels(note.trunk or "", "failed_over").inc()
            case LegHeard():
                leg = note.leg if note.leg in self._loss else "guest"
                if whole := note.packets + note.lost:
                    self._loss[leg].observe(note.lost / whole)
                    self._jitter[leg].observe(note.jitter_s)

    def _tried(self, note: LegTried) -> None:
        if note.trunk is not None:
            self._metrics.trunk_attempts.labels(note.trunk, "tried").inc()
        begun, histogram = (
            (self._accepted.pop(note.call_id, None), self._metrics.to_agent)
            if note.leg == Role.AGENT
            else (self._agent_up.pop(note.call_id, None) if note.leg == Role.CUSTOMER else None, self._metrics.to_customer)
        )
        if begun is not None:
            histogram.observe(max((note.at - begun).total_seconds(), 0.0))

    def attempted(self, delivery: Delivery, attempt: Attempt, state: State) -> None:
        """The courier has made an attempt, and this is what became of the delivery."""
        outcome = "acknowledged" if state is State.DELIVERED else "failed"
        self._metrics.attempts.labels(delivery.kind, outcome).inc()
        if attempt.number == 1 and delivery.kind is Kind.RESULT:
            self._metrics.to_callback.observe(max((attempt.started_at - delivery.created_at).total_seconds(), 0.0))

    def written(self, seconds: float, stored: bool) -> None:  # noqa: FBT001 - the one fact beside its length
        """A write came to its end."""
        self._metrics.writes.observe(seconds)
        if not stored:
            self._metrics.write_failures.inc()


def _keep(kept: dict[str, datetime], call_id: str, at: datetime) -> None:
    if len(kept) >= MOST_TIMED:
        del kept[next(iter(kept))]
    kept[call_id] = at
