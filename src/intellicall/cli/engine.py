"""`intellicall engine`: the embedded telephone engine's process."""

import asyncio
from typing import Annotated

import typer

from intellicall.settings import load

app = typer.Typer(help="The embedded telephone engine.", no_args_is_help=True)


@app.command()
def stop(*, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """End the embedded engine and the test network, and every call on them. Stop the platform first."""
    from intellicall.app import stop_engines  # noqa: PLC0415 - the other commands start faster without it

    asyncio.run(stop_engines(load()))
    typer.echo('{"stopped": true}' if as_json else "Stopped.")
