"""`intellicall demo`: everything on this machine, to click in."""

import asyncio
from pathlib import Path

import typer
from rich.console import Console

from intellicall.cli.logs import set_up_logs
from intellicall.settings import load


def demo() -> None:
    """Start engine, test network, platform and a demo CRM; print the address; Ctrl-C stops everything."""
    from intellicall.demo.demo import Demo, DemoFailed, port_was_given  # noqa: PLC0415 - the other commands start faster without it
    from intellicall.demo.platform_process import PlatformDied  # noqa: PLC0415 - as above

    settings = load()
    set_up_logs(settings.model_copy(update={"log_level": "error", "log_format": "text"}))
    pages = Path(__file__).parent.parent / "web" / "pages" / "demo-crm"
    console = Console()
    try:
        asyncio.run(Demo(settings, pages, console, port_given=port_was_given()).run())
    except (DemoFailed, PlatformDied, OSError) as problem:
        console.print(f"[red]{problem}[/]")
        raise typer.Exit(1) from None
