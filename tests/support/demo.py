"""A whole demo for tests: `intellicall demo` as a newcomer starts it, on free ports, in a state folder of its own.

One runs for the session (fixture `demo`). When it ends, by Ctrl-C, nothing of it may be left: no process, no demo.json, and no
personal data or secret in any log.
"""

import asyncio
import contextlib
import json
import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest_asyncio
from typer.testing import CliRunner

from intellicall.cli.main import app as cli
from intellicall.telephony.asterisk.install import EngineInstall
from intellicall.telephony.asterisk.process import EngineDirs, EngineProcess

START_LIMIT_S = 90.0
BROUGHT_ABOUT = {"engine_died"}
STOP_LIMIT_S = 25.0
LOOK_EVERY_S = 0.05
BYTES_PER_SECOND = 8000 * 2 * 2  # of a recording: 8 kHz, 16 bit, stereo

Json = dict[str, Any]
T = TypeVar("T")


@dataclass
class Demo:
    """A running demo. `facts` is its demo.json."""

    state: Path
    install: EngineInstall
    process: subprocess.Popen[bytes]
    http: aiohttp.ClientSession
    facts: Json = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    """What was made or used by the tests and must be in no log: keys, tokens, numbers."""

    # -- what demo.json says

    def reread(self) -> None:
        """Take up demo.json again: a restarted platform is another process."""
        self.facts = json.loads((self.state / "demo.json").read_text())

    @property
    def base_url(self) -> str:
        return str(self.facts["base_url"])

    @property
    def crm_url(self) -> str:
        return str(self.facts["crm_url"])

    @property
    def caller_id(self) -> str:
        return str(self.facts["caller_ids"][0])

    def number(self, name: str) -> str:
        return str(self.facts["test_numbers"][name])

    # -- the server-to-server API

    async def request(self, method: str, path: str, body: object = None, key: str | None = None) -> tuple[int, Json]:
        """Send one API request with the server key, or another one; return status and JSON."""
        headers = {"Authorization": f"Bearer {key or self.facts['server_key']}"}
        async with self.http.request(method, self.base_url + path, json=body, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def start_call(self, customer: str, *, key: str | None = None, **members: str) -> Json:
        """`POST /calls` to a number of the test network, by its name; raises AssertionError unless it is dialed."""
        order = {"from_number": self.caller_id, "to_number": self.number(customer), **members}
        if "crm_username" not in order:
            order.setdefault("agent_number", self.number("tone_440"))
        status, call = await self.request("POST", "/calls", order, key)
        assert status == 201, call
        return call

    async def call(self, call_id: str, key: str | None = None) -> Json:
        """`GET /calls/{call_id}`."""
        status, call = await self.request("GET", f"/calls/{call_id}", key=key)
        assert status == 200, call
        return call

    async def talked(self, call_id: str, seconds: float) -> None:
        """Wait until the engine has recorded this much of the call."""
        ((plan,),) = self.sql("SELECT plan FROM calls WHERE id = ?", call_id)
        file = self.state / "recordings" / f"{json.loads(plan)['recording']}.raw"

        async def enough() -> bool | None:
            return True if file.exists() and file.stat().st_size >= seconds * BYTES_PER_SECOND else None

        await until(enough, seconds + 15)

    async def hang_up(self, call_id: str, key: str | None = None) -> None:
        """`POST /calls/{call_id}/hangup`."""
        status, answer = await self.request("POST", f"/calls/{call_id}/hangup", key=key)
        assert status == 200, answer

    async def until_state(self, call_id: str, *states: str, key: str | None = None, patience_s: float = 15.0) -> Json:
        """Return the call once it is in one of these states."""

        async def there() -> Json | None:
            call = await self.call(call_id, key)
            return call if call["state"] in states else None

        return await until(there, patience_s)

    # -- what the demo CRM received

    async def received(self, call_id: str) -> list[Json]:
        """Return what the demo CRM received of this call, oldest first."""
        async with self.http.get(self.facts["callbacks_received_url"]) as answer:
            everything: list[Json] = await answer.json()
        return [entry for entry in reversed(everything) if entry["body"]["call_id"] == call_id]

    async def result(self, call_id: str, patience_s: float = 15.0) -> Json:
        """Return the call's result once it was pushed."""

        async def there() -> Json | None:
            entries = await self.received(call_id)
            return entries[0]["body"] if entries else None

        return await until(there, patience_s)

    # -- the operator's side

    async def cli(self, *arguments: str) -> Any:
        """Run one command of `intellicall` on this state folder with `--json` and return what it says."""
        command = ["--state-dir", str(self.state), *arguments, "--json"]
        done = await asyncio.to_thread(CliRunner().invoke, cli, command)  # a process of its own would take seconds to import
        assert done.exit_code == 0, (arguments, done.output, done.exception)
        return json.loads(done.stdout)

    async def account(self, name: str, *options: str, caller_id: str) -> str:
        """Make a further sandbox account with a caller ID of its own; return its server key."""
        await self.cli("account", "create", name, "--sandbox", "--region", "US", "--concurrent-calls", "100", *options)
        await self.cli("number", "assign", name, caller_id)
        key = str((await self.cli("key", "create", name, "--kind", "server"))["key"])
        self.secrets |= {key, caller_id}
        return key

    # -- witnesses

    def sql(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Read from the embedded database, which only the platform writes."""
        with closing(sqlite3.connect(f"file:{self.state / 'intellicall.db'}?mode=ro", uri=True, timeout=10)) as connection:
            return connection.execute(query, values).fetchall()

    def calls(self, uuid: str | None = None) -> int:
        """Count the calls that were ever made, or those with this uuid."""
        if uuid is None:
            return int(self.sql("SELECT count(*) FROM calls")[0][0])
        return int(self.sql("SELECT count(*) FROM calls WHERE uuid = ?", uuid)[0][0])

    async def phones_rung(self) -> int:
        """Count the calls that ever arrived at the test network: what was really dialed, whoever ordered it."""
        return await self._count("calls? processed")

    async def phones_up(self) -> int:
        """Count the calls that are up at the test network now."""
        return await self._count("active calls?")

    async def _count(self, what: str) -> int:
        text = await self.carrier().console("core show channels count")
        found = re.search(rf"(\d+) {what}", text)
        assert found, text
        return int(found[1])

    def logged(self, words: str) -> int:
        """Count the platform's log lines with these words."""
        return (Path(self.facts["log_dir"]) / "platform.log").read_text().count(words)

    async def until_logged(self, words: str, times: int, patience_s: float = 15.0) -> None:
        """Wait until the words are there at least so often."""

        async def there() -> bool | None:
            return True if self.logged(words) >= times else None

        await until(there, patience_s)

    def carrier(self) -> EngineProcess:
        """Return the console of the test network's engine."""
        return EngineProcess(self.install, EngineDirs.below(self.state / "testnet"))

    def processes(self) -> list[int]:
        """Return the processes that belong to this demo, by their command line or environment."""
        return list(_processes_of(self.state))

    # -- accidents

    async def kill_platform(self, patience_s: float = 30.0) -> None:
        """Kill the platform's process and wait until the demo has started it again."""
        dead = self.facts["platform_pid"]
        os.kill(dead, signal.SIGKILL)
        await self.until_another_platform(dead, patience_s)

    async def kill_engine(self, patience_s: float = 15.0) -> None:
        """Kill the telephone engine and wait until demo.json names the new one."""
        dead = self.facts["engine_pid"]
        os.kill(dead, signal.SIGKILL)

        async def there() -> bool | None:
            self.reread()
            return True if self.facts["engine_pid"] not in (dead, None) else None

        await until(there, patience_s)

    async def until_another_platform(self, dead: int, patience_s: float = 30.0) -> None:
        """Wait until demo.json names another process than the dead one: that one takes calls."""

        async def there() -> bool | None:
            self.reread()
            return True if self.facts["platform_pid"] != dead else None

        await until(there, patience_s)

    # -- the end

    async def interrupt(self) -> None:
        """Press Ctrl-C, wait for the end, and assert that it was clean."""
        before = set(self.processes())
        assert before, "the demo has no processes?"
        os.killpg(self.process.pid, signal.SIGINT)
        code = await asyncio.to_thread(self.process.wait, STOP_LIMIT_S)
        assert code == 0, f"the demo ended with {code}: {self.output()}"
        assert not self.processes(), "processes are left"
        assert not (self.state / "demo.json").exists(), "demo.json is left"

    def kill(self) -> None:
        """End whatever is left, so that a failed test leaves no process behind."""
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()

    def output(self) -> str:
        return (self.state.parent / f"{self.state.name}.out").read_text(errors="replace")[-3000:]

    def told_in_logs(self) -> list[str]:
        """Return where a log says a phone number, a key, a token or a recording's name: the file and the kind."""
        return [
            f"{file.relative_to(self.state)}: {kind} …{text[-4:]}"
            for file in self.logs()
            for content in (file.read_text(errors="replace"),)
            for kind, text in self._private()
            if text in content
        ]

    def broken_in_logs(self) -> list[str]:
        """Return what the platform logged as an error and no test brings about: a bug of ours."""
        lines = [json.loads(line) for file in Path(self.facts["log_dir"]).glob("*.log") for line in file.read_text().splitlines()]
        errors = [line for line in lines if line["level"] in {"error", "critical"} and line["event"] not in BROUGHT_ABOUT]
        return [
            json.dumps({key: line.get(key) for key in ("event", "logger", "text", "call_id", "error", "where", "timestamp")})
            for line in errors
        ]

    def logs(self) -> list[Path]:
        """Return every log file: the platform's and both engines'."""
        folders = (Path(self.facts["log_dir"]), self.state / "engine" / "log", self.state / "testnet" / "log")
        return [file for folder in folders for file in folder.rglob("*") if file.is_file()]

    def _private(self) -> Iterator[tuple[str, str]]:
        numbers = [*self.facts["test_numbers"].values(), *self.facts["caller_ids"]]
        for number in numbers:
            yield "phone number", number.removeprefix("+1")
        kept = json.loads((self.state / "demo-secrets.json").read_text())
        yield from kept.items()
        for secret in self.secrets:
            yield "secret of a test", secret.removeprefix("+1")
        yield "ticket", "ticket="
        yield "key in a link", "api_key="
        for (link,) in self.sql("SELECT recording_url FROM calls WHERE recording_url IS NOT NULL"):
            yield "recording", Path(link).stem


async def until(look: Callable[[], Awaitable[T | None]], patience_s: float = 15.0) -> T:
    """Return what `look` finds, once it finds something: other processes bring it about and send no event."""
    async with asyncio.timeout(patience_s):
        while True:
            if (found := await look()) is not None:
                return found
            await asyncio.sleep(LOOK_EVERY_S)


def _processes_of(state: Path) -> Iterator[int]:
    mark = os.fsencode(state)
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            told = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            zombie = (folder / "stat").read_text().rpartition(") ")[2].startswith("Z")
        except OSError:
            continue
        if not zombie and (mark + b"/" in told or mark + b"\0" in told):
            yield int(folder.name)


def _quiet_port() -> int:
    """Return a free port that no outgoing connection takes meanwhile: below the ephemeral ones (ip(7), ip_local_port_range)."""
    while True:
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", random.randrange(11_000, 32_000)))  # noqa: S311 - not a secret
            return int(probe.getsockname()[1])


def starting(state: Path, **settings: str) -> subprocess.Popen[bytes]:
    """Start `intellicall demo`, as the foreground job of a terminal would be; `settings` by their names in the environment."""
    state.mkdir(mode=0o700)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("INTELLICALL_")}
    with (state.parent / f"{state.name}.out").open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "intellicall", "demo"],
            env={**clean, "INTELLICALL_STATE_DIR": str(state), "INTELLICALL_PORT": str(_quiet_port()), **settings},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


@asynccontextmanager
async def running_demo(state: Path, install: EngineInstall, **settings: str) -> AsyncIterator[Demo]:
    """Run a demo; whatever happens, no process is left behind."""
    process = starting(state, **settings)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        demo = Demo(state, install, process, http)
        try:
            await until(lambda: _ready(demo), START_LIMIT_S)
            demo.reread()
            yield demo
        finally:
            demo.kill()


async def _ready(demo: Demo) -> bool | None:
    assert demo.process.poll() is None, f"the demo ended: {demo.output()}"
    return True if (demo.state / "demo.json").exists() else None


def at(iso: str) -> datetime:
    """Read a time of the contract: `2026-07-03T10:00:00Z`."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", iso), iso
    return datetime.fromisoformat(iso)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def demo(engine_install: EngineInstall, short_tmp: Path) -> AsyncIterator[Demo]:
    """The session's demo. It ends by Ctrl-C, and its end is checked, too."""
    async with running_demo(short_tmp / "demo", engine_install) as running:
        yield running
        told, broken = running.told_in_logs(), running.broken_in_logs()
        await running.interrupt()
        assert not told, told
        assert not broken, broken
