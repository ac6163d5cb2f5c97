"""`intellicall account`: who may use the platform."""

import csv
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from intellicall.accounts import changes, store
from intellicall.accounts.account import Account, Network, Retries, WhenDiskFull
from intellicall.accounts.signing_secrets import SigningSecret
from intellicall.cli.storage import now, read, write
from intellicall.cli.terminal import Fault, Json, Record, answer
from intellicall.errors import Code, Refused
from intellicall.event_types import ALL_EVENTS, EventType
from intellicall.ids import new_id

app = typer.Typer(no_args_is_help=True, help="Accounts: CRM installations and their limits.")

Name = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's name or id.")]
Region = Annotated[str | None, typer.Option("--region", help="Country (ISO 3166, two letters) of numbers without a plus.")]
ConcurrentCalls = Annotated[int | None, typer.Option("--concurrent-calls", help="Limit of simultaneous calls.")]
AgentRing = Annotated[int | None, typer.Option("--agent-ring", metavar="SECONDS", help="How long an agent's phone rings.")]
CustomerRing = Annotated[int | None, typer.Option("--customer-ring", metavar="SECONDS", help="How long a customer's phone rings.")]
MaxLength = Annotated[int | None, typer.Option("--max-length", metavar="SECONDS", help="Longest call.")]
Recording = Annotated[bool | None, typer.Option("--recording/--no-recording", help="Whether calls are recorded.")]
Disposition = Annotated[str | None, typer.Option("--disposition", help="Disposition of calls that nobody gave one.")]
Retention = Annotated[int | None, typer.Option("--retention-days", help="How long results and recordings are kept.")]
DiskFull = Annotated[
    WhenDiskFull | None,
    typer.Option("--when-disk-full", help="New calls that would be recorded while the disk is full: refused, or made unrecorded."),
]
RetriesOption = Annotated[
    Retries | None,
    typer.Option("--retries", help="Failed callbacks: the guide's three retries in 7 seconds, or up to 24 hours of them."),
]
AlertUrl = Annotated[
    str | None,
    typer.Option("--alert-url", metavar="URL", help="Told when the callback URL fails, and when it is well again; none: nobody."),
]
Networks = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-network", metavar="CIDR", help="Network that may use the server key; repeat for more. Replaces the list."
    ),
]
AnyAddress = Annotated[bool, typer.Option("--allow-any-address", help="Let every address use the server key.")]

Dispositions = Annotated[
    list[str] | None,
    typer.Option(
        "--dispositions",
        metavar="A,B,...",
        help="Dispositions that calls may be given, in double quotes where one has a comma; repeat for more. Replaces the list.",
    ),
]
AnyDisposition = Annotated[bool, typer.Option("--any-disposition", help="Allow any text as a disposition.")]
WrapUp = Annotated[
    int | None, typer.Option("--wrap-up", metavar="SECONDS", help="Time that an agent has after a call before the next; 0: none.")
]
Events = Annotated[
    str | None,
    typer.Option(
        "--events",
        metavar="TYPES",
        help=f"Events pushed to the callback URL beside results: {ALL_EVENTS}, none, or some of {', '.join(EventType)}.",
    ),
]


@app.command()
def create(
    *,
    name: Annotated[str, typer.Argument(help="A short name, unique: letters, digits, dots, dashes.")],
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Reach the test network's numbers only.")] = False,
    region: Region = "IN",
    concurrent_calls: ConcurrentCalls = 10,
    agent_ring: AgentRing = None,
    customer_ring: CustomerRing = None,
    max_length: MaxLength = None,
    recording: Recording = None,
    disposition: Disposition = None,
    dispositions: Dispositions = None,
    wrap_up: WrapUp = None,
    events: Events = None,
    retention_days: Retention = None,
    when_disk_full: DiskFull = None,
    retries: RetriesOption = None,
    alert_url: AlertUrl = None,
    allow_network: Networks = None,
    as_json: Json = False,
) -> None:
    """Create an account. It needs keys, agents and a caller-ID number before it can call."""
    fresh = Account(new_id(), name, enabled=True, sandbox=sandbox, default_region="IN", concurrent_calls=10)
    account = _changed(
        fresh,
        default_region=region,
        concurrent_calls=concurrent_calls,
        agent_ring_s=agent_ring,
        customer_ring_s=customer_ring,
        max_length_s=max_length,
        recording=recording,
        default_disposition=disposition,
        dispositions=_dispositions(dispositions),
        wrap_up_s=wrap_up,
        events=_events(events),
        retention_days=retention_days,
        when_disk_full=when_disk_full,
        retries=retries,
        alert_url=alert_url,
        allowed_networks=_networks(allow_network),
    )

    def work(connection: Connection) -> SigningSecret:
        changes.create_account(connection, account, now())
        return changes.ensure_secret(connection, account.id, now())[0]

    record = {**shown(account), "callback_secret": write(work).text}
    said = f"Account {name} is created. Its callback secret cannot be shown again. Next: `intellicall key create {name}`."
    answer(record, said, as_json=as_json)


@app.command()
def show(account: Name, *, as_json: Json = False) -> None:
    """Show one account."""
    answer(shown(read(lambda connection: store.account_by_name(connection, account))), as_json=as_json)


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """List all accounts."""
    found = [shown(account) for account in read(store.list_accounts)]
    if not as_json:
        brief = ("name", "id", "enabled", "sandbox", "default_region", "concurrent_calls", "recording", "callback_url")
        found = [{name: account[name] for name in brief} for account in found]
    answer(found, as_json=as_json)


@app.command("set")
def set_(
    *,
    account: Name,
    region: Region = None,
    concurrent_calls: ConcurrentCalls = None,
    agent_ring: AgentRing = None,
    customer_ring: CustomerRing = None,
    max_length: MaxLength = None,
    recording: Recording = None,
    disposition: Disposition = None,
    dispositions: Dispositions = None,
    wrap_up: WrapUp = None,
    events: Events = None,
    retention_days: Retention = None,
    when_disk_full: DiskFull = None,
    retries: RetriesOption = None,
    alert_url: AlertUrl = None,
    allow_network: Networks = None,
    allow_any_address: AnyAddress = False,
    any_disposition: AnyDisposition = False,
    as_json: Json = False,
) -> None:
    """Change the fields that are named. New calls follow at once; calls that live keep what they began with."""
    if allow_any_address and allow_network:
        raise Fault("Either name networks or allow any address.")
    if any_disposition and dispositions:
        raise Fault("Either list dispositions or allow any.")
    change(
        account,
        lambda before: _changed(
            before,
            default_region=region,
            concurrent_calls=concurrent_calls,
            agent_ring_s=agent_ring,
            customer_ring_s=customer_ring,
            max_length_s=max_length,
            recording=recording,
            default_disposition=disposition,
            dispositions=() if any_disposition else _dispositions(dispositions),
            wrap_up_s=wrap_up,
            events=_events(events),
            retention_days=retention_days,
            when_disk_full=when_disk_full,
            retries=retries,
            alert_url=alert_url,
            allowed_networks=() if allow_any_address else _networks(allow_network),
        ),
        "changed",
        as_json=as_json,
    )


@app.command()
def disable(account: Name, *, as_json: Json = False) -> None:
    """Refuse every request of the account from now on. Calls that live go on."""
    change(account, lambda before: replace(before, enabled=False), "disabled", as_json=as_json)


@app.command()
def enable(account: Name, *, as_json: Json = False) -> None:
    """Let a disabled account work again."""
    change(account, lambda before: replace(before, enabled=True), "enabled", as_json=as_json)


def change(name: str, of: Callable[[Account], Account], done: str, *, as_json: bool) -> None:
    """Store what `of` makes of the account and show it."""
    account = write(lambda connection: changes.update_account(connection, of(store.account_by_name(connection, name))))
    answer(shown(account), f"Account {account.name} is {done}.", as_json=as_json)


def shown(account: Account) -> Record:
    """Return the account for people and programs; the value of its callback header is never shown."""
    return {
        "id": account.id,
        "name": account.name,
        "enabled": account.enabled,
        "sandbox": account.sandbox,
        "default_region": account.default_region,
        "concurrent_calls": account.concurrent_calls,
        "agent_ring_s": account.agent_ring_s,
        "customer_ring_s": account.customer_ring_s,
        "max_length_s": account.max_length_s,
        "recording": account.recording,
        "default_disposition": account.default_disposition,
        "dispositions": list(account.dispositions),  # none: any text
        "wrap_up_s": account.wrap_up_s,
        "events": list(account.events),
        "retention_days": account.retention_days,
        "when_disk_full": account.when_disk_full.value,
        "retries": account.retries.value,
        "alert_url": account.alert_url,
        "callback_url": account.callback_url,
        "callback_header": account.callback_header_name,
        "allowed_networks": [str(network) for network in account.allowed_networks],  # none: any address
    }


def _changed(account: Account, *, alert_url: str | None, **fields: Any) -> Account:
    named = {name: value for name, value in fields.items() if value is not None}
    if alert_url is not None:
        named["alert_url"] = None if alert_url.strip() == "none" else alert_url
    return replace(account, **named)


def _dispositions(texts: list[str] | None) -> tuple[str, ...] | None:
    if not texts:
        return None
    try:
        return tuple(value.strip() for row in csv.reader(texts, skipinitialspace=True, strict=True) for value in row)
    except csv.Error:
        raise Refused(Code.INVALID_FIELD, "The list's quotation marks do not match.", field="dispositions") from None


def _events(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    return () if text.strip() == "none" else tuple(name.strip() for name in text.split(","))


def _networks(texts: list[str] | None) -> tuple[Network, ...] | None:
    if not texts:
        return None
    try:
        return tuple(ip_network(text) for text in texts)
    except ValueError as error:
        raise Refused(Code.INVALID_FIELD, f"This is not a network in CIDR form: {error}.", field="allowed_networks") from None
