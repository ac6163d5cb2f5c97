"""The JSON bodies of the callbacks room: what is sent (strict) and what is answered. Pure."""

from typing import Any, Literal

from pydantic import BaseModel as Shown
from pydantic import ConfigDict, Field

from intellicall.accounts.account import Retries
from intellicall.accounts.signing_secrets import LONGEST_OVERLAP_S
from intellicall.callbacks.delivery import Kind, State
from intellicall.callbacks.endpoint import EndpointState

LONGEST_OVERLAP_H = LONGEST_OVERLAP_S // 3600


class _Sent(Shown):
    model_config = ConfigDict(extra="forbid", strict=True)


class Nothing(_Sent):
    """Empty, or `{}`."""


class Rotation(_Sent):
    """How long the secret of before goes on signing beside the new one."""

    overlap_hours: int = Field(default=24, ge=0, le=LONGEST_OVERLAP_H, description="0: the old one ends at once.")


class ResendOrder(_Sent):
    """Which results are sent again."""

    begin: str = Field(alias="from", description="Calls that ended at this time or later: ISO 8601 with its zone.")
    end: str = Field(alias="to", description="Calls that ended before this time: ISO 8601 with its zone.")
    state: Literal["undelivered", "delivered", "no_endpoint"] = Field(
        default="undelivered", description="`no_endpoint`: those that ended when there was no callback URL."
    )


class SecretView(Shown):
    """A secret that signs callbacks now. The secret itself is shown once, when it is made."""

    id: str
    hint: str = Field(description="Its last characters.")
    created_at: str
    expires_at: str | None = Field(description="When it ceases to sign, after a rotation.")


class CallbackView(Shown):
    """The account's endpoint, and how it stands."""

    url: str | None = Field(description="Scheme and host only: the rest of a URL may hold a token.")
    alert_url: str | None = Field(description="Where the account is told of a failing endpoint; scheme and host only.")
    events: list[str] = Field(description="The types of events pushed beside the results; `all` for every type.")
    policy: Retries = Field(description="After which waits a failed callback is tried again.")
    state: EndpointState
    paused_since: str | None
    failing_since: str | None = Field(
        description="Since when every attempt has failed; null unless the endpoint is taken for failing."
    )
    waiting: int = Field(description="Results on their way.")
    undelivered: int = Field(description="Results whose every attempt failed: dead letters, which can be sent again.")
    last_delivered_at: str | None = Field(description="Exact to 5 seconds.")
    secrets: list[SecretView] = Field(description="Newest first; each signs every callback.")


class NewSecretView(Shown):
    """The new secret, which is shown only now, and every one that signs now."""

    secret: str = Field(description="`whsec_…`: put it into the receiver before the one of before expires.")
    secrets: list[SecretView]


class DeliveryView(Shown):
    """A callback, in short."""

    id: str = Field(description="Also the header `webhook-id` of every attempt.")
    kind: Kind
    call_id: str | None = Field(description="Null for an alert, which is about no call; a test's is of no call that was.")
    event: str | None = Field(description="The type of an event or an alert.")
    state: State
    attempt_count: int
    created_at: str
    finished_at: str | None
    next_attempt_at: str | None = Field(description="Null unless it is due; a paused endpoint waits longer.")


class DeliveryList(Shown):
    """A page of callbacks, newest first."""

    deliveries: list[DeliveryView]
    next: str | None = Field(description="The `cursor` of the page behind this one; null when there is none.")


class AttemptView(Shown):
    """One attempt."""

    number: int
    at: str = Field(description="When it began, with milliseconds.")
    status: int | None = Field(description="The HTTP status, if there was an answer.")
    latency_ms: int
    outcome: str = Field(description="What came of it, in plain words.")
    answer: str = Field(description="The first 2 kB of the answer as text; what is no readable character is `\ufffd`.")


class WholeDelivery(DeliveryView):
    """A callback with what was sent, byte for byte on each attempt, and every attempt."""

    body: dict[str, Any] = Field(description="A result, or an event: see the webhooks.")
    attempts: list[AttemptView]


class ResentView(Shown):
    """How many results are sent again."""

    count: int
    more: bool = Field(description="Whether there may be others: send the same request again.")
