"""From a click in a real browser to the customer's phone: headless Chromium opens the launch link."""

import asyncio
import shutil
import time
import wave
from pathlib import Path
from urllib.parse import urlencode

from playwright.async_api import Browser, BrowserContext, async_playwright

from bench.calls import CALLER_ID, Ledger, Seen
from bench.ours import AGENTS, Ours

TALK_S = 0.5
REACH_S = 15.0
BETWEEN_S = 0.7


class NoBrowser(Exception):  # noqa: N818 - a state of the world
    """There is no Chromium on this machine."""


async def clicks(ours: Ours, ledger: Ledger, scratch: Path, times: int) -> tuple[list[float], list[float]]:
    """Return milliseconds from asking for the link to the customer's INVITE: in a fresh browser, and with the softphone open."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise NoBrowser
    microphone = scratch / "microphone.wav"
    _write_noise(microphone)
    flags = [
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}",
    ]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=[*flags, "--no-sandbox"])
        try:
            first = [await _first(browser, ours, ledger, agent) for agent in AGENTS[:times]]
            again = await _again(browser, ours, ledger, AGENTS[times], times)
        finally:
            await browser.close()
    return first, again


async def _first(browser: Browser, ours: Ours, ledger: Ledger, agent: str) -> float:
    context = await _context(browser, ours)
    try:
        return await _click(context, ours, ledger, agent)
    finally:
        await context.close()


async def _again(browser: Browser, ours: Ours, ledger: Ledger, agent: str, times: int) -> list[float]:
    context = await _context(browser, ours)
    try:
        await _click(context, ours, ledger, agent)
        return [await _click(context, ours, ledger, agent) for _ in range(times)]
    finally:
        await context.close()


async def _context(browser: Browser, ours: Ours) -> BrowserContext:
    context = await browser.new_context()
    await context.grant_permissions(["microphone"], origin=ours.base_url)
    return context


async def _click(context: BrowserContext, ours: Ours, ledger: Ledger, agent: str) -> float:
    seen = ledger.new(TALK_S)
    page = await context.new_page()
    asked = time.time()
    await page.goto(_link(ours, agent, seen), wait_until="commit")
    async with asyncio.timeout(REACH_S):
        await seen.delivered.wait()
    if seen.failure:
        raise RuntimeError(seen.failure)
    await asyncio.sleep(BETWEEN_S)
    if len(context.pages) > 1:
        await page.close()
    return (seen.customer_invited - asked) * 1000


def _link(ours: Ours, agent: str, seen: Seen) -> str:
    assert ours.keys is not None
    query = {
        "crm_username": agent,
        "api_key": ours.keys.browser,
        "to_number": seen.customer_number,
        "from_number": CALLER_ID,
    }
    return f"{ours.base_url}/CRM_API/webphone/launch?{urlencode(query)}"


def _write_noise(path: Path) -> None:
    """What the browser's microphone hears: a second of a 500 Hz square wave."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(b"".join((8_000 if n // 48 % 2 else -8_000).to_bytes(2, "little", signed=True) for n in range(48_000)))
