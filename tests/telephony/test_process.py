"""The engine as a supervised child that outlives us: with the real Asterisk, real signals and real crashes."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.support.sipp import until

from intellicall.backoff import BackOff
from intellicall.telephony.asterisk.install import EngineInstall
from intellicall.telephony.asterisk.process import (
    OUTPUT_LIMIT,
    AlreadySupervised,
    EngineDirs,
    EngineExit,
    EngineProcess,
    EngineStart,
)

pytestmark = pytest.mark.asterisk

NewEngine = Callable[..., EngineProcess]


def configure(install: EngineInstall, dirs: EngineDirs) -> EngineDirs:
    """Write the smallest configuration that Asterisk starts with."""
    dirs.create()
    dirs.configuration.write_text(dirs.asterisk_conf(install))
    (dirs.etc / "modules.conf").write_text("[modules]\nautoload=no\n")
    for name in ("logger", "stasis", "manager", "cdr", "cel", "extensions"):
        (dirs.etc / f"{name}.conf").write_text("")
    return dirs


async def answers(engine: EngineProcess) -> None:
    """Wait until the engine's console says that it has booted."""
    async with asyncio.timeout(30):
        while True:
            try:
                if "fully booted" in await engine.console("core waitfullybooted"):
                    return
            except (ConnectionError, TimeoutError):
                await asyncio.sleep(0.02)


def read(path: str) -> str:
    return Path(path).read_text()


def run(*argv: str) -> "subprocess.Popen[str]":
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def dirs(engine_install: EngineInstall, short_tmp: Path) -> EngineDirs:
    return configure(engine_install, EngineDirs.below(Path(tempfile.mkdtemp(dir=short_tmp))))


@pytest.fixture
async def new_engine(engine_install: EngineInstall, dirs: EngineDirs) -> AsyncIterator[NewEngine]:
    """Return a maker of engines; whatever runs at the end is ended."""
    made: list[EngineProcess] = []

    def make(where: EngineDirs = dirs, install: EngineInstall = engine_install, **callbacks: object) -> EngineProcess:
        made.append(EngineProcess(install, where, **callbacks))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for engine in made:
        await engine.stop()


async def test_starts_in_its_own_session_and_answers(new_engine: NewEngine, dirs: EngineDirs) -> None:
    starts: list[EngineStart] = []
    engine = new_engine(on_start=starts.append)
    start = await engine.start()
    await answers(engine)
    assert starts == [start]
    assert not start.adopted
    assert os.getsid(start.pid) == start.pid
    assert dirs.control_socket.stat().st_mode & 0o077 == 0
    limits = read(f"/proc/{start.pid}/limits")
    assert next(line for line in limits.splitlines() if line.startswith("Max core file size")).split()[4] == "0"


async def test_a_killed_engine_is_replaced_within_three_seconds(new_engine: NewEngine) -> None:
    exits: list[EngineExit] = []
    engine = new_engine(on_exit=exits.append)
    first = (await engine.start()).pid
    await answers(engine)
    killed_at = time.monotonic()
    os.kill(first, signal.SIGKILL)
    await until(lambda: engine.pid not in {None, first})
    await answers(engine)
    assert time.monotonic() - killed_at < 3.0
    assert exits == [EngineExit(first, -signal.SIGKILL, 0.0)]


async def test_a_new_platform_adopts_the_engine_of_one_that_was_killed(
    new_engine: NewEngine, engine_install: EngineInstall, dirs: EngineDirs
) -> None:
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from intellicall.telephony.asterisk.install import find_or_fetch\n"
        "from intellicall.telephony.asterisk.process import EngineDirs, EngineProcess\n"
        "async def main():\n"
        "    engine = EngineProcess(find_or_fetch(None, lambda *_: None), EngineDirs.below(Path(sys.argv[1])))\n"
        "    print('pid', (await engine.start()).pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    with run(sys.executable, "-c", program, str(dirs.state)) as platform:
        assert platform.stdout is not None
        pid = next(int(line.split()[1]) for line in platform.stdout if line.startswith("pid"))
        platform.kill()
    exits: list[EngineExit] = []
    engine = new_engine(on_exit=exits.append)
    start = await engine.start()
    assert start == EngineStart(pid, adopted=True)
    await answers(engine)
    os.kill(pid, signal.SIGKILL)  # and its death is noticed, though it is not our child
    await until(lambda: bool(exits) and engine.pid not in {None, pid}, 3.0)
    assert exits[0].status is None


async def test_release_leaves_it_running_and_start_takes_it_back(new_engine: NewEngine, dirs: EngineDirs) -> None:
    first, second = new_engine(), new_engine()
    pid = (await first.start()).pid
    with pytest.raises(AlreadySupervised):
        await second.start()
    await first.release()
    assert is_alive(pid)
    assert await second.start() == EngineStart(pid, adopted=True)


async def test_an_engine_that_has_not_recorded_itself_yet_is_waited_for(new_engine: NewEngine, dirs: EngineDirs) -> None:
    first, second = new_engine(), new_engine()
    pid = (await first.start()).pid
    await first.release()
    stamp = dirs.state / "engine.pid"
    await until(stamp.exists)
    hidden = stamp.rename(stamp.with_suffix(".hidden"))
    asyncio.get_running_loop().call_later(0.2, hidden.rename, stamp)
    dirs.control_socket.unlink(missing_ok=True)
    assert await second.start() == EngineStart(pid, adopted=True)


async def test_a_lost_stamp_is_made_good_by_asking_who_listens(new_engine: NewEngine, dirs: EngineDirs) -> None:
    first, second = new_engine(), new_engine()
    pid = (await first.start()).pid
    await answers(first)
    await first.release()
    (dirs.state / "engine.pid").unlink()
    assert await second.start() == EngineStart(pid, adopted=True)


@pytest.mark.parametrize("differs", ["command", "start", "boot"])
async def test_a_recycled_process_id_is_never_taken_for_the_engine(new_engine: NewEngine, dirs: EngineDirs, differs: str) -> None:
    words = ["-C", "another.conf"] if differs == "command" else ["-C", str(dirs.configuration)]
    with run("/bin/sh", "-c", "echo up; sleep 60; exit", "sh", *words) as stranger:
        try:
            assert stranger.stdout is not None
            stranger.stdout.readline()
            fields = read(f"/proc/{stranger.pid}/stat").split()
            if differs == "start":
                fields[21] = str(int(fields[21]) - 1)
            boot = "another-boot\n" if differs == "boot" else read("/proc/sys/kernel/random/boot_id")
            (dirs.state / "engine.pid").write_text(" ".join(fields) + "\n" + boot)
            engine = new_engine()
            start = await engine.start()
            assert not start.adopted
            await engine.stop()
            assert stranger.poll() is None
        finally:
            os.killpg(stranger.pid, signal.SIGKILL)


async def test_stopping_after_release_touches_nothing(new_engine: NewEngine) -> None:
    first, second = new_engine(), new_engine()
    pid = (await first.start()).pid
    await answers(first)
    await first.release()
    await second.start()
    await first.stop()
    assert second.pid == pid
    await answers(second)
    await second.release()
    assert await new_engine().start() == EngineStart(pid, adopted=True)


async def test_two_state_folders_run_side_by_side(new_engine: NewEngine, engine_install: EngineInstall, dirs: EngineDirs) -> None:
    other = configure(engine_install, EngineDirs.below(dirs.state / "other"))
    one, two = new_engine(), new_engine(other)
    first, second = await one.start(), await two.start()
    await asyncio.gather(answers(one), answers(two))
    assert not second.adopted
    await one.stop()
    assert not is_alive(first.pid)
    await answers(two)


async def test_a_state_folder_with_a_very_long_path_works(
    new_engine: NewEngine, engine_install: EngineInstall, dirs: EngineDirs
) -> None:
    deep = configure(engine_install, EngineDirs.below(dirs.state / ("long-" * 20) / ("longer-" * 10)))
    assert len(str(deep.control_socket)) < 108
    engine = new_engine(deep)
    await engine.start()
    await answers(engine)
    await engine.stop()
    shutil.rmtree(deep.run)


async def test_a_hung_engine_is_ended_by_force_and_not_replaced_when_stopping(new_engine: NewEngine) -> None:
    engine = new_engine()
    pid = (await engine.start()).pid
    await answers(engine)
    os.kill(pid, signal.SIGSTOP)
    await engine.stop(deadline_s=0.3)
    assert not is_alive(pid)
    assert engine.pid is None


async def test_kill_replaces_a_hung_engine(new_engine: NewEngine) -> None:
    engine = new_engine()
    pid = (await engine.start()).pid
    await answers(engine)
    os.kill(pid, signal.SIGSTOP)
    engine.kill()
    await until(lambda: engine.pid not in {None, pid}, 3.0)
    await answers(engine)


async def test_an_engine_that_dies_at_once_is_started_again_with_back_off(
    new_engine: NewEngine, dirs: EngineDirs, engine_install: EngineInstall
) -> None:
    exits: list[EngineExit] = []
    broken = EngineInstall(("/bin/false",), engine_install.module_dir, engine_install.data_dir, "0")
    engine = new_engine(install=broken, on_exit=exits.append)
    await engine.start()
    await until(lambda: len(exits) == 3)
    assert [left.restart_in_s for left in exits] == [0.0, 0.5, 1.0]
    await engine.stop()
    assert len(exits) == 3


async def test_a_large_output_file_is_cut_at_the_start(new_engine: NewEngine) -> None:
    engine = new_engine()
    engine.output.write_bytes(b"x" * (OUTPUT_LIMIT + 1))
    await engine.start()
    assert engine.output.stat().st_size < OUTPUT_LIMIT
    assert engine.output.with_suffix(".out.1").stat().st_size == OUTPUT_LIMIT


def test_back_off_grows_to_ten_seconds_and_starts_afresh_after_a_steady_minute() -> None:
    back_off, now, delays = BackOff(), 1000.0, []
    for _ in range(8):
        now += 30.0  # lived for half a minute
        delays.append(back_off.delay(now - 30.0, now))
        now += delays[-1]
    assert delays == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert back_off.delay(now, now + 60.0) == 0.0


def test_never_more_than_six_restarts_in_any_minute() -> None:
    back_off, now, starts = BackOff(), 0.0, []
    for _ in range(40):
        now += back_off.delay(now, now)
        starts.append(now)
    assert all(later - sooner >= 60.0 for sooner, later in zip(starts, starts[6:], strict=False))
