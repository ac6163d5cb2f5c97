"""The platform dies during a softphone's call: the two go on talking, the page comes back by itself, the result is right."""

from pathlib import Path

import pytest
from tests.browser.conftest import Person
from tests.support import audio
from tests.support.browser import dial
from tests.support.demo import Demo
from tests.support.results import HEARD, download

pytestmark = [pytest.mark.browser, pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="session")]

ENDED_WITHIN_S = 3.0
"""The engine has to tell of a leg that an earlier platform placed, too; when it does not, only a time limit ends the call."""


async def test_two_people_do_not_notice(demo: Demo, somebody: Person, tmp_path: Path) -> None:
    phone = await dial(await somebody(), demo, "tone_1000")
    await phone.until(state="talking")
    call_id, rung = await phone.call_id(), await demo.phones_rung()
    await demo.kill_platform()
    await phone.until(state="talking", link="open", line="registered", call_id=call_id)
    await phone.page.get_by_test_id("timer").filter(has_text="0:06").wait_for()  # what is heard is measured in shares of the talk
    await phone.hang_up()
    await phone.until(state="ended")
    assert await phone.shown_at("ended") - await phone.hang_up_clicked_at() < ENDED_WITHIN_S
    result = await demo.result(call_id)
    assert (result["status"], result["reason"], result["ended_by"]) == ("ANSWER", "agent_hung_up", "agent")
    left, right = await download(demo, result["recording_url"], tmp_path)
    length = len(left) / audio.SAMPLE_RATE
    assert result["duration"] == pytest.approx(length, abs=1)
    assert audio.tone_seconds(left, 1000) > HEARD * length
    assert audio.tone_seconds(right, 440) > HEARD * length
    assert len(await demo.received(call_id)) == 1
    assert await demo.phones_rung() == rung

    again = await demo.start_call("tone_1000", crm_username="agent.017")
    await phone.until(state="talking", call_id=again["call_id"])
    await phone.hang_up()
    await demo.result(again["call_id"])


async def test_the_softphone_comes_back_after_the_engine(demo: Demo, somebody: Person) -> None:
    phone = await dial(await somebody(), demo, "tone_1000")
    await phone.until(state="talking")
    call_id = await phone.call_id()
    await demo.kill_engine()
    result = await demo.result(call_id)
    assert (result["status"], result["reason"], result["ended_by"]) == ("ANSWER", "engine_lost", "platform")
    await phone.until(state="ended", engine="ready", link="open", line="registered", microphone="ready")
    again = await demo.start_call("tone_1000", crm_username="agent.017")
    await phone.until(state="talking", call_id=again["call_id"])
    await phone.hang_up()
    assert (await demo.result(again["call_id"]))["reason"] == "agent_hung_up"
