"""Uploads in parts that can be taken up again after any fault: S3's multipart calls, which obstore keeps to itself.

Requests are signed with AWS Signature Version 4 in the Authorization header, the payload's SHA-256 included, so that a store that
checks signatures checks what arrives as well. Which upload broke off where is remembered by us: stores differ in what they list.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import unescape
from io import BytesIO
from typing import Self
from urllib.parse import quote

import aiohttp
from yarl import URL

from intellicall.recordings.remote import Fault, RemoteError

CONNECT_TIMEOUT_S = 10
_ANSWER_BYTES = 4_000_000
_SERVICE = "s3"


@dataclass(frozen=True, slots=True)
class Access:
    """A bucket's address with nothing behind it (`https://host/bucket`, or `https://bucket.host`), and who we are there."""

    base_url: str
    region: str
    key_id: str
    secret: str = field(repr=False)


class Parts:
    """Multipart uploads of one bucket. Every method raises RemoteError. `patience_s`: longest time of one request."""

    def __init__(self, access: Access, patience_s: float) -> None:
        self._access = access
        self._patience_s = patience_s
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def begin(self, key: str) -> str:
        """Begin an upload and return its id."""
        return unescape(_text(await self._ask("POST", key, {"uploads": ""}), "UploadId"))

    async def put(self, key: str, upload_id: str, number: int, piece: bytes) -> str:
        """Send one part (from 1) and return its ETag."""
        async with self._request("PUT", key, {"uploadId": upload_id, "partNumber": str(number)}, piece) as answer:
            return str(answer.headers.get("ETag", "")).strip('"')

    async def complete(self, key: str, upload_id: str, etags: Sequence[str]) -> None:
        """Make the object out of its parts."""
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>&quot;{etag}&quot;</ETag></Part>" for number, etag in enumerate(etags, 1)
        )
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        answer = await self._ask("POST", key, {"uploadId": upload_id}, body)
        if "<Error>" in answer:  # S3 may say so with status 200, after having kept the connection alive with blanks
            raise RemoteError(Fault.UNAVAILABLE)

    async def abort(self, key: str, upload_id: str) -> None:
        """Throw the parts of an upload away. No-op when there is no such upload."""
        try:
            await self._ask("DELETE", key, {"uploadId": upload_id})
        except RemoteError as error:
            if error.fault is not Fault.MISSING:
                raise

    async def _ask(self, method: str, key: str, query: Mapping[str, str], body: bytes = b"") -> str:
        async with self._request(method, key, query, body) as answer:
            return answer.text

    def _request(self, method: str, key: str, query: Mapping[str, str], body: bytes = b"") -> "_Exchange":
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=self._patience_s, connect=CONNECT_TIMEOUT_S)
            self._session = aiohttp.ClientSession(timeout=timeout)
        url, headers = signed(self._access, method, key, query, body, datetime.now(UTC))
        return _Exchange(self._session, method, url, headers, body)


class _Exchange:
    """One request and its answer, with every way to fail turned into ours."""

    def __init__(self, session: aiohttp.ClientSession, method: str, url: str, headers: dict[str, str], body: bytes) -> None:
        self._asking = session.request(
            method,
            URL(url, encoded=True),
            headers=headers,
            data=BytesIO(body) if body else None,
            allow_redirects=False,
            skip_auto_headers=["Content-Type"],
        )
        self.text = ""
        self.headers: Mapping[str, str] = {}

    async def __aenter__(self) -> Self:
        try:
            async with self._asking as answer:
                said = await answer.content.read(_ANSWER_BYTES)
                while not answer.content.at_eof():
                    said += await answer.content.read(_ANSWER_BYTES)
        except TimeoutError:
            raise RemoteError(Fault.TOO_SLOW) from None
        except (aiohttp.ClientError, OSError):
            raise RemoteError(Fault.UNREACHABLE) from None
        self.text, self.headers = said.decode(errors="replace"), answer.headers
        if answer.status >= 300:
            raise RemoteError(Fault.of_status(answer.status, self.text))
        return self

    async def __aexit__(self, *_: object) -> None:
        """The answer has been read to its end already."""


def signed(
    access: Access, method: str, key: str, query: Mapping[str, str], body: bytes, at: datetime
) -> tuple[str, dict[str, str]]:
    """Return the URL and the headers of a request: Signature Version 4, as S3 has it (the path is encoded once)."""
    path = f"{URL(access.base_url).raw_path.rstrip('/')}/{quote(key, safe='/~')}"
    words = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in sorted(query.items()))
    headers = {
        "host": URL(access.base_url).raw_authority,
        "x-amz-content-sha256": hashlib.sha256(body).hexdigest(),
        "x-amz-date": at.strftime("%Y%m%dT%H%M%SZ"),
    }
    names = ";".join(headers)
    canonical = [
        method,
        path,
        words,
        *(f"{name}:{value}" for name, value in headers.items()),
        "",
        names,
        headers["x-amz-content-sha256"],
    ]
    scope = f"{at:%Y%m%d}/{access.region}/{_SERVICE}/aws4_request"
    digest = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
    to_sign = "\n".join(("AWS4-HMAC-SHA256", headers["x-amz-date"], scope, digest))
    signing_key = f"AWS4{access.secret}".encode()
    for word in scope.split("/"):
        signing_key = _hmac(signing_key, word)
    signature = _hmac(signing_key, to_sign).hex()
    authorization = f"AWS4-HMAC-SHA256 Credential={access.key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    url = f"{URL(access.base_url).origin()}{path}?{words}"
    return url, {**headers, "Authorization": authorization}


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), hashlib.sha256)


def _text(xml: str, name: str) -> str:
    """The text of an answer's first element of this name. Raises RemoteError when there is none: no S3 is talking."""
    found = re.search(rf"<{name}>(.*?)</{name}>", xml, re.DOTALL)
    if found is None:
        raise RemoteError(Fault.UNAVAILABLE)
    return found[1]
