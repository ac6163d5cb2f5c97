"""Hands on a live call in the softphone: what the agent presses, what the screen says, and what the customer hears."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Playwright
from tests.browser.conftest import Person
from tests.support.browser import Softphone, chromium, dial, person, write_microphone
from tests.support.demo import Demo, until
from tests.support.hearing import heard
from tests.support.results import download

pytestmark = [pytest.mark.browser, pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def colleagues_browser(playwright: Playwright, short_tmp: Path) -> AsyncIterator[Browser]:
    """A Chromium whose microphone plays 700 Hz."""
    microphone = write_microphone(short_tmp / "colleague.wav", 700)
    async with chromium(playwright, microphone, ["--use-fake-ui-for-media-stream"]) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def colleague(colleagues_browser: Browser, demo: Demo) -> AsyncIterator[Softphone]:
    """The open softphone of a second agent, agent.018."""
    context = await person(colleagues_browser, demo)
    phone = await dial(context, demo, None, agent="agent.018")
    await phone.until(screen="idle", line="registered", microphone="ready")
    yield phone
    await context.close()


class Call:
    """One call of agent.017, seen in the softphone."""

    def __init__(self, demo: Demo, phone: Softphone, call_id: str) -> None:
        self.demo, self.phone, self.id = demo, phone, call_id
        self._recorded_s = 0.0

    async def press(self, control: str, state: str | None = None) -> None:
        await self.phone.page.get_by_test_id(control).click()
        if state:
            await self.phone.until(state=state)

    async def listen(self, seconds: float = 1.5) -> None:
        """Let it go on for a while."""
        self._recorded_s += seconds
        await self.demo.talked(self.id, self._recorded_s)

    async def customer_heard(self, folder: Path) -> tuple[dict[str, Any], list[str]]:
        result = await self.demo.result(self.id)
        _, right = await download(self.demo, result["recording_url"], folder)
        return result, heard(right)


async def talking(demo: Demo, somebody: Person, customer: str = "tone_1000") -> Call:
    phone = await dial(await somebody(width=360), demo, customer)
    await phone.until(state="talking")
    return Call(demo, phone, await phone.call_id())


async def test_hold_mute_and_recording_pause(demo: Demo, somebody: Person, tmp_path: Path) -> None:
    call = await talking(demo, somebody)
    await call.listen()
    await call.press("hold", "held")
    await call.phone.says("hold")
    await call.listen()
    await call.press("hold", "talking")
    await call.listen()
    await call.press("mute")
    await call.phone.page.locator("[data-testid=mute][aria-pressed=true][data-pending=false]").wait_for()
    await call.listen()
    await call.press("mute")
    await call.phone.page.locator("[data-testid=mute][aria-pressed=false][data-pending=false]").wait_for()
    await call.listen()
    await call.press("record")
    await call.phone.page.get_by_text("Recording paused").first.wait_for()
    await call.listen()
    await call.press("record")
    await call.listen()
    await call.phone.hang_up()
    await call.phone.until(state="ended")
    _, customer_heard = await call.customer_heard(tmp_path)
    assert customer_heard == ["agent", "other", "agent", "silence", "agent", "silence", "agent"]


async def test_consult_a_colleague_merge_and_leave(demo: Demo, somebody: Person, colleague: Softphone, tmp_path: Path) -> None:
    call = await talking(demo, somebody)
    await call.listen()
    await call.press("add")
    await call.phone.page.get_by_test_id("agent-query").fill("018")
    await call.phone.page.locator('[data-testid=agent-row][data-agent="agent.018"]').get_by_test_id("to-softphone").click()
    await call.phone.until(state="consult_ringing")
    await colleague.page.get_by_test_id("asked").filter(has_text="agent.017").wait_for()
    await colleague.page.get_by_test_id("answer").click()
    await call.phone.until(state="consulting")
    await call.listen()
    await call.press("merge", "three_way")
    await colleague.until(state="three_way")
    await call.listen()
    await call.press("leave")
    await call.phone.until(state="ended")
    await call.phone.says("transferred|Transferred")
    await colleague.until(state="talking")
    await call.listen(2)
    await colleague.page.get_by_test_id("hold").click()
    await colleague.until(state="held")
    await call.listen()
    await colleague.page.get_by_test_id("hold").click()
    await colleague.until(state="talking")
    await call.listen()
    await colleague.hang_up()
    await colleague.until(state="ended")
    result, customer_heard = await call.customer_heard(tmp_path)
    assert customer_heard == ["agent", "other", "both", "guest", "other", "guest"]
    assert (result["transferred_to"], result["crm_username"]) == (["agent.018"], "agent.017")


async def test_a_colleague_declines(demo: Demo, somebody: Person, colleague: Softphone) -> None:
    call = await talking(demo, somebody)
    await call.press("transfer")
    await call.phone.page.locator('[data-testid=agent-row][data-agent="agent.018"]').get_by_test_id("to-softphone").click()
    await colleague.page.get_by_test_id("decline").click()
    await call.phone.until(state="talking")
    await call.phone.hang_up()
    await call.phone.until(state="ended")
    await demo.result(call.id)


async def test_a_reload_keeps_the_customer_in_the_line(demo: Demo, somebody: Person, tmp_path: Path) -> None:
    call = await talking(demo, somebody)
    await call.listen()
    page = call.phone.page
    page.on("dialog", lambda dialog: dialog.accept())
    await page.reload()
    await call.phone.until(state="talking", line="registered")
    assert await call.phone.call_id() == call.id
    shown = await demo.call(call.id)
    assert shown["participants"][0]["state"] == "connected"

    async def enough() -> bool | None:
        return True if (await demo.call(call.id))["state"] == "talking" else None

    await until(enough, 10)
    await call.listen(8)
    await call.phone.hang_up()
    await call.phone.until(state="ended")
    result, customer_heard = await call.customer_heard(tmp_path)
    assert (customer_heard[0], customer_heard[-1]) == ("agent", "agent"), "music between, if the reload takes long enough"
    assert result["duration"] >= 8
    assert (result["status"], result["reason"]) == ("ANSWER", "agent_hung_up")
    assert len(await demo.received(call.id)) == 1


async def test_a_tab_that_is_closed_and_opened_again_goes_on(demo: Demo, somebody: Person, tmp_path: Path) -> None:
    context = await somebody()
    phone = await dial(context, demo, "tone_1000")
    await phone.until(state="talking")
    call_id = await phone.call_id()
    call = Call(demo, phone, call_id)
    await call.listen(2)
    again = await context.new_page()
    await phone.page.close()
    await demo.until_state(call_id, "agent_away")
    await call.listen(8)
    await again.goto(f"{demo.base_url}/softphone/")
    await demo.until_state(call_id, "talking")
    back = Softphone(again)
    await back.until(state="talking")
    await call.listen(4)
    await back.hang_up()
    await back.until(state="ended")
    result, customer_heard = await call.customer_heard(tmp_path)
    assert result["reason"] == "agent_hung_up"
    assert [what for what in customer_heard if what != "silence"] == ["agent", "other", "agent"]


async def test_the_keypad_reaches_the_other_end_and_shows_what_was_pressed(demo: Demo, somebody: Person) -> None:
    call = await talking(demo, somebody)
    await call.press("keypad")
    for digit in "42":
        await call.press(f"key-{digit}")
    await call.phone.page.get_by_test_id("pressed").filter(has_text="42").wait_for()
    await call.phone.page.keyboard.press("Escape")
    await call.phone.hang_up()
    await call.phone.until(state="ended")
    await demo.result(call.id)


async def test_history_and_redial(demo: Demo, somebody: Person) -> None:
    call = await talking(demo, somebody)
    await call.phone.hang_up()
    await call.phone.until(state="ended")
    await demo.result(call.id)
    page = call.phone.page
    await page.get_by_test_id("history-button").click()
    past = page.locator(f'[data-testid=past-call][data-call-id="{call.id}"]')
    await past.get_by_test_id("redial").click()
    await call.phone.until(state="talking")
    again = await call.phone.call_id()
    assert again != call.id
    await call.phone.hang_up()
    await call.phone.until(state="ended")
    assert (await demo.result(again))["customer_number"] == (await demo.result(call.id))["customer_number"]


async def test_a_note_and_a_disposition_go_into_the_result(demo: Demo, somebody: Person) -> None:
    call = await talking(demo, somebody)
    page = call.phone.page
    await call.press("notes")
    await page.get_by_test_id("note").fill("wants two")
    await page.get_by_test_id("save-note").click()
    await page.locator("[data-testid=saving][data-saved=true]").wait_for()
    await page.keyboard.press("Escape")
    await call.phone.hang_up()
    await call.phone.until(state="ended")
    assert (await demo.result(call.id))["notes"] == "wants two"
