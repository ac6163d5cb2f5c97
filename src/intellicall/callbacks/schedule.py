"""When a failed delivery is tried again. Pure.

Integration guide, section 5: "Up to 3 attempts with exponential backoff (1s, 2s, 4s)", read as house.md decides: the
first attempt plus three retries, each wait measured from the end of the attempt that failed.
"""

WAITS_S = (1.0, 2.0, 4.0)
ATTEMPTS = 1 + len(WAITS_S)
"""Attempts of one round."""


def wait_after(failures: int) -> float | None:
    """Return the seconds to wait after the round's `failures`-th failed attempt (from 1), or None when it was the last."""
    if failures < 1:
        raise ValueError("a wait follows a failure")
    return WAITS_S[failures - 1] if failures <= len(WAITS_S) else None
