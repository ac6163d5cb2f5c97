"""`intellicall callback`: where results are pushed, and what became of them."""

from dataclasses import replace
from typing import Annotated

import typer

from intellicall.accounts import changes
from intellicall.accounts import store as accounts
from intellicall.accounts.account import Account
from intellicall.callbacks import store as callbacks
from intellicall.callbacks.delivery import Delivery, State
from intellicall.cli.account import Name, change
from intellicall.cli.sample_result import post, test_delivery
from intellicall.cli.storage import now, read, write
from intellicall.cli.terminal import Fault, Json, Record, answer, secret_from, utc
from intellicall.settings import load

app = typer.Typer(no_args_is_help=True, help="The callback URL of an account and the results pushed to it.")

DeliveryId = Annotated[str, typer.Argument(metavar="DELIVERY_ID", help="The delivery's id, see `callback deliveries`.")]


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
    secret = secret_from(value, from_stdin=value_stdin) if header else None
    if header and secret is None:
        raise Fault("A header needs a value: --value, INTELLICALL_CALLBACK_HEADER_VALUE or --value-stdin.")

    def with_endpoint(before: Account) -> Account:
        return replace(before, callback_url=url, callback_header_name=header, callback_header_value=secret)

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
    record = {"outcome": reply.outcome, "status": reply.status, "answer": reply.body.decode(errors="replace")}
    if not reply.acknowledged:
        raise Fault(f"The result was not taken: {reply.outcome}.", "not_delivered", record)
    answer(record, "The receiver took the result.", as_json=as_json)


@app.command()
def deliveries(
    account: Name,
    *,
    state: Annotated[State | None, typer.Option("--state", help="Only deliveries in this state.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many at most, newest first.")] = 100,
    as_json: Json = False,
) -> None:
    """List deliveries, newest first: results, and events where the account wants them. `--state undelivered` shows those whose
    every attempt failed.
    """
    found = read(lambda c: callbacks.list_deliveries(c, accounts.account_by_name(c, account).id, state, limit))
    answer([_shown(delivery) for delivery in found], as_json=as_json)


@app.command()
def attempts(delivery: DeliveryId, *, as_json: Json = False) -> None:
    """List the attempts of one delivery: when, how long, what the receiver answered."""
    found = read(lambda c: callbacks.attempts_of(c, delivery))
    answer(
        [
            {
                "number": attempt.number,
                "started_at": utc(attempt.started_at),
                "latency_ms": attempt.latency_ms,
                "status": attempt.status,
                "outcome": attempt.outcome,
                "answer": attempt.answer.decode(errors="replace"),
            }
            for attempt in found
        ],
        as_json=as_json,
    )


@app.command()
def resend(delivery: DeliveryId, *, as_json: Json = False) -> None:
    """Send a finished delivery again, the same bytes, to where the account receives results now."""
    again = write(lambda c: callbacks.resend(c, delivery, now()))
    answer(_shown(again), "It is due; a running platform sends it within seconds.", as_json=as_json)


def _shown(delivery: Delivery) -> Record:
    return {
        "id": delivery.id,
        "call_id": delivery.call_id,
        "kind": delivery.kind.value,
        "event": delivery.event,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "created_at": utc(delivery.created_at),
        "finished_at": utc(delivery.finished_at),
    }
