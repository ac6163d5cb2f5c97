"""The wall clock of platform and engine is set while people talk: the times stay true, and who is cut off is told why."""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.faults.centre import Centre, centre
from tests.support import audio
from tests.support.demo import until
from tests.support.set_clock import SetClock, clock_of_engines

from intellicall.calls.store import calls
from intellicall.storage.connections import open_engine
from intellicall.telephony.asterisk.install import EngineInstall
from intellicall.telephony.testnet.network import TestNetwork
from intellicall.telephony.testnet.numbers import NUMBERS

pytestmark = pytest.mark.asterisk

BEFORE_S, AFTER_S = 1.5, 3.0
TRUE_TO_S = 0.1


@pytest.fixture
def clock(engine_install: EngineInstall, tmp_path: Path) -> Iterator[SetClock]:
    with clock_of_engines(engine_install, tmp_path / "clock") as clock:
        yield clock


@pytest.fixture
async def here(clock: SetClock, test_network: TestNetwork, short_tmp: Path, tmp_path: Path) -> AsyncIterator[Centre]:
    async with centre(short_tmp / tmp_path.name[-8:], test_network, clock) as opened:
        yield opened


@pytest.mark.parametrize("hours", [-1, -24])
async def test_after_a_clock_was_set_back_the_talk_goes_on_and_its_times_are_true(
    here: Centre, clock: SetClock, hours: int, tmp_path: Path
) -> None:
    talk = await here.call_in("talking")
    await until(_written(here, BEFORE_S))
    clock.set_by(timedelta(hours=hours))
    await until(_written(here, BEFORE_S + AFTER_S))
    fresh = await here.call_in("talking")
    for call_id in (talk, fresh):
        assert (await here.send("POST", f"/calls/{call_id}/hangup"))[0] == 200
    results = await until(_results(here, 2))
    assert [results[call_id]["reason"] for call_id in (talk, fresh)] == ["ended_by_account"] * 2
    began = datetime.fromisoformat(results[fresh]["start_time"])
    assert abs(began - clock.now()) < timedelta(seconds=10), "a call that is made afterwards has the new time"
    agent, customer = await _heard(here, results[talk]["recording_url"], tmp_path)
    length = len(agent) / audio.SAMPLE_RATE
    assert length > BEFORE_S + AFTER_S
    assert _talk_s(here, talk) == pytest.approx(length, abs=TRUE_TO_S)
    assert audio.tone_seconds(agent, 440) == pytest.approx(length, abs=0.3)
    assert audio.tone_seconds(customer, 1000) == pytest.approx(length, abs=0.3)


async def test_a_clock_set_forward_ends_calls_by_the_engine_s_limits_and_that_is_said(here: Centre, clock: SetClock) -> None:
    talk = await here.call_in("talking")
    ringing = await here.call_in("customer_ringing", "no_answer")
    agent = await here.call_in("agent_ringing", agent_number=NUMBERS["no_answer"].number)
    await until(_written(here, BEFORE_S))
    clock.set_by(timedelta(days=1))
    results = await until(_results(here, 2))
    assert (results[talk]["status"], results[talk]["reason"]) == ("ANSWER", "clock_set")
    assert BEFORE_S - 0.5 <= results[talk]["duration"] <= BEFORE_S + 2
    assert results[talk]["recording_url"]
    assert (results[ringing]["status"], results[ringing]["duration"]) == ("NO_ANSWER", 0)
    await here.until_state(agent, "agent_ringing")
    fresh = await here.call_in("talking")
    for call_id in (agent, fresh):
        assert (await here.send("POST", f"/calls/{call_id}/hangup"))[0] == 200
    assert (await until(_results(here, 4)))[fresh]["reason"] == "ended_by_account"


def _written(here: Centre, seconds: float) -> Any:
    """So much of a call has been recorded."""

    async def written() -> bool | None:
        sizes = [file.stat().st_size for file in here.platform.settings.recordings_dir.glob("*.raw")]
        return True if sizes and max(sizes) >= seconds * 32_000 else None

    return written


def _results(here: Centre, count: int) -> Any:
    async def told() -> dict[str, Any] | None:
        found = here.results()
        return found if len(found) >= count else None

    return told


async def _heard(here: Centre, link: str, folder: Path) -> Any:
    """Return what the recording has of the two sides: customer left, agent right, as the guide says."""
    async with here.http.get(link) as answer:
        assert answer.status == 200
        (folder / "heard.wav").write_bytes(await answer.read())
    customer, agent = audio.read_wav_stereo(folder / "heard.wav")
    return agent, customer


def _talk_s(here: Centre, call_id: str) -> float:
    engine = open_engine(here.platform.settings.sql_url)
    try:
        with engine.begin() as connection:
            return float(connection.execute(select(calls.c.talk_s).where(calls.c.id == call_id)).scalar_one())
    finally:
        engine.dispose()
