"""The softphone is one tab: another one says so, and can take its place while no call lives."""

import pytest
from tests.browser.conftest import Person
from tests.support.browser import dial
from tests.support.demo import Demo

pytestmark = [pytest.mark.browser, pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="session")]

RETURN_S = 5
"""How long the platform waits for a tab to come back."""


async def test_a_click_in_a_second_tab_is_carried_out_in_the_first(demo: Demo, somebody: Person) -> None:
    context = await somebody()
    first = await dial(context, demo, None)
    await first.until(screen="idle", line="registered", microphone="ready")
    second = await dial(context, demo, "tone_1000")
    await second.says("open in another tab")
    await first.until(state="talking")
    assert await second.fact("line") == "off"

    await second.page.get_by_test_id("use-this-tab").click()  # not now: the call would lose its voice
    assert await first.fact("place") == "here"
    await first.hang_up()
    await first.until(state="ended")
    await demo.result(await first.call_id())

    await second.page.get_by_test_id("use-this-tab").click()
    await second.until(place="here", line="registered")
    await first.says("moved to another tab")
    call = await demo.start_call("tone_1000", crm_username="agent.017")
    await second.until(state="talking")
    assert await first.fact("place") == "replaced"
    await second.hang_up()
    await demo.result(call["call_id"])


async def test_a_closed_softphone_is_replaced_by_the_tab_that_waits(demo: Demo, somebody: Person) -> None:
    context = await somebody()
    first = await dial(context, demo, None)
    await first.until(screen="idle")
    second = await dial(context, demo, None)
    await second.until(place="elsewhere")
    await first.page.close()
    await second.until(place="here", line="registered", microphone="ready")


async def test_a_tab_that_is_closed_in_a_call_ends_it(demo: Demo, somebody: Person) -> None:
    phone = await dial(await somebody(), demo, "tone_1000")
    await phone.until(state="talking")
    call_id = await phone.call_id()
    await phone.page.close()
    result = await demo.result(call_id, RETURN_S + 3)
    assert (result["status"], result["reason"], result["ended_by"]) == ("ANSWER", "agent_left", "agent")
    assert result["duration"] >= RETURN_S
