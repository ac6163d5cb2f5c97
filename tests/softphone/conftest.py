"""The softphone's room as a fixture."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.softphone.live_room import LiveRoom, open_live_room
from tests.softphone.room import Room, open_room

from intellicall.storage.database import Database


@pytest.fixture
async def room(sqlite_database: Database, built_pages: Path) -> AsyncIterator[Room]:
    async with open_room(sqlite_database, built_pages, hello_s=0.3) as opened:
        yield opened


@pytest.fixture
def built_pages(tmp_path: Path) -> Path:
    """A folder as the page build leaves it."""
    folder = tmp_path / "pages"
    (folder / "softphone" / "assets").mkdir(parents=True)
    (folder / "assets").mkdir()
    (folder / "softphone" / "index.html").write_text("<!doctype html><title>Softphone</title>")
    (folder / "softphone" / "assets" / "main-4f2a9c1b.js").write_text("console.log('softphone');" * 100)
    (folder / "assets" / "plain.css").write_text("body { color: black }")
    (tmp_path / "secret.txt").write_text("secret")
    return folder


@pytest.fixture
async def live(database: Database, built_pages: Path, tmp_path: Path) -> AsyncIterator[LiveRoom]:
    """The room with real calls behind it, on both databases."""
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    async with open_live_room(database, built_pages, recordings) as opened:
        yield opened
