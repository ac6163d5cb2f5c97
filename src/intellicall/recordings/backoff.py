"""When to try again what could not be done: sooner at first, then less often, and not all at the same moment. Pure."""

from datetime import timedelta
from random import uniform

FIRST_S = 5.0
LONGEST_S = 1800.0
_SPREAD = 0.2


def wait_after(tries: int) -> timedelta:
    """Return how long to wait after so many tries in vain (from 1): 5 s, doubled each time up to half an hour, spread by 20 %."""
    seconds = min(FIRST_S * 2 ** min(tries - 1, 20), LONGEST_S)
    return timedelta(seconds=seconds * uniform(1 - _SPREAD, 1 + _SPREAD))  # noqa: S311 - no secret hangs on it
