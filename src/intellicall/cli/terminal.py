"""What the commands show: tables for people, JSON for programs, one plain sentence when something is refused.

Exit codes of every command: 0 done; 1 refused, with the reason on standard error; 2 the command line cannot be understood.
"""

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import orjson
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import IntegrityError
from typer.core import TyperGroup

from intellicall.errors import KINDS, Code, Refused
from intellicall.storage.database import StorageUnavailable
from intellicall.storage.migrate import UnknownSchema

Record = Mapping[str, Any]

_REMEDIES = {  # where the catalogue speaks to a CRM's administrator, the operator at the terminal needs other words
    Code.INVALID_FIELD: "",
    Code.NOT_FOUND: "The command's `list` shows what there is.",
    Code.UNKNOWN_AGENT: "`intellicall agent list` shows the registered ones.",
    Code.NUMBER_NOT_ASSIGNED: "`intellicall number list` shows the assigned ones.",
    Code.NOT_POSSIBLE_NOW: "",
    Code.INVALID_NUMBER: "Write it in full, for example +919876543210.",
    Code.TEMPLATE_NOT_FILLED: "Write it in full, for example +919876543210.",
}


class Fault(Exception):  # noqa: N818 - a decision about the command, not a defect
    """A command cannot do what it was asked; the sentence says why and what helps. `data` goes into the JSON."""

    def __init__(self, sentence: str, code: str = "refused", data: Record | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code
        self.data = dict(data or {})


def _remember(context: typer.Context, value: bool) -> bool:  # noqa: FBT001 - the signature is Typer's
    context.find_root().meta["intellicall.json"] = value
    return value


Json = Annotated[bool, typer.Option("--json", help="Answer in JSON, on one line; errors too.", callback=_remember)]


class Commands(TyperGroup):
    """The root group: turns every refusal into one sentence (or one JSON object) on standard error and exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (Fault, Refused, StorageUnavailable, UnknownSchema, ValidationError, IntegrityError) as error:
            fault = _as_fault(error)
        if ctx.find_root().meta.get("intellicall.json"):
            typer.echo(orjson.dumps({"error": {"code": fault.code, "detail": fault.sentence} | fault.data}), err=True)
        else:
            typer.echo(f"intellicall: {fault.sentence}", err=True)
        raise typer.Exit(1)


def _as_fault(error: Exception) -> Fault:
    if isinstance(error, Fault):
        return error
    if isinstance(error, Refused):
        remedy = _REMEDIES.get(error.code, KINDS[error.code].remedy)
        title = f"{error.kind.title}." if error.detail is None else error.detail
        return Fault(f"{title} {remedy}".strip(), error.code.value, {"field": error.field} if error.field else {})
    if isinstance(error, ValidationError):  # its own text shows values, which may be secrets
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_input=False))
        return Fault(f"The settings are wrong ({wrong}). See docs/settings.md.", "invalid_settings")
    if isinstance(error, IntegrityError):
        return Fault("Somebody changed the same thing at the same moment. Look at it, then try again.", "conflict")
    if isinstance(error, UnknownSchema):
        return Fault(f"{str(error).capitalize()}.", "unknown_schema")
    return Fault(f"The database cannot be used now ({error}). Check INTELLICALL_DATABASE_URL and the disk.", "storage_unavailable")


def answer(data: Record | Sequence[Record], sentence: str = "", *, as_json: bool) -> None:
    """Show one record or a list of them. People also get the sentence; programs get the data alone."""
    if as_json:
        typer.echo(orjson.dumps(data, default=str))
        return
    if sentence:
        typer.echo(sentence)
    if isinstance(data, Mapping):
        if data:
            _print(_record_table(data))
    elif data:
        _print(_list_table(data))
    elif not sentence:
        typer.echo("Nothing yet.")


def utc(at: datetime | None) -> str | None:
    """Return ISO 8601 in UTC with seconds, as results show times."""
    return None if at is None else at.strftime("%Y-%m-%dT%H:%M:%SZ")


def secret_from(option: str | None, *, from_stdin: bool) -> str | None:
    """Return the secret of an option, or (without its line end) of standard input."""
    if not from_stdin:
        return option
    if option is not None:
        raise Fault("Give the secret once: by option or environment, or on standard input.")
    return sys.stdin.readline().rstrip("\r\n") or None


def _print(table: Table) -> None:
    console = Console(highlight=False)
    console.print(table) if console.is_terminal else Console(highlight=False, width=200).print(table)


def _record_table(record: Record) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in record.items():
        table.add_row(name.replace("_", " "), _cell(value))
    return table


def _list_table(records: Sequence[Record]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in records[0]:
        table.add_column(name.replace("_", " "), overflow="fold")
    for record in records:
        table.add_row(*(_cell(value) for value in record.values()))
    return table


def _cell(value: Any) -> str:
    if value is None or value in ([], ""):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value).replace("[", r"\[")
