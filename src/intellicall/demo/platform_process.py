"""The platform as the demo's supervised child."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from intellicall.supervisor import PlatformDied, Supervisor

__all__ = ["PlatformDied", "PlatformProcess"]


class PlatformProcess:
    """Keeps one platform alive, which logs into `log_file`. `on_start` is told each new process id once it takes calls."""

    def __init__(self, environment: Mapping[str, str], log_file: Path, on_start: Callable[[int], None]) -> None:
        self._output = log_file.open("ab")
        self._supervisor = Supervisor(environment, on_start, self._output)
        self._keeper: asyncio.Task[int] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._supervisor.pid

    async def start(self) -> None:
        """Start it and return when it can take calls. Raises PlatformDied."""
        await self._supervisor.start()
        self._keeper = asyncio.create_task(self._supervisor.keep())

    async def stop(self) -> None:
        """End it politely, then by force."""
        if self._keeper:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await self._supervisor.stop()
        self._output.close()
