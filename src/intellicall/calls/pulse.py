"""Whether this whole process stood still for long: a SIGSTOP, a frozen machine, a loop that was blocked.

What was asked meanwhile has waited in the kernel, and nothing tells how long: whoever asked may have given up. So for a moment
after a standstill no call is begun; who still wants one asks again and is told so.
"""

from intellicall.calls.patience import LATE_S
from intellicall.clock import Clock

SETTLING_S = 3.0
"""How long what has waited may still come in; the doors take a thousand requests a second that are refused."""


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
