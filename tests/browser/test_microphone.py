"""A microphone that is not given: plain words and what to do, and the customer is not called."""

from typing import Any

import pytest
from playwright.async_api import Playwright
from tests.support.browser import chromium, dial, person
from tests.support.demo import Demo, until

pytestmark = [pytest.mark.browser, pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="session")]


async def test_a_denied_microphone_is_explained_and_can_be_allowed(demo: Demo, playwright: Playwright) -> None:
    calls, rung = demo.calls(), await demo.phones_rung()
    async with chromium(playwright, None, ["--use-fake-device-for-media-stream", "--deny-permission-prompts"]) as browser:
        context = await person(browser, demo, microphone=False, width=360)
        phone = await dial(context, demo, "tone_1000")
        await phone.until(screen="microphone", microphone="denied")
        await phone.says("microphone is blocked")
        text = await phone.page.inner_text("main")
        assert "Nobody was called" in text
        assert "Set Microphone to Allow" in text
        assert await phone.sideways() == 0
        assert demo.calls() == calls
        assert await demo.phones_rung() == rung

        await phone.page.get_by_test_id("retry-microphone").click()
        await phone.until(screen="microphone", microphone="denied")
        assert demo.calls() == calls

        await context.grant_permissions(["microphone"], origin=demo.base_url)
        call_id = await phone.call_id()  # the page notices by itself
        await phone.until(state="talking")
        await demo.hang_up(call_id)
        await demo.result(call_id)
        assert demo.calls() == calls + 1
        await the_timeline_tells(demo, call_id)
        await context.close()


async def the_timeline_tells(demo: Demo, call_id: str) -> None:
    """What the browser went through before and in the call, SIP on both legs, how it sounded, and the delivery."""
    expected = {"microphone_denied", "ready", "ice_connected", "invite", "audio", "ended", "attempt"}

    async def told() -> dict[str, Any] | None:
        status, timeline = await demo.request("GET", f"/calls/{call_id}/timeline")
        assert status == 200, timeline
        return timeline if {entry["what"] for entry in timeline["entries"]} >= expected else None

    timeline = await until(told)
    heard = {entry["data"]["leg"]: entry["data"]["packets"] for entry in timeline["entries"] if entry["what"] == "audio"}
    assert min(heard["agent"], heard["customer"]) > 0
    assert timeline["explanation"]["whose_fault"] == "nobody"


async def test_a_computer_without_a_microphone_is_told_so(demo: Demo, playwright: Playwright) -> None:
    calls = demo.calls()
    async with chromium(playwright, None, ["--use-fake-ui-for-media-stream"]) as browser:
        context = await person(browser, demo)
        phone = await dial(context, demo, "tone_1000")
        await phone.until(screen="microphone", microphone="missing")
        await phone.says("No microphone found")
        assert demo.calls() == calls
        await context.close()
