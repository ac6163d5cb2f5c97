"""How fast a backlog is worked off: evenly, so that an outage that has ended does not slow those who call now. Pure."""

PER_S = 250.0
"""Late deliveries a second, of all accounts together: more than the 200 results/s that the platform is built for."""
AT_ONCE = 100.0
"""So many may be late without anything being held back."""
LATE_S = 10.0
"""What has been due for longer than this belongs to a backlog."""


class Pace:
    """A token bucket. Times are seconds of a monotonic clock."""

    def __init__(self, per_s: float = PER_S, at_once: float = AT_ONCE) -> None:
        self._per_s = per_s
        self._at_once = at_once
        self._free_at = float("-inf")  # when the bucket will be full again

    def wait(self, now: float) -> float:
        """Take a turn and return the seconds until it has come, 0 when it has: turns come in the order in which they were taken."""
        self._free_at = max(self._free_at, now) + 1 / self._per_s
        return max(0.0, self._free_at - now - self._at_once / self._per_s)
