"""The engine as a private, supervised child that outlives the platform.

One `EngineProcess` looks after one Asterisk with one state folder. It starts it, or adopts the one that an earlier platform
process left running; sees its death at once (a pidfd, no polling) and starts a new one with back-off; and ends it only
when told to. Tried with Asterisk 22.10.1: ready about 0.5 s after the start.
"""

import asyncio
import contextlib
import fcntl
import os
import resource
import signal
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from intellicall.backoff import BackOff
from intellicall.telephony.asterisk.dirs import EngineDirs
from intellicall.telephony.asterisk.install import EngineInstall
from intellicall.telephony.asterisk.lives import Stamp

log = structlog.get_logger()

OUTPUT_LIMIT = 5_000_000  # bytes of the engine's own standard output kept, once more as `.1`
OUTPUT_CHECK_S = 600.0
FILES = 65_536  # open files: four RTP sockets a call; more would only make every fork of the engine slower
OOM_SCORE_ADJUST = -500  # live calls are the last thing to sacrifice; only root may ask for it


class AlreadySupervised(Exception):  # noqa: N818 - a state of the world, not a bug
    """Another process looks after the engine of this state folder."""


@dataclass(frozen=True, slots=True)
class EngineStart:
    """An engine process is there. `adopted`: it was running before; its calls may be up."""

    pid: int
    adopted: bool


@dataclass(frozen=True, slots=True)
class EngineExit:
    """An engine process ended. `status` as in `os.waitstatus_to_exitcode` (negative: signal), None when it was not our child.

    `restart_in_s` is None when no new one will be started.
    """

    pid: int
    status: int | None
    restart_in_s: float | None


# The child writes its own stamp before it becomes Asterisk, so that no moment exists in which an engine runs unrecorded.
# Core dumps would hold callers' numbers and voices: none are written.
_LAUNCH = (
    'umask 077; ulimit -c 0; ulimit -n "$3"; cd "$2" || exit 71; '
    'cat /proc/$$/stat /proc/sys/kernel/random/boot_id >"$1.new" && mv "$1.new" "$1" || exit 73; shift 3; exec "$@"'
)


class EngineProcess:
    """Keeps one Asterisk alive. Use from one event loop; callbacks run in it and must not block."""

    def __init__(
        self,
        install: EngineInstall,
        dirs: EngineDirs,
        *,
        on_start: Callable[[EngineStart], None] | None = None,
        on_exit: Callable[[EngineExit], None] | None = None,
        before_launch: Callable[[], None] = lambda: None,
    ) -> None:
        self._install = install
        self._dirs = dirs
        self._on_start = on_start or (lambda _: None)
        self._on_exit = on_exit or (lambda _: None)
        self._before_launch = before_launch
        self._stamp_file = dirs.state / "engine.pid"
        self._lock: int | None = None
        self._pidfd: int | None = None
        self._pid: int | None = None
        self._started_at = 0.0
        self._back_off = BackOff()
        self._restart_timer: asyncio.TimerHandle | None = None
        self._output_timer: asyncio.TimerHandle | None = None
        self._gone = asyncio.Event()
        self._stopping = False

    @property
    def pid(self) -> int | None:
        """The engine's process id while it runs."""
        return self._pid

    @property
    def output(self) -> Path:
        """Where the engine's standard output and error go."""
        return self._dirs.log / "engine.out"

    async def start(self, patience_s: float = 0.0) -> EngineStart:
        """Adopt the engine of this state folder, or start one, and look after it from now on.

        The configuration must have been written. Returns as soon as the process exists (it answers about 0.5 s later).
        Raises AlreadySupervised, when another process has not let go of it within `patience_s`.
        """
        if self._pid is not None:
            return EngineStart(self._pid, adopted=True)
        self._dirs.create()
        await self._take_lock(patience_s)
        self._stopping = False
        self._watch_output()
        return self._adopt() or await self._adopt_newborn() or self._launch()

    def can_adopt(self) -> bool:
        """Tell whether an engine of this state folder runs already, so that `start` would adopt it."""
        return self.running_pid() is not None

    def running_pid(self) -> int | None:
        """Return the process id of this state folder's engine, whoever looks after it; None when none runs."""
        stamps = (self._recorded(), self._listening())
        return next((stamp.pid for stamp in stamps if stamp is not None and self._is_ours(stamp)), None)

    async def stop(self, deadline_s: float = 5.0) -> None:
        """End the engine (its calls end with it): politely, and after `deadline_s` by force. Returns when it is gone."""
        self._stopping = True
        self._cancel_timers()
        if self._pidfd is not None:
            self._signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._gone.wait(), deadline_s)
            except TimeoutError:
                log.warning("engine_killed", pid=self._pid, reason="did not stop in time")
                self._signal(signal.SIGKILL)
                await self._gone.wait()
            self._stamp_file.unlink(missing_ok=True)
        self._release_lock()

    async def release(self) -> None:
        """Stop looking after the engine and let it run; a later `start` here or in another process adopts it."""
        self._stopping = True
        self._cancel_timers()
        self._unwatch()
        self._release_lock()

    def kill(self) -> None:
        """End a hung engine at once; a new one is started as after any crash. No-op when none runs."""
        self._signal(signal.SIGKILL)

    async def console(self, command: str, timeout_s: float = 5.0) -> str:
        """Run one command of Asterisk's console and return what it prints. Raises TimeoutError or ConnectionError."""
        process = await asyncio.create_subprocess_exec(
            *self._install.argv,
            *("-C", str(self._dirs.configuration), "-rx", command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=os.environ | self._install.environment,
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), timeout_s)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
        if process.returncode:
            raise ConnectionError("the engine's console does not answer")
        return output.decode(errors="replace")

    # -- finding and starting ------------------------------------------------------------------------------------------

    def _adopt(self) -> EngineStart | None:
        for find in (self._recorded, self._listening):
            stamp = find()
            if stamp is None:
                continue
            try:
                pidfd = os.pidfd_open(stamp.pid)
            except ProcessLookupError:
                continue
            if self._is_ours(stamp):  # checked after the pidfd was taken: from here on the id cannot change hands
                return self._watch(stamp.pid, pidfd, adopted=True)
            os.close(pidfd)
        return None

    async def _adopt_newborn(self) -> EngineStart | None:
        """Adopt an engine that was started so shortly before its platform died that it has not recorded itself yet."""
        for _ in range(100):
            claim = self._claim()
            if claim is not None:
                os.close(claim)
                return None
            if adopted := self._adopt():
                return adopted
            await asyncio.sleep(0.02)
        log.warning("engine_lock_held", reason="by a process that is no engine of this folder")
        return None

    def _claim(self) -> int | None:
        """Take the lock that an engine inherits and holds for as long as it lives; None when one lives."""
        claim = os.open(self._dirs.state / "engine.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(claim)
            return None
        return claim

    def _recorded(self) -> Stamp | None:
        """Return the stamp that the last engine of this folder left."""
        try:
            return Stamp.parse(self._stamp_file.read_text())
        except (OSError, ValueError, IndexError):
            return None

    def _listening(self) -> Stamp | None:
        """Return the stamp of whoever listens on the control socket (SO_PEERCRED), should its stamp file be lost."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as console:
            console.settimeout(0.2)
            try:
                console.connect(str(self._dirs.control_socket))
                credentials = console.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
                return Stamp.of(struct.unpack("3i", credentials)[0])
            except (OSError, ValueError, IndexError):
                return None

    def _is_ours(self, stamp: Stamp) -> bool:
        """Tell whether the process with this id now is the very one that wrote the stamp, and is an engine of this folder."""
        try:
            command = Path(f"/proc/{stamp.pid}/cmdline").read_bytes().split(b"\0")
            return Stamp.of(stamp.pid) == stamp and os.fsencode(self._dirs.configuration) in command
        except (OSError, ValueError, IndexError):
            return False

    def _launch(self) -> EngineStart:
        self._rotate_output()
        self._before_launch()
        engine = (*self._install.argv, "-C", str(self._dirs.configuration), "-f", "-n")
        _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
        files = FILES if most_files == resource.RLIM_INFINITY else min(FILES, most_files)
        argv = ("/bin/sh", "-c", _LAUNCH, "intellicall-engine", str(self._stamp_file), str(self._dirs.run), str(files), *engine)
        appending = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        claim = self._claim()
        files_of_child: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(self.output), appending, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        if claim is not None:
            files_of_child.append((os.POSIX_SPAWN_DUP2, claim, 3))
        pid = os.posix_spawn(argv[0], argv, os.environ | self._install.environment, file_actions=files_of_child, setsid=True)
        if claim is not None:
            os.close(claim)  # the engine holds it now
        with contextlib.suppress(OSError):
            Path(f"/proc/{pid}/oom_score_adj").write_text(str(OOM_SCORE_ADJUST))
        return self._watch(pid, os.pidfd_open(pid), adopted=False)

    # -- watching ------------------------------------------------------------------------------------------------------

    def _watch(self, pid: int, pidfd: int, *, adopted: bool) -> EngineStart:
        self._pid, self._pidfd = pid, pidfd
        self._started_at = time.monotonic()
        self._gone.clear()
        asyncio.get_running_loop().add_reader(pidfd, self._exited)
        log.info("engine_adopted" if adopted else "engine_started", pid=pid, version=self._install.version)
        start = EngineStart(pid, adopted)
        self._on_start(start)
        return start

    def _unwatch(self) -> None:
        if self._pidfd is not None:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
        self._pidfd = self._pid = None

    def _exited(self) -> None:
        pid = self._pid
        if pid is None:
            return
        self._unwatch()
        status: int | None = None
        with contextlib.suppress(ChildProcessError):  # adopted: it is not our child, and its parent reaps it
            _, waited = os.waitpid(pid, 0)
            status = os.waitstatus_to_exitcode(waited)
        delay = None if self._stopping else self._back_off.delay(self._started_at, time.monotonic())
        if delay is not None:
            self._restart_timer = asyncio.get_running_loop().call_later(delay, self._restart)
        log.info("engine_exited", pid=pid, status=status, restart_in_s=delay)
        self._gone.set()
        self._on_exit(EngineExit(pid, status, delay))

    def _restart(self) -> None:
        self._restart_timer = None
        try:
            self._launch()
        except OSError as error:  # no memory or no process left; the next try comes with back-off
            delay = self._back_off.delay(self._started_at, time.monotonic())
            log.warning("engine_not_started", error=error.strerror, restart_in_s=delay)
            self._restart_timer = asyncio.get_running_loop().call_later(delay, self._restart)

    def _signal(self, number: signal.Signals) -> None:
        if self._pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def _cancel_timers(self) -> None:
        for timer in (self._restart_timer, self._output_timer):
            if timer:
                timer.cancel()
        self._restart_timer = self._output_timer = None

    # -- the folder's lock and the output file ---------------------------------------------------------------------------

    async def _take_lock(self, patience_s: float) -> None:
        if self._lock is not None:
            return
        lock = os.open(self._dirs.state / "supervisor.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + patience_s
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(lock)
                    raise AlreadySupervised(f"another platform process uses {self._dirs.state}") from None
            await asyncio.sleep(0.05)
        self._lock = lock

    def _release_lock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _watch_output(self) -> None:
        self._rotate_output()
        self._output_timer = asyncio.get_running_loop().call_later(OUTPUT_CHECK_S, self._watch_output)

    def _rotate_output(self) -> None:
        """Keep the output file small. The engine appends, so emptying the file under it is safe."""
        with contextlib.suppress(OSError):
            if self.output.stat().st_size > OUTPUT_LIMIT:
                self.output.with_suffix(".out.1").write_bytes(self.output.read_bytes()[-OUTPUT_LIMIT:])
                os.truncate(self.output, 0)


__all__ = ["AlreadySupervised", "EngineDirs", "EngineExit", "EngineProcess", "EngineStart"]
