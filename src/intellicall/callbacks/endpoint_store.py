"""The SQL of an account's endpoint: how it stands, pausing it, what attempts tell about it, and the tests that it is sent."""

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import orjson
from sqlalchemy import Connection, and_, bindparam, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from intellicall.accounts.account import Endpoint, Retries
from intellicall.accounts.signing_secrets import SigningSecret
from intellicall.accounts.store import account as find_account
from intellicall.accounts.tables import accounts, signing_secrets
from intellicall.callbacks import store
from intellicall.callbacks.delivery import PAUSABLE, Delivery, Kind, State
from intellicall.callbacks.endpoint import Health, News, Standing, news
from intellicall.callbacks.sample import sample
from intellicall.callbacks.tables import IS_DUE, callback_endpoints, deliveries
from intellicall.calls.result import iso
from intellicall.errors import Code, Refused
from intellicall.storage.statement import Query

_HEALTH = ("url", "failures", "first_failure_at", "failing_since", "last_delivered_at")
_KEPT = [callback_endpoints.c[name].label(f"kept_{name}") for name in _HEALTH]
_STANDING = Query(
    select(accounts.c.callback_url, accounts.c.alert_url, accounts.c.retries, callback_endpoints.c.paused_at, *_KEPT)
    .add_columns(*signing_secrets.c)
    .select_from(accounts)
    .outerjoin(callback_endpoints, callback_endpoints.c.account_id == accounts.c.id)
    .outerjoin(
        signing_secrets,
        and_(
            signing_secrets.c.account_id == accounts.c.id,
            or_(signing_secrets.c.expires_at.is_(None), signing_secrets.c.expires_at > bindparam("now")),
        ),
    )
    .where(accounts.c.id == bindparam("account_id"))
    .order_by(signing_secrets.c.created_at.desc(), signing_secrets.c.id)
)
_WIDTH = Query(
    select(
        callback_endpoints.c.paused_at, callback_endpoints.c.failing_since, callback_endpoints.c.url, accounts.c.callback_url
    ).where(callback_endpoints.c.account_id == bindparam("account_id"), accounts.c.id == callback_endpoints.c.account_id)
)
_KNOWN = select(accounts.c.callback_url, accounts.c.alert_url, *_KEPT).outerjoin_from(
    accounts, callback_endpoints, callback_endpoints.c.account_id == accounts.c.id
)


def standing(connection: Connection, account_id: str, now: datetime) -> Standing:
    """Return how the account's endpoint stands, in one round trip. Raises Refused NOT_FOUND."""
    rows = _STANDING.rows(connection, account_id=account_id, now=now)
    if not rows:
        raise Refused(Code.NOT_FOUND, "There is no such account.")
    first = rows[0]
    secrets = tuple(SigningSecret(*row[-len(signing_secrets.c) :]) for row in rows if row.id is not None)
    return Standing(
        account_id, first.callback_url, first.alert_url, Retries(first.retries), first.paused_at, _health(first), secrets
    )


def width(connection: Connection, account_id: str, kind: Kind, usual: int) -> int:
    """Return how many deliveries of a kind the account may have under way: none when paused, one when its endpoint is failing."""
    if kind not in PAUSABLE:
        return usual
    row = _WIDTH.row(connection, account_id=account_id)
    if row is None:
        return usual
    if row.paused_at is not None:
        return 0
    return 1 if row.failing_since is not None and row.url == row.callback_url else usual


def _health(row: Any) -> Health:
    return Health(
        row.kept_url, row.kept_failures or 0, row.kept_first_failure_at, row.kept_failing_since, row.kept_last_delivered_at
    )


def pause(connection: Connection, account_id: str, now: datetime) -> None:
    """Send no results and no events of the account from now on; they stay due. A second time changes nothing.

    Requests under way end as they will. Raises Refused NOT_FOUND.
    """
    find_account(connection, account_id)
    if connection.scalar(select(callback_endpoints.c.paused_at).where(callback_endpoints.c.account_id == account_id)) is None:
        _put(connection, account_id, paused_at=now)


def resume(connection: Connection, account_id: str) -> None:
    """Send what is due again, oldest first; tell the courier (`wake`). On an endpoint that is not paused it changes nothing.

    Raises Refused NOT_FOUND.
    """
    find_account(connection, account_id)
    _put(connection, account_id, paused_at=None)


def learn(connection: Connection, delivery: Delivery, at: datetime, outcome: str, *, acknowledged: bool) -> News | None:
    """Keep what an attempt at the callback URL tells about it, and queue what the account is to be told: part of the record."""
    row = connection.execute(_KNOWN.where(accounts.c.id == delivery.account_id)).one()
    before = _health(row)
    after = before.after(delivery, at, acknowledged=acknowledged)
    _put(connection, delivery.account_id, **{name: getattr(after, name) for name in _HEALTH})
    told = news(before, after)
    if told is not None and row.alert_url is not None:
        since = after.failing_since or before.failing_since
        body = _alert(told, delivery, since or at, at, outcome)
        store.queue_notice(connection, Kind.ALERT, delivery.account_id, body, Endpoint(row.alert_url), at, event=told.value)
    return told


def _alert(told: News, delivery: Delivery, since: datetime, at: datetime, outcome: str) -> bytes:
    """`callback_url` is the host alone: the rest may hold a token."""
    return orjson.dumps(
        {
            "type": told.value,
            "at": iso(at, "milliseconds"),
            "callback_url": urlsplit(delivery.url or "").hostname,
            "failing_since": iso(since, "milliseconds"),
            "last_outcome": outcome,
        }
    )


def queue_test(connection: Connection, account_id: str, now: datetime) -> Delivery:
    """Queue a sample result (`uuid` begins with `test-`) for the callback URL, due at once, be the endpoint paused or failing.

    Tell the courier (`wake`). Raises Refused NOT_FOUND; NOT_POSSIBLE_NOW when the account has no callback URL.
    """
    account = find_account(connection, account_id)
    if account.callback is None:
        raise Refused(Code.NOT_POSSIBLE_NOW, "The account has no callback URL.")
    call_id, body = sample(account, now)
    made = store.queue_notice(connection, Kind.TEST, account_id, body, account.callback, now, call_id=call_id)
    found = store.find(connection, made)
    assert found is not None  # noqa: S101 - it was made in this very transaction
    return found


def backlog(connection: Connection, account_id: str) -> tuple[int, int]:
    """Return how many results of the account are due, and how many were given up."""
    mine = (deliveries.c.account_id == account_id, deliveries.c.kind == Kind.RESULT.value)
    due = connection.scalar(select(func.count()).where(IS_DUE, *mine))
    given_up = connection.scalar(select(func.count()).where(deliveries.c.state == State.UNDELIVERED.value, *mine))
    return due or 0, given_up or 0


def _put(connection: Connection, account_id: str, **values: Any) -> None:
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    made = insert(callback_endpoints).values({"account_id": account_id, "failures": 0} | values)
    connection.execute(made.on_conflict_do_update(index_elements=["account_id"], set_=values))
