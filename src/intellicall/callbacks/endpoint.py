"""How an account's endpoint stands: whether it is paused, and whether it takes results. Pure.

Only results (and tests, when they succeed) tell how a receiver is: one that dislikes events takes results all the same. What is
known is about one URL: with another one it begins anew, and deliveries that are still under way to the old one tell nothing.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from intellicall.accounts.account import Retries
from intellicall.accounts.signing_secrets import SigningSecret
from intellicall.callbacks.delivery import PAUSABLE, Delivery, Kind

FAILURES = 20
"""Results in a row that failed, after which an endpoint is failing."""
FAILING_AFTER = timedelta(hours=1)
"""How long every attempt may fail until it is."""
FRESH = timedelta(seconds=5)
"""How exact `last_delivered_at` is: a busy endpoint's is not written for each result."""


class EndpointState(StrEnum):
    """How the endpoint stands, as the API says it."""

    NONE = "none"  # the account has no callback URL
    ACTIVE = "active"
    PAUSED = "paused"
    FAILING = "failing"


class News(StrEnum):
    """What an account is told at its alert URL."""

    FAILING = "endpoint_failing"
    RECOVERED = "endpoint_recovered"


@dataclass(frozen=True, slots=True)
class Health:
    """What attempts at `url` led to lately. Times are aware UTC.

    `failures` are results in a row that failed, each counted once a round, and `first_failure_at` is when that began;
    `failing_since` is the same time from the moment on in which the endpoint is taken for failing.
    """

    url: str | None = None
    failures: int = 0
    first_failure_at: datetime | None = None
    failing_since: datetime | None = None
    last_delivered_at: datetime | None = None

    def after(self, delivery: Delivery, at: datetime, *, acknowledged: bool) -> "Health":
        """Return what is known after one more attempt, which ended at `at`."""
        health = self if self.url == delivery.url else Health(delivery.url)
        if acknowledged:
            return Health(delivery.url, last_delivered_at=at)
        first = health.first_failure_at or at
        count = health.failures + (delivery.attempts == delivery.round_start)
        failing = health.failing_since or (first if count >= FAILURES or at - first >= FAILING_AFTER else None)
        return replace(health, failures=count, first_failure_at=first, failing_since=failing)


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything about an account's endpoint that an attempt needs, read together. `secrets` sign now, newest first."""

    account_id: str
    url: str | None
    alert_url: str | None
    retries: Retries
    paused_at: datetime | None
    health: Health
    secrets: tuple[SigningSecret, ...]

    @property
    def state(self) -> EndpointState:
        """A paused endpoint may be failing, too: it shows as paused."""
        if self.url is None:
            return EndpointState.NONE
        if self.paused_at is not None:
            return EndpointState.PAUSED
        return EndpointState.FAILING if self.failing_since else EndpointState.ACTIVE

    @property
    def failing_since(self) -> datetime | None:
        """Since when every attempt at the URL of now has failed; None unless it is taken for failing."""
        return self.health.failing_since if self.health.url == self.url else None

    def sends(self, kind: Kind) -> bool:
        """Whether deliveries of this kind are sent now: a pause holds back results and events."""
        return self.paused_at is None or kind not in PAUSABLE

    def learns(self, delivery: Delivery, at: datetime, *, acknowledged: bool) -> bool:
        """Whether this attempt tells anything worth keeping about the endpoint."""
        if delivery.url != self.url or delivery.kind not in (Kind.RESULT, Kind.TEST):
            return False
        if not acknowledged:
            return delivery.kind is Kind.RESULT
        known = self.health.last_delivered_at
        return self.health.failures > 0 or known is None or self.health.url != self.url or not timedelta() <= at - known < FRESH


def news(before: Health, after: Health) -> News | None:
    """Return what has become of the endpoint between the two, if it is worth telling."""
    same = before.url == after.url
    if after.failing_since and not (same and before.failing_since):
        return News.FAILING
    return News.RECOVERED if same and before.failing_since and not after.failing_since else None
