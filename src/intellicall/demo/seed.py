"""The demo's account: agents, caller IDs, keys and the callback to the demo CRM, in a database that was just migrated."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from intellicall.accounts import changes, store
from intellicall.accounts.account import Account
from intellicall.accounts.keys import KeyKind
from intellicall.errors import Code, Refused
from intellicall.ids import new_id, new_token
from intellicall.telephony.testnet.numbers import NUMBERS

ACCOUNT = "demo"
CALLER_IDS = ("+12025550190", "+12025550191")  # from the same fictional range as the test network's numbers
AGENTS = {"agent.017": "tone_440", "agent.018": "speech", "agent.019": "echo"}


@dataclass(frozen=True, slots=True)
class Secrets:
    """What is shown once when it is made. The demo keeps keys and token in its own state folder (mode 0600).

    `callback_secret` is the account's newest.
    """

    browser_key: str
    server_key: str
    callback_token: str
    callback_secret: str


def seed(connection: Connection, file: Path, callback_url: str, now: datetime) -> Secrets:
    """Make the demo account unless it is there, point its callback at this start's demo CRM, and return its secrets."""
    account = _account(connection, now)
    kept = _kept(file) or _new_secrets(connection, account, file, now)
    secrets = Secrets(**kept, callback_secret=changes.ensure_secret(connection, account.id, now)[0].text)
    changes.update_account(connection, _with_callback(account, callback_url, secrets.callback_token))
    return secrets


def _account(connection: Connection, now: datetime) -> Account:
    try:
        return store.account_by_name(connection, ACCOUNT)
    except Refused as refused:
        if refused.code is not Code.NOT_FOUND:
            raise
    account = changes.create_account(
        connection,
        Account(id=new_id(), name=ACCOUNT, enabled=True, sandbox=True, default_region="US", concurrent_calls=100),
        now,
    )
    for username, phone in AGENTS.items():
        changes.add_agent(connection, account, username, NUMBERS[phone].number, now)
    for number in CALLER_IDS:
        changes.assign_number(connection, account, number, (), now)
    return account


def _with_callback(account: Account, url: str, token: str) -> Account:
    fields = {name: getattr(account, name) for name in account.__dataclass_fields__}
    return Account(**{**fields, "callback_url": url, "callback_header_name": "X-Demo-Token", "callback_header_value": token})


def _kept(file: Path) -> dict[str, str] | None:
    return dict(json.loads(file.read_text())) if file.exists() else None


def _new_secrets(connection: Connection, account: Account, file: Path, now: datetime) -> dict[str, str]:
    secrets = {
        "browser_key": changes.create_key(connection, account.id, KeyKind.BROWSER, now).text,
        "server_key": changes.create_key(connection, account.id, KeyKind.SERVER, now).text,
        "callback_token": new_token(),
    }
    file.touch(mode=0o600)
    file.write_text(json.dumps(secrets))
    return secrets
