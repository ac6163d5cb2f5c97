"""What requests and the platform read of accounts. Plain functions of a connection: one read transaction serves a request.

These are on the way of every call, so each is one round trip with a statement built once. Changes are in `changes.py`.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from ipaddress import ip_network
from typing import Any

from sqlalchemy import Connection, bindparam, select

from intellicall.accounts.account import (
    Account,
    Address,
    Agent,
    CallerId,
    Network,
    Retries,
    WhenDiskFull,
    address_allowed,
    folded,
)
from intellicall.accounts.keys import Key, KeyKind
from intellicall.accounts.signing_secrets import SigningSecret
from intellicall.accounts.tables import accounts, agents, caller_ids, keys, signing_secrets, versions
from intellicall.accounts.tables import trunks as trunk_table
from intellicall.errors import Code, Refused
from intellicall.ids import digest
from intellicall.storage.statement import Query
from intellicall.telephony.engine import CallerIdStyle, Transport, Trunk

_ACCOUNT = [column for column in accounts.c if column.name != "created_at"]
_AGENT = [agents.c.id, agents.c.account_id, agents.c.crm_username, agents.c.number, agents.c.enabled]
_KEY = [keys.c.id, keys.c.account_id, keys.c.kind, keys.c.hint, keys.c.created_at, keys.c.expires_at, keys.c.revoked_at]

_account_by_key = Query(
    select(*_ACCOUNT, *[column.label(f"key_{column.name}") for column in _KEY]).where(
        keys.c.digest == bindparam("digest"), accounts.c.id == keys.c.account_id
    )
)
_account_by_id = Query(select(*_ACCOUNT).where(accounts.c.id == bindparam("id")))
_account_by_name = select(*_ACCOUNT).where(accounts.c.name == bindparam("name"))
_all_accounts = select(*_ACCOUNT).order_by(accounts.c.name)
_agent_by_username = Query(
    select(*_AGENT).where(agents.c.account_id == bindparam("account_id"), agents.c.crm_username == bindparam("crm_username"))
)
_agent_by_id = Query(select(*_AGENT).where(agents.c.id == bindparam("id")))
_agent_by_number = Query(
    select(*_AGENT).where(agents.c.account_id == bindparam("account_id"), agents.c.number == bindparam("number"), agents.c.enabled)
)
_all_agents = select(*_AGENT).where(agents.c.account_id == bindparam("account_id")).order_by(agents.c.crm_username)
_agents_after = (
    select(*_AGENT)
    .where(agents.c.account_id == bindparam("account_id"), agents.c.enabled, agents.c.crm_username > bindparam("after"))
    .order_by(agents.c.crm_username)
    .limit(bindparam("most"))
)
_agents_found = (
    select(*_AGENT)
    .where(agents.c.account_id == bindparam("account_id"), agents.c.enabled, agents.c.folded.like(bindparam("inside"), escape="\\"))
    .order_by(agents.c.folded.like(bindparam("begins"), escape="\\").desc(), agents.c.crm_username)
    .limit(bindparam("most"))
)
_caller_id = Query(select(caller_ids.c.account_id, caller_ids.c.trunks).where(caller_ids.c.number == bindparam("number")))
_all_caller_ids = (
    select(caller_ids.c.number, caller_ids.c.account_id, caller_ids.c.trunks)
    .where(caller_ids.c.account_id == bindparam("account_id"))
    .order_by(caller_ids.c.number)
)
_all_keys = select(*_KEY).where(keys.c.account_id == bindparam("account_id")).order_by(keys.c.created_at, keys.c.id)
_secrets = (
    select(signing_secrets)
    .where(signing_secrets.c.account_id == bindparam("account_id"))
    .order_by(signing_secrets.c.created_at.desc(), signing_secrets.c.id)
)
_key = select(*_KEY).where(keys.c.id == bindparam("id"))
_all_trunks = select(trunk_table).order_by(trunk_table.c.name)
_version = select(versions.c.version).where(versions.c.name == bindparam("name"))


def authenticate_browser(connection: Connection, key: str | None, now: datetime) -> Account:
    """Return the enabled account of a browser key.

    Raises Refused MISSING_KEY, INVALID_KEY (unknown, expired or revoked), WRONG_KEY_KIND, ACCOUNT_DISABLED.
    """
    return _authenticate(connection, key, KeyKind.BROWSER, now, "api_key")


def authenticate_server(connection: Connection, key: str | None, address: Address | None, now: datetime) -> Account:
    """Return the enabled account of a server key that is used from `address` (the client's, as trusted proxies tell it).

    Raises Refused as `authenticate_browser`, and ADDRESS_NOT_ALLOWED. An IPv4-mapped IPv6 address counts as IPv4.
    """
    account = _authenticate(connection, key, KeyKind.SERVER, now, None)
    if not address_allowed(account, address):
        raise Refused(Code.ADDRESS_NOT_ALLOWED)
    return account


def account(connection: Connection, account_id: str) -> Account:
    """Return the account, enabled or not. Raises Refused NOT_FOUND."""
    row = _account_by_id.row(connection, id=account_id)
    if row is None:
        raise Refused(Code.NOT_FOUND, "There is no such account.")
    return _as_account(row)


def account_by_name(connection: Connection, name: str) -> Account:
    """Return the account with this name or id. Raises Refused NOT_FOUND."""
    row = connection.execute(_account_by_name, {"name": name}).one_or_none()
    return _as_account(row) if row is not None else account(connection, name)


def list_accounts(connection: Connection) -> list[Account]:
    return [_as_account(row) for row in connection.execute(_all_accounts)]


def agent(connection: Connection, account_id: str, crm_username: str) -> Agent:
    """Return the enabled agent, exact to the letter. Raises Refused UNKNOWN_AGENT."""
    if not crm_username.isprintable():  # a NUL or half a surrogate pair would be an error of the database's driver
        raise Refused(Code.UNKNOWN_AGENT, field="crm_username")
    row = _agent_by_username.row(connection, account_id=account_id, crm_username=crm_username)
    return _enabled_agent(row, "crm_username")


def agent_ever(connection: Connection, account_id: str, crm_username: str) -> Agent | None:
    """Return the agent of this name, removed or not: whose calls the history still has."""
    row = _agent_by_username.row(connection, account_id=account_id, crm_username=crm_username)
    return None if row is None else Agent(*row)


def agent_by_id(connection: Connection, agent_id: str) -> Agent:
    """Return the enabled agent. Raises Refused UNKNOWN_AGENT."""
    return _enabled_agent(_agent_by_id.row(connection, id=agent_id), None)


def agent_by_number(connection: Connection, account_id: str, e164: str) -> Agent | None:
    """Return the account's enabled agent with this real phone, if any."""
    row = _agent_by_number.row(connection, account_id=account_id, number=e164)
    return None if row is None else Agent(*row)


def list_agents(connection: Connection, account_id: str) -> list[Agent]:
    """Return all agents of the account, removed (disabled) ones included."""
    return [Agent(*row) for row in connection.execute(_all_agents, {"account_id": account_id})]


def agents_of(connection: Connection, account_id: str, after: str, limit: int) -> list[Agent]:
    """Return the enabled agents whose `crm_username` comes after `after` (empty: from the first), in the order of the database."""
    rows = connection.execute(_agents_after, {"account_id": account_id, "after": after, "most": limit})
    return [Agent(*row) for row in rows]


def find_agents(connection: Connection, account_id: str, query: str, limit: int) -> list[Agent]:
    """Return the enabled agents whose `crm_username` contains `query`, capitals or not; those that begin with it come first."""
    if not query.isprintable():  # as in `agent`
        return []
    inside = re.sub(r"([\\%_])", r"\\\1", folded(query))
    values = {"account_id": account_id, "inside": f"%{inside}%", "begins": f"{inside}%", "most": limit}
    return [Agent(*row) for row in connection.execute(_agents_found, values)]


def caller_id(connection: Connection, account: Account, e164: str) -> CallerId:
    """Return the account's caller ID. Raises Refused NUMBER_NOT_ASSIGNED, whether the number is another's or nobody's."""
    row = _caller_id.row(connection, number=e164)
    if row is None or row[0] != account.id:
        raise Refused(Code.NUMBER_NOT_ASSIGNED, field="from_number")
    return CallerId(e164, row[0], tuple(row[1]))


def list_caller_ids(connection: Connection, account_id: str) -> list[CallerId]:
    rows = connection.execute(_all_caller_ids, {"account_id": account_id})
    return [CallerId(number, owner, tuple(names)) for number, owner, names in rows]


def list_keys(connection: Connection, account_id: str) -> list[Key]:
    """Return all keys of the account, oldest first, ended ones included."""
    return [_as_key(row) for row in connection.execute(_all_keys, {"account_id": account_id})]


def key(connection: Connection, key_id: str) -> Key:
    """Return the key. Raises Refused NOT_FOUND."""
    row = connection.execute(_key, {"id": key_id}).one_or_none()
    if row is None:
        raise Refused(Code.NOT_FOUND, "There is no such key.")
    return _as_key(row)


def list_secrets(connection: Connection, account_id: str) -> list[SigningSecret]:
    """Return all secrets that sign the account's callbacks, newest first, ended ones included."""
    return [SigningSecret(*row) for row in connection.execute(_secrets, {"account_id": account_id})]


def trunks(connection: Connection) -> list[Trunk]:
    """Return all trunks by name, their passwords in clear, as the engine needs them."""
    return [
        Trunk(
            name=row.name,
            host=row.host,
            port=row.port,
            transport=Transport(row.transport),
            register=row.register,
            username=row.username,
            password=row.password,
            codecs=tuple(row.codecs),
            srtp=row.srtp,
            caller_id_style=CallerIdStyle(row.caller_id_style),
            strip_plus=row.strip_plus,
        )
        for row in connection.execute(_all_trunks)
    ]


def trunk(connection: Connection, name: str) -> Trunk:
    """Return one trunk. Raises Refused NOT_FOUND."""
    for found in trunks(connection):
        if found.name == name:
            return found
    raise Refused(Code.NOT_FOUND, "There is no such trunk.")


def trunks_version(connection: Connection) -> int:
    """Return a number that goes up whenever a trunk was added, changed or removed."""
    version: int | None = connection.execute(_version, {"name": "trunks"}).scalar_one_or_none()
    return version or 0


def _authenticate(connection: Connection, key: str | None, kind: KeyKind, now: datetime, field: str | None) -> Account:
    if not key:
        raise Refused(Code.MISSING_KEY, field=field)
    row = _account_by_key.row(connection, digest=digest(key)) if key.isascii() else None
    if row is None:
        raise Refused(Code.INVALID_KEY, field=field)
    found = _as_key(row[len(_ACCOUNT) :])
    if not found.usable(now):
        raise Refused(Code.INVALID_KEY, field=field)
    if found.kind != kind:
        raise Refused(Code.WRONG_KEY_KIND, field=field)
    account = _as_account(row[: len(_ACCOUNT)])
    if not account.enabled:
        raise Refused(Code.ACCOUNT_DISABLED)
    return account


def _as_account(row: Sequence[Any]) -> Account:
    """The columns of `_ACCOUNT` are the fields of Account, in the same order."""
    *plain, networks, dispositions, wrap_up_s, events, when_disk_full, retries, alert_url = row
    lists: list[Any] = [_networks(tuple(networks)), tuple(dispositions), wrap_up_s, tuple(events)]
    words: list[Any] = [WhenDiskFull(when_disk_full), Retries(retries), alert_url]
    return Account(*plain, *lists, *words)


@lru_cache(maxsize=1024)
def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts)


def _as_key(row: Sequence[Any]) -> Key:
    key_id, account_id, kind, hint, created_at, expires_at, revoked_at = row
    return Key(key_id, account_id, KeyKind(kind), hint, created_at, expires_at, revoked_at)


def _enabled_agent(row: Sequence[Any] | None, field: str | None) -> Agent:
    agent = None if row is None else Agent(*row)
    if agent is None or not agent.enabled:
        raise Refused(Code.UNKNOWN_AGENT, field=field)
    return agent
