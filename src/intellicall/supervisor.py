"""Keeps the platform alive: what dies is started again, at once, by a spare process that has loaded everything already.

To load the platform's code takes a second or two, to start it a few tenths. So beside the process that serves there is one that has
loaded the code and waits to be told; it holds nothing, no file and no connection. It is also a fresh process of the code as
installed now: nothing of a broken one is inherited.

Nobody is refused meanwhile: the sockets that a platform opens, by its own settings, are kept here, and the next one takes them
over. Who connects between two platforms waits in the kernel's queue, but not for long: see `KEPT_S`.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO

import structlog

from intellicall.backoff import BackOff

log = structlog.get_logger()

READY_S = 60.0
PATIENCE_S = 15.0
SPARE_AFTER_S = 1.0
"""How long after a start the next spare is made: first its calls are taken up."""
PROVEN_S = 5.0
"""A platform that was ready for so long did not die of its start: that is no crash loop."""
OVERTAKEN = 75
"""The exit code of a platform that was overtaken by another one (EX_TEMPFAIL, sysexits.h): it must not be started again."""
KEPT_S = 10.0
"""How long connections wait when no platform comes. Then, or when a start has failed, they are refused until one is there."""
LOADED, DOORS, SERVES = b"L", b"D", b"S"
"""What a platform process tells its supervisor, one byte each: it waits; what do I take over?; it serves (with its sockets)."""
MOST_SOCKETS = 16
_PR_SET_PDEATHSIG = 1  # prctl(2)


class PlatformDied(Exception):  # noqa: N818 - a state of the world
    """The platform ended before it was ready; its log says why."""


@dataclass(frozen=True, slots=True)
class _Spare:
    """A process that waits for a line on its standard input, and tells by bytes on `line` how far it is."""

    process: asyncio.subprocess.Process
    line: socket.socket


class Supervisor:
    """Keeps one platform process alive. `on_start` is told each new process id once that process takes calls.

    `environment` is added to ours, `output` is where its log goes (None: to ours).
    """

    def __init__(
        self, environment: Mapping[str, str], on_start: Callable[[int], None] = lambda _: None, output: IO[bytes] | None = None
    ) -> None:
        self._environment = {**os.environ, **environment}
        self._on_start = on_start
        self._output = output
        self._process: asyncio.subprocess.Process | None = None
        self._spare: _Spare | None = None
        self._preparing: asyncio.Task[None] | None = None
        self._kept: list[int] = []
        self._letting_go: asyncio.TimerHandle | None = None
        self._back_off = BackOff()
        self._renewing = False
        self._one_renewal = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Start it and return when it takes calls. Raises PlatformDied."""
        spare = await self._take_spare()
        self._process = spare.process
        assert spare.process.stdin is not None  # noqa: S101 - it was made with a pipe
        spare.process.stdin.write(b"serve\n")
        try:
            await self._told(spare, SERVES)
        except PlatformDied:
            self._let_go()
            raise
        finally:
            spare.line.close()
        self._preparing = asyncio.create_task(self._prepare(SPARE_AFTER_S), name="spare-platform")
        self._on_start(spare.process.pid)

    async def keep(self) -> int:
        """Start it again whenever it dies; its calls are still up and it adopts them. Returns the code of an overtaken one."""
        while self._process is not None:
            began = time.monotonic()
            code = await self._process.wait()
            self._let_go_later()
            if code == OVERTAKEN:
                return code
            if self._renewing:
                self._renewing = False
                log.info("platform_renewed", code=code)
                began = -PROVEN_S
            await self._again(began, code)
        return 0

    async def renew(self) -> None:
        """Change to a process of the code as installed now. It is loaded first, so the doors are closed for a moment only.

        Raises PlatformDied when that code cannot even be loaded: then nothing changes.
        """
        async with self._one_renewal:
            await self._drop_spare()
            spare = await self._new_spare()
            try:
                await self._told(spare, LOADED)
            except PlatformDied:
                spare.line.close()
                raise
            self._spare = spare
            if self._process is not None and self._process.returncode is None:
                self._renewing = True
                self._let_go_later()
                await _end(self._process, signal.SIGTERM)

    async def stop(self) -> None:
        """End it politely, then by force. Its engine and calls go on."""
        self._let_go()
        await self._drop_spare()
        if self._process is not None:
            await _end(self._process, signal.SIGTERM)

    async def _drop_spare(self) -> None:
        if self._preparing is not None:
            self._preparing.cancel()
            await asyncio.gather(self._preparing, return_exceptions=True)
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.line.close()
            await _end(spare.process, signal.SIGKILL)

    async def _again(self, began: float, code: int) -> None:
        """One death: wait as long as it takes to be no crash loop, and start. One that was never ready counts as well."""
        while True:
            if time.monotonic() - began > PROVEN_S:
                self._back_off = BackOff()
            delay = self._back_off.delay(began, time.monotonic())
            log.warning("platform_died", code=code, restart_in_s=round(delay, 1))
            await asyncio.sleep(delay)
            began = time.monotonic()
            try:
                await self.start()
            except PlatformDied:
                code = self._process.returncode if self._process is not None and self._process.returncode is not None else -1
            else:
                return

    async def _told(self, spare: _Spare, what: bytes) -> None:
        """Return when the process has told this. Raises PlatformDied when it ends or takes too long; then it is gone."""
        loop = asyncio.get_running_loop()
        heard = asyncio.Event()
        loop.add_reader(spare.line, heard.set)  # a byte, or the end of a process that closed it
        try:
            async with asyncio.timeout(READY_S):
                while True:
                    await heard.wait()
                    heard.clear()
                    with contextlib.suppress(BlockingIOError):  # the reader may call once more than there is to read
                        if self._hear(spare.line) == what:
                            return
        except ConnectionError:
            await spare.process.wait()
            raise PlatformDied("The platform did not start; its log says why.") from None
        except TimeoutError:
            await _end(spare.process, signal.SIGKILL)
            raise PlatformDied("The platform was not ready in time; its log says why.") from None
        finally:
            loop.remove_reader(spare.line)

    def _hear(self, line: socket.socket) -> bytes:
        """Read what is told; answer, and keep the sockets. Raises ConnectionError when the process has closed the line."""
        told, sockets = receive_sockets(line)
        if not told:
            raise ConnectionResetError
        if told == DOORS:
            self._stop_letting_go()
            socket.send_fds(line, [DOORS], self._kept)
        if told == SERVES:
            self._let_go()
            self._kept = sockets
        return told

    def _let_go_later(self) -> None:
        """From now on somebody may wait for a platform."""
        if self._letting_go is None:
            self._letting_go = asyncio.get_running_loop().call_later(KEPT_S, self._let_go)

    def _stop_letting_go(self) -> None:
        if self._letting_go is not None:
            self._letting_go.cancel()
            self._letting_go = None

    def _let_go(self) -> None:
        """Close what is kept: unless a platform listens, who waits is cut off and who comes is refused."""
        self._stop_letting_go()
        kept, self._kept = self._kept, []
        for number in kept:
            os.close(number)

    async def _take_spare(self) -> _Spare:
        if self._preparing is not None:
            self._preparing.cancel()
            await asyncio.gather(self._preparing, return_exceptions=True)
        spare, self._spare = self._spare, None
        if spare is not None and spare.process.returncode is None:
            return spare
        if spare is not None:
            spare.line.close()
        return await self._new_spare()

    async def _prepare(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        self._spare = await self._new_spare()

    async def _new_spare(self) -> _Spare:
        line, its_end = socket.socketpair()
        line.setblocking(False)  # noqa: FBT003 - its only parameter
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "intellicall.cli.spare", str(its_end.fileno())),
                env=self._environment,
                stdin=asyncio.subprocess.PIPE,
                stdout=self._output,
                stderr=self._output,
                pass_fds=(its_end.fileno(),),
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
        except BaseException:
            line.close()
            raise
        finally:
            its_end.close()
        return _Spare(process, line)


def receive_sockets(line: socket.socket) -> tuple[bytes, list[int]]:
    """Return the next byte of the line and the sockets that came with it, which nothing that we start inherits."""
    told, sockets, _, _ = socket.recv_fds(line, 1, MOST_SOCKETS)  # Python 3.11 does not pass its flags on
    for number in sockets:
        os.set_inheritable(number, False)  # noqa: FBT003 - its only choice
    return told, sockets


async def _end(process: asyncio.subprocess.Process, how: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(how)
    try:
        await asyncio.wait_for(process.wait(), PATIENCE_S)
    except TimeoutError:
        process.kill()
        await process.wait()


def _end_with_parent() -> None:
    """In the child: be told to stop when the supervisor itself is killed, so that nothing is left behind."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
