"""The storm's installation: state folder, accounts, phones, receiver, and the platform under its supervisor; all real processes."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from tests.storm.numbers import CALLER_ID, TRUNKS
from tests.storm.wire import NOT_ALLOWED
from tests.support.listening import holders
from tests.support.ports import find_free_port

READY_S = 60.0
POLITE_S = 15.0
RING_S = 4


@dataclass(slots=True)
class Site:
    """Build with `open_site`. `log_of` names the witnesses' files."""

    folder: Path
    database_url: str | None = None
    platform_port: int = 0
    receiver_port: int = 0
    key: str = field(default="", repr=False)
    supervisor: asyncio.subprocess.Process | None = None
    phones: asyncio.subprocess.Process | None = None
    receiver: asyncio.subprocess.Process | None = None
    wire: asyncio.subprocess.Process | None = None
    """None as well where packets may not be captured."""

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.platform_port}"

    @property
    def secret_file(self) -> Path:
        return self.folder / "secret"

    def log_of(self, who: str) -> Path:
        return self.folder / f"{who}.jsonl"

    @property
    def environment(self) -> dict[str, str]:
        own = {
            "INTELLICALL_STATE_DIR": str(self.state),
            "INTELLICALL_PORT": str(self.platform_port),
            "INTELLICALL_ALLOW_PRIVATE_CALLBACKS": "true",
        }
        return os.environ | own | ({"INTELLICALL_DATABASE_URL": self.database_url} if self.database_url else {})

    async def open(self) -> None:
        """Make accounts and start everything. Raises TimeoutError, ChildProcessError."""
        self.state.mkdir(parents=True)
        self.platform_port, self.receiver_port = find_free_port(), find_free_port()
        self.phones = await self._python("tests.storm.phones", str(self.log_of("phones")))
        phones_port = await _first_line(self.phones)
        await self._start_wire(phones_port)
        await self.start_receiver()
        await self._make_account(int(phones_port))
        await self.start_platform()
        await self._take_secret()

    async def close(self) -> None:
        """End everything that was started, the engine too."""
        await self.stop_platform()
        with contextlib.suppress(ChildProcessError):
            await self.cli("engine", "stop")
        for process in (self.phones, self.receiver, self.wire):
            await _end(process)

    async def start_platform(self) -> None:
        with (self.folder / "platform.log").open("ab") as output:
            self.supervisor = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "intellicall", "run"), env=self.environment, stdout=output, stderr=output
            )
        await self.until_ready()

    async def stop_platform(self) -> None:
        """Stop it as an operator does before an upgrade: the engine and its calls go on."""
        if self.supervisor is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.supervisor.terminate()
        try:
            await asyncio.wait_for(self.supervisor.wait(), POLITE_S)
        except TimeoutError:
            self.supervisor.kill()
            await self.supervisor.wait()
        self.supervisor = None

    async def until_ready(self, patience_s: float = READY_S) -> None:
        async with asyncio.timeout(patience_s), aiohttp.ClientSession() as http:
            while True:
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with http.get(f"{self.base_url}/readyz", timeout=aiohttp.ClientTimeout(total=2)) as answer:
                        if answer.status == 200:
                            return
                if self.supervisor and self.supervisor.returncode is not None:
                    raise ChildProcessError("the platform ended; see platform.log")
                await asyncio.sleep(0.05)

    async def _start_wire(self, phones_port: str) -> None:
        wire = await self._python("tests.storm.wire", str(self.log_of("wire")), phones_port)
        if await _first_line(wire) == NOT_ALLOWED:
            await wire.wait()
        else:
            self.wire = wire

    async def stop_wire(self) -> None:
        """Have it write down how much it saw."""
        await _end(self.wire)

    async def start_receiver(self) -> None:
        names = (str(self.receiver_port), str(self.log_of("receiver")), str(self.secret_file))
        self.receiver = await self._python("tests.storm.receiver", *names)
        await _first_line(self.receiver)

    async def kill_receiver(self) -> None:
        assert self.receiver is not None
        self.receiver.kill()
        await self.receiver.wait()

    def platform_pid(self) -> int | None:
        """Return the process id of the platform, if it takes calls now: who listens on its port, beside the supervisor."""
        supervisor = self.supervisor.pid if self.supervisor else None
        return next((pid for pid in holders(self.platform_port) if pid != supervisor), None)

    def engine_pid(self) -> int | None:
        """Return the engine's process id: the process that was started with our configuration."""
        return _process_with("asterisk", str(self.state / "engine"))

    async def ask(self, http: aiohttp.ClientSession, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Send one API request; return status and JSON. Raises aiohttp.ClientError, TimeoutError."""
        async with self.request(http, method, path, body) as answer:
            return answer.status, await answer.json(content_type=None)

    def request(
        self, http: aiohttp.ClientSession, method: str, path: str, body: object = None
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Send one API request."""
        return http.request(method, self.base_url + path, json=body, headers={"Authorization": f"Bearer {self.key}"})

    async def cli(self, *words: str) -> str:
        """Run an operator's command; return what it printed. Raises ChildProcessError."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "intellicall", *words), env=self.environment, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        if process.returncode:
            raise ChildProcessError(f"intellicall {' '.join(words)} ended with {process.returncode}")
        return output.decode()

    async def _make_account(self, phones_port: int) -> None:
        await self.cli("migrate")
        ring = ("--customer-ring", str(RING_S + 1), "--agent-ring", str(RING_S + 1))
        await self.cli("account", "create", "storm", "--region", "GB", "--concurrent-calls", "2000", *ring)
        trunk = ("--host", "127.0.0.1", "--port", str(phones_port), "--transport", "udp", "--codec", "alaw", "--by-address")
        names = [f"phones-{number}" for number in range(TRUNKS)]
        for name in names:
            await self.cli("trunk", "add", name, *trunk)
        await self.cli("number", "assign", "storm", CALLER_ID, *(word for name in names for word in ("--trunk", name)))
        await self.cli("callback", "set", "storm", f"http://127.0.0.1:{self.receiver_port}/results")
        self.key = json.loads(await self.cli("key", "create", "storm", "--kind", "server", "--json"))["key"]

    async def _take_secret(self) -> None:
        async with aiohttp.ClientSession() as http:
            status, made = await self.ask(http, "POST", "/callback/secret/rotate")
        assert status in (200, 201), made
        self.secret_file.write_text(made["secret"])

    async def _python(self, module: str, *words: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(sys.executable, "-m", module, *words, stdout=asyncio.subprocess.PIPE)


async def _end(process: asyncio.subprocess.Process | None) -> None:
    if process is not None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _first_line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), READY_S)).decode().strip()
    if not line:
        raise ChildProcessError("a part of the storm did not start")
    return line


def _process_with(*words: str) -> int | None:
    """Return the process whose command line has all of these words."""
    for folder in _processes():
        with contextlib.suppress(OSError):
            line = (folder / "cmdline").read_bytes().decode(errors="replace")
            if all(word in line for word in words) and (folder / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                return int(folder.name)
    return None


def _processes() -> list[Path]:
    return [folder for folder in Path("/proc").iterdir() if folder.name.isdigit()]


def send(pid: int | None, number: signal.Signals) -> bool:
    """Send a signal; return whether there was a process to take it."""
    if pid is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False
