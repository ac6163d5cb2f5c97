"""Calls that have ended, for the callbacks room's tests."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection

from intellicall.accounts.account import Account
from intellicall.accounts.changes import create_account, update_account
from intellicall.callbacks import store
from intellicall.callbacks.delivery import Delivery, Kind, State
from intellicall.calls.journal import JournalEntry
from intellicall.calls.result import iso
from intellicall.ids import new_call_id

AT = datetime(2026, 7, 3, 10, 0, tzinfo=UTC)
AUTH = ("X-Crm-Token", "a secret of the receiver's")


def account(account_id: str, url: str | None, header: tuple[str, str] | None = AUTH) -> Account:
    name, value = header if header and url else (None, None)
    return Account(
        id=account_id,
        name=account_id,
        enabled=True,
        sandbox=False,
        default_region="IN",
        concurrent_calls=10,
        callback_url=url,
        callback_header_name=name,
        callback_header_value=value,
    )


def add_account(connection: Connection, account_id: str, url: str | None, header: tuple[str, str] | None = AUTH) -> None:
    create_account(connection, account(account_id, url, header), AT)


def set_endpoint(connection: Connection, account_id: str, url: str | None, header: tuple[str, str] | None = AUTH) -> None:
    update_account(connection, account(account_id, url, header))


def ended(account_id: str, call_id: str | None = None, at: datetime = AT) -> JournalEntry:
    """The journal's last entry of a call. The result's members are in the guide's order, which is not the alphabet's."""
    call_id = call_id or new_call_id()
    result = {
        "call_id": call_id,
        "uuid": "your-own-call-id \u20b9",
        "status": "ANSWER",
        "duration": 150,
        "customer_number": "9876543210",
        "end_time": iso(at),
        "recording_url": None,
    }
    return JournalEntry(call_id, account_id, 7, at, "ended", {"result": result})


def end_calls(connection: Connection, entries: Sequence[JournalEntry]) -> None:
    store.project(connection, entries)


def delivery_to(url: str, header: tuple[str, str] | None = AUTH) -> Delivery:
    """A delivery that is in no database, for the transport alone."""
    name, value = header or (None, None)
    return Delivery("d", Kind.RESULT, "c", "a", State.DUE, b'{"uuid":"1"}', url, name, value, 0, 0, AT, AT, None)
