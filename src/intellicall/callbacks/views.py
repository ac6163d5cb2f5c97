"""How endpoints and deliveries are shown, to the account's backend and at the operator's terminal. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import orjson
from yarl import URL

from intellicall.accounts.account import Account
from intellicall.accounts.signing_secrets import SigningSecret
from intellicall.callbacks.delivery import Attempt, Delivery, Kind, State
from intellicall.callbacks.endpoint import Standing
from intellicall.calls.result import iso


def endpoint_view(account: Account, standing: Standing, backlog: tuple[int, int]) -> dict[str, Any]:
    """Return how the account's endpoint stands. `backlog`: results that are due, and that were given up."""
    waiting, undelivered = backlog
    known = standing.health if standing.health.url == standing.url else None
    return {
        "url": host_of(standing.url),
        "alert_url": host_of(standing.alert_url),
        "events": list(account.events),
        "policy": standing.retries,
        "state": standing.state,
        "paused_since": iso(standing.paused_at),
        "failing_since": iso(standing.failing_since),
        "waiting": waiting,
        "undelivered": undelivered,
        "last_delivered_at": iso(known.last_delivered_at) if known else None,
        "secrets": secret_views(standing.secrets),
    }


def host_of(url: str | None) -> str | None:
    """Return scheme and host of a URL: the rest may hold a token."""
    return str(URL(url).origin()) if url is not None else None


def secret_views(secrets: Iterable[SigningSecret]) -> list[dict[str, Any]]:
    """Return the secrets without what is secret."""
    return [
        {"id": one.id, "hint": one.hint, "created_at": iso(one.created_at), "expires_at": iso(one.expires_at)} for one in secrets
    ]


def delivery_view(delivery: Any) -> dict[str, Any]:
    """Return a delivery (or a row of one, without its body) in short."""
    due_at: datetime | None = delivery.due_at
    return {
        "id": delivery.id,
        "kind": Kind(delivery.kind),
        "call_id": delivery.call_id,
        "event": delivery.event,
        "state": State(delivery.state),
        "attempt_count": delivery.attempts,
        "created_at": iso(delivery.created_at),
        "finished_at": iso(delivery.finished_at),
        "next_attempt_at": iso(due_at) if delivery.state == State.DUE else None,
    }


def whole_view(delivery: Delivery, attempts: Sequence[Attempt]) -> dict[str, Any]:
    """Return a delivery with what was sent and what became of each attempt."""
    shown = delivery_view(delivery)
    return shown | {"body": orjson.loads(delivery.body), "attempts": [attempt_view(attempt) for attempt in attempts]}


def attempt_view(attempt: Attempt) -> dict[str, Any]:
    """Return one attempt; the receiver's answer as text that is safe to show anywhere but unescaped in a page."""
    return {
        "number": attempt.number,
        "at": iso(attempt.started_at, "milliseconds"),
        "status": attempt.status,
        "latency_ms": attempt.latency_ms,
        "outcome": attempt.outcome,
        "answer": readable(attempt.answer),
    }


def readable(answer: bytes) -> str:
    """Return a stranger's bytes as text: UTF-8, with a mark for what is none and for what could lead a terminal or a reader."""
    text = answer.decode(errors="replace").replace("\r\n", "\n")
    return "".join(one if one.isprintable() or one in "\n\t" else "\ufffd" for one in text)
