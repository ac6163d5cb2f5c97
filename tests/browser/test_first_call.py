"""The first call: from a click in the CRM to two people talking to the result in the CRM (integration guide, sections 2, 3, 5)."""

import json
from pathlib import Path

import pytest
from tests.browser.conftest import Person
from tests.support import audio
from tests.support.browser import Softphone
from tests.support.demo import Demo, at, until
from tests.support.results import GUIDE_FIELDS, HEARD, OUR_FIELDS, download

pytestmark = [pytest.mark.browser, pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="session")]


async def test_from_the_click_to_the_result(demo: Demo, somebody: Person, tmp_path: Path) -> None:
    context = await somebody()
    crm = await context.new_page()
    await crm.goto(demo.crm_url)
    async with context.expect_page() as opened:
        await crm.get_by_test_id("dial-tone_1000").click()
    softphone = Softphone(await opened.value)
    await softphone.until(state="talking")
    call_id = await softphone.call_id()
    await softphone.page.get_by_test_id("timer").filter(has_text="0:03").wait_for()
    await softphone.hang_up()
    await softphone.until(state="ended")
    result = await demo.result(call_id)

    assert tuple(result) == GUIDE_FIELDS + OUR_FIELDS
    assert result == result | {
        "uuid": call_id,
        "status": "ANSWER",
        "customer_number": demo.number("tone_1000"),
        "agent_number": demo.number("tone_440"),
        "crm_username": "agent.017",
        "call_type": "browser",
        "disposition": "CRM_CALL",
        "direction": "outbound",
        "reason": "agent_hung_up",
        "ended_by": "agent",
    }
    assert result["duration"] in (3, 4)
    assert at(result["start_time"]) <= at(result["answer_time"]) <= at(result["end_time"])
    assert (at(result["end_time"]) - at(result["answer_time"])).total_seconds() == pytest.approx(result["duration"], abs=1)

    row = crm.locator(f'[data-testid=result][data-call-id="{call_id}"]')
    await row.wait_for()
    assert await row.count() == 1
    assert await row.get_attribute("data-status") == "ANSWER"
    shown = json.loads(await row.locator("pre").first.text_content() or "")
    assert shown == result

    talked = (await softphone.shown_at("ended")) - (await softphone.shown_at("talking"))
    left, right = await download(demo, result["recording_url"], tmp_path)
    length = len(left) / audio.SAMPLE_RATE
    assert length == pytest.approx(talked, abs=0.3)
    assert audio.tone_seconds(left, 1000) > HEARD * length
    assert audio.tone_seconds(right, 440) > HEARD * length
    assert audio.tone_seconds(left, 440) == audio.tone_seconds(right, 1000) == 0

    player = row.get_by_test_id("player")
    await player.evaluate("player => player.play()")
    assert await player.evaluate("player => player.duration") == pytest.approx(length, abs=0.05)

    async def played() -> bool | None:
        return True if await player.evaluate("player => player.currentTime") > 0.5 else None

    await until(played, 10)
    assert len(await demo.received(call_id)) == 1
