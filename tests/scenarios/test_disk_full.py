"""The recordings' disk becomes full while two people talk: real engine, real audio, a real small disk (tmpfs, so as root only)."""

import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from tests.support import audio
from tests.support.demo import BYTES_PER_SECOND, Demo, Json, at, running_demo, until
from tests.support.results import HEARD, download

from intellicall.telephony.asterisk.install import EngineInstall

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module")]

SIZE = 3_000_000


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Lay a small disk over a folder; skips the test where that is not allowed."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "none", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("a small disk cannot be mounted here: that takes root, and a container that allows it")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def small(engine_install: EngineInstall, short_tmp: Path) -> AsyncIterator[Demo]:
    """A demo that stops recording below 1 MB, on a disk of 3 MB."""
    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("a small disk cannot be mounted here: that takes root")
    async with running_demo(
        short_tmp / "small", engine_install, INTELLICALL_DISK_STOP_MB="1", INTELLICALL_DISK_WARN_MB="2"
    ) as demo:
        with small_disk(demo.state / "recordings"):
            yield demo


def free(demo: Demo) -> int:
    seen = os.statvfs(demo.state / "recordings")
    return seen.f_bavail * seen.f_frsize


def fill(demo: Demo, leave: int) -> None:
    """Leave so many bytes, to the next block."""
    with (demo.state / "recordings" / "filler").open("wb") as file:
        file.write(bytes(max(free(demo) - leave, 0)))


def make_room(demo: Demo) -> None:
    (demo.state / "recordings" / "filler").unlink()


async def level(demo: Demo, wanted: str) -> bool | None:
    async with demo.http.get(f"{demo.base_url}/readyz") as answer:
        return True if (await answer.json())["disk"]["level"] == wanted else None


async def no_room(demo: Demo) -> bool | None:
    return True if free(demo) == 0 else None


async def longer_than(answered: datetime, seconds: float) -> bool | None:
    return True if (datetime.now(UTC) - answered).total_seconds() > seconds else None


async def events_of(demo: Demo, call_id: str) -> list[tuple[str, Json]]:
    rows = demo.sql("SELECT kind, data FROM journal WHERE call_id = ? AND kind LIKE 'recording%' ORDER BY seq", call_id)
    return [(kind, json.loads(data)) for kind, data in rows]


async def test_the_disk_becomes_full_in_the_middle_of_a_call(small: Demo, tmp_path: Path) -> None:
    await until(partial(level, small, "ok"))
    call_id = (await small.start_call("tone_1000"))["call_id"]
    answered = at((await small.until_state(call_id, "talking"))["answer_time"])
    await small.talked(call_id, 1)
    fill(small, 2 * BYTES_PER_SECOND)
    await until(partial(no_room, small))
    await until(partial(level, small, "full"))
    await until(partial(longer_than, answered, 6.0))  # there was room for four seconds at most
    assert (await small.call(call_id))["state"] == "talking", "the call goes on"
    await small.hang_up(call_id)
    result = await small.result(call_id)
    assert (result["status"], result["recording"], result["recording_url"]) == ("ANSWER", "disk_full", None)
    assert result["duration"] >= 3
    [(kind, data)] = await events_of(small, call_id)
    assert (kind, data["reason"]) == ("recording_failed", "disk_full")
    _, shown = await small.request("GET", f"/calls/{call_id}/recording")
    assert shown["state"] == "disk_full"
    assert 1 < shown["seconds"] < result["duration"]
    assert shown["recording_url"] is None
    async with small.http.get(shown["part_url"]) as answer:
        assert answer.status in (200, 503), "with room for it or without"
    assert small.logged('"disk_space"') == 1

    rung = await small.phones_rung()
    order = {"from_number": small.caller_id, "to_number": small.number("tone_1000"), "agent_number": small.number("tone_440")}
    status, problem = await small.request("POST", "/calls", order)
    assert (status, problem["code"]) == (503, "recording_disk_full")
    assert await small.phones_rung() == rung, "nothing rang"
    make_room(small)
    left, right = await download(small, shown["part_url"], tmp_path)
    length = len(left) / audio.SAMPLE_RATE
    assert length == pytest.approx(shown["seconds"], abs=0.05)
    assert audio.tone_seconds(left, 1000) > HEARD * length
    assert audio.tone_seconds(right, 440) > HEARD * length
    assert (await small.request("DELETE", f"/calls/{call_id}/recording"))[0] == 204
    assert list((small.state / "recordings").glob("crm_*")) == []


async def test_a_recording_that_has_no_room_to_be_completed_is_pending_until_it_has(small: Demo, tmp_path: Path) -> None:
    await until(partial(level, small, "ok"))
    call_id = (await small.start_call("tone_1000"))["call_id"]
    await small.until_state(call_id, "talking")
    fill(small, 5 * BYTES_PER_SECOND)  # enough for the call, not for its WAV file beside it
    await small.talked(call_id, 3)
    await small.hang_up(call_id)
    result = await small.result(call_id)
    assert result["recording"] == "pending"
    async with small.http.get(result["recording_url"]) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (202, "5")
    make_room(small)

    async def ready() -> Json | None:
        return dict(await events_of(small, call_id)).get("recording_ready")

    told = await until(ready, 30)
    assert told["recording_url"] == result["recording_url"]
    left, right = await download(small, result["recording_url"], tmp_path)
    length = len(left) / audio.SAMPLE_RATE
    assert length == pytest.approx(told["seconds"], abs=0.001)
    assert audio.tone_seconds(left, 1000) > HEARD * length
    assert audio.tone_seconds(right, 440) > HEARD * length
    assert (await small.call(call_id))["recording"] == "ready"
