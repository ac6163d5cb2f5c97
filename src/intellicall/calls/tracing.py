"""Gathers what is seen of the calls, and stores it in groups: a listener beside the calls' way, which waits for nothing of it.

What is written once a second and at the stop; while the database is away it waits here, up to a limit, then the oldest is dropped.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog

from intellicall.calls import traces
from intellicall.calls.result import Entry
from intellicall.calls.traces import Source, Trace
from intellicall.clock import Clock
from intellicall.storage.database import Database, StorageUnavailable
from intellicall.telephony.engine import EngineEvent, LegEnded, LegHeard, LegNote, LegRinging, LegTried, TryFailed

log = structlog.get_logger()

FLUSH_EVERY_S = 1.0
MOST_OF_A_CALL = 200
MOST_OF_A_SOFTPHONE = 40
"""Of one call, so that no page can fill the database."""
MOST_WAITING = 20_000
BEFORE = timedelta(seconds=120)
"""What an agent's softphone went through before the call belongs to it."""
AFTER_S = 60.0
"""For so long after a call's end something may be added to it."""


@dataclass(slots=True)
class _Seen:
    """What was seen of one call by now. `unsaved` has what is not stored yet, `ended` the monotonic time of its end."""

    unsaved: list[Trace] = field(default_factory=list)
    count: int = 0
    of_softphones: int = 0
    ended: float | None = None


class Tracing:
    """One for a platform. Every method but `run` and `close` returns at once."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._seen: dict[str, _Seen] = {}
        self._call_of: dict[str, str] = {}  # of agents with a softphone: the call that they are in, or were in last
        self._before: dict[str, deque[Trace]] = {}
        self._waiting = 0

    # -- what is seen -------------------------------------------------------------------------------------------------------

    def changed(self, entry: Entry) -> None:
        """A change of a call was stored."""
        call_id = entry.call.id
        seen = self._seen.setdefault(call_id, _Seen())
        for agent_id in _agents(entry):
            if self._call_of.get(agent_id) != call_id:
                self._call_of[agent_id] = call_id
                for trace in self._before.pop(agent_id, ()):
                    if trace.at >= entry.call.created_at - BEFORE:
                        self._add(call_id, trace)
        if not entry.call.live and seen.ended is None:
            seen.ended = self._clock.monotonic()

    def engine_event(self, event: EngineEvent) -> None:
        """The engine's listener, beside the calls."""
        match event:
            case LegRinging(call_id=call_id, leg=leg, at=at, early_media=early):
                self._add(call_id, Trace(at, Source.SIP, "early_media" if early else "ringing", {"leg": leg}))
            case LegEnded(call_id=call_id):
                data = {"leg": event.leg, "cause": event.cause, "by_far_end": event.by_far_end, "sip_code": event.sip_code}
                self._add(call_id, Trace(event.at, Source.SIP, "leg_ended", data))

    def note(self, note: LegNote) -> None:
        """The engine's watcher."""
        match note:
            case LegTried():
                self._add(note.call_id, Trace(note.at, Source.SIP, "invite", {"leg": note.leg, "trunk": note.trunk}))
            case TryFailed():
                data = {"leg": note.leg, "trunk": note.trunk, "cause": note.cause, "sip_code": note.sip_code}
                self._add(note.call_id, Trace(note.at, Source.SIP, "trunk_failed", data))
            case LegHeard():
                heard = {"leg": note.leg, "packets": note.packets, "lost": note.lost, "jitter_ms": round(note.jitter_s * 1000, 1)}
                rtt_ms = None if note.rtt_s is None else round(note.rtt_s * 1000, 1)
                self._add(note.call_id, Trace(note.at, Source.SIP, "audio", heard | {"rtt_ms": rtt_ms}))

    def softphone(self, agent_id: str, what: str, data: Mapping[str, Any], call_id: str | None = None) -> None:
        """Something happened to an agent's softphone. With `call_id` the page says which call it means: it must be the agent's."""
        trace = Trace(self._clock.now(), Source.SOFTPHONE, what, data)
        call = self._call_of.get(agent_id)
        seen = self._seen.get(call) if call else None
        if call_id is not None and call_id != call:
            return
        if seen is None or call is None or (seen.ended is not None and call_id is None):
            self._before.setdefault(agent_id, deque(maxlen=5)).append(trace)
        elif seen.of_softphones < MOST_OF_A_SOFTPHONE:
            seen.of_softphones += 1
            self._add(call, trace)

    def unsaved(self, call_id: str) -> list[Trace]:
        """Return what is not stored yet."""
        seen = self._seen.get(call_id)
        return list(seen.unsaved) if seen else []

    def _add(self, call_id: str, trace: Trace) -> None:
        seen = self._seen.setdefault(call_id, _Seen())
        if seen.count < MOST_OF_A_CALL and self._waiting < MOST_WAITING:
            seen.count += 1
            self._waiting += 1
            seen.unsaved.append(trace)

    # -- storing ------------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Store what was seen, once a second, for ever."""
        while True:
            await self._clock.sleep(FLUSH_EVERY_S)
            await self.flush()

    async def flush(self) -> None:
        """Store what was seen since. What cannot be stored now is kept for the next time."""
        self._forget()
        taken = {call_id: list(seen.unsaved) for call_id, seen in self._seen.items() if seen.unsaved}
        if not taken:
            return
        try:
            await self._database.write(lambda connection: traces.append(connection, taken))
        except StorageUnavailable:
            log.info("traces_wait", calls=len(taken))
            return
        for call_id, stored in taken.items():
            del self._seen[call_id].unsaved[: len(stored)]
            self._waiting -= len(stored)

    def _forget(self) -> None:
        """Calls that are over, and the softphones' past."""
        now, long_ago = self._clock.monotonic(), self._clock.now() - BEFORE
        over = [call for call, seen in self._seen.items() if seen.ended is not None and now - seen.ended > AFTER_S]
        for call_id in over:
            if not self._seen[call_id].unsaved:
                del self._seen[call_id]
        self._call_of = {agent: call for agent, call in self._call_of.items() if call in self._seen}
        self._before = {agent: past for agent, past in self._before.items() if past[-1].at >= long_ago}

    async def close(self) -> None:
        """Store the last."""
        await self.flush()


def _agents(entry: Entry) -> list[str]:
    """The agents who sit in the call with a softphone now."""
    people = [entry.person(participant.id) for participant in entry.call.seats.values()]
    return [person.agent_id for person in people if person.softphone and person.agent_id]
