"""Everybody who looks on while calls are made: what they do is in nobody's way, and what breaks in them harms no call."""

import structlog

from intellicall.callbacks.courier import Courier
from intellicall.calls.calls import Calls
from intellicall.calls.result import Entry
from intellicall.calls.tracing import Tracing
from intellicall.operation.counting import Counting
from intellicall.operation.looking import Looking, Sights
from intellicall.operation.metrics import Metrics
from intellicall.recordings.space import Space
from intellicall.softphone.sessions import SoftphoneSessions
from intellicall.telephony.engine import EngineEvent, LegNote

log = structlog.get_logger()


class Onlookers:
    """Traces and metrics of one platform. What is told here was told to the calls before."""

    def __init__(self, calls: Calls, sessions: SoftphoneSessions, space: Space, courier: Courier) -> None:
        database, clock = calls.around.database, calls.around.clock
        self.tracing = Tracing(database, clock)
        self.metrics = Metrics()
        self.looking = Looking(self.metrics, Sights(calls, sessions, space))
        self._counting = Counting(self.metrics)
        sessions.noticed = self.tracing.softphone
        courier.attempted = self._counting.attempted
        database.timed = self._counting.written

    def taken_up(self, call_ids: list[str]) -> None:
        """These calls were live when the platform started."""
        self._counting.taken_up(call_ids)

    def engine_event(self, event: EngineEvent) -> None:
        """The engine said something. Whoever hands it on catches what is raised."""
        self.tracing.engine_event(event)
        self._counting.engine_event(event)

    def note(self, note: LegNote) -> None:
        """The engine's watcher."""
        self.tracing.note(note)
        self._counting.note(note)

    def changed(self, entry: Entry) -> None:
        """A change of a call was stored. Raises nothing."""
        try:
            self.tracing.changed(entry)
            self._counting.changed(entry)
        except Exception:
            log.exception("onlooker_failed", call_id=entry.call.id)
