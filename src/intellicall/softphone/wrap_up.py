"""The time after a call in which an agent writes down what came of it, and is not called. Kept in memory only."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from intellicall.clock import Clock


@dataclass(frozen=True, slots=True)
class WrapUp:
    """One agent's wrap-up of one call, between two aware times in UTC, with what is written down so far."""

    call_id: str
    since: datetime
    until: datetime
    disposition: str | None = None
    notes: str | None = None

    def view(self, *, over: bool = False) -> dict[str, Any]:
        """Return it as pages are told (docs/softphone-protocol.md, `wrap_up`)."""
        until = None if over else self.until.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"call_id": self.call_id, "until": until, "disposition": self.disposition, "notes": self.notes}


class WrapUps:
    """Who is in wrap-up. `tell` reaches an agent's page, `start` does something in the background."""

    def __init__(
        self,
        clock: Clock,
        tell: Callable[[str, Mapping[str, Any]], None],
        start: Callable[[Awaitable[None]], None],
    ) -> None:
        self._clock = clock
        self._tell = tell
        self._start = start
        self._running: dict[str, WrapUp] = {}

    def of(self, agent_id: str) -> WrapUp | None:
        """Return the agent's wrap-up that runs."""
        return self._running.get(agent_id)

    def begin(self, agent_id: str, call_id: str, seconds: int, disposition: str | None, notes: str | None) -> None:
        """Begin the agent's wrap-up of this call; it is over after `seconds`. One that runs is replaced."""
        now = self._clock.now()
        wrap_up = WrapUp(call_id, now, now + timedelta(seconds=seconds), disposition, notes)
        self._running[agent_id] = wrap_up
        self._tell(agent_id, {"type": "wrap_up", **wrap_up.view()})
        self._start(self._expire(agent_id, wrap_up, seconds))

    def end(self, agent_id: str) -> None:
        """The agent is ready again: by will, by the next call or because the time is over."""
        wrap_up = self._running.pop(agent_id, None)
        if wrap_up is not None:
            self._tell(agent_id, {"type": "wrap_up", **wrap_up.view(over=True)})

    def note(self, agent_id: str, call_id: str, disposition: str | None, notes: str | None) -> None:
        """What was written down about this call, so that a page that comes back shows it."""
        wrap_up = self._running.get(agent_id)
        if wrap_up is not None and wrap_up.call_id == call_id:
            self._running[agent_id] = replace(wrap_up, disposition=disposition, notes=notes)

    async def _expire(self, agent_id: str, wrap_up: WrapUp, seconds: int) -> None:
        await self._clock.sleep(seconds)
        now = self._running.get(agent_id)
        if now is not None and (now.call_id, now.until) == (wrap_up.call_id, wrap_up.until):
            self.end(agent_id)
