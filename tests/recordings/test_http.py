"""The recording's link, through the whole application and a real HTTP server."""

import asyncio
import resource
import wave
from functools import partial
from io import BytesIO
from pathlib import Path

import pytest
from starlette.requests import ClientDisconnect
from tests.callbacks.samples import AT
from tests.recordings.site import AUDIO, SIZE, Site

from intellicall.recordings import http, store
from intellicall.recordings.ranges import Span


async def test_a_recording_is_downloaded(site: Site) -> None:
    response, body = await site.get(site.link(await site.record()))
    assert response.status == 200
    with wave.open(BytesIO(body)) as file:
        assert file.readframes(10**6) == AUDIO
    headers = response.headers
    assert headers["Content-Type"] == "audio/wav"
    assert headers["Content-Length"] == str(SIZE)
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["Cache-Control"] == "private, no-store"
    assert headers["X-Robots-Tag"].startswith("noindex")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Disposition"] == 'attachment; filename="recording.wav"'
    assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert headers["Referrer-Policy"] == "no-referrer"


async def test_head_says_the_same_without_the_body(site: Site) -> None:
    link = site.link(await site.record())
    got, _ = await site.get(link)
    async with site.client.head(link, headers={"Range": "bytes=0-1"}) as head:
        assert head.status == 200
        assert await head.read() == b""
        for name in ("Content-Length", "Content-Type", "ETag", "Accept-Ranges", "Cache-Control", "X-Robots-Tag"):
            assert head.headers[name] == got.headers[name]


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-", 0, SIZE - 1),
        ("bytes=44-143", 44, 143),
        ("bytes=60000-99999999", 60000, SIZE - 1),
        ("bytes=-100", SIZE - 100, SIZE - 1),
        ("bytes=-99999999", 0, SIZE - 1),
    ],
)
async def test_one_range_is_one_part(site: Site, asked: str, first: int, last: int) -> None:
    link = site.link(await site.record())
    _, whole = await site.get(link)
    response, body = await site.get(link, Range=asked)
    assert response.status == 206
    assert response.headers["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
    assert response.headers["Content-Length"] == str(last - first + 1)
    assert response.headers["Cache-Control"] == "private, no-store"
    assert body == whole[first : last + 1]


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "bytes=5-1", "bytes=x", "pages=1-2", "bytes=" + "0-0," * 1000])
async def test_other_ranges_are_answered_with_the_whole(site: Site, asked: str) -> None:
    response, body = await site.get(site.link(await site.record()), Range=asked)
    assert (response.status, len(body)) == (200, SIZE)
    assert "Content-Range" not in response.headers


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", "bytes=-0", "bytes=99999999-"])
async def test_a_range_behind_the_end(site: Site, asked: str) -> None:
    response, _ = await site.get(site.link(await site.record()), Range=asked)
    assert response.status == 416
    assert response.headers["Content-Range"] == f"bytes */{SIZE}"
    assert (await response.json(content_type=None))["code"] == "range_not_satisfiable"


async def test_if_range_and_if_none_match(site: Site) -> None:
    link = site.link(await site.record())
    tag = (await site.get(link))[0].headers["ETag"]
    assert tag.startswith('"')
    for validator, status in ((tag, 206), ('"other"', 200), (f"W/{tag}", 200), ("Fri, 03 Jul 2026 10:00:00 GMT", 200)):
        response, body = await site.get(link, Range="bytes=0-9", If_Range=validator)
        assert (response.status, len(body)) == (status, 10 if status == 206 else SIZE)
    for validators, status in ((tag, 304), (f'"x", W/{tag}', 304), ("*", 304), ('"x"', 200)):
        response, body = await site.get(link, If_None_Match=validators)
        assert response.status == status


PATHS = [
    "/recordings/crm_" + "0" * 40 + ".wav",
    "/recordings/crm_" + "f" * 40 + ".wav",
    "/recordings/crm_" + "f" * 40,
    "/recordings/crm_" + "f" * 40 + ".raw",
    "/recordings/crm_.wav",
    "/recordings/x.wav",
    "/recordings/%00.wav",
    "/recordings/crm_%0a.wav",
    "/recordings/.wav",
    "/recordings/",
    "/recordings",
    "/recordings/../recordings/x.wav",
    "/recordings/..%2f..%2fetc%2fpasswd",
    "/recordings/%2e%2e/%2e%2e/etc/passwd",
    "/recordings/..%5c..%5cwindows.wav",
    "/recordings/%25%32%65.wav",
    "/recordings/crm_" + "f" * 5000 + ".wav",
    "/recordings/*.wav",
    "/recordings/%F0%9F%93%9E.wav",
    "/recordings/%ff%fe.wav",
]


async def test_whatever_is_no_recording_looks_the_same(site: Site) -> None:
    await site.record()
    nothing = await site.begin()
    await site.database.write(partial(store.missing, name=nothing, at=AT))
    answers = set()
    for path in [*PATHS, site.link(nothing)]:
        response, _ = await site.get(path)
        problem = await response.json(content_type=None)
        del problem["request_id"]
        answers.add((response.status, response.headers["Content-Type"], str(problem)))
    ((status, media_type, problem_text),) = answers
    assert (status, media_type) == (404, "application/problem+json")
    assert "not_found" in problem_text


async def test_a_client_that_left_before_the_first_byte(site: Site) -> None:
    opened = await site.shelf.open(await site.record())
    assert opened is not None

    async def gone(_message: object) -> None:
        raise OSError

    noted: list[int] = []

    async def note(sent: int) -> None:
        noted.append(sent)

    response = http._Download(opened, Span(0, opened.size), note, 200, {}, "audio/wav")
    before = _open_files(site.folder)
    with pytest.raises(ClientDisconnect):
        await response({"type": "http", "asgi": {"spec_version": "2.4"}}, gone, gone)
    assert _open_files(site.folder) == before - 1


async def test_the_link_is_the_name_with_its_suffix(site: Site) -> None:
    link = site.link(await site.record())
    for other in (link.removesuffix(".wav"), link.replace(".wav", ".raw"), link + ".wav", link + "/", link.replace("crm_", "")):
        assert (await site.get(other))[0].status == 404


async def test_the_name_in_another_case_is_another_name(site: Site) -> None:
    name = await site.record()
    assert (await site.get(site.link(name.upper())))[0].status == 404


async def test_a_call_that_still_talks(site: Site) -> None:
    name = await site.begin()
    (site.folder / f"{name}.raw").write_bytes(AUDIO)
    response, _ = await site.get(site.link(name))
    assert response.status == 409
    assert (await response.json(content_type=None))["code"] == "recording_not_ready"
    assert "Retry-After" in response.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_it_can_only_be_read(site: Site, method: str) -> None:
    link = site.link(await site.record())
    async with site.client.request(method, link) as response:
        assert response.status == 405
        assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD"}
    assert (await site.get(link))[0].status == 200


async def test_a_long_recording_is_streamed_and_not_held(site: Site) -> None:
    name = await site.record(bytes(64_000_000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    total = 0
    async with site.client.get(site.link(name)) as response:
        async for piece in response.content.iter_chunked(65536):
            total += len(piece)
    assert total == 64_000_044
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB


async def test_a_client_that_leaves_does_not_keep_the_file_open(site: Site) -> None:
    name = await site.record(bytes(64_000_000))
    opened = _open_files(site.folder)
    response = await site.client.get(site.link(name))
    await response.content.read(1000)
    assert _open_files(site.folder) == opened + 1
    response.close()
    async with asyncio.timeout(10):
        while _open_files(site.folder) != opened:  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(0.01)


def _open_files(folder: Path) -> int:
    count = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            count += descriptor.readlink().is_relative_to(folder)
        except FileNotFoundError:
            continue
    return count
