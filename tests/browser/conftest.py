"""One Chromium for the session; each test gets people of its own: fresh profiles, closed afterwards."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Playwright, async_playwright
from tests.support.browser import chromium, person, write_microphone
from tests.support.demo import Demo

Person = Callable[..., Awaitable[BrowserContext]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def playwright() -> AsyncIterator[Playwright]:
    async with async_playwright() as playwright:
        yield playwright


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(playwright: Playwright, short_tmp: Path) -> AsyncIterator[Browser]:
    """A Chromium whose microphone plays 440 Hz, and whose question for the microphone is answered with yes."""
    microphone = write_microphone(short_tmp / "microphone.wav")
    async with chromium(playwright, microphone, ["--use-fake-ui-for-media-stream"]) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def somebody(browser: Browser, demo: Demo) -> AsyncIterator[Person]:
    """Make a fresh browser profile: `await somebody()`."""
    made: list[BrowserContext] = []

    async def make(**how: object) -> BrowserContext:
        context = await person(browser, demo, **how)  # type: ignore[arg-type]
        made.append(context)
        return context

    yield make
    for context in made:
        await context.close()
