"""A real Chromium with a microphone that plays a tone, and the softphone's page as a person sees it."""

import array
import math
import re
import wave
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from playwright.async_api import Browser, BrowserContext, Page, Playwright
from tests.support.demo import Demo

CHROMIUM = "/usr/bin/chromium"
MICROPHONE_HZ = 440
PATIENCE_MS = 15_000

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""Nothing of these changes what a page can do; Debian's Chromium needs the first one to run as root."""

# Wall-clock milliseconds of what a test has to know to the millisecond; the page does not notice.
_WITNESS = """
(() => {
  window.seen = [];
  const now = () => performance.timeOrigin + performance.now();
  const look = () => {
    const phone = document.querySelector('[data-testid=softphone]');
    const state = phone && phone.dataset.state;
    if (state && (!window.seen.length || window.seen.at(-1).state !== state)) window.seen.push({ state, at: now() });
  };
  new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true });
  const close = RTCPeerConnection.prototype.close;
  RTCPeerConnection.prototype.close = function () {
    window.voiceClosedAt = now();
    return close.call(this);
  };
  document.addEventListener('click', (event) => {
    const button = event.target.closest('[data-testid=hang-up]');
    if (button) window.hangUpClickedAt = now();
  }, true);
})();
"""


def write_microphone(file: Path, frequency: int = MICROPHONE_HZ, seconds: int = 10) -> Path:
    """Write what the fake microphone plays, over and over: a tone, 48 kHz, 16 bit, mono."""
    step = 2 * math.pi * frequency / 48_000
    samples = array.array("h", (round(12_000 * math.sin(step * index)) for index in range(48_000 * seconds)))
    with wave.open(str(file), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(48_000)
        sound.writeframes(samples.tobytes())
    return file


@asynccontextmanager
async def chromium(playwright: Playwright, microphone: Path | None, arguments: Sequence[str] = ()) -> AsyncIterator[Browser]:
    """Run one Chromium. Without a `microphone` file it behaves as a browser whose user has not allowed anything yet."""
    fake = ("--use-fake-device-for-media-stream", f"--use-file-for-fake-audio-capture={microphone}") if microphone else ()
    browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *fake, *arguments])
    try:
        yield browser
    finally:
        await browser.close()


async def person(browser: Browser, demo: Demo, *, microphone: bool = True, width: int = 1280) -> BrowserContext:
    """Return a fresh browser profile; with `microphone`, of somebody who has allowed it to the platform's pages."""
    context = await browser.new_context(viewport={"width": width, "height": 800})
    context.set_default_timeout(PATIENCE_MS)
    await context.add_init_script(_WITNESS)
    if microphone:
        await context.grant_permissions(["microphone"], origin=demo.base_url)
    return context


def link(demo: Demo, customer: str | None = None, agent: str = "agent.017", **parameters: str) -> str:
    """Return a launch link to a number of the test network, as the guide's section 2 writes it."""
    query = {"crm_username": agent, "api_key": demo.facts["browser_key"], "from_number": demo.caller_id}
    if customer is not None:
        query["to_number"] = demo.number(customer)
    return f"{demo.base_url}/CRM_API/webphone/launch?{urlencode({**query, **parameters})}"


@dataclass
class Softphone:
    """The softphone in one tab."""

    page: Page

    async def until(self, **facts: str) -> None:
        """Wait until the page shows all of these: its `data-…` attributes, `_` for `-`. Raises playwright's TimeoutError."""
        wanted = "".join(f'[data-{name.replace("_", "-")}="{value}"]' for name, value in facts.items())
        await self.page.locator(f"[data-testid=softphone]{wanted}").wait_for(state="attached", timeout=PATIENCE_MS)

    async def fact(self, name: str) -> str:
        value = await self.page.get_by_test_id("softphone").get_attribute(f"data-{name}")
        assert value is not None, name
        return value

    async def call_id(self) -> str:
        """Return the id of the call that is shown, once one is."""
        shown = self.page.locator('[data-testid=softphone]:not([data-call-id=""])')
        await shown.wait_for(state="attached")
        call_id = await shown.get_attribute("data-call-id")
        assert call_id
        return call_id

    async def says(self, text: str) -> None:
        """Wait until the status line says this."""
        await self.page.get_by_test_id("status").filter(has_text=re.compile(text)).wait_for()

    async def hang_up(self) -> None:
        await self.page.get_by_test_id("hang-up").click()

    async def shown_at(self, state: str) -> float:
        """Return when the page first showed this state, in seconds since the epoch."""
        seen: list[dict[str, Any]] = await self.page.evaluate("window.seen")
        return float(next(entry["at"] for entry in seen if entry["state"] == state)) / 1000

    async def states(self) -> list[str]:
        """Return the call states that the page has shown so far, in order."""
        return [entry["state"] for entry in await self.page.evaluate("window.seen")]

    async def hang_up_clicked_at(self) -> float:
        """Return when the person's click on hang up reached the page, in seconds since the epoch."""
        return float(await self.page.evaluate("window.hangUpClickedAt")) / 1000

    async def voice_closed_at(self) -> float:
        """Return when the page let go of the call's voice, in seconds since the epoch."""
        await self.page.wait_for_function("window.voiceClosedAt")
        return float(await self.page.evaluate("window.voiceClosedAt")) / 1000

    async def sideways(self) -> int:
        """Return how many pixels the page can be scrolled sideways."""
        return int(await self.page.evaluate("document.scrollingElement.scrollWidth - document.documentElement.clientWidth"))


async def dial(context: BrowserContext, demo: Demo, customer: str | None, agent: str = "agent.017", **parameters: str) -> Softphone:
    """Open a launch link in a new tab, as a click on Dial does."""
    page = await context.new_page()
    await page.goto(link(demo, customer, agent, **parameters))
    return Softphone(page)
