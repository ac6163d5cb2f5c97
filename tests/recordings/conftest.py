"""A served recordings room for each test that wants one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from tests.recordings.site import Site, open_site

from intellicall.storage.database import Database


@pytest_asyncio.fixture
async def site(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(sqlite_database, tmp_path) as opened:
        yield opened
