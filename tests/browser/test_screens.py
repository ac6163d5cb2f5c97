"""Every screen fits a phone's width: nothing has to be scrolled sideways at 360 px."""

import pytest
from tests.browser.conftest import Person
from tests.support.browser import Softphone, dial
from tests.support.demo import Demo

pytestmark = [pytest.mark.browser, pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="session")]

WIDTH = 360


async def test_the_softphone_fits_in_every_state(demo: Demo, somebody: Person) -> None:
    context = await somebody(width=WIDTH)
    phone = await dial(context, demo, None)
    fits: dict[str, int] = {}

    async def look(screen: str, at: Softphone = phone) -> None:
        fits[screen] = await at.sideways()

    await phone.until(screen="idle")
    await look("idle")
    ringing = await demo.start_call("no_answer", crm_username="agent.017")
    await phone.until(state="customer_ringing")
    await look("ringing")
    await phone.hang_up()
    await phone.until(state="ended")
    await look("not connected")
    result = await demo.result(ringing["call_id"])
    assert (result["status"], result["reason"], result["ended_by"]) == ("CANCELED", "agent_gave_up", "agent")

    second = await dial(context, demo, "tone_1000")
    await second.until(place="elsewhere")
    await look("elsewhere", second)
    await phone.until(state="talking")
    await look("talking")
    third = await dial(context, demo, "tone_440")
    await third.until(place="elsewhere")
    await phone.page.get_by_test_id("refusal-note").wait_for()
    await look("a second click refused")
    await phone.page.get_by_test_id("mute").click()
    await phone.until(muted="true")
    await look("muted")
    call_id = await phone.call_id()
    await phone.hang_up()
    await phone.until(state="ended")
    await look("talked")
    await phone.page.keyboard.press("?")
    await phone.page.get_by_test_id("shortcuts").wait_for()
    await look("shortcuts")
    await demo.result(call_id)
    assert fits == dict.fromkeys(fits, 0)


async def test_the_demo_crm_fits(demo: Demo, somebody: Person) -> None:
    call = await demo.start_call("busy")
    await demo.result(call["call_id"])
    page = await (await somebody(width=WIDTH)).new_page()
    await page.goto(demo.crm_url)
    row = page.locator(f'[data-testid=result][data-call-id="{call["call_id"]}"]')
    await row.wait_for()
    await row.locator("summary").click()
    assert await Softphone(page).sideways() == 0
