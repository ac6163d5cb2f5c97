"""The softphone is one tab: another one says so, and can take its place while no call lives."""

import pytest
from tests.browser.conftest import Person
from tests.support.browser import dial
from tests.support.demo import Demo

pytestmark = [pytest.mark.browser, pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="session")]

RETURN_S = 5
"""How long the platform waits for a tab to come back before the customer hears music."""
AWAY_S = 20
"""How long the customer hears music then."""


async def test_a_click_in_a_second_tab_is_carried_out_in_the_first(demo: Demo, somebody: Person) -> None:
    context = await somebody()
    first = await dial(context, demo, None)
    await first.until(screen="idle", line="registered", microphone="ready")
    second = await dial(context, demo, "tone_1000")
    await second.says("open in another tab")
    await first.until(state="talking")
    assert await second.fact("line") == "off"

    call_id = await first.call_id()
    await second.page.get_by_test_id("use-this-tab").click()  # the call moves; the customer hears music for the moment
    await second.until(place="here", line="registered", state="talking")
    await first.says("moved to another tab")
    assert await second.call_id() == call_id
    await second.hang_up()
    await second.until(state="ended")
    assert (await demo.result(call_id))["reason"] == "agent_hung_up"

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


async def test_a_tab_that_is_closed_in_a_call_and_not_opened_again_ends_it(demo: Demo, somebody: Person) -> None:
    phone = await dial(await somebody(), demo, "tone_1000")
    await phone.until(state="talking")
    call_id = await phone.call_id()
    await phone.page.close()
    await demo.until_state(call_id, "agent_away")
    result = await demo.result(call_id, RETURN_S + AWAY_S + 5)
    assert (result["status"], result["reason"], result["ended_by"]) == ("ANSWER", "agent_left", "agent")
    assert result["duration"] >= RETURN_S + AWAY_S
