"""The API reference at `/docs` in a real Chromium: everything is there, nothing is loaded from another site, the key works."""

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, async_playwright
from tests.app.running import Api
from tests.support.browser import chromium

from intellicall.calls.table import State

pytestmark = pytest.mark.browser


@pytest.fixture
async def page(api: Api) -> AsyncIterator[Page]:
    async with async_playwright() as playwright, chromium(playwright, None) as browser:
        page = await browser.new_page(color_scheme="dark")
        page.set_default_timeout(20_000)
        yield page


async def test_all_operations_are_there_and_no_request_leaves_the_origin(api: Api, page: Page) -> None:
    asked: list[str] = []
    wrong: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    answer = await page.goto(f"{api.url}/docs")
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "connect-src 'self'" in policy
    assert "unsafe" not in policy
    _, document, _ = await api.send("GET", "/openapi.json")
    operations = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    await page.locator(".opblock").nth(len(operations) + len(document["webhooks"]) - 1).wait_for()
    shown = {
        (await block.locator(".opblock-summary-method").inner_text(), await block.locator("[data-path]").get_attribute("data-path"))
        for block in await page.locator(".opblock").all()
    }
    assert operations <= shown
    assert {("POST", name) for name in document["webhooks"]} <= shown
    opened = page.locator("#operations-live_calls-addParticipant")
    await opened.locator(".opblock-summary-control").click()
    await opened.get_by_text("whoever answers joins the conversation").or_(opened.get_by_text("Idempotency-Key")).first.wait_for()
    await opened.locator(".responses-wrapper").get_by_text("agent_offline").first.wait_for()
    own = [url for url in asked if url.startswith(("http://", "https://", "ws://", "wss://"))]
    assert own
    assert {urlsplit(url).netloc for url in own} == {urlsplit(api.url).netloc}
    assert wrong == []
    assert await page.locator("html.dark-mode").count() == 1


async def test_an_order_can_be_tried_with_the_accounts_key(api: Api, page: Page) -> None:
    call_id = await api.call_in(State.TALKING)
    await page.goto(f"{api.url}/docs")
    await page.locator(".btn.authorize").first.click()
    await page.locator(".auth-container input").fill(api.key)
    await page.locator(".auth-btn-wrapper .authorize").click()
    await page.locator(".btn-done").click()
    block = page.locator("#operations-live_calls-hold")
    await block.locator(".opblock-summary-control").click()
    await block.locator(".try-out__btn").click()
    await block.locator("tr[data-param-name=call_id] input").fill(call_id)
    await block.locator("tr[data-param-name=Idempotency-Key] input").fill("from-the-page")
    await block.locator(".execute").click()
    await block.locator(".live-responses-table .response-col_status").get_by_text("200").first.wait_for()
    assert (await api.show(call_id))["state"] == "held"
    stored = await page.evaluate("JSON.stringify([localStorage, sessionStorage])")
    assert api.key not in stored, "the key stays in the page's memory"
