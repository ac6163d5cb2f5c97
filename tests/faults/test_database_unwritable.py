"""A database that cannot be written: nothing new is dialed, what lives goes on, and all is told when it works again."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from tests.app.running import Api, open_api
from tests.faults.breaking import SQLITE, Gate, small_disk, table_locked

from intellicall.calls import journal
from intellicall.calls.journal import JournalEntry
from intellicall.calls.table import State
from intellicall.storage.faults import Fault
from intellicall.telephony.engine import Role


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the database: a disk of its own, where that can be had."""
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(small_disk(tmp_path / "disk", "16m"))
        except PermissionError:
            folder = tmp_path
        monkeypatch.setenv("INTELLICALL_DATABASE_URL", f"sqlite:///{folder / 'intellicall.db'}")
        yield folder


@pytest.fixture
async def api(disk: Path, tmp_path: Path) -> AsyncIterator[Api]:
    async with open_api(tmp_path / "state") as opened:
        yield opened


async def until_ready(api: Api, patience_s: float) -> float:
    """Return after how many seconds the platform was ready."""
    began = time.monotonic()
    async with asyncio.timeout(patience_s):
        while (await api.send("GET", "/readyz"))[0] != 200:
            pass
    return time.monotonic() - began


async def check_journal(api: Api, *call_ids: str) -> None:
    """Each call's entries, once its end is stored, are numbered without a gap, and there is one end."""
    for call_id in call_ids:
        entries: list[JournalEntry] = []
        async with asyncio.timeout(5):
            while not any(entry.kind == "ended" for entry in entries):
                entries = await api.platform.database.read(partial(journal.read, call_id=call_id))
        assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
        assert [entry.kind for entry in entries].count("ended") == 1


@pytest.mark.parametrize("fault", SQLITE, ids=[fault.name.lower() for fault in SQLITE])
async def test_new_calls_are_refused_and_living_ones_go_on(api: Api, disk: Path, fault: Fault) -> None:
    if fault is Fault.FULL and not await asyncio.to_thread(disk.is_mount):
        pytest.skip("needs a disk of its own, which only root can mount")
    first, second = [await api.call_in(State.TALKING, uuid=uuid) for uuid in ("one", "two")]
    dialed = len(api.engine.dialed)
    with SQLITE[fault](api.platform.database, disk / "intellicall.db"):
        began = time.monotonic()
        answers = await asyncio.gather(*(api.start(uuid=f"new-{number}") for number in range(3)))
        assert time.monotonic() - began < 4
        for status, problem, headers in answers:
            assert (status, problem["code"], problem["detail"]) == (503, "storage_unavailable", fault.value)
            assert 1 <= int(headers["Retry-After"]) <= 5
        status, parts, _ = await api.send("GET", "/readyz")
        assert (status, parts["database"]) == (503, False)
        api.engine.far_end_hangs_up(first, Role.CUSTOMER)
        status, problem, _ = await api.order(second, "hold")
        assert (status, problem["detail"]) == (503, fault.value)
        assert (await api.show(second))["state"] == State.TALKING
        assert len(api.engine.dialed) == dialed
        assert not api.receiver.requests
        health = api.platform.database.health()
        assert not health.ok
        assert health.failing_s > 1
    assert await until_ready(api, 3) <= 1
    [result] = await api.receiver.until(1)
    assert json.loads(result.body)["uuid"] == "one"
    assert (await api.start(uuid="new-0"))[0] == 201
    assert len(api.engine.dialed) > dialed
    await check_journal(api, first)
    assert (await api.show(second))["state"] == State.TALKING


async def test_an_end_waits_for_no_database(api: Api, disk: Path) -> None:
    """Who hangs up is free at once; that it happened is stored later."""
    call = await api.call_in(State.TALKING)
    with SQLITE[Fault.LOCKED](api.platform.database, disk / "intellicall.db"):
        ending = asyncio.ensure_future(api.order(call, "hangup"))
        async with asyncio.timeout(4):
            while api.engine.legs(call):
                await api.send("GET", "/healthz")
    assert (await ending)[0] == 200
    await api.until(call, State.ENDED)
    await check_journal(api, call)


async def test_a_disk_that_does_not_answer_stops_new_calls_only(api: Api) -> None:
    """The caller hears 503 after five seconds. That the call was stored after all makes no phone ring any more.

    Of two orders, the one that was being stored is carried out yet; the one that had not begun never is.
    """
    talking = await api.call_in(State.TALKING)
    dialed = len(api.engine.dialed)
    gate = Gate(api.platform.database)
    gate.close()
    began = time.monotonic()
    starting = asyncio.ensure_future(api.start(uuid="slow"))
    lags: list[float] = []
    watching = asyncio.ensure_future(_note_lags(lags))
    mute = asyncio.ensure_future(api.order(talking, "mute"))
    async with asyncio.timeout(0.8):
        while not (await api.show(talking))["participants"][0]["muted"]:
            pass
    hold = asyncio.ensure_future(api.order(talking, "hold"))
    status, problem, _ = await starting
    assert (status, problem["detail"]) == (503, Fault.SLOW.value)
    assert 4.9 < time.monotonic() - began < 5.5
    assert [status for status, _, _ in await asyncio.gather(mute, hold)] == [503, 503]
    assert (await api.send("GET", "/readyz"))[1]["database"] is False
    assert (await api.show(talking))["state"] == State.TALKING
    watching.cancel()
    assert max(lags) < 1, "the event loop, on which the engine's events are read, waited for SQL"
    gate.open()
    [result] = await api.receiver.until(1)
    told = json.loads(result.body)
    assert (told["uuid"], told["status"], told["reason"]) == ("slow", "FAILED", "dialed_too_late")
    assert len(api.engine.dialed) == dialed
    assert await until_ready(api, 2) <= 1
    await check_journal(api, told["call_id"])
    assert (await api.order(talking, "hangup"))[0] == 200
    await check_journal(api, talking)
    kinds = [entry.kind for entry in await api.platform.database.read(partial(journal.read, call_id=talking))]
    assert (kinds.count("mute"), kinds.count("hold")) == (1, 0)


async def _note_lags(lags: list[float]) -> None:
    """Note how late the event loop comes."""
    while True:
        asked = time.monotonic()
        await asyncio.sleep(0.01)
        lags.append(time.monotonic() - asked - 0.01)


async def test_a_slow_disk_delays_a_call_by_no_more_than_itself(api: Api) -> None:
    gate, beyond = Gate(api.platform.database), []
    for number in range(5):
        gate.close()
        began = time.monotonic()
        starting = asyncio.ensure_future(api.start(uuid=f"c{number}"))
        assert await asyncio.to_thread(gate.reached.wait, 5)
        await asyncio.sleep(0.3 - (time.monotonic() - began))
        gate.open()
        assert (await starting)[0] == 201
        beyond.append(time.monotonic() - began - 0.3)
    assert sorted(beyond)[2] < 0.05, f"the median of five, for one pause of a shared machine: {beyond}"


@pytest.mark.postgres
async def test_a_locked_table_of_postgresql(tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTELLICALL_DATABASE_URL", postgres_url)
    async with open_api(tmp_path) as api:
        talking = await api.call_in(State.TALKING)
        dialed = len(api.engine.dialed)
        with table_locked(postgres_url):
            api.engine.far_end_hangs_up(talking, Role.CUSTOMER)
            status, problem, _ = await api.start()
            assert (status, problem["detail"]) == (503, Fault.LOCKED.value)
            assert len(api.engine.dialed) == dialed
        await api.receiver.until(1)
        assert await until_ready(api, 3) <= 1
        assert (await api.start())[0] == 201
        await check_journal(api, talking)
