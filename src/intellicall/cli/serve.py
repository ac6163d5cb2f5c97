"""`intellicall serve`: the platform process."""

import asyncio
import gc
import os
import signal
from collections.abc import Callable, Sequence
from socket import socket
from typing import Annotated

import structlog
import typer
import uvloop

from intellicall.cli.logs import set_up_logs
from intellicall.settings import Settings, load
from intellicall.supervisor import OVERTAKEN
from intellicall.web.listening import Held, nothing_held

log = structlog.get_logger()


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 finds a free one.")] = None,
) -> None:
    """Run the platform until SIGTERM or Ctrl-C. The engine and its calls outlive it; `intellicall engine stop` ends them.

    Exit code 75: another platform process on the same database has taken the lead.
    """
    run_platform(load(host=host, port=port))


Ready = Callable[[Sequence[socket]], None]


def run_platform(settings: Settings, ready: Ready = lambda _: None, held: Held = nothing_held) -> None:
    """Run the platform until SIGTERM or Ctrl-C. Exits 1, with a sentence, when it cannot.

    `ready` is told what it listens on when it takes calls; `held` asks for what the platform before it listened on.
    """
    set_up_logs(settings)
    if not uvloop.run(_serve(settings, ready, held)):
        raise SystemExit(1)


async def _serve(settings: Settings, ready: Ready, held: Held) -> bool:
    from intellicall.app import CANNOT_START, Platform  # noqa: PLC0415 - the other commands start faster without it

    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    platform = Platform(settings, held=held)
    try:
        await platform.start()
    except CANNOT_START as problem:
        log.error("platform_not_started", told=str(problem), error=type(problem).__name__)  # noqa: TRY400 - it says all
        return False
    ready(platform.server.sockets)
    _calm_garbage_collection()
    overtaken = asyncio.create_task(_leave_when_overtaken(platform.overtaken))
    try:
        await stopped.wait()
    finally:
        overtaken.cancel()
        await platform.stop()
    return True


async def _leave_when_overtaken(overtaken: asyncio.Event) -> None:
    """Leave at once, with nothing done to engine, calls or database: all of it is the other process's now."""
    await overtaken.wait()
    log.error("platform_overtaken", told="Another platform process on this database has taken the lead; this one ends.")
    os._exit(OVERTAKEN)


def _calm_garbage_collection() -> None:
    """Leave out what lives as long as the process, and look at the rest less often: each full look stopped every call for 30 ms."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
