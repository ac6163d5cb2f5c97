"""What the operator changes: accounts, agents, caller IDs, keys, trunks. Plain functions of a connection that may write.

Requests read all of this from SQL each time, so a change works at once; trunks are watched by `store.trunks_version`.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from intellicall.accounts import store
from intellicall.accounts.account import SANDBOX_TRUNK, Account, Agent, CallerId, check_destination, check_text, checked, folded
from intellicall.accounts.agent_file import AgentLine, BadLine
from intellicall.accounts.keys import DEFAULT_OVERLAP_S, LONGEST_OVERLAP_S, Key, KeyKind, NewKey, expiry_after_rotation, new_key
from intellicall.accounts.numbers import parse
from intellicall.accounts.signing_secrets import DEFAULT_OVERLAP_S as SECRETS_OVERLAP_S
from intellicall.accounts.signing_secrets import LONGEST_OVERLAP_S as LONGEST_SECRETS_OVERLAP_S
from intellicall.accounts.signing_secrets import MOST_SECRETS, SigningSecret, new_secret
from intellicall.accounts.tables import accounts, agents, caller_ids, keys, signing_secrets, trunks, versions
from intellicall.accounts.trunks import check_trunk
from intellicall.errors import Code, Refused
from intellicall.ids import new_id
from intellicall.telephony.engine import Trunk

USERNAME_LIMIT = 128


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did, or would do: nothing at all when there is a bad line."""

    added: int
    changed: int
    unchanged: int
    bad: tuple[BadLine, ...]


def create_account(connection: Connection, account: Account, now: datetime) -> Account:
    """Store a new account, and the first secret that signs its callbacks.

    Raises Refused INVALID_FIELD: a field out of range, or the name is taken.
    """
    checked(account)
    if connection.execute(select(accounts.c.id).where(accounts.c.name == account.name)).first():
        raise Refused(Code.INVALID_FIELD, "Another account has this name.", field="name")
    connection.execute(insert(accounts).values(**_account_row(account), created_at=now))
    _store_secret(connection, new_secret(account.id, now))
    return account


def update_account(connection: Connection, account: Account) -> Account:
    """Store every field of a known account but its id and name. Raises Refused INVALID_FIELD, NOT_FOUND."""
    checked(account)
    before = store.account(connection, account.id)
    if before.sandbox != account.sandbox:
        raise Refused(
            Code.INVALID_FIELD, "Whether an account is a sandbox is decided at its creation; create another one.", field="sandbox"
        )
    row = _account_row(replace(account, name=before.name))
    connection.execute(update(accounts).where(accounts.c.id == account.id).values(**row))
    return account


def _account_row(account: Account) -> dict[str, Any]:
    row = {column.name: getattr(account, column.name) for column in accounts.c if column.name != "created_at"}
    return row | {
        "allowed_networks": [str(network) for network in account.allowed_networks],
        "dispositions": list(account.dispositions),
        "events": list(account.events),
    }


def add_agent(connection: Connection, account: Account, crm_username: str, number: str | None, now: datetime) -> Agent:
    """Register an agent, or one that was removed again (with the same id). `number` as people write it.

    Raises Refused INVALID_FIELD (name not usable, taken; number another agent's), INVALID_NUMBER, DESTINATION_NOT_ALLOWED.
    """
    register = _Register(account, store.list_agents(connection, account.id))
    before = register.known.get(crm_username)
    if before is not None and before.enabled:
        raise Refused(Code.INVALID_FIELD, "An agent with this crm_username is registered already.", field="crm_username")
    agent = register.take(AgentLine(crm_username, number))
    _write_agents(connection, [] if before else [agent], [agent] if before else [], now)
    return agent


def set_agent_number(connection: Connection, account: Account, crm_username: str, number: str | None) -> Agent:
    """Change or (None) take away an agent's real phone. Raises Refused as `add_agent`, and UNKNOWN_AGENT."""
    store.agent(connection, account.id, crm_username)
    agent = _Register(account, store.list_agents(connection, account.id)).take(AgentLine(crm_username, number))
    connection.execute(update(agents).where(agents.c.id == agent.id).values(number=agent.number))
    return agent


def remove_agent(connection: Connection, account_id: str, crm_username: str) -> None:
    """Make the agent unknown to every request and free the real phone's number. Raises Refused UNKNOWN_AGENT."""
    agent = store.agent(connection, account_id, crm_username)
    connection.execute(update(agents).where(agents.c.id == agent.id).values(enabled=False, number=None))


def import_agents(
    connection: Connection, account: Account, lines: Sequence[AgentLine], now: datetime, *, dry_run: bool = False
) -> ImportResult:
    """Register many agents at once: all of them, or none when any line is bad (then all bad lines are told).

    Known agents get the number of the file; agents that the file does not name stay as they are.
    """
    before = {agent.crm_username: agent for agent in store.list_agents(connection, account.id)}
    register = _Register(account, before.values(), renumbered={line.crm_username for line in lines})
    seen, bad, wanted = dict[str, int](), list[BadLine](), list[Agent]()
    for line in lines:
        try:
            _check_first(seen, line)
            wanted.append(register.take(line))
        except Refused as refused:
            bad.append(BadLine(line.line, line.crm_username, refused.detail or refused.kind.title))
        seen.setdefault(line.crm_username, line.line)
    changed = [agent for agent in wanted if agent.crm_username in before and before[agent.crm_username] != agent]
    added = [agent for agent in wanted if agent.crm_username not in before]
    if not bad and not dry_run:
        _write_agents(connection, added, changed, now)
    return ImportResult(len(added), len(changed), len(wanted) - len(added) - len(changed), tuple(bad))


def _check_first(seen: dict[str, int], line: AgentLine) -> None:
    if line.crm_username in seen:
        raise Refused(Code.INVALID_FIELD, f"This crm_username stands in line {seen[line.crm_username]} already.")


class _Register:
    """The agents of one account while some are changed: whose name and whose phone is whose.

    Agents in `renumbered` give up their numbers first, so that a file may let two agents swap theirs.
    """

    def __init__(self, account: Account, agents: Iterable[Agent], renumbered: Collection[str] = ()) -> None:
        self._account = account
        self.known = {agent.crm_username: agent for agent in agents}
        self._owners = {
            agent.number: agent.crm_username
            for agent in self.known.values()
            if agent.number and agent.crm_username not in renumbered
        }

    def take(self, line: AgentLine) -> Agent:
        """Return the agent as it would be stored. Raises Refused with a detail that holds no number."""
        check_text(line.crm_username, "crm_username", USERNAME_LIMIT)
        e164 = None
        if line.number:
            e164 = parse(line.number, self._account.default_region, "number").e164
            check_destination(self._account, e164, "number")
            if self._owners.setdefault(e164, line.crm_username) != line.crm_username:
                raise Refused(Code.INVALID_FIELD, "Another agent of the account has this number.", field="number")
        before = self.known.get(line.crm_username)
        return Agent(before.id if before else new_id(), self._account.id, line.crm_username, e164)


def _write_agents(connection: Connection, added: Sequence[Agent], changed: Sequence[Agent], now: datetime) -> None:
    """Numbers of changed agents are freed first, so that two agents can swap theirs."""
    for agent in changed:
        connection.execute(update(agents).where(agents.c.id == agent.id).values(number=None))
    for agent in changed:
        connection.execute(update(agents).where(agents.c.id == agent.id).values(number=agent.number, enabled=True))
    if added:
        rows = [asdict(agent) | {"folded": folded(agent.crm_username), "created_at": now} for agent in added]
        connection.execute(insert(agents), rows)


def assign_number(connection: Connection, account: Account, number: str, trunk_names: Sequence[str], now: datetime) -> CallerId:
    """Give a caller ID to the account, or change the trunks of one that it has. `number` as people write it.

    Raises Refused INVALID_NUMBER; INVALID_FIELD: another account has it, a trunk is unknown, named twice or missing.
    """
    e164 = parse(number, account.default_region, "number").e164
    names = (SANDBOX_TRUNK,) if account.sandbox else tuple(trunk_names)
    if not account.sandbox:
        _check_trunk_names(connection, names)
    row = connection.execute(select(caller_ids.c.account_id).where(caller_ids.c.number == e164)).one_or_none()
    if row is not None and row[0] != account.id:
        raise Refused(Code.INVALID_FIELD, "This number belongs to another account.", field="number")
    if row is None:
        connection.execute(insert(caller_ids).values(number=e164, account_id=account.id, trunks=list(names), created_at=now))
    else:
        connection.execute(update(caller_ids).where(caller_ids.c.number == e164).values(trunks=list(names)))
    return CallerId(e164, account.id, names)


def _check_trunk_names(connection: Connection, names: Sequence[str]) -> None:
    known = {trunk.name for trunk in store.trunks(connection)}
    if not names:
        raise Refused(Code.INVALID_FIELD, "Name at least one trunk that carries calls from this number.", field="trunk")
    if len(set(names)) != len(names):
        raise Refused(Code.INVALID_FIELD, "A trunk is named twice.", field="trunk")
    if SANDBOX_TRUNK in names or not set(names) <= known:
        raise Refused(Code.INVALID_FIELD, "There is no trunk of this name for this account.", field="trunk")


def release_number(connection: Connection, account: Account, number: str) -> None:
    """Take a caller ID from the account. Raises Refused NUMBER_NOT_ASSIGNED, INVALID_NUMBER."""
    caller_id = store.caller_id(connection, account, parse(number, account.default_region, "number").e164)
    connection.execute(delete(caller_ids).where(caller_ids.c.number == caller_id.number))


def create_key(connection: Connection, account_id: str, kind: KeyKind, now: datetime) -> NewKey:
    """Make a further key; those that exist go on working."""
    born = new_key(account_id, kind, now)
    connection.execute(
        insert(keys).values(
            id=born.key.id, account_id=account_id, kind=kind, digest=born.digest, hint=born.key.hint, created_at=now
        )
    )
    return born


def rotate_keys(
    connection: Connection, account_id: str, kind: KeyKind, now: datetime, overlap_s: int = DEFAULT_OVERLAP_S
) -> tuple[NewKey, list[Key]]:
    """Make a new key and let every older one of its kind end after `overlap_s` seconds. Returns it and the ending ones."""
    if not 0 <= overlap_s <= LONGEST_OVERLAP_S:
        raise Refused(Code.INVALID_FIELD, f"The overlap is 0 to {LONGEST_OVERLAP_S:,} seconds.", field="overlap")
    ending = []
    for key in store.list_keys(connection, account_id):
        if key.kind == kind and key.usable(now):
            key = replace(key, expires_at=expiry_after_rotation(key, now, overlap_s))  # noqa: PLW2901 - the same key, later
            connection.execute(update(keys).where(keys.c.id == key.id).values(expires_at=key.expires_at))
            ending.append(key)
    return create_key(connection, account_id, kind, now), ending


def revoke_key(connection: Connection, key_id: str, now: datetime) -> Key:
    """End a key at once. A second time changes nothing. Raises Refused NOT_FOUND."""
    key = store.key(connection, key_id)
    if key.revoked_at is None:
        key = replace(key, revoked_at=now)
        connection.execute(update(keys).where(keys.c.id == key_id).values(revoked_at=now))
    return key


def ensure_secret(connection: Connection, account_id: str, now: datetime) -> list[SigningSecret]:
    """Return the secrets that sign the account's callbacks now, newest first; an account without any gets one."""
    valid = [secret for secret in store.list_secrets(connection, account_id) if secret.valid(now)]
    return valid or [_store_secret(connection, new_secret(account_id, now))]


def rotate_secret(
    connection: Connection, account_id: str, now: datetime, overlap_s: int = SECRETS_OVERLAP_S
) -> tuple[SigningSecret, list[SigningSecret]]:
    """Make a new signing secret; the newest old one goes on signing beside it for `overlap_s` seconds.

    Older ones go on until their own end, or that of the overlap when it is earlier: who rotates again, since the answer was lost,
    has not thereby ended the one that the receiver knows. `MOST_SECRETS` are valid at most; the oldest end at once. Returns the new
    one and those that still sign. Raises Refused INVALID_FIELD.
    """
    if not 0 <= overlap_s <= LONGEST_SECRETS_OVERLAP_S:
        raise Refused(Code.INVALID_FIELD, f"The overlap is 0 to {LONGEST_SECRETS_OVERLAP_S:,} seconds.", field="overlap")
    valid = [secret for secret in store.list_secrets(connection, account_id) if secret.valid(now)]
    ending = [secret.ending(now, overlap_s if number < MOST_SECRETS - 1 else 0) for number, secret in enumerate(valid)]
    for secret in ending:
        connection.execute(update(signing_secrets).where(signing_secrets.c.id == secret.id).values(expires_at=secret.expires_at))
    born = _store_secret(connection, new_secret(account_id, now))
    return born, [secret for secret in ending if secret.valid(now)]


def _store_secret(connection: Connection, secret: SigningSecret) -> SigningSecret:
    connection.execute(insert(signing_secrets).values(**asdict(secret)))
    return secret


def add_trunk(connection: Connection, trunk: Trunk) -> Trunk:
    """Store a trunk whose name is not taken. Raises Refused INVALID_FIELD."""
    if any(known.name == trunk.name for known in store.trunks(connection)):
        raise Refused(Code.INVALID_FIELD, "Another trunk has this name; `trunk set` changes it.", field="name")
    return put_trunk(connection, trunk)


def put_trunk(connection: Connection, trunk: Trunk) -> Trunk:
    """Add a trunk or replace the one of its name. Raises Refused INVALID_FIELD."""
    check_trunk(trunk)
    row = asdict(trunk) | {"codecs": list(trunk.codecs)}
    changed = connection.execute(update(trunks).where(trunks.c.name == trunk.name).values(**row)).rowcount
    if not changed:
        connection.execute(insert(trunks).values(**row))
    _trunks_changed(connection)
    return trunk


def remove_trunk(connection: Connection, name: str) -> None:
    """Remove a trunk that no caller ID uses. Raises Refused NOT_FOUND, INVALID_FIELD."""
    store.trunk(connection, name)
    rows = connection.execute(select(caller_ids.c.trunks))
    users = sum(name in names for (names,) in rows)
    if users:
        raise Refused(
            Code.INVALID_FIELD, f"{users} caller-ID numbers use this trunk; assign other trunks to them first.", field="name"
        )
    connection.execute(delete(trunks).where(trunks.c.name == name))
    _trunks_changed(connection)


def _trunks_changed(connection: Connection) -> None:
    changed = connection.execute(
        update(versions).where(versions.c.name == "trunks").values(version=versions.c.version + 1)
    ).rowcount
    if not changed:
        connection.execute(insert(versions).values(name="trunks", version=1))
