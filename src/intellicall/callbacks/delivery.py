"""A delivery: a call's frozen result, an event of it, a test or an alert, on its way to the account's URL. Pure.

Results: integration guide, section 5. Events: docs/live-calls.md.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

ANSWER_KEPT = 2048
"""Bytes of a receiver's answer that are kept for people who look for a fault."""


class Kind(StrEnum):
    """What is delivered. Each kind of an account is sent apart from the others, so that none waits behind another."""

    RESULT = "result"
    EVENT = "event"
    TEST = "test"  # a sample result, asked for; it is in no feed and no count
    ALERT = "alert"  # about the endpoint itself, to the account's alert URL


PAUSABLE = frozenset({Kind.RESULT, Kind.EVENT})
"""What a pause of the endpoint holds back, and what is sent one by one to an endpoint that fails."""


class State(StrEnum):
    """Where a delivery stands. `due` and `waiting` are the only states that change by themselves."""

    DUE = "due"
    WAITING = "waiting"  # an event behind an earlier one of its call, which is still under way
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"  # every attempt failed; kept, visible, can be sent again by hand
    NO_ENDPOINT = "no_endpoint"  # the account had no callback URL when the call ended; kept and visible


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is posted, and its destination, both frozen when it happened.

    `body` is what is posted, byte for byte, on every attempt. `url` and the header go together and never change between
    attempts, so a new secret is never sent to an old host. `attempts` counts all attempts ever made, `round_start` those that
    were made before the delivery was last sent again by hand; `round_at` is when the round's first attempt began. `due_at` is
    None unless the state is `due`. `event` is the type of an event or alert, None for a result or test; `position` an event's in
    the journal. An alert has no `call_id`; a test's is of no call.
    """

    id: str
    kind: Kind
    call_id: str | None
    account_id: str
    state: State
    body: bytes = field(repr=False)
    url: str | None = field(repr=False)
    header_name: str | None = field(repr=False)
    header_value: str | None = field(repr=False)
    attempts: int
    round_start: int
    due_at: datetime | None
    created_at: datetime
    finished_at: datetime | None
    event: str | None = None
    position: int | None = None
    round_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request led to. `outcome` is a plain sentence without URL, header or number in it.

    `status` is the HTTP status, None when there was none; `body` the first 2 kB of the answer; `retry_after`
    what a 429 or 503 said in its header of that name.
    """

    acknowledged: bool
    outcome: str
    status: int | None = None
    body: bytes = field(default=b"", repr=False)
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt as it is kept. `number` counts from 1 over the whole life of the delivery; `latency_ms` is whole milliseconds."""

    delivery_id: str
    number: int
    started_at: datetime
    latency_ms: int
    status: int | None
    outcome: str
    answer: bytes = field(repr=False)


def judge(status: int, body: bytes = b"") -> Answer:
    """Any 2xx acknowledges; everything else, a redirect included, is a failed attempt."""
    kept = body[:ANSWER_KEPT]
    if 200 <= status <= 299:
        return Answer(acknowledged=True, outcome=f"acknowledged with HTTP {status}", status=status, body=kept)
    if 300 <= status <= 399:
        return Answer(acknowledged=False, outcome=f"answered with redirect HTTP {status}; not followed", status=status, body=kept)
    return Answer(acknowledged=False, outcome=f"answered with HTTP {status}", status=status, body=kept)
