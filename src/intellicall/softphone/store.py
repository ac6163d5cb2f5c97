"""All SQL of launches and of the softphone's cookies. Tickets and cookies are kept as SHA-256 digests only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Connection, ForeignKey, Index, String, Table, delete, insert, select, update

from intellicall.accounts.tables import accounts, agents
from intellicall.errors import Code, Refused
from intellicall.ids import digest
from intellicall.softphone.launch import Launch
from intellicall.storage.schema import UtcTime, metadata

COOKIE_LIFETIME = timedelta(days=30)
COOKIES_PER_AGENT = 50  # every click sets one; the oldest go
LAUNCHES_KEPT = timedelta(days=2)

launches = Table(
    "launches",
    metadata,
    Column("id", String(24), primary_key=True),
    Column("ticket_digest", String(64), nullable=False, unique=True),
    Column("account_id", String(24), ForeignKey("accounts.id"), nullable=False),
    Column("agent_id", String(24), ForeignKey("agents.id"), nullable=False),
    Column("to_number", String(16), nullable=False),
    Column("customer_as_sent", String(128), nullable=False),
    Column("from_number", String(16), nullable=False),
    Column("uuid", String(128)),
    Column("created_at", UtcTime, nullable=False),
    Column("claimed_at", UtcTime),
    Column("spent_at", UtcTime),
    Column("call_id", String(36)),
    Index("ix_launches_created_at", "created_at"),
)

softphone_cookies = Table(
    "softphone_cookies",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("agent_id", String(24), ForeignKey("agents.id"), nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Index("ix_softphone_cookies_agent_id", "agent_id", "expires_at"),
)

_LAUNCH = [column for column in launches.c if column.name != "ticket_digest"]


@dataclass(frozen=True, slots=True)
class Owner:
    """The agent whose browser holds a cookie; and what outcomes the agent's calls can be given (empty: any)."""

    account_id: str
    agent_id: str
    crm_username: str
    dispositions: tuple[str, ...] = ()
    default_disposition: str | None = None


def add_launch(connection: Connection, launch: Launch, ticket: str) -> None:
    """Store a checked click under its one-time ticket; launches that nobody can use any more are forgotten."""
    connection.execute(
        insert(launches).values(
            id=launch.id,
            ticket_digest=digest(ticket),
            account_id=launch.account_id,
            agent_id=launch.agent_id,
            to_number=launch.to_number,
            customer_as_sent=launch.customer_as_sent,
            from_number=launch.from_number,
            uuid=launch.uuid,
            created_at=launch.created_at,
        )
    )
    connection.execute(delete(launches).where(launches.c.created_at < launch.created_at - LAUNCHES_KEPT))


def claim(connection: Connection, ticket: str, agent_id: str, now: datetime) -> Launch:
    """Return the agent's launch and note that its page came for it. Claiming again (a reload) is allowed until it is spent.

    Raises Refused LAUNCH_EXPIRED (too late, another agent's, or unknown) or LAUNCH_SPENT.
    """
    launch = _launch(connection, ticket, agent_id)
    launch.check_fresh(now)
    if launch.claimed_at is None:
        connection.execute(update(launches).where(launches.c.id == launch.id).values(claimed_at=now))
    return launch


def spend(connection: Connection, ticket: str, agent_id: str, now: datetime) -> Launch:
    """Use up the agent's launch, once for all times, and return it. Raises Refused LAUNCH_EXPIRED or LAUNCH_SPENT."""
    launch = _launch(connection, ticket, agent_id)
    launch.check_fresh(now)
    spent = connection.execute(
        update(launches).where(launches.c.id == launch.id, launches.c.spent_at.is_(None)).values(spent_at=now)
    )
    if spent.rowcount != 1:
        raise Refused(Code.LAUNCH_SPENT)
    return launch


def note_call(connection: Connection, launch_id: str, call_id: str) -> None:
    """Note which call a launch became."""
    connection.execute(update(launches).where(launches.c.id == launch_id).values(call_id=call_id))


def _launch(connection: Connection, ticket: str, agent_id: str) -> Launch:
    row = connection.execute(
        select(*_LAUNCH, agents.c.crm_username).where(
            launches.c.ticket_digest == digest(ticket), launches.c.agent_id == agent_id, agents.c.id == launches.c.agent_id
        )
    ).one_or_none()
    if row is None:
        raise Refused(Code.LAUNCH_EXPIRED)
    return _as_launch(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name


def _as_launch(row: Mapping[Any, Any]) -> Launch:
    return Launch(**{str(name): value for name, value in row.items()})


def add_cookie(connection: Connection, token: str, agent_id: str, now: datetime) -> None:
    """Store a new cookie of the agent; expired ones and the oldest beyond COOKIES_PER_AGENT go."""
    connection.execute(insert(softphone_cookies).values(digest=digest(token), agent_id=agent_id, expires_at=now + COOKIE_LIFETIME))
    kept = (
        select(softphone_cookies.c.digest)
        .where(softphone_cookies.c.agent_id == agent_id, softphone_cookies.c.expires_at > now)
        .order_by(softphone_cookies.c.expires_at.desc())
        .limit(COOKIES_PER_AGENT)
    )
    connection.execute(
        delete(softphone_cookies).where(softphone_cookies.c.agent_id == agent_id, softphone_cookies.c.digest.not_in(kept))
    )


def extend_cookie(connection: Connection, token: str, now: datetime) -> None:
    """A cookie in use lives on: its lifetime counts from now."""
    connection.execute(
        update(softphone_cookies).where(softphone_cookies.c.digest == digest(token)).values(expires_at=now + COOKIE_LIFETIME)
    )


def owner_of(connection: Connection, token: str | None, now: datetime) -> Owner:
    """Return whose cookie it is. Raises Refused SESSION_EXPIRED, UNKNOWN_AGENT (removed) or ACCOUNT_DISABLED."""
    row = None
    if token:
        row = connection.execute(
            select(
                agents.c.account_id,
                agents.c.id,
                agents.c.crm_username,
                agents.c.enabled,
                accounts.c.enabled.label("account_on"),
                accounts.c.dispositions,
                accounts.c.default_disposition,
            )
            .join_from(softphone_cookies, agents, agents.c.id == softphone_cookies.c.agent_id)
            .join(accounts, accounts.c.id == agents.c.account_id)
            .where(softphone_cookies.c.digest == digest(token), softphone_cookies.c.expires_at > now)
        ).one_or_none()
    if row is None:
        raise Refused(Code.SESSION_EXPIRED)
    if not row.enabled:
        raise Refused(Code.UNKNOWN_AGENT)
    if not row.account_on:
        raise Refused(Code.ACCOUNT_DISABLED)
    return Owner(row.account_id, row.id, row.crm_username, tuple(row.dispositions), row.default_disposition)


def forget_cookies(connection: Connection, agent_id: str) -> None:
    """Sign the agent out of every browser."""
    connection.execute(delete(softphone_cookies).where(softphone_cookies.c.agent_id == agent_id))
