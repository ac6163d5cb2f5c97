"""When a failed delivery is tried again. Pure.

`guide`: integration guide, section 5: "Up to 3 attempts with exponential backoff (1s, 2s, 4s)", read as house.md decides: the
first attempt plus three retries, each wait measured from the end of the attempt that failed. To the letter: whatever a receiver
answers, a 410 or a Retry-After too, changes nothing.

`extended`: the same four attempts, then for about 16 hours; those later waits are drawn anew from ±20 %, so that many deliveries
do not come back at once. A 410 does not end it: whoever has gone for good takes the URL out.
"""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from intellicall.accounts.account import Retries

WAITS_S = (1.0, 2.0, 4.0)
LATER_WAITS_S = (10.0, 30.0, 120.0, 600.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 28_800.0)
JITTER = 0.2
LONGEST_S = 86_400.0
"""No attempt of a round is planned for later than this after its first one."""
LONGEST_ASKED_S = 3_600.0
"""How long a receiver can make us wait by Retry-After."""


def wait_after(
    failures: int,
    retries: Retries = Retries.GUIDE,
    *,
    passed_s: float = 0.0,
    asked_s: float | None = None,
    drawn: float = 0.5,
) -> float | None:
    """Return the seconds to wait after the round's `failures`-th failed attempt (from 1), or None when it was the last.

    For `extended`: `passed_s` since the round's first attempt, `asked_s` by the receiver, and `drawn` at random from 0 to 1.
    """
    if failures < 1:
        raise ValueError("a wait follows a failure")
    if retries is Retries.GUIDE:
        return WAITS_S[failures - 1] if failures <= len(WAITS_S) else None
    plan = WAITS_S + LATER_WAITS_S
    if failures > len(plan):
        return None
    wait = plan[failures - 1]
    if failures > len(WAITS_S):
        wait *= 1 + JITTER * (2 * drawn - 1)
    wait = max(wait, min(asked_s or 0.0, LONGEST_ASKED_S))
    return wait if passed_s + wait <= LONGEST_S else None


def asked_wait(retry_after: str | None, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110, section 10.2.3), None when it says nothing that we read."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds())
