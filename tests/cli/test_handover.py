"""`intellicall run`: between two platform processes nobody is refused, and nobody waits for ever."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.app.running import AGENT, CALLER_ID, SILENT, seed
from tests.cli.running import run, said
from tests.faults.platforms import PlatformProcess
from tests.support.demo import until
from tests.support.knocking import Knocks, knock, knocking, request
from tests.support.listening import addresses, holders
from tests.support.ports import find_free_port

from intellicall import supervisor
from intellicall.settings import Settings
from intellicall.storage.database import Database
from intellicall.storage.migrate import migrate
from intellicall.supervisor import Supervisor
from intellicall.telephony.asterisk.dirs import EngineDirs
from intellicall.telephony.asterisk.install import EngineInstall
from intellicall.telephony.asterisk.process import EngineProcess

WAIT_S = supervisor.KEPT_S
"""What is promised. It is about 0.5 s on a machine that does nothing else, 4 s on one with five times the work it can do."""
HEALTH = request("GET", "/healthz")


async def test_upgrades_refuse_nobody(tmp_path: Path) -> None:
    """To another version and back (SIGHUP): every request on every new connection is answered, and soon."""
    key = await asyncio.to_thread(_account, tmp_path)
    async with _running(tmp_path) as running, knocking(running.port, *_requests(key)) as knocks:
        for times in (1, 2):
            running.signal(signal.SIGHUP)
            await until(said(running.log, '"platform_ready"', times + 1), 60)
        await asyncio.gather(*knocks.under_way)
        assert knocks.unserved == []
        _tell("upgrade", knocks)


async def test_a_killed_platform_refuses_nobody(tmp_path: Path) -> None:
    """Only what it was answering at its death is lost: who comes later is answered by the next one."""
    key = await asyncio.to_thread(_account, tmp_path)
    async with _running(tmp_path) as running, knocking(running.port, *_requests(key)) as knocks:
        serving, _ = await until(lambda: _two(running.process.pid), 40)
        os.kill(serving, signal.SIGKILL)
        killed = time.monotonic()
        await until(said(running.log, '"platform_ready"', 2), 60)
        await asyncio.gather(*knocks.under_way)
        assert [one for one in knocks.unserved if one.refused or not killed - 1 < one.began < killed] == []
        _tell("kill -9", knocks)


async def test_one_that_cannot_start_lets_nobody_wait(tmp_path: Path) -> None:
    """A version whose settings are broken: who waits and who comes is told at once that nobody is there. Mended, it serves."""
    port = find_free_port()
    settings = _configure(tmp_path, port=port)
    async with _running(tmp_path, port) as running:
        good = settings.read_text()
        settings.write_text("nonsense = true\n")
        running.signal(signal.SIGHUP)
        await until(said(running.log, '"platform_died"', 2), 60)
        turned_away = await knock(port, HEALTH)
        assert turned_away.refused
        settings.write_text(good)
        await running.ready(60)


async def test_one_that_does_not_come_lets_nobody_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The spare that should take over is frozen: who waits is cut off after a while; thawed, it opens the doors itself."""
    monkeypatch.setattr(supervisor, "KEPT_S", 1.0)
    port = find_free_port()
    _configure(tmp_path, port=port)
    with (tmp_path / "run.log").open("wb") as output:
        kept = Supervisor({"INTELLICALL_STATE_DIR": str(tmp_path / "state"), "INTELLICALL_ENGINE": "scripted"}, output=output)
        await kept.start()
        keeping = asyncio.create_task(kept.keep())
        try:
            serving, spare = await until(lambda: _two(os.getpid()), 40)
            os.kill(spare, signal.SIGSTOP)
            os.kill(serving, signal.SIGKILL)
            waits = await knock(port, HEALTH)
            assert (waits.refused, waits.status) == (False, None)
            assert waits.waited_s < WAIT_S
            assert (await knock(port, HEALTH)).refused
            os.kill(spare, signal.SIGCONT)
            await until(said(tmp_path / "run.log", '"platform_ready"', 2), 60)
            assert (await knock(port, HEALTH)).served
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            await kept.stop()


@pytest.mark.asterisk
async def test_the_engine_holds_no_door(engine_install: EngineInstall, short_tmp: Path) -> None:
    """An engine that a platform starts while it serves, with doors that it has taken over, does not have them."""
    engine = EngineProcess(engine_install, EngineDirs.below(short_tmp / "state" / "engine"))
    try:
        async with _running(short_tmp, INTELLICALL_ENGINE="embedded") as running:
            running.signal(signal.SIGHUP)
            await until(said(running.log, '"platform_ready"', 2), 60)
            before = engine.running_pid()
            assert before is not None
            os.kill(before, signal.SIGKILL)
            after = await until(lambda: _another(engine, before), 30)
            held_by = holders(running.port)
            assert held_by == {running.process.pid, _children(running.process.pid)[0]}, "the supervisor and who serves; no spare"
            assert after not in held_by
    finally:
        if engine.running_pid() is not None:
            await engine.start()
            await engine.stop()


async def test_the_new_versions_settings_decide(tmp_path: Path) -> None:
    """Another address on the same port, then another port: the old doors are closed, for the supervisor as well."""
    first, second = find_free_port(), find_free_port()
    _configure(tmp_path, port=first)
    async with _running(tmp_path, first) as running:
        for times, (host, port) in enumerate([("0.0.0.0", first), ("127.0.0.1", second)], 2):  # noqa: S104 - behind a proxy
            _configure(tmp_path, host=host, port=port, trusted_proxies=["127.0.0.1/32"])
            running.signal(signal.SIGHUP)
            await until(said(running.log, '"platform_ready"', times), 60)
            assert (await knock(port, HEALTH)).served
            assert addresses(port) == {host}
        assert (await knock(first, HEALTH)).refused
        running.port = second


@asynccontextmanager
async def _running(folder: Path, port: int | None = None, **environment: str) -> AsyncIterator[PlatformProcess]:
    """`intellicall run`, ready. `port`: the one in the configuration file; without one it is told on the command line."""
    chosen = port or find_free_port()
    words = () if port else ("--port", str(chosen))
    running = await run(folder, chosen, *words, **environment)
    try:
        await running.ready(60)
        yield running
    finally:
        running.signal(signal.SIGTERM)
        assert await running.gone(30) == 0


def _configure(folder: Path, **settings: object) -> Path:
    file = folder / "state" / "intellicall.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items()))
    return file


def _account(folder: Path) -> str:
    """Make an account with room for many calls; return its server key."""
    settings = Settings(state_dir=folder / "state")
    settings.data_dir.mkdir(parents=True)
    migrate(settings.sql_url)
    database = Database(settings.sql_url)
    try:
        with database.engine.begin() as connection:
            return seed(connection, "a1", CALLER_ID, "http://127.0.0.1:9/", {"concurrent_calls": 1_000})[0]
    finally:
        database.close()


def _requests(key: str) -> list[bytes]:
    """Of five requests one starts a call: 20 calls a second."""
    order = {"from_number": CALLER_ID, "to_number": SILENT, "agent_number": AGENT}
    return [*[request("GET", "/calls?limit=1", key)] * 4, request("POST", "/calls", key, json.dumps(order).encode())]


def _tell(what: str, knocks: Knocks) -> None:
    calls = sum(one.status == 201 for one in knocks.all)
    print(f"{what}: {len(knocks.all)} requests, {calls} calls, the longest wait {knocks.longest_s:.2f} s")  # noqa: T201 - a figure
    assert calls > 0
    assert knocks.longest_s < WAIT_S


async def _two(supervisor_pid: int) -> tuple[int, int] | None:
    return _serving_and_loaded(supervisor_pid)


def _serving_and_loaded(supervisor_pid: int) -> tuple[int, int] | None:
    """The older child serves; the spare has loaded everything and waits in read(2) of its standard input."""
    try:
        serving, spare = _children(supervisor_pid)
        loaded = Path(f"/proc/{spare}/syscall").read_text().startswith("0 0x0 ")
    except (ValueError, OSError):
        return None
    return (serving, spare) if loaded else None


def _children(pid: int) -> list[int]:
    """Return the platform processes, serving or spare, of this supervisor, the oldest first; it may have other children."""
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [child for child in children if b"intellicall.cli.spare" in Path(f"/proc/{child}/cmdline").read_bytes()]


async def _another(engine: EngineProcess, before: int) -> int | None:
    now = engine.running_pid()
    return now if now != before else None
