"""`intellicall engine`: the embedded telephone engine's process."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from intellicall.cli.terminal import Fault, Json, answer
from intellicall.settings import load

app = typer.Typer(help="The embedded telephone engine.", no_args_is_help=True)


@app.command()
def stop(*, as_json: Json = False) -> None:
    """End the embedded engine and the test network, and every call on them. Stop the platform first."""
    from intellicall.app import stop_engines  # noqa: PLC0415 - the other commands start faster without it

    asyncio.run(stop_engines(load()))
    answer({"stopped": True}, "Stopped.", as_json=as_json)


@app.command()
def config(
    folder: Annotated[Path, typer.Argument(help="A folder to write into; it is made when missing.")],
    *,
    as_json: Json = False,
) -> None:
    """Write the configuration that an engine of your own needs (`INTELLICALL_ENGINE=external`); asterisk.conf stays yours."""
    from intellicall.app import write_operator_folder  # noqa: PLC0415 - the other commands start faster without it

    settings = load()
    if not settings.engine_ari_password.get_secret_value():
        raise Fault("Set INTELLICALL_ENGINE_ARI_PASSWORD first: it becomes the engine's password too.", "missing_setting")
    write_operator_folder(folder, settings)
    answer({"written": str(folder)}, f"Written to {folder}. Install it as the engine's configuration folder.", as_json=as_json)
