"""How long to wait before something that died is started again."""

from collections import deque

BACK_OFF_S = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0)
RESTARTS_PER_MINUTE = 6
STEADY_AFTER_S = 60.0  # what lived this long has earned a fresh back-off


class BackOff:
    """How long to wait before the next start: longer with each short life, and never more than six starts in a minute."""

    def __init__(self) -> None:
        self._streak = 0
        self._starts: deque[float] = deque(maxlen=RESTARTS_PER_MINUTE)

    def delay(self, started_at: float, now: float) -> float:
        """Return the seconds to wait, for a life from `started_at` to `now` (monotonic seconds)."""
        if now - started_at >= STEADY_AFTER_S:
            self._streak = 0
        delay = BACK_OFF_S[min(self._streak, len(BACK_OFF_S) - 1)]
        self._streak += 1
        if len(self._starts) == RESTARTS_PER_MINUTE:
            delay = max(delay, self._starts[0] + 60.0 - now)
        self._starts.append(now + delay)
        return delay
