"""`intellicall run`: what cannot start is tried again, not too often, and says why; it ends politely."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

from tests.faults.platforms import PlatformProcess
from tests.support.demo import until
from tests.support.ports import find_free_port

MOST_STARTS = 6
"""In a minute, which this test does not last."""
GAP_S = 2.0
"""About 0.5 s on a machine that does nothing else; loading takes 2 s and more."""


async def test_a_platform_that_cannot_start_says_why_and_is_tried_again(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        running = await _run(tmp_path, port, log)
        try:
            await until(_said(log, "platform_not_started", 1), 60)
            assert "address already in use" in log.read_text()
            taken.close()
            await running.ready(60)
        finally:
            running.signal(signal.SIGTERM)
            assert await running.gone(30) == 0
    assert log.read_text().count('"platform_died"') <= MOST_STARTS


async def test_another_version_takes_over_in_a_moment(tmp_path: Path) -> None:
    """SIGHUP: another process serves, and the doors were closed for as long as that takes, not for as long as loading takes."""
    log = tmp_path / "run.log"
    port = find_free_port()
    running = await _run(tmp_path, port, log)
    try:
        await running.ready(60)
        running.signal(signal.SIGHUP)
        await until(_said(log, "platform_renewed", 1), 60)
        await running.ready(60)
        assert _count(log, '"platform_ready"') == 2
        closed, opened = _when(log, "stopped_listening"), _when(log, "platform_ready")
        assert (opened - closed).total_seconds() < GAP_S
    finally:
        running.signal(signal.SIGTERM)
        assert await running.gone(30) == 0


async def _run(folder: Path, port: int, log: Path) -> PlatformProcess:
    """Start `intellicall run` on the scripted engine."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "intellicall", "run", "--port", str(port)),
            env={**os.environ, "INTELLICALL_STATE_DIR": str(folder / "state"), "INTELLICALL_ENGINE": "scripted"},
            stdout=output,
            stderr=output,
        )
    return PlatformProcess(process, port, "", log)


def _when(log: Path, event: str) -> datetime:
    """When this was said last."""
    lines = [json.loads(line) for line in log.read_text().splitlines() if f'"{event}"' in line]
    return datetime.fromisoformat(lines[-1]["timestamp"])


def _said(log: Path, words: str, times: int) -> Callable[[], Awaitable[bool | None]]:
    async def said() -> bool | None:
        return True if _count(log, words) >= times else None

    return said


def _count(log: Path, words: str) -> int:
    return log.read_text().count(words)
