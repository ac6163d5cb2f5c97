"""The link stays the same wherever the file is."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import aiohttp
from tests.recordings.site import AUDIO, SIZE, open_site
from tests.support.s3_server import FaultyWire, S3Server, bucket, s3_server

from intellicall.recordings import store
from intellicall.recordings.moving import Mover
from intellicall.recordings.s3 import Bucket, S3Shelf
from intellicall.recordings.shelves import Shelves
from intellicall.storage.database import Database

__all__ = ["bucket", "s3_server"]


async def test_one_link_on_its_whole_way(sqlite_database: Database, s3_server: S3Server, bucket: Bucket, tmp_path: Path) -> None:
    database = sqlite_database
    async with FaultyWire(s3_server.port) as wire:
        far = S3Shelf(replace(bucket, endpoint=f"http://127.0.0.1:{wire.port}"), patience_s=2.0)
        async with open_site(database, tmp_path, far) as site:
            name = await site.record()
            link = site.link(name)
            _, before = await site.get(link)
            assert await Mover(database, site.shelf, far, site.clock).move_next()
            assert [*site.folder.iterdir()] == []

            answer, after = await site.get(link)
            assert (answer.status, after, len(after)) == (200, before, SIZE)
            assert after[44:] == AUDIO
            answer, part = await site.get(link, Range="bytes=1000-1999")
            assert (answer.status, part) == (206, before[1000:2000])
            assert answer.headers["Content-Range"] == f"bytes 1000-1999/{SIZE}"
            answer, _ = await site.get(link, If_None_Match=answer.headers["ETag"])
            assert answer.status == 304
            answer, mp3 = await site.get(site.link(name, "mp3"))
            while answer.status == 202:
                answer, mp3 = await site.get(site.link(name, "mp3"))
            assert (answer.status, answer.content_type) == (200, "audio/mpeg")
            assert 0 < len(mp3) < SIZE

            wire.status = b"503 Slow Down"
            answer, _ = await site.get(link)
            assert (answer.status, (await problem(answer, link, site.client))["code"]) == (503, "storage_unavailable")
            wire.status = None
            assert (await site.get(link))[1] == before

            await database.write(partial(store.erase, name=name, reason="deleted"))
            await Shelves(site.shelf, far).erase(name)
            assert (await site.get(link))[0].status == 410
            assert await far.open(name) is None
        await far.close()


async def problem(answer: aiohttp.ClientResponse, link: str, client: aiohttp.ClientSession) -> dict[str, object]:
    async with client.get(link) as again:
        assert again.status == answer.status
        found: dict[str, object] = await again.json(content_type="application/problem+json")
        return found
