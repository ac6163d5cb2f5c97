"""Recordings on any S3-compatible store: PREFIX/NAME, without a suffix; the media type says what it is.

What fits into one part is sent, and everything is read, by obstore; what is bigger goes through `s3_parts`, part by part, so that
it can be taken up again. Reading is done in ranged requests of one piece each: a slow client holds no connection to the store.
"""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, PreconditionError, UnauthenticatedError
from obstore.store import S3Store

from intellicall.recordings.recording import is_name
from intellicall.recordings.remote import Fault, Remember, RemoteError, Upload
from intellicall.recordings.s3_parts import Access, Parts
from intellicall.recordings.shelf import Stored
from intellicall.settings import Settings

PART_BYTES = 8 * 1024 * 1024
"""S3 takes parts of 5 MiB and more, 10,000 at most: 78 GiB, and a WAV file ends at 4."""
PIECE_BYTES = 1024 * 1024
PROBE = ".intellicall-probe-"
PATIENCE_S = 30.0
_RETRIES = 2


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where the recordings go. `endpoint`: the store's base URL (None: AWS). `virtual_hosts`: the bucket is in the host's name."""

    url: str
    key_id: str
    secret: str = field(repr=False)
    region: str = "us-east-1"
    endpoint: str | None = None
    virtual_hosts: bool = False

    @property
    def name(self) -> str:
        return urlsplit(self.url).netloc

    @property
    def prefix(self) -> str:
        """What every key begins with: empty, or ending with a slash."""
        prefix = urlsplit(self.url).path.strip("/")
        return f"{prefix}/" if prefix else ""

    @property
    def base_url(self) -> str:
        """The bucket's own address."""
        store = urlsplit(self.endpoint or f"https://s3.{self.region}.amazonaws.com")
        if self.virtual_hosts:
            return f"{store.scheme}://{self.name}.{store.netloc}"
        return f"{store.scheme}://{store.netloc}/{self.name}"


class S3Shelf:
    """Keeps whole recordings in a bucket: `remote.Remote`."""

    def __init__(self, bucket: Bucket, patience_s: float = PATIENCE_S) -> None:
        """`patience_s`: longest time of one request, tries included; one that sends a part has four times that."""
        self._prefix = bucket.prefix
        self._parts = Parts(Access(bucket.base_url, bucket.region, bucket.key_id, bucket.secret), 4 * patience_s)
        address = bucket.base_url if bucket.virtual_hosts else bucket.base_url.removesuffix(f"/{bucket.name}")
        self._store = S3Store(
            bucket.name,
            endpoint=address,
            region=bucket.region,
            access_key_id=bucket.key_id,
            secret_access_key=bucket.secret,
            virtual_hosted_style_request=bucket.virtual_hosts,
            disable_bulk_delete=True,  # not every store has it
            client_options={
                "allow_http": address.startswith("http://"),  # the settings have seen to it
                "timeout": timedelta(seconds=patience_s),
            },
            retry_config={"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=patience_s)},
        )

    async def close(self) -> None:
        """Let go of the connections."""
        await self._parts.close()

    async def upload(self, name: str, file: Path, begun: Upload | None, remember: Remember) -> None:
        """See `remote.Remote.upload`. A file of one part is sent at once: there is nothing to take up."""
        size = (await asyncio.to_thread(file.stat)).st_size
        if size <= PART_BYTES:
            content = await asyncio.to_thread(file.read_bytes)
            with _told():
                await obstore.put_async(
                    self._store, self._key(name), content, use_multipart=False, attributes={"Content-Type": "audio/wav"}
                )
            return
        upload = begun or Upload(await self._parts.begin(self._key(name)))
        await remember(upload)
        while len(upload.etags) * PART_BYTES < size:
            piece = await asyncio.to_thread(_piece, file, len(upload.etags) * PART_BYTES)
            etag = await self._parts.put(self._key(name), upload.id, len(upload.etags) + 1, piece)
            upload = Upload(upload.id, (*upload.etags, etag))
            await remember(upload)
        await self._parts.complete(self._key(name), upload.id, upload.etags)

    async def abort(self, name: str, upload: Upload) -> None:
        await self._parts.abort(self._key(name), upload.id)

    async def sha256(self, name: str) -> str | None:
        opened = await self.open(name)
        if opened is None:
            return None
        digest = hashlib.sha256()
        async for piece in opened.read(0, opened.size, PART_BYTES):
            await asyncio.to_thread(digest.update, piece)
        return digest.hexdigest()

    async def open(self, name: str) -> "S3Recording | None":
        seen = await self._there(self._key(name))
        return S3Recording(self._store, self._key(name), seen["size"], seen["e_tag"] or "") if seen else None

    async def erase(self, name: str) -> None:
        await self._delete(self._key(name))

    async def stored(self) -> AsyncIterator[Sequence[Stored]]:
        with _told():
            async for some in obstore.list(self._store, prefix=self._prefix or None, chunk_size=500):
                found = [(one["path"].removeprefix(self._prefix), one["last_modified"]) for one in some]
                yield [Stored(name, at) for name, at in found if is_name(name)]

    async def check(self) -> None:
        """See `remote.Remote.check`. The first thing is a write: it alone is refused with the reason in words."""
        content, key = secrets.token_bytes(64), f"{self._prefix}{PROBE}{secrets.token_hex(8)}"
        with _told():
            await obstore.put_async(self._store, key, content, use_multipart=False)
            got = await obstore.get_range_async(self._store, key, start=0, end=len(content))
        await self._delete(key)
        if bytes(got) != content or await self._there(key):  # without the right to list, AWS does not tell what is missing
            raise RemoteError(Fault.DIFFERENT)

    async def _there(self, key: str) -> "obstore.ObjectMeta | None":
        try:
            with _told():
                return await obstore.head_async(self._store, key)
        except RemoteError as error:
            if error.fault is Fault.MISSING:
                return None
            raise

    async def _delete(self, key: str) -> None:
        try:
            with _told():
                await obstore.delete_async(self._store, key)
        except RemoteError as error:
            if error.fault is not Fault.MISSING:
                raise

    def _key(self, name: str) -> str:
        if not is_name(name):
            raise ValueError("this is not a recording's name")
        return self._prefix + name


class S3Recording:
    """A recording on the store. One that is erased while it is read breaks off."""

    def __init__(self, store: S3Store, key: str, size: int, etag: str) -> None:
        self._store = store
        self._key = key
        self.size = size
        self.etag = etag

    async def read(self, start: int, length: int, piece_bytes: int = PIECE_BYTES) -> AsyncIterator[bytes]:
        """Yield the bytes asked for, all of them out of the same object. Raises RemoteError."""
        end = min(start + length, self.size)
        while start < end:
            until = min(start + piece_bytes, end)
            with _told():
                got = await obstore.get_async(self._store, self._key, options={"range": (start, until), "if_match": self.etag})
                piece = bytes(await got.bytes_async())
            if len(piece) != until - start:
                raise RemoteError(Fault.DIFFERENT)
            yield piece
            start = until

    def close(self) -> None:
        """There is nothing to let go of between two pieces."""


def s3_shelf(settings: Settings) -> S3Shelf | None:
    """Return the store that the settings name, if they name one. Nothing is asked of it yet."""
    if settings.recordings_s3_url is None:
        return None
    bucket = Bucket(
        settings.recordings_s3_url,
        settings.recordings_s3_key_id,
        settings.recordings_s3_secret.get_secret_value(),
        settings.recordings_s3_region,
        settings.recordings_s3_endpoint,
        settings.recordings_s3_virtual_hosts,
    )
    return S3Shelf(bucket)


@contextmanager
def _told() -> Iterator[None]:
    """Turn obstore's errors into ours. Theirs name the object and its address: they go no further."""
    try:
        yield
    except FileNotFoundError as error:
        raise RemoteError(Fault.of_status(404, str(error))) from None
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise RemoteError(Fault.of_status(403, str(error))) from None
    except PreconditionError:
        raise RemoteError(Fault.DIFFERENT) from None
    except BaseError as error:
        raise RemoteError(_fault(str(error))) from None


def _fault(said: str) -> Fault:
    """Read obstore's account of a request that came to nothing (object_store 0.14: `HttpErrorKind`, or a status)."""
    if "kind: Timeout" in said:
        return Fault.TOO_SLOW
    return Fault.UNREACHABLE if "inner: Http" in said else Fault.of_status(500, said)


def _piece(file: Path, start: int) -> bytes:
    with file.open("rb") as opened:
        opened.seek(start)
        return opened.read(PART_BYTES)
