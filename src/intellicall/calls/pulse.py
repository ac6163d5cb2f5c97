"""Whether this whole process stood still for long: a SIGSTOP, a frozen machine, a loop that was blocked.

Whoever asked meanwhile may have given up. The doors know how long a request has waited in the kernel (`web.request.waited_s`), but
not a WebSocket's message, and the kernel's clocks stand still with a suspended machine. So for a moment after a standstill no call
is begun; who still wants one asks again and is told so. They all do, at once, so for a while calls are begun at a gentle pace: more
than the machine can carry would make all of them stutter.
"""

import math

from intellicall.calls.patience import LATE_S
from intellicall.clock import Clock

SETTLING_S = 3.0
"""How long what has waited may still come in."""
GENTLE_S = 15.0
GENTLE_RATE = 25.0
"""Calls a second for so long after that. 400 asked for at once were begun at 100 a second, which made two cores stutter."""
_BURST_S = 1.0
"""What was not begun of a gentle second may be begun at its end: who is told to wait is told whole seconds."""


class Pulse:
    """`beat` about once a second; until the first one nothing is known."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: float | None = None
        self._settled = float("-inf")
        self._next = float("-inf")
        self._promised = float("-inf")

    def beat(self) -> None:
        """Note that the process runs."""
        self._settled = self._quiet_from()
        self._last = self._clock.monotonic()

    @property
    def shut(self) -> bool:
        """Whether no call may begin at this moment."""
        now, settled = self._clock.monotonic(), self._quiet_from()
        return now < settled or (now < settled + GENTLE_S and self._next - now > _BURST_S)

    def begin(self) -> None:
        """Count a call that begins now, while that matters: what was begun before a standstill does not."""
        now = self._clock.monotonic()
        if now < self._quiet_from() + GENTLE_S:
            self._next = max(self._next, now) + 1 / GENTLE_RATE

    def turn_s(self) -> int:
        """Return in how many seconds somebody who is refused now shall come again: all who do come one after the other."""
        now, settled = self._clock.monotonic(), self._quiet_from()
        self._promised = min(max(self._promised + 1 / GENTLE_RATE, settled, now), settled + GENTLE_S)
        return math.ceil(max(self._promised - now, 1))

    def _quiet_from(self) -> float:
        now = self._clock.monotonic()
        missed = self._last is not None and now - self._last > LATE_S
        return now + SETTLING_S if missed else self._settled
