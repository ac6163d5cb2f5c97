"""A backup of a platform that is working, restored for real: from either database into the other one."""

import asyncio
import json
import stat
import tarfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.app.running import Api, open_api, running
from tests.support.databases import PostgresServer
from tests.support.receiver import hangs
from typer.testing import CliRunner, Result

from intellicall.calls.table import State
from intellicall.cli.main import app
from intellicall.settings import EngineMode, Settings
from intellicall.telephony.engine import Role

_numbers = count(1)
Place = Callable[[str], tuple[Path, str]]


@pytest.fixture
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    """Makes a state folder and the URL of an empty database of either kind."""
    names: list[str] = []

    def make(kind: str) -> tuple[Path, str]:
        name = f"backup_{next(_numbers)}"
        if kind == "sqlite":
            return tmp_path / name, f"sqlite:///{tmp_path / name / 'intellicall.db'}"
        server: PostgresServer = request.getfixturevalue("postgres_server")
        server.run(f"CREATE DATABASE {name}")
        names.append(name)
        return tmp_path / name, server.url(name)

    yield make
    for name in names:
        request.getfixturevalue("postgres_server").run(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def at(where: tuple[Path, str]) -> Iterator[None]:
    """Let the settings of commands and platforms name this place."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTELLICALL_STATE_DIR", str(where[0]))
        patch.setenv("INTELLICALL_DATABASE_URL", where[1])
        patch.delenv("INTELLICALL_CONFIG", raising=False)
        yield


async def command(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Run a command beside the platform, on a thread; return its exit code and answer, which is amid the platform's log."""
    result = await asyncio.to_thread(run, *arguments)
    [told] = [line for line in result.output.splitlines() if line.startswith("{")]
    return result.exit_code, json.loads(told)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--json"])


@asynccontextmanager
async def platform_at(where: tuple[Path, str], before: Api) -> AsyncIterator[Api]:
    """Run a platform on what was restored, for the account's old key and the receiver of before."""
    settings = Settings(state_dir=where[0], port=0, engine=EngineMode.SCRIPTED, allow_private_callbacks=True)
    async with running(settings) as (platform, engine):
        yield Api(platform, engine, before.key, before.browser_key, before.receiver, before.session)


async def feed(api: Api, after: str | None = None) -> tuple[list[dict[str, Any]], str]:
    status, page, _ = await api.send("GET", f"/results?limit=500{f'&after={after}' if after else ''}")
    assert status == 200, page
    return page["results"], page["next"]


async def some_calls(api: Api, stop: asyncio.Event) -> int:
    """Start and end calls, one after the other, until it is enough."""
    made = 0
    while not stop.is_set():
        call = await api.call_in(State.TALKING, uuid=f"load-{made}")
        api.engine.far_end_hangs_up(call, Role.CUSTOMER)
        made += 1
        await api.receiver.until(made + 1)
        await asyncio.sleep(0.1)  # ten calls a second, not as many as there can be
    return made


@pytest.mark.postgres
@pytest.mark.parametrize(("kind", "other"), [("sqlite", "postgres"), ("postgres", "sqlite")])
async def test_a_working_platform_is_backed_up_and_restored(kind: str, other: str, place: Place, tmp_path: Path) -> None:
    origin, target, file = place(kind), place(other), tmp_path / "backup.tar.gz"
    origin[0].mkdir()
    (origin[0] / "intellicall.toml").write_text('log_level = "info"\n')
    with at(origin):
        async with open_api(origin[0], concurrent_calls=20) as api:
            first = await api.call_in(State.ENDED, uuid="first")
            talking = await api.call_in(State.TALKING, uuid="talking")
            stop = asyncio.Event()
            load = asyncio.ensure_future(some_calls(api, stop))
            await api.receiver.until(4)
            code, made = await command("backup", str(file), "--recordings")
            assert code == 0, made
            stop.set()
            later = await api.call_in(State.ENDED, uuid="later")
            told = await api.receiver.until(await load + 2)
            results, cursor = await feed(api)
            assert len(results) == len(told)
            await _restored_elsewhere(api, target, file, first, talking, later, results, cursor)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def _restored_elsewhere(
    api: Api,
    target: tuple[Path, str],
    file: Path,
    first: str,
    talking: str,
    later: str,
    results: list[dict[str, Any]],
    cursor: str,
) -> None:
    told = len(api.receiver.requests)
    with at(target):
        code, summary = await command("restore", str(file))
        assert code == 0, summary
        assert summary["calls_closed"] >= 1
        assert summary["recordings"] >= 1
        assert (target[0] / "intellicall.toml.restored").read_text() == 'log_level = "info"\n'
        async with platform_at(target, api) as restored:
            closed = await restored.show(talking)
            assert (closed["state"], closed["reason"], closed["status"]) == ("ended", "restored", "ANSWER")
            assert (await restored.send("GET", f"/calls/{later}"))[0] == 404
            kept, end = await feed(restored)
            assert [one for one in kept if one["reason"] != "restored"] == results[: len(kept) - summary["calls_closed"]]
            link = (await restored.show(first))["recording_url"].split("/recordings/")[1]
            async with restored.session.get(f"{restored.url}/recordings/{link}") as answer:
                assert answer.status == 200
            await _goes_on(restored, told, cursor, end)


async def _goes_on(restored: Api, told: int, cursor: str, end: str) -> None:
    """Nothing of the past is pushed; a new call is, and both an old and a newer cursor lead to it."""
    new = await restored.call_in(State.ENDED, uuid="new")
    requests = await restored.receiver.until(told + 1)
    assert [json.loads(request.body)["uuid"] for request in requests[told:]] == ["new"]
    for position in (cursor, end):
        found, _ = await feed(restored, position)
        assert found[-1]["call_id"] == new


async def test_an_unfinished_delivery_is_held(place: Place, tmp_path: Path) -> None:
    """The receiver is away when the backup is made: its results wait in the backup, and are not sent by the restored platform."""
    origin, target, file = place("sqlite"), place("sqlite"), tmp_path / "backup.tar.gz"
    with at(origin):
        async with open_api(origin[0]) as api:
            api.receiver.script[:] = [hangs]
            await api.call_in(State.ENDED, uuid="held")
            await api.receiver.until(1)
            assert (await command("backup", str(file)))[0] == 0
    with at(target):
        done = run("restore", str(file))
        assert json.loads(done.output)["deliveries_held"] == 1
        [listed] = json.loads(run("callback", "deliveries", "a1").output)
        assert listed["state"] == "undelivered"


@pytest.fixture
def small(place: Place, tmp_path: Path) -> tuple[Place, Path]:
    """A backup of an empty platform."""
    with at(origin := place("sqlite")):
        assert run("migrate").exit_code == 0
        assert run("backup", str(tmp_path / "small.tar.gz")).exit_code == 0
        assert json.loads(run("backup", str(tmp_path / "small.tar.gz")).stderr)["error"]["code"] == "file_exists"
    assert origin[0].is_dir()
    return place, tmp_path / "small.tar.gz"


def refused(place: Place, file: Path) -> str:
    with at(target := place("sqlite")):
        result = run("restore", str(file))
        assert result.exit_code == 1, result.output
        assert not list(target[0].glob(".restore-*"))
    return str(json.loads(result.stderr)["error"]["code"])


def test_what_is_no_whole_backup_is_refused(small: tuple[Place, Path]) -> None:
    place, file = small
    whole = file.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"no archive at all", whole[:100] + bytes([whole[100] ^ 1]) + whole[101:]):
        file.write_bytes(damaged)
        assert refused(place, file) == "bad_backup"


def test_only_an_empty_place_is_restored_into(small: tuple[Place, Path]) -> None:
    place, file = small
    with at(target := place("sqlite")):
        assert run("migrate").exit_code == 0
        assert run("account", "create", "acme", "--region", "IN").exit_code == 0
        assert json.loads(run("restore", str(file)).stderr)["error"]["code"] == "not_empty"
    with at(other := place("sqlite")):
        (other[0] / "recordings").mkdir(parents=True)
        (other[0] / "recordings" / "crm_1.wav").touch()
        assert json.loads(run("restore", str(file)).stderr)["error"]["code"] == "not_empty"
    assert not list(target[0].glob(".restore-*"))


def test_a_changed_member_is_refused(small: tuple[Place, Path], tmp_path: Path) -> None:
    place, file = small
    with tarfile.open(file) as tar:
        tar.extractall(tmp_path / "open", filter="data")
    (tmp_path / "open" / "tables" / "accounts.jsonl").write_text("{}\n")
    for left_out in ((), ("manifest.json",), ("tables/calls.jsonl",)):
        with tarfile.open(file, "w:gz") as tar:
            for member in sorted((tmp_path / "open").rglob("*")):
                name = member.relative_to(tmp_path / "open").as_posix()
                if member.is_file() and name not in left_out:
                    tar.add(member, name)
        assert refused(place, file) == "bad_backup"


def test_a_backup_of_another_schema_is_refused(small: tuple[Place, Path], tmp_path: Path) -> None:
    place, file = small
    with tarfile.open(file) as tar:
        tar.extractall(tmp_path / "open", filter="data")
    manifest = tmp_path / "open" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"schema": "0042", "version": "9.0"}))
    with tarfile.open(file, "w:gz") as tar:
        for member in (tmp_path / "open").rglob("*"):
            if member.is_file():
                tar.add(member, member.relative_to(tmp_path / "open").as_posix())
    assert refused(place, file) == "other_version"
