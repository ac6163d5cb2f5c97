"""`intellicall number`: the caller-ID numbers that accounts show to their customers."""

from typing import Annotated

import typer

from intellicall.accounts import changes, store
from intellicall.accounts.account import CallerId
from intellicall.accounts.numbers import display
from intellicall.cli.account import Name
from intellicall.cli.storage import now, read, write
from intellicall.cli.terminal import Json, Record, answer

app = typer.Typer(no_args_is_help=True, help="Caller-ID numbers, and the trunks that carry calls from them.")

Number = Annotated[str, typer.Argument(metavar="NUMBER", help="The number, best as +919876543210.")]
Trunks = Annotated[
    list[str] | None,
    typer.Option(
        "--trunk", metavar="NAME", help="Trunk for calls from it; repeat for fail-over, in order. Sandbox accounts need none."
    ),
]


@app.command()
def assign(account: Name, number: Number, *, trunk: Trunks = None, as_json: Json = False) -> None:
    """Give a number to an account, or name other trunks for one that it has."""
    caller_id = write(lambda c: changes.assign_number(c, store.account_by_name(c, account), number, trunk or [], now()))
    answer(_shown(caller_id, as_json=as_json), "The number is assigned.", as_json=as_json)


@app.command("list")
def list_(account: Name, *, as_json: Json = False) -> None:
    """List the numbers of an account."""
    found = read(lambda c: store.list_caller_ids(c, store.account_by_name(c, account).id))
    answer([_shown(caller_id, as_json=as_json) for caller_id in found], as_json=as_json)


@app.command()
def release(account: Name, number: Number, *, as_json: Json = False) -> None:
    """Take a number from an account; calls from it are refused from now on."""
    write(lambda c: changes.release_number(c, store.account_by_name(c, account), number))
    answer({}, "The number is released.", as_json=as_json)


def _shown(caller_id: CallerId, *, as_json: bool) -> Record:
    number = caller_id.number if as_json else display(caller_id.number)
    return {"number": number, "trunks": list(caller_id.trunks)}
