"""A recordings room behind a real HTTP server: what tests of the link hold in their hands."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_network
from pathlib import Path

import aiohttp
import uvicorn
from tests.callbacks.samples import AT
from tests.support.clock import HandClock
from yarl import URL

from intellicall.ids import new_recording_name
from intellicall.recordings import access, http, store
from intellicall.recordings.access import Access
from intellicall.recordings.disk import DiskShelf
from intellicall.recordings.encoder import Encoder
from intellicall.recordings.remote import Remote
from intellicall.recordings.shelves import Shelves
from intellicall.recordings.space import Space
from intellicall.settings import Settings
from intellicall.storage.database import Database
from intellicall.web.application import make_app

AUDIO = bytes(range(256)) * 250
SIZE = 44 + len(AUDIO)


@dataclass
class Site:
    base: str
    client: aiohttp.ClientSession
    database: Database
    shelf: DiskShelf
    folder: Path
    clock: HandClock

    def link(self, name: str, suffix: str = "wav") -> str:
        return f"{self.base}/recordings/{name}.{suffix}"

    async def get(self, path: str, **headers: str) -> tuple[aiohttp.ClientResponse, bytes]:
        url = URL(path if path.startswith("http") else self.base + path, encoded=True)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.get(url, headers=named, allow_redirects=False) as response:
            return response, await response.read()

    async def accesses(self, name: str) -> list[Access]:
        return await self.database.read(partial(access.accesses, name=name))

    async def begin(self) -> str:
        name = new_recording_name()
        await self.database.write(partial(store.begin, name=name, call_id=name[4:40], account_id="a", at=AT))
        return name

    async def record(self, audio: bytes = AUDIO) -> str:
        name = await self.begin()
        (self.folder / f"{name}.raw").write_bytes(audio)
        sealed = await self.shelf.seal(name)
        assert sealed is not None
        await self.database.write(partial(store.sealed, name=name, what=sealed, at=AT))
        return name


@asynccontextmanager
async def open_site(database: Database, tmp_path: Path, far: Remote | None = None) -> AsyncIterator[Site]:
    """Serve recordings of this database, kept below `tmp_path`, and on `far`. 127.0.0.1 is a trusted proxy."""
    folder = tmp_path / "recordings"
    shelf, clock = DiskShelf(folder), HandClock()
    encoder = Encoder(tmp_path / "formats", 10, Space())
    proxies = [ip_network("127.0.0.1")]
    door = http.Door(database, Shelves(shelf, far) if far else shelf, encoder, clock, proxies)
    app = make_app([http.router(door)], Settings(state_dir=tmp_path, trusted_proxies=proxies))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off"))
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(10):
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with aiohttp.ClientSession(auto_decompress=False) as client:
        yield Site(f"http://127.0.0.1:{port}", client, database, shelf, folder, clock)
    server.should_exit = True
    await task
    await encoder.close()
    shelf.close()
