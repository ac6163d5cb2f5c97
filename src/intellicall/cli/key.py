"""`intellicall key`: the two kinds of keys, shown once."""

import re
from typing import Annotated

import typer

from intellicall.accounts import changes, store
from intellicall.accounts.keys import DEFAULT_OVERLAP_S, Key, KeyKind, NewKey
from intellicall.cli.account import Name
from intellicall.cli.storage import now, read, write
from intellicall.cli.terminal import Json, Record, answer, utc

app = typer.Typer(no_args_is_help=True, help="Keys: the browser key for launch links, the server key for the API.")

Kind = Annotated[KeyKind, typer.Option("--kind", help="browser: for launch links. server: for API requests; keep it secret.")]


def _seconds(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,9})([smhd]?)", text, re.ASCII)
    if match is None:
        raise typer.BadParameter("Write a duration as 90s, 30m, 12h or 7d.")
    return int(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}[match[2]]


Overlap = Annotated[
    int,
    typer.Option("--overlap", parser=_seconds, metavar="DURATION", help="How long older keys go on working: 90s, 30m, 12h, 7d."),
]


@app.command()
def create(account: Name, *, kind: Kind, as_json: Json = False) -> None:
    """Make a further key and show it, once. Keys that exist go on working."""
    born = write(lambda c: changes.create_key(c, store.account_by_name(c, account).id, kind, now()))
    answer(_born(born), "Note the key now: it cannot be shown again.", as_json=as_json)


@app.command()
def rotate(account: Name, *, kind: Kind, overlap: Overlap = DEFAULT_OVERLAP_S, as_json: Json = False) -> None:
    """Make a new key and let all older ones of its kind end after the overlap (default 7 days)."""
    at = now()
    born, ending = write(lambda c: changes.rotate_keys(c, store.account_by_name(c, account).id, kind, at, overlap))
    record = {**_born(born), "ending": [{"id": key.id, "expires_at": utc(key.expires_at)} for key in ending]}
    if not as_json:
        record["ending"] = [f"{key.id} at {utc(key.expires_at)}" for key in ending]
    answer(record, "Note the key now: it cannot be shown again.", as_json=as_json)


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY_ID", help="The key's id, see `key list`.")], *, as_json: Json = False
) -> None:
    """End a key at once."""
    answer(_shown(write(lambda c: changes.revoke_key(c, key, now()))), "The key is revoked.", as_json=as_json)


@app.command("list")
def list_(account: Name, *, as_json: Json = False) -> None:
    """List the keys of an account, with their last four characters."""
    answer([_shown(key) for key in read(lambda c: store.list_keys(c, store.account_by_name(c, account).id))], as_json=as_json)


def _born(born: NewKey) -> dict[str, object]:
    return {"key": born.text, "id": born.key.id, "kind": born.key.kind.value}


def _shown(key: Key) -> Record:
    return {
        "id": key.id,
        "kind": key.kind.value,
        "ends_with": key.hint,
        "state": key.state(now()),
        "created_at": utc(key.created_at),
        "expires_at": utc(key.expires_at),
        "revoked_at": utc(key.revoked_at),
    }
