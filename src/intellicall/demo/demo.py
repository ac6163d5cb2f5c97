"""`intellicall demo`: everything on one machine, with one command: engine, test network, platform and a CRM to click in."""

import asyncio
import contextlib
import json
import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.status import Status

from intellicall.app import engine_pid, find_engine, stop_engines
from intellicall.clock import SystemClock
from intellicall.demo.crm import CrmConfig, DemoCrm
from intellicall.demo.platform_process import PlatformProcess
from intellicall.demo.seed import AGENTS, CALLER_IDS, Secrets, seed
from intellicall.settings import Settings
from intellicall.storage.database import Database
from intellicall.storage.migrate import migrate
from intellicall.telephony.asterisk.debian_tree import InstallError
from intellicall.telephony.testnet.numbers import NUMBERS

ENGINE_LOOK_S = 2.0
NAMES = {"agent.017": "Asha Verma", "agent.018": "Rohan Mehta", "agent.019": "Maya Iyer"}
CUSTOMERS = {
    "tone_1000": ("Nadia Rahman", "Bluebird Logistics"),
    "tone_440": ("Tomás Ortega", "Ortega Foods"),
    "speech": ("Grace Lin", "Harbour Clinic"),
    "echo": ("Eko Santoso", "Mirror Lake Resorts"),
    "busy": ("Ben Okafor", "Okafor Motors"),
    "reject": ("Rita Novak", "Novak Legal"),
    "no_answer": ("Noah Fischer", "Fischer Tools"),
    "unknown": ("Uma Pillai", "Old Mill Textiles"),
    "early_media": ("Elif Demir", "Demir Travel"),
    "hangs_up": ("Hugo Laurent", "Laurent Wines"),
    "tone_700": ("Samir Haddad", "Haddad Instruments"),
    "silent": ("Sofia Bianchi", "Bianchi Ceramics"),
}


class DemoFailed(Exception):  # noqa: N818 - a state of the world, told in plain words
    """The demo cannot start, and why."""


class Ports:
    """The demo's own ports, found free once and kept in the state folder."""

    def __init__(self, state: Path) -> None:
        self._file = state / "demo-ports.json"
        self._known: dict[str, int] = json.loads(self._file.read_text()) if self._file.exists() else {}

    def choose(self, name: str, preferred: int) -> int:
        """Return the kept port, the preferred one, or any: the first that is free."""
        for port in (self._known.get(name, 0), preferred, 0):
            if chosen := _free(port):
                self._known[name] = chosen
                self._file.write_text(json.dumps(self._known))
                return chosen
        raise OSError("no free port")


def _free(port: int) -> int:
    """Return the port when it can be bound on loopback (0: any), else 0."""
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return int(probe.getsockname()[1])
    return 0


@dataclass(slots=True)
class Demo:
    """One running demo. `port_given`: the operator named the platform's port, so no other will do."""

    settings: Settings
    pages: Path
    console: Console
    port_given: bool = False
    _status: Status | None = None
    _shown: tuple[str, int] = ("", 0)

    async def run(self) -> None:
        """Start everything, print the address, stay until SIGINT or SIGTERM, stop everything."""
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        async with contextlib.AsyncExitStack() as stack:
            starting = asyncio.create_task(self._start(stack))
            waiting = asyncio.create_task(stopped.wait())
            await asyncio.wait((starting, waiting), return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                starting.cancel()
                await asyncio.gather(starting, return_exceptions=True)
            else:
                starting.result()
                await waiting
            waiting.cancel()
            self.console.print("\nStopping …")
        self.console.print("Stopped.")

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        settings = self.settings
        for folder in (settings.data_dir, settings.log_dir):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            await self._step("Telephone engine", asyncio.to_thread(find_engine, settings, self._progress))
        except InstallError as problem:
            raise DemoFailed(str(problem)) from problem
        ports = Ports(settings.data_dir)
        port = settings.port if self.port_given and settings.port else ports.choose("platform", settings.port)
        if port != _free(port):
            raise DemoFailed(f"Port {port} is used by another program. Choose another one: INTELLICALL_PORT=…")
        base_url = settings.public_url or f"http://localhost:{port}"
        crm = DemoCrm(settings.data_dir / "demo-callbacks.jsonl", self.pages)
        crm_port = await crm.start(ports.choose("crm", 8090))
        stack.push_async_callback(crm.stop)
        secrets = await self._step("Database", asyncio.to_thread(self._prepare, f"http://127.0.0.1:{crm_port}/callback"))
        crm.config = crm_config(base_url, secrets)
        stack.push_async_callback(stop_engines, settings)
        crm_url = f"http://localhost:{crm_port}"

        def announce(pid: int) -> None:
            self._write_summary(base_url, crm_url, secrets, (pid, engine_pid(settings)))

        platform = PlatformProcess(self._environment(port, base_url), settings.log_dir / "platform.log", announce)
        stack.callback(self._summary_file.unlink, missing_ok=True)
        stack.push_async_callback(platform.stop)
        await self._step("Platform, engine and test network", platform.start())
        follower = asyncio.create_task(self._follow_engine(base_url, crm_url, secrets, platform))
        stack.callback(follower.cancel)
        self._greet(crm_url)

    @property
    def _summary_file(self) -> Path:
        return self.settings.data_dir / "demo.json"

    def _prepare(self, callback_url: str) -> Secrets:
        url = self.settings.sql_url
        migrate(url)
        database = Database(url)
        try:
            file = self.settings.data_dir / "demo-secrets.json"
            return database.write_now(lambda connection: seed(connection, file, callback_url, SystemClock().now()))
        finally:
            database.close()

    def _environment(self, port: int, base_url: str) -> dict[str, str]:
        return {
            "INTELLICALL_STATE_DIR": str(self.settings.data_dir),
            "INTELLICALL_PORT": str(port),
            "INTELLICALL_PUBLIC_URL": base_url,
            "INTELLICALL_SANDBOX": "true",
            "INTELLICALL_ALLOW_PRIVATE_CALLBACKS": "true",
            "PYTHONUNBUFFERED": "1",
        }

    async def _follow_engine(self, base_url: str, crm_url: str, secrets: Secrets, platform: PlatformProcess) -> None:
        """Keep demo.json true when the engine dies and a new one is started."""
        known = engine_pid(self.settings)
        while True:
            await asyncio.sleep(ENGINE_LOOK_S)
            pid = engine_pid(self.settings)
            if pid is not None and pid != known and platform.pid is not None:
                known = pid
                self._write_summary(base_url, crm_url, secrets, (platform.pid, pid))

    def _write_summary(self, base_url: str, crm_url: str, secrets: Secrets, pids: tuple[int, int | None]) -> None:
        """Write demo.json, whole or not at all: scripts wait for it."""
        summary: dict[str, Any] = {
            "base_url": base_url,
            "crm_url": crm_url,
            "browser_key": secrets.browser_key,
            "server_key": secrets.server_key,
            "agents": agents(),
            "caller_ids": list(CALLER_IDS),
            "test_numbers": {name: magic.number for name, magic in NUMBERS.items()},
            "callbacks_received_url": f"{crm_url}/api/callbacks",
            "platform_pid": pids[0],
            "engine_pid": pids[1],
            "log_dir": str(self.settings.log_dir),
        }
        draft = self._summary_file.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(summary, indent=2) + "\n")
        draft.replace(self._summary_file)

    async def _step(self, what: str, work: Any) -> Any:
        loop = asyncio.get_running_loop()
        began = loop.time()
        with self.console.status(f"{what} …") as self._status:
            outcome = await work
        self.console.print(f"[green]✓[/] {what} [dim]{loop.time() - began:.1f} s[/]")
        return outcome

    def _progress(self, what: str, share: float | None) -> None:
        """Show how far a long step is: in place on a terminal, else a line for each step and each quarter of it."""
        text = f"{what} {share:.0%}" if share is not None else what
        quarter = (what, int((share or 0) * 4))
        if self.console.is_terminal and self._status:
            self._status.update(text)
        elif quarter != self._shown:
            self.console.print(f"  [dim]{text}[/]", highlight=False)
        self._shown = quarter

    def _greet(self, crm_url: str) -> None:
        self.console.print(
            f"\n[bold]Open {crm_url}[/] and click Dial. Allow the microphone when the browser asks.\n"
            f"[dim]Logs: {self.settings.log_dir} · for scripts: {self._summary_file} · Ctrl-C stops everything.[/]",
            highlight=False,
        )


def agents() -> list[dict[str, str]]:
    """Return the demo's agents as demo.json and the CRM show them."""
    return [
        {"crm_username": username, "name": NAMES[username], "agent_number": NUMBERS[phone].number}
        for username, phone in AGENTS.items()
    ]


def crm_config(base_url: str, secrets: Secrets) -> CrmConfig:
    """Return what the demo CRM was given at onboarding, with one customer for each number of the test network."""
    customers = [
        {
            "name": CUSTOMERS[name][0],
            "company": CUSTOMERS[name][1],
            "number": magic.number,
            "number_name": name,
            "description": magic.does,
        }
        for name, magic in NUMBERS.items()
    ]
    return CrmConfig(
        base_url,
        secrets.browser_key,
        secrets.server_key,
        secrets.callback_token,
        secrets.callback_secret,
        agents(),
        list(CALLER_IDS),
        customers,
    )


def port_was_given() -> bool:
    """Whether the operator named the platform's port."""
    return bool(os.environ.get("INTELLICALL_PORT"))
