"""The platform as the demo's supervised child: started, watched, started again when it dies, ended politely."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import aiohttp
import structlog

log = structlog.get_logger()

READY_S = 30.0
PATIENCE_S = 10.0
BACK_OFF_S = (0.0, 0.5, 1.0, 2.0, 5.0)
_PR_SET_PDEATHSIG = 1  # prctl(2)


class PlatformDied(Exception):  # noqa: N818 - a state of the world
    """The platform ended before it was ready; its log says why."""


class PlatformProcess:
    """Keeps one `intellicall serve` alive. `on_start` is told each new process id once that process is ready."""

    def __init__(self, environment: Mapping[str, str], log_file: Path, base_url: str, on_start: Callable[[int], None]) -> None:
        self._environment = dict(environment)
        self._log_file = log_file
        self._base_url = base_url
        self._on_start = on_start
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Start it and return when it can take calls. Raises PlatformDied."""
        await self._launch()
        self._keeper = asyncio.get_running_loop().create_task(self._keep())

    async def stop(self) -> None:
        """End it politely, then by force."""
        if self._keeper:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), PATIENCE_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _launch(self) -> None:
        with self._log_file.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "intellicall",
                "serve",
                env={**os.environ, **self._environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
        await self._wait_ready(self._process)
        self._on_start(self._process.pid)

    async def _wait_ready(self, process: asyncio.subprocess.Process) -> None:
        deadline = asyncio.get_running_loop().time() + READY_S
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
            while process.returncode is None:
                try:
                    async with session.get(f"{self._base_url}/readyz") as answer:
                        if answer.status == 200 or asyncio.get_running_loop().time() > deadline:
                            return
                except (aiohttp.ClientError, TimeoutError):
                    if asyncio.get_running_loop().time() > deadline:
                        break
                await asyncio.sleep(0.05)
        raise PlatformDied(f"The platform did not start; see {self._log_file.name} in the demo's log folder.")

    async def _keep(self) -> None:
        """Start it again whenever it dies; its calls are still up and it adopts them."""
        deaths = 0
        while self._process:
            code = await self._process.wait()
            log.warning("platform_died", code=code)
            await asyncio.sleep(BACK_OFF_S[min(deaths, len(BACK_OFF_S) - 1)])
            deaths += 1
            try:
                await self._launch()
            except PlatformDied:
                log.exception("platform_not_restarted")


def _end_with_parent() -> None:
    """In the child: be told to stop when the demo itself is killed, so that nothing is left behind."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
