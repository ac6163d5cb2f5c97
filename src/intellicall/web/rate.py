"""Limits of how often: a sliding count per key in memory. Pure but for its own state; times are monotonic seconds."""

from collections import OrderedDict, deque

from intellicall.errors import Code, Refused

MOST_KEYS = 50_000


class Limiter:
    """At most `limit` events of one key in `period_s`. Keys not seen for long are forgotten."""

    def __init__(self, limit: int, period_s: float) -> None:
        self.limit = limit
        self.period_s = period_s
        self._events: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, key: str, now: float) -> None:
        """Raise Refused TOO_MANY_REQUESTS, with the seconds to wait, when the limit is reached. Counts nothing."""
        events = self._current(key, now)
        if len(events) >= self.limit:
            raise Refused(Code.TOO_MANY_REQUESTS, retry_after=max(1, round(events[0] + self.period_s - now)))

    def count(self, key: str, now: float) -> None:
        """Count one event. Raises Refused TOO_MANY_REQUESTS when the limit was reached before it."""
        self.check(key, now)
        self._events.setdefault(key, deque()).append(now)
        self._events.move_to_end(key)
        while len(self._events) > MOST_KEYS:
            self._events.popitem(last=False)

    def _current(self, key: str, now: float) -> deque[float]:
        events = self._events.get(key, deque())
        while events and events[0] <= now - self.period_s:
            events.popleft()
        if not events:
            self._events.pop(key, None)
        return events
