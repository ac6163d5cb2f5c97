"""`intellicall call`: what happened to one call, and why."""

from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from intellicall.app import TIMELINE_SOURCES
from intellicall.calls import store
from intellicall.calls.timeline_http import read_timeline
from intellicall.cli.storage import read
from intellicall.cli.terminal import Json, answer
from intellicall.errors import Code, Refused

app = typer.Typer(no_args_is_help=True, help="The calls.")


@app.callback()
def calls() -> None:
    """The calls."""


@app.command()
def explain(
    call: Annotated[str, typer.Argument(metavar="CALL_ID", help="The call's id, as in its result.")], *, as_json: Json = False
) -> None:
    """Tell why a call ended so, whose fault it was and what to do, and everything that happened to it, in order of time.

    What a running platform has seen in the last second may be missing.
    """
    found = read(lambda connection: _timeline(connection, call))
    if as_json:
        answer(found, as_json=True)
        return
    why = found["explanation"]
    answer(
        [{"at": one["at"], "source": one["source"], "text": one["text"]} for one in found["entries"]],
        f"{why['sentence']}\nWhose fault: {why['whose_fault'] or 'not over yet'}. What to do: {why['remedy']}\n",
        as_json=False,
    )


def _timeline(connection: Connection, call_id: str) -> dict[str, Any]:
    entry = store.by_id(connection, call_id) if call_id.isprintable() else None
    if entry is None:
        raise Refused(Code.NOT_FOUND, "There is no such call.")
    return read_timeline(connection, entry, TIMELINE_SOURCES)
