"""Whether this whole process stood still for long: a SIGSTOP, a frozen machine, a loop that was blocked.

Whoever asked meanwhile may have given up. The doors know how long a request has waited in the kernel (`web.request.waited_s`), but
not a WebSocket's message, and the kernel's clocks stand still with a suspended machine. So for a moment after a standstill no call
is begun; who still wants one asks again and is told so.
"""

from intellicall.calls.patience import LATE_S
from intellicall.clock import Clock

SETTLING_S = 3.0
"""How long what has waited may still come in."""


class Pulse:
    """`beat` about once a second; until the first one nothing is known."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: float | None = None
        self._settled = float("-inf")

    def beat(self) -> None:
        """Note that the process runs."""
        self._settled = self._quiet_from()
        self._last = self._clock.monotonic()

    @property
    def stood_still(self) -> bool:
        """Whether what is asked now may have waited for longer than anybody does."""
        return self._clock.monotonic() < self._quiet_from()

    def _quiet_from(self) -> float:
        now = self._clock.monotonic()
        missed = self._last is not None and now - self._last > LATE_S
        return now + SETTLING_S if missed else self._settled
