"""Every screen of the softphone in both languages and both colour schemes, on a scripted platform without telephony (web/dev).

axe-core finds what a program can find of WCAG 2.2 AA; what it cannot (targets, focus, keys, sideways scrolling) is asked here.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, ViewportSize

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

ROOT = Path(__file__).resolve().parents[2]
MOCK = ROOT / "web/dev/mock_server.py"
AXE = ROOT / "web/node_modules/axe-core/axe.min.js"
PHONE: ViewportSize = {"width": 360, "height": 640}
ZOOMED: ViewportSize = {"width": 320, "height": 256}  # 1280 x 1024 at 400 %
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
TARGET_PX = 24  # WCAG 2.2, 2.5.8

Act = Callable[[Page], Awaitable[None]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def platform() -> AsyncIterator[str]:
    """The address of a mock platform that serves the built page."""
    server = await asyncio.create_subprocess_exec(
        sys.executable, str(MOCK), "--port", "0", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert server.stdout is not None
    try:
        async with asyncio.timeout(20):
            yield (await server.stdout.readline()).decode().strip()
    finally:
        server.terminate()
        await server.wait()


@pytest_asyncio.fixture(loop_scope="session")
async def agent(browser: Browser) -> AsyncIterator[Callable[..., Awaitable[Page]]]:
    """Open a page: `await agent(address, ticket, language, scheme)`."""
    contexts: list[BrowserContext] = []

    async def sits_down(
        address: str,
        ticket: str | None,
        language: str = "en-IN",
        scheme: Any = "light",
    ) -> Page:
        context = await browser.new_context(
            viewport=PHONE, color_scheme=scheme, locale=language, permissions=["microphone"], reduced_motion="reduce"
        )
        contexts.append(context)
        context.set_default_timeout(10_000)
        page = await context.new_page()
        fragment = f"#ticket={ticket.ljust(16, '_')}" if ticket else ""
        await page.goto(f"{address}/softphone/{fragment}")
        return page

    yield sits_down
    for context in contexts:
        await context.close()


def shows(selector: str) -> Act:
    async def wait(page: Page) -> None:
        await page.locator(selector).first.wait_for()

    return wait


def pressed(*names: str, until: str) -> Act:
    async def act(page: Page) -> None:
        await shows("[data-screen=call], [data-screen=idle]")(page)
        for name in names:
            await page.get_by_test_id(name).first.click()
        await shows(until)(page)

    return act


SCREENS: dict[str, tuple[str | None, Act]] = {
    "idle": (None, shows("[data-screen=idle]")),
    "history": (None, pressed("history-button", until="[data-testid=past-call]")),
    "ringing": ("slow", shows("[data-state=customer_ringing]")),
    "talking": ("talking", shows("[data-state=talking]")),
    "muted, recording paused": ("talking", pressed("mute", "record", until="[data-muted=true][data-paused=true]")),
    "held": ("held", shows("[data-state=held]")),
    "consulting": ("consulting", shows("[data-testid=people]")),
    "consultation on hold": ("consult_held", shows("[data-testid=people]")),
    "three-way": ("three_way", shows("[data-testid=people]")),
    "transferring": ("transferring", shows("[data-testid=people]")),
    "away": ("agent_away", shows("[data-state=agent_away]")),
    "asked": ("asked", shows("[data-testid=asked]")),
    "guest": ("guest", shows("[data-testid=people]")),
    "keypad": ("digits", pressed("keypad", "key-1", "key-#", until="[data-testid=heard]")),
    "add": ("talking", pressed("add", until="[data-testid=agent-row]")),
    "transfer": ("talking", pressed("transfer", until="[data-testid=agent-row]")),
    "notes": ("talking", pressed("notes", until="[data-testid=notes-form]")),
    "wrap-up": ("talking", pressed("hang-up", until="[data-testid=wrap-up]")),
    "order refused": ("stubborn", pressed("hold", until="[data-testid=order-refusal]")),
    "order under way": ("silent", pressed("hold", until="[data-testid=hold][data-pending=true]")),
    "keys": ("talking", pressed("shortcuts", until="[data-testid=panel-help]")),
    "busy": ("busy", shows("[data-end-reason=customer_busy]")),
    "refused": ("refused", shows("[data-screen=refused]")),
    "elsewhere": ("elsewhere", shows("[data-screen=elsewhere]")),
    "signed out": ("signed-out", shows("[data-screen=signed_out]")),
}
LOOKS = (("en-IN", "light"), ("hi-IN", "dark"))


async def violations(page: Page) -> list[str]:
    await page.evaluate(AXE.read_text())
    found = await page.evaluate("(tags) => axe.run(document, { runOnly: tags })", list(RULES))
    return [f"{one['id']}: {node['target']} {node['failureSummary']}" for one in found["violations"] for node in one["nodes"]]


async def small_targets(page: Page) -> list[str]:
    """Return what can be pressed and is smaller than the least size; links within text are excepted by the criterion."""
    return await page.evaluate(  # type: ignore[no-any-return]
        """(least) => [...document.querySelectorAll('button, select, input, textarea')]
          .filter((target) => target.checkVisibility())
          .map((target) => target.closest('label') ?? target)
          .filter((target) => {
            const box = target.getBoundingClientRect();
            return box.width < least || box.height < least;
          })
          .map((target) => target.outerHTML.slice(0, 120))""",
        TARGET_PX,
    )


async def sideways(page: Page) -> int:
    """Return how many pixels the page, or an open panel, can be scrolled sideways."""
    return int(
        await page.evaluate(
            """Math.max(...[document.documentElement, ...document.querySelectorAll('dialog[open]')]
              .map((one) => one.scrollWidth - one.clientWidth))"""
        )
    )


@pytest.mark.parametrize(("language", "scheme"), LOOKS, ids=[language for language, _ in LOOKS])
@pytest.mark.parametrize("screen", SCREENS)
async def test_a_screen_can_be_used_by_everybody(
    platform: str, agent: Callable[..., Awaitable[Page]], screen: str, language: str, scheme: str
) -> None:
    ticket, act = SCREENS[screen]
    page = await agent(platform, ticket, language, scheme)
    await act(page)
    assert await page.evaluate("document.documentElement.lang") == language.removesuffix("-IN")
    assert await violations(page) == []
    assert await small_targets(page) == []
    assert await sideways(page) == 0
    await page.set_viewport_size(ZOOMED)
    assert await sideways(page) == 0


async def test_a_call_is_worked_by_the_keyboard_alone(platform: str, agent: Callable[..., Awaitable[Page]]) -> None:
    page = await agent(platform, "talking")
    await shows("[data-state=talking]")(page)
    steps = (
        ("m", "[data-muted=true]"),
        ("r", "[data-paused=true]"),
        ("h", "[data-state=held]"),
        ("h", "[data-state=talking]"),
        ("d", "[data-panel=keypad]"),
        ("4", "[data-testid=pressed]:has-text('4')"),
        ("Escape", "[data-panel='']"),
        ("a", "[data-testid=agent-row]"),
    )
    for key, selector in steps:
        await page.keyboard.press(key)
        await page.locator(selector).first.wait_for(state="attached")
    await page.get_by_test_id("agent-query").focus()
    await page.keyboard.type("mmsgh")
    assert await page.get_by_test_id("softphone").get_attribute("data-muted") == "true"
    await page.get_by_test_id("agent-query").fill("meera")
    await page.locator("[data-testid=agent-row]:only-child").wait_for()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.locator("[data-state=consulting]").wait_for(state="attached")
    for key, state in (("s", "consult_held"), ("s", "consulting"), ("g", "three_way")):
        await page.keyboard.press(key)
        await page.locator(f"[data-state={state}]").wait_for(state="attached")
    await page.keyboard.press("Shift+H")
    await page.locator("[data-end-reason=left]").wait_for(state="attached")


async def test_escape_that_closed_a_panel_does_not_hang_up_too(platform: str, agent: Callable[..., Awaitable[Page]]) -> None:
    page = await agent(platform, "talking")
    await shows("[data-state=talking]")(page)
    await page.keyboard.press("d")
    await shows("[data-panel=keypad] dialog")(page)
    await page.keyboard.press("Escape")
    await page.locator("[data-testid=softphone][data-panel='']").wait_for()
    await page.keyboard.press("Escape")
    await page.keyboard.press("r")
    await page.locator("[data-testid=softphone][data-paused=true][data-state=talking]").wait_for()


async def test_keys_can_be_switched_off(platform: str, agent: Callable[..., Awaitable[Page]]) -> None:
    page = await agent(platform, "talking")
    await shows("[data-state=talking]")(page)
    await page.keyboard.press("?")
    await page.get_by_test_id("shortcuts-enabled").uncheck()
    await page.get_by_test_id("close-panel").click()
    await page.locator("[data-testid=softphone][data-panel='']").wait_for()
    await page.keyboard.press("m")
    await page.keyboard.press("Escape")
    await page.get_by_test_id("record").click()
    await page.locator("[data-testid=softphone][data-paused=true][data-muted=false][data-state=talking]").wait_for()


async def test_focus_comes_back_from_a_panel_and_is_never_lost(platform: str, agent: Callable[..., Awaitable[Page]]) -> None:
    page = await agent(platform, "consulting")
    await shows("[data-state=consulting]")(page)
    focused = "document.activeElement.dataset.testid ?? document.activeElement.tagName"
    await page.get_by_test_id("keypad").focus()
    await page.keyboard.press("Enter")
    await shows("[data-testid=panel-keypad]")(page)
    await page.keyboard.press("Escape")
    await page.locator("[data-testid=softphone][data-panel='']").wait_for()
    assert await page.evaluate(focused) == "keypad"
    await page.get_by_test_id("merge").focus()
    await page.keyboard.press("Enter")
    await page.locator("[data-testid=softphone][data-state=three_way]").wait_for()
    assert await page.evaluate(focused) == "MAIN"  # the button is gone


async def test_the_language_is_chosen_in_the_page_and_remembered(platform: str, agent: Callable[..., Awaitable[Page]]) -> None:
    page = await agent(platform, None)
    await page.get_by_test_id("language").select_option("hi")
    await page.get_by_test_id("status").filter(has_text="तैयार").wait_for()
    await page.reload()
    await page.get_by_test_id("status").filter(has_text="तैयार").wait_for()
    assert await page.evaluate("document.documentElement.lang") == "hi"
