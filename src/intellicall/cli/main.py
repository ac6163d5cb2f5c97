"""The `intellicall` command: one file per noun, registered here."""

import os
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from intellicall.cli import (
    account,
    agent,
    backup,
    call,
    callback,
    config,
    demo,
    doctor,
    engine,
    key,
    migrate,
    number,
    recording,
    reference,
    run,
    serve,
    trunk,
)
from intellicall.cli.terminal import Commands

app = typer.Typer(cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False, help="Intellicall: click-to-call telephony.")

app.command("demo")(demo.demo)
app.command("serve")(serve.serve)
app.command("run")(run.run)
app.command("doctor")(doctor.doctor)
app.command("migrate")(migrate.migrate_)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("reference", hidden=True)(reference.reference)
app.add_typer(account.app, name="account")
app.add_typer(agent.app, name="agent")
app.add_typer(number.app, name="number")
app.add_typer(key.app, name="key")
app.add_typer(trunk.app, name="trunk")
app.add_typer(callback.app, name="callback")
app.add_typer(call.app, name="call")
app.add_typer(recording.app, name="recording")
app.add_typer(engine.app, name="engine")
app.add_typer(config.app, name="config")

_STATE_DIR = "INTELLICALL_STATE_DIR"


def _version(value: bool) -> None:  # noqa: FBT001 - the signature is Typer's
    if value:
        typer.echo(f"intellicall {version('intellicall')}")
        raise typer.Exit


@app.callback()
def main(
    context: typer.Context,
    *,
    state_dir: Annotated[
        Path | None,
        typer.Option("--state-dir", help="Folder for the database, recordings, engine and logs; as INTELLICALL_STATE_DIR."),
    ] = None,
    show_version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,  # noqa: ARG001 - Typer's
) -> None:
    """Intellicall: click-to-call telephony on Asterisk.

    Every command has --json. Exit codes: 0 done, 1 refused with the reason, 2 the command line cannot be understood.
    """
    if state_dir is None:
        return
    before = os.environ.get(_STATE_DIR)
    os.environ[_STATE_DIR] = str(state_dir)  # rather than a flag of `load`: the settings file is looked for there, too
    context.call_on_close(lambda: _restore(before))


def _restore(before: str | None) -> None:
    if before is None:
        os.environ.pop(_STATE_DIR, None)
    else:
        os.environ[_STATE_DIR] = before
