"""`intellicall callback`: where results are pushed, and what became of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import typer
from sqlalchemy import Connection

from intellicall.accounts import changes
from intellicall.accounts import store as accounts
from intellicall.accounts.account import Account
from intellicall.accounts.signing_secrets import DEFAULT_OVERLAP_S
from intellicall.callbacks import endpoint_store
from intellicall.callbacks.views import endpoint_view, readable, secret_views
from intellicall.cli import delivery
from intellicall.cli.account import Name, change
from intellicall.cli.key import Overlap
from intellicall.cli.sample_result import post, test_delivery
from intellicall.cli.storage import now, read, write
from intellicall.cli.terminal import Fault, Json, Record, answer, secret_from, utc
from intellicall.settings import load

app = typer.Typer(no_args_is_help=True, help="The callback URL of an account and the results pushed to it.")

secret = typer.Typer(no_args_is_help=True, help="The secrets with which callbacks are signed.")
app.add_typer(secret, name="secret")


@app.command("set")
def set_(
    account: Name,
    url: Annotated[str, typer.Argument(help="The HTTPS address that accepts the results.")],
    *,
    header: Annotated[
        str | None, typer.Option("--header", metavar="NAME", help="Header that the receiver wants with each result.")
    ] = None,
    value: Annotated[
        str | None,
        typer.Option(
            "--value",
            envvar="INTELLICALL_CALLBACK_HEADER_VALUE",
            show_envvar=True,
            help="Its value. The environment or standard input keep it out of the process list.",
        ),
    ] = None,
    value_stdin: Annotated[bool, typer.Option("--value-stdin", help="Read the value from standard input.")] = False,
    as_json: Json = False,
) -> None:
    """Push the results of calls that end from now on to this URL. Replaces URL and header."""
    header_value = secret_from(value, from_stdin=value_stdin) if header else None
    if header and header_value is None:
        raise Fault("A header needs a value: --value, INTELLICALL_CALLBACK_HEADER_VALUE or --value-stdin.")

    def with_endpoint(before: Account) -> Account:
        return replace(before, callback_url=url, callback_header_name=header, callback_header_value=header_value)

    change(account, with_endpoint, "changed", as_json=as_json)


@app.command()
def clear(account: Name, *, as_json: Json = False) -> None:
    """Push no more results of this account. They are kept all the same."""

    def without_endpoint(before: Account) -> Account:
        return replace(before, callback_url=None, callback_header_name=None, callback_header_value=None)

    change(account, without_endpoint, "changed", as_json=as_json)


@app.command()
def show(account: Name, *, as_json: Json = False) -> None:
    """Show where results go; the header's value is never shown."""
    endpoint = read(lambda c: accounts.account_by_name(c, account)).callback
    answer(
        {"url": endpoint.url if endpoint else None, "header": endpoint.header_name if endpoint else None},
        "" if endpoint else "The account has no callback URL.",
        as_json=as_json,
    )


@app.command("test")
def try_(account: Name, *, as_json: Json = False) -> None:
    """Push the result of a call that never was (`uuid` begins with test-), once, and show the receiver's answer."""
    found = read(lambda c: accounts.account_by_name(c, account))
    if found.callback is None:
        raise Fault("The account has no callback URL. Set one with `intellicall callback set`.", "no_callback_url")
    secrets = write(lambda c: changes.ensure_secret(c, found.id, now()))
    reply = post(test_delivery(found, found.callback, now()), secrets, allow_private=load().allow_private_callbacks)
    record = {"outcome": reply.outcome, "status": reply.status, "answer": readable(reply.body)}
    if not reply.acknowledged:
        raise Fault(f"The result was not taken: {reply.outcome}.", "not_delivered", record)
    answer(record, "The receiver took the result.", as_json=as_json)


@app.command()
def status(account: Name, *, as_json: Json = False) -> None:
    """Show how the callback URL stands: paused, failing, how much waits, what could not be delivered."""
    answer(read(lambda c: _standing(c, accounts.account_by_name(c, account))), as_json=as_json)


@app.command()
def pause(account: Name, *, as_json: Json = False) -> None:
    """Send no results and no events of this account until resumed. All are kept."""

    def work(connection: Connection) -> Record:
        found = accounts.account_by_name(connection, account)
        endpoint_store.pause(connection, found.id, now())
        return _standing(connection, found)

    answer(write(work), "Paused; requests under way end as they will.", as_json=as_json)


@app.command()
def resume(account: Name, *, as_json: Json = False) -> None:
    """Send what has waited, oldest first."""

    def work(connection: Connection) -> Record:
        found = accounts.account_by_name(connection, account)
        endpoint_store.resume(connection, found.id)
        return _standing(connection, found)

    answer(write(work), "Resumed; a running platform sends what waits within seconds.", as_json=as_json)


@secret.command("list")
def list_secrets(account: Name, *, as_json: Json = False) -> None:
    """List the secrets that sign callbacks now, with their last four characters."""

    def work(connection: Connection) -> Sequence[Record]:
        found = accounts.account_by_name(connection, account)
        return secret_views(one for one in accounts.list_secrets(connection, found.id) if one.valid(now()))

    answer(read(work), as_json=as_json)


@secret.command("rotate")
def rotate_secret(account: Name, *, overlap: Overlap = DEFAULT_OVERLAP_S, as_json: Json = False) -> None:
    """Make a new secret and show it, once. The one of before goes on signing beside it for the overlap (default 24 hours)."""
    born, ending = write(lambda c: changes.rotate_secret(c, accounts.account_by_name(c, account).id, now(), overlap))
    old = [{"id": one.id, "hint": one.hint, "expires_at": utc(one.expires_at)} for one in ending]
    record = {"secret": born.text, "id": born.id, "ending": old}
    if not as_json:
        record["ending"] = [f"…{one['hint']} at {one['expires_at']}" for one in old]
    answer(record, "Put the secret into the receiver now: it cannot be shown again.", as_json=as_json)


def _standing(connection: Connection, account: Account) -> Record:
    standing = endpoint_store.standing(connection, account.id, now())
    return endpoint_view(account, standing, endpoint_store.backlog(connection, account.id))


for command in (delivery.deliveries, delivery.delivery, delivery.attempts, delivery.resend, delivery.resend_range):
    app.command()(command)
