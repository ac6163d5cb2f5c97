"""`intellicall run`: the platform, kept alive."""

import asyncio
import contextlib
import signal
from typing import Annotated

import structlog
import typer

from intellicall.cli.logs import set_up_logs
from intellicall.settings import load
from intellicall.supervisor import PlatformDied, Supervisor

log = structlog.get_logger()


def run(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 finds a free one.")] = None,
) -> None:
    """Run the platform and start it again when it dies, until SIGTERM or Ctrl-C. Calls go on meanwhile and are taken up again.

    SIGHUP, after another version was installed: that one is loaded, then takes over within a second.

    Exit code 75: another platform process on the same database has taken the lead.
    """
    settings = load(host=host, port=port)
    set_up_logs(settings)
    given = {"INTELLICALL_HOST": host, "INTELLICALL_PORT": None if port is None else str(port)}
    code = asyncio.run(_run({name: value for name, value in given.items() if value is not None}))
    raise typer.Exit(code)


async def _run(environment: dict[str, str]) -> int:
    supervisor = Supervisor(environment)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    renewals: set[asyncio.Task[None]] = set()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, lambda: renewals.add(asyncio.create_task(_renew(supervisor))))
    keeping = asyncio.create_task(_keep(supervisor))
    stopping = asyncio.create_task(stopped.wait())
    await asyncio.wait((keeping, stopping), return_when=asyncio.FIRST_COMPLETED)
    code = keeping.result() if keeping.done() else 0
    for task in (keeping, stopping, *renewals):
        task.cancel()
    await asyncio.gather(keeping, stopping, *renewals, return_exceptions=True)
    await supervisor.stop()
    return code


async def _renew(supervisor: Supervisor) -> None:
    try:
        await supervisor.renew()
    except PlatformDied as problem:
        log.error("platform_not_renewed", why=str(problem))  # noqa: TRY400 - its own log has the trace


async def _keep(supervisor: Supervisor) -> int:
    with contextlib.suppress(PlatformDied):  # its log has said why; what is wrong may be mended while we go on trying
        await supervisor.start()
    return await supervisor.keep()
