"""`intellicall run` on the scripted engine, and its log."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.faults.platforms import PlatformProcess


async def run(folder: Path, port: int, *words: str, **environment: str) -> PlatformProcess:
    """Start it with these words and settings; it may not be ready yet. Its state is in `folder`, its log in `run.log` there."""
    log = folder / "run.log"
    own = {"INTELLICALL_STATE_DIR": str(folder / "state"), "INTELLICALL_ENGINE": "scripted"}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "intellicall", "run", *words),
            env={**os.environ, **own, **environment},
            stdout=output,
            stderr=output,
        )
    return PlatformProcess(process, port, "", log)


def said(log: Path, words: str, times: int) -> Callable[[], Awaitable[bool | None]]:
    """Return a question for `until`: whether the log has these words so often."""

    async def asked() -> bool | None:
        return True if count(log, words) >= times else None

    return asked


def count(log: Path, words: str) -> int:
    return log.read_text().count(words)
