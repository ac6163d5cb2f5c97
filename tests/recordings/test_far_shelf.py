"""The far shelf on a store that checks signatures, and the disk beside it: what both promise, and what the far one can suffer."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.support.s3_server import FaultyWire, S3Server, bucket, listing_bucket, listing_s3_server, s3_server

from intellicall.recordings.disk import DiskShelf
from intellicall.recordings.recording import wav_header
from intellicall.recordings.remote import Fault, RemoteError, Upload
from intellicall.recordings.s3 import PART_BYTES, Bucket, S3Shelf

__all__ = ["bucket", "listing_bucket", "listing_s3_server", "s3_server"]

NAME = "crm_" + "0a" * 20
OTHER = "crm_" + "0b" * 20
AUDIO = os.urandom(1_500_000)
WAV = wav_header(len(AUDIO)) + AUDIO
BIG = os.urandom(2 * PART_BYTES + 1000)

Put = Callable[[str], Awaitable[None]]


async def forget(upload: Upload) -> None:
    """Remember nothing."""


@pytest_asyncio.fixture
async def far(bucket: Bucket) -> AsyncIterator[S3Shelf]:
    shelf = S3Shelf(bucket)
    yield shelf
    await shelf.close()


@pytest_asyncio.fixture
async def wire(s3_server: S3Server) -> AsyncIterator[FaultyWire]:
    async with FaultyWire(s3_server.port) as wire:
        yield wire


@pytest_asyncio.fixture
async def shaky(bucket: Bucket, wire: FaultyWire) -> AsyncIterator[S3Shelf]:
    """The same bucket, over the wire that fails."""
    shelf = S3Shelf(replace(bucket, endpoint=f"http://127.0.0.1:{wire.port}"), patience_s=1.0)
    yield shelf
    await shelf.close()


@pytest_asyncio.fixture(params=["disk", "bucket"])
async def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[DiskShelf | S3Shelf, Put]]:
    """A shelf, and how a whole recording comes onto it."""
    async with opened(request, tmp_path) as both:
        yield both


@pytest_asyncio.fixture(params=["disk", "listing_bucket"])
async def listing_shelf(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[DiskShelf | S3Shelf, Put]]:
    """The same, on a store whose listings are right."""
    async with opened(request, tmp_path) as both:
        yield both


@asynccontextmanager
async def opened(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[DiskShelf | S3Shelf, Put]]:
    disk = DiskShelf(tmp_path / "recordings")

    async def seal(name: str) -> None:
        (tmp_path / "recordings" / f"{name}.raw").write_bytes(AUDIO)
        await disk.seal(name)

    if request.param == "disk":
        yield disk, seal
    else:
        far = S3Shelf(request.getfixturevalue(request.param))

        async def send(name: str) -> None:
            await seal(name)
            await far.upload(name, disk.file(name), None, forget)

        yield far, send
        await far.close()
    disk.close()


async def read(shelf: DiskShelf | S3Shelf, start: int, length: int, name: str = NAME) -> bytes:
    opened = await shelf.open(name)
    assert opened is not None
    assert opened.size == len(WAV)
    assert opened.etag.startswith('"')
    try:
        return b"".join([piece async for piece in opened.read(start, length)])
    finally:
        opened.close()


async def names(shelf: DiskShelf | S3Shelf) -> list[str]:
    return [one.name async for some in shelf.stored() for one in some]


@pytest.mark.parametrize(("start", "length"), [(0, len(WAV)), (0, 1), (1_048_570, 20), (len(WAV) - 3, 3), (len(WAV) - 3, 900)])
async def test_any_range_is_read(shelf: tuple[DiskShelf | S3Shelf, Put], start: int, length: int) -> None:
    where, put = shelf
    await put(NAME)
    assert await read(where, start, length) == WAV[start : start + length]


async def test_what_is_kept_is_found_told_and_erased(listing_shelf: tuple[DiskShelf | S3Shelf, Put]) -> None:
    where, put = listing_shelf
    assert await where.open(NAME) is None
    assert await where.sha256(NAME) is None
    assert await names(where) == []
    await put(NAME)
    await put(OTHER)
    assert await names(where) == [NAME, OTHER]
    assert await where.sha256(NAME) == hashlib.sha256(WAV).hexdigest()
    await where.erase(NAME)
    await where.erase(NAME)
    assert await where.open(NAME) is None
    assert await names(where) == [OTHER]
    for ask in (where.open, where.erase, where.sha256):
        with pytest.raises(ValueError, match="name"):
            await ask("../x")


async def test_a_big_one_goes_in_parts_and_is_taken_up_where_it_broke_off(
    far: S3Shelf, shaky: S3Shelf, wire: FaultyWire, tmp_path: Path
) -> None:
    file = tmp_path / "big"
    file.write_bytes(BIG)
    remembered: list[Upload] = []

    async def remember(upload: Upload) -> None:
        remembered.append(upload)

    wire.up_to = PART_BYTES + 500_000
    with pytest.raises(RemoteError) as failed:
        await shaky.upload(NAME, file, None, remember)
    assert failed.value.fault is Fault.UNREACHABLE
    assert len(remembered[-1].etags) == 1
    assert await far.open(NAME) is None
    wire.up_to, wire.sent = None, 0
    await shaky.upload(NAME, file, remembered[-1], remember)
    assert wire.sent < PART_BYTES + 100_000, "the first part was sent again"
    assert {upload.id for upload in remembered} == {remembered[0].id}
    assert await far.sha256(NAME) == hashlib.sha256(BIG).hexdigest()


async def test_an_upload_that_the_store_has_forgotten_is_missing(far: S3Shelf, tmp_path: Path) -> None:
    file = tmp_path / "big"
    file.write_bytes(BIG)
    begun: list[Upload] = []

    async def stop(upload: Upload) -> None:
        begun.append(upload)
        if len(upload.etags) == 1:
            raise RemoteError(Fault.UNREACHABLE)

    with pytest.raises(RemoteError):
        await far.upload(NAME, file, None, stop)
    await far.abort(NAME, begun[-1])
    await far.abort(NAME, begun[-1])
    with pytest.raises(RemoteError) as failed:
        await far.upload(NAME, file, begun[-1], forget)
    assert failed.value.fault is Fault.MISSING


WRONG: dict[str, tuple[dict[str, Any], Fault, str]] = {
    "the secret": ({"secret": "another"}, Fault.WRONG_KEY, "SECRET"),
    "the key": ({"key_id": "NOBODY"}, Fault.WRONG_KEY, "KEY_ID"),
    "the bucket": ({"url": "s3://nowhere-at-all/x"}, Fault.NO_BUCKET, "RECORDINGS_S3_URL"),
    "the address": ({"endpoint": "http://127.0.0.1:1"}, Fault.UNREACHABLE, "ENDPOINT"),
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_is_wrong_is_said_in_plain_words(bucket: Bucket, tmp_path: Path, what: str) -> None:
    changes, fault, word = WRONG[what]
    shelf = S3Shelf(replace(bucket, **changes), patience_s=2.0)
    file = tmp_path / "small"
    file.write_bytes(WAV)
    big = tmp_path / "big"
    big.write_bytes(BIG)
    for attempt in (shelf.check(), shelf.upload(NAME, file, None, forget), shelf.upload(NAME, big, None, forget)):
        with pytest.raises(RemoteError) as failed:
            await attempt
        assert failed.value.fault is fault
        assert word in str(failed.value)
        for hidden in (NAME, "127.0.0.1", bucket.secret, bucket.name):
            assert hidden not in str(failed.value)
    await shelf.close()


async def test_the_check_leaves_nothing_behind(listing_bucket: Bucket) -> None:
    far = S3Shelf(listing_bucket)
    await far.check()
    await far.check()
    assert await names(far) == []
    assert listing_bucket.secret not in repr(listing_bucket)
    await far.close()


async def test_no_fault_of_the_wire_yields_wrong_bytes(far: S3Shelf, shaky: S3Shelf, wire: FaultyWire, tmp_path: Path) -> None:
    file = tmp_path / "small"
    file.write_bytes(WAV)
    await far.upload(NAME, file, None, forget)
    wire.down_to = 700_000
    with pytest.raises(RemoteError):
        await shaky.sha256(NAME)
    wire.down_to, wire.twisted = None, True
    assert await shaky.sha256(NAME) not in (None, hashlib.sha256(WAV).hexdigest())
    wire.twisted, wire.status = False, b"503 Slow Down"
    with pytest.raises(RemoteError) as failed:
        await shaky.sha256(NAME)
    assert failed.value.fault is Fault.UNAVAILABLE
    wire.status, wire.silent = None, True
    async with asyncio.timeout(15):
        with pytest.raises(RemoteError) as failed:
            await shaky.sha256(NAME)
    assert failed.value.fault in (Fault.TOO_SLOW, Fault.UNREACHABLE)


async def test_one_that_is_replaced_while_it_is_read_breaks_off(far: S3Shelf, tmp_path: Path) -> None:
    file = tmp_path / "small"
    file.write_bytes(WAV)
    await far.upload(NAME, file, None, forget)
    opened = await far.open(NAME)
    assert opened is not None
    file.write_bytes(WAV[::-1])
    await far.upload(NAME, file, None, forget)
    with pytest.raises(RemoteError) as failed:
        _ = [piece async for piece in opened.read(0, opened.size)]
    assert failed.value.fault is Fault.DIFFERENT
