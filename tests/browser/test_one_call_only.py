"""One click is one call, whatever the browser, the mail scanner and the impatient do with the link (issue 2, "Browser flow")."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from playwright.async_api import BrowserContext, Page
from tests.browser.conftest import Person
from tests.support.browser import Softphone, dial, link
from tests.support.demo import Demo, until

pytestmark = [pytest.mark.browser, pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="session")]


class Count:
    """How many calls were made, and how many phones really rang in the test network (the agent's is a softphone), from here on."""

    def __init__(self, demo: Demo, calls: int, rung: int) -> None:
        self._demo, self._calls, self._rung = demo, calls, rung

    async def now(self) -> tuple[int, int]:
        return self._demo.calls() - self._calls, await self._demo.phones_rung() - self._rung


async def count(demo: Demo) -> Count:
    return Count(demo, demo.calls(), await demo.phones_rung())


async def end(demo: Demo, call_id: str) -> None:
    await demo.hang_up(call_id)
    await demo.result(call_id)


async def test_a_double_click_in_two_tabs(demo: Demo, somebody: Person) -> None:
    context, since = await somebody(), await count(demo)
    tabs = await asyncio.gather(dial(context, demo, "tone_1000"), dial(context, demo, "tone_1000"))
    for place in ("here", "elsewhere"):
        await _one_of(lambda: tabs, place)
    phone = await _one_of(lambda: tabs, "here")
    await phone.until(state="talking")
    await end(demo, await phone.call_id())
    await phone.until(state="ended")
    assert await since.now() == (1, 1)


async def test_the_impatient_in_the_crm(demo: Demo, somebody: Person) -> None:
    """A double click on the Dial button, and another click while the two talk: the tab that opens for it closes by itself."""
    context, since = await somebody(), await count(demo)
    crm = await context.new_page()
    await crm.goto(demo.crm_url)
    async with context.expect_page() as opened:
        await crm.get_by_test_id("dial-tone_1000").dblclick()
    await opened.value
    phone = await _one_of(lambda: [Softphone(page) for page in context.pages if page is not crm], "here")
    await phone.until(state="talking")
    await _until_alone(context, crm, phone)

    async with context.expect_page():
        await crm.get_by_test_id("dial-tone_1000").click()
    await phone.page.locator("[data-testid=refusal-note][data-code=already_calling]").wait_for()
    await _until_alone(context, crm, phone)
    call_id = await phone.call_id()
    await phone.hang_up()
    result = await demo.result(call_id)
    assert (result["status"], result["reason"]) == ("ANSWER", "agent_hung_up")
    assert await since.now() == (1, 1)


async def test_a_reload_before_the_call_has_begun(demo: Demo, somebody: Person) -> None:
    context, since = await somebody(), await count(demo)
    page = await context.new_page()
    held = True  # so that it stays before, however slow the machine is
    await page.route_web_socket("**/softphone/socket", lambda socket: None if held else socket.connect_to_server())
    await page.goto(link(demo, "tone_1000"), wait_until="domcontentloaded")
    await page.reload(wait_until="domcontentloaded")
    held = False
    await page.reload()
    phone = Softphone(page)
    call_id = await phone.call_id()
    await phone.until(state="talking", call_id=call_id)
    await end(demo, call_id)
    assert await since.now() == (1, 1)


async def test_a_click_while_the_call_lives_does_not_dial_again(demo: Demo, somebody: Person) -> None:
    context, since = await somebody(), await count(demo)
    first = await dial(context, demo, "tone_1000")
    await first.until(state="talking")
    same = await dial(context, demo, "tone_1000")
    await same.until(place="elsewhere")
    await first.page.locator("[data-testid=refusal-note][data-code=already_calling]").wait_for()
    other = await dial(context, demo, "tone_440")
    await other.until(place="elsewhere")
    await first.page.locator("[data-testid=refusal-note][data-code=agent_busy]").wait_for()
    assert await first.fact("state") == "talking"
    await end(demo, await first.call_id())
    assert await since.now() == (1, 1)


async def test_the_key_and_the_ticket_leave_the_browser(demo: Demo, somebody: Person) -> None:
    """Not in the address bar, not in the history, not in a Referer; going back and forward and reloading dials nobody."""
    context, since = await somebody(), await count(demo)
    page = await context.new_page()
    referers: list[str] = []
    page.on("request", lambda request: referers.append(request.headers.get("referer", "")))
    await page.goto(f"{demo.base_url}/assets/plain.css")  # a page before the launch, to go back to
    await page.goto(link(demo, "tone_1000"))
    phone = Softphone(page)
    await phone.until(state="talking")
    assert page.url == f"{demo.base_url}/softphone/"
    call_id = await phone.call_id()
    await end(demo, call_id)
    await phone.until(state="ended")

    seen = []
    await page.go_back()
    seen.append(page.url)
    await page.go_forward()
    seen.append(page.url)
    await phone.until(screen="idle")
    await page.reload()
    await phone.until(screen="idle")
    assert seen == [f"{demo.base_url}/assets/plain.css", f"{demo.base_url}/softphone/"]
    told = " ".join(
        [*referers, *seen, page.url, await page.evaluate("document.referrer + document.cookie + document.body.innerHTML")]
    )
    assert demo.facts["browser_key"] not in told
    assert "ticket" not in told
    assert await page.evaluate("sessionStorage.getItem('intellicall.ticket')") is None
    assert await since.now() == (1, 1)


async def test_a_reload_in_a_call_goes_on_with_it_and_dials_nobody(demo: Demo, somebody: Person) -> None:
    context, since = await somebody(), await count(demo)
    phone = await dial(context, demo, "tone_1000")
    await phone.until(state="talking")
    call_id = await phone.call_id()
    await phone.page.reload()
    await phone.until(place="here", line="registered", microphone="ready", state="talking", call_id=call_id)
    await end(demo, call_id)
    await phone.until(state="ended")
    assert await since.now() == (1, 1)


async def test_links_that_nobody_clicked_dial_nobody(demo: Demo, somebody: Person) -> None:
    """Scanners, prefetchers and frames: each gets an answer, none a call."""
    since, url = await count(demo), link(demo, "tone_1000")
    async with demo.http.head(url, allow_redirects=False) as answer:
        assert answer.status == 303
        assert "ticket" not in answer.headers["Location"]
    async with demo.http.get(url) as answer:  # a client without scripts follows the redirect and reads the page
        assert answer.status == 200
    for purpose in ("prefetch", "prefetch;prerender", "prefetch;anonymous-client-ip"):
        async with demo.http.get(url, headers={"Sec-Purpose": purpose}, allow_redirects=False) as answer:
            assert answer.status == 425
    async with demo.http.get(url, headers={"Sec-Fetch-Dest": "iframe"}, allow_redirects=False) as answer:
        assert answer.status == 400

    context = await somebody()
    speculation = '<script type="speculationrules">{"prerender":[{"source":"list","urls":["%s"],"eagerness":"immediate"}]}</script>'
    pages = {
        "/prefetch": f'<link rel="prefetch" href="{url}"><h1>prefetch</h1>',
        "/prerender": (speculation % url) + "<h1>prerender</h1>",
        "/frame": f'<iframe src="{url}"></iframe><h1>frame</h1>',
        "/image": f'<img src="{url}"><h1>image</h1>',
    }
    async with _site(pages) as site:
        for path in pages:
            before = demo.logged('"launch_refused"')
            await (await context.new_page()).goto(site + path)
            await demo.until_logged('"launch_refused"', before + 1)
    assert await since.now() == (0, 0)


async def test_opening_the_softphones_address_again_dials_nobody(demo: Demo, somebody: Person) -> None:
    context, since = await somebody(), await count(demo)
    page = await context.new_page()
    arrived: list[str] = []
    page.on("response", lambda response: arrived.append(response.headers.get("location", "")))
    await page.goto(link(demo, "tone_1000"))
    phone = Softphone(page)
    await phone.until(state="talking")
    await end(demo, await phone.call_id())
    (redirected,) = [location for location in arrived if "#ticket=" in location]
    again = await context.new_page()
    await again.goto(demo.base_url + redirected)
    await Softphone(again).until(place="elsewhere")
    await page.close()
    third = await context.new_page()
    await third.goto(demo.base_url + redirected)
    await Softphone(third).until(place="here", screen="refused")
    assert await third.get_by_test_id("refusal-code").inner_text() == "launch_spent"
    assert third.url == f"{demo.base_url}/softphone/"
    assert await since.now() == (1, 1)


async def test_without_a_number_the_softphone_waits_and_is_rung_by_the_server_api(demo: Demo, somebody: Person) -> None:
    context, since = await somebody(), await count(demo)
    phone = await dial(context, demo, None, "agent.018")
    await phone.until(screen="idle", line="registered", microphone="ready")
    assert await since.now() == (0, 0)
    call = await demo.start_call("tone_1000", crm_username="agent.018")
    await phone.until(state="talking")
    assert await phone.call_id() == call["call_id"]
    await phone.hang_up()
    result = await demo.result(call["call_id"])
    assert (result["call_type"], result["crm_username"], result["reason"]) == ("server", "agent.018", "agent_hung_up")
    assert await since.now() == (1, 1)


async def _one_of(tabs: Callable[[], Sequence[Softphone]], place: str) -> Softphone:
    """Return the tab that is at this place, once exactly one is."""

    async def there() -> Softphone | None:
        found = [tab for tab in tabs() if await tab.page.locator(f"[data-testid=softphone][data-place={place}]").count()]
        return found[0] if len(found) == 1 else None

    return await until(there)


async def _until_alone(context: BrowserContext, crm: Page, phone: Softphone) -> None:
    """Wait until every tab but the CRM's and the softphone's has closed itself."""

    async def there() -> bool | None:
        return True if set(context.pages) == {crm, phone.page} else None

    await until(there)


@asynccontextmanager
async def _site(pages: dict[str, str]) -> AsyncIterator[str]:
    """Run another origin with these pages: a CRM's own."""

    async def show(request: web.Request) -> web.Response:
        return web.Response(text=pages[request.path], content_type="text/html")

    app = web.Application()
    app.add_routes([web.get(path, show) for path in pages])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://localhost:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
