"""The built pages: a folder of files, served as they are. Only files that are in the folder have an address."""

import gzip
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from intellicall.errors import Code, Refused
from intellicall.web.middleware import PAGE_POLICY

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
}
_PACKED = {".html", ".js", ".css", ".json", ".svg", ".txt", ".webmanifest"}
_HASHED = re.compile(r"-[A-Za-z0-9_-]{8,}\.[a-z0-9]+$")
FOREVER = "public, max-age=31536000, immutable"
ASK = "no-cache"


@dataclass(frozen=True, slots=True)
class _File:
    changed: tuple[int, int]
    body: bytes
    packed: bytes | None
    etag: str


class Pages:
    """One folder of built files. They are read once and again when they change; a few hundred kilobytes in all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._files: dict[str, _File] = {}

    def respond(self, request: Request, name: str) -> Response:
        """Return the file `name` (relative, with slashes), 304 when the browser has it. Raises Refused NOT_FOUND."""
        path = self._path(name)
        file = self._read(name, path)
        headers = {
            "ETag": file.etag,
            "Cache-Control": FOREVER if _HASHED.search(name) else ASK,
            "Content-Security-Policy": PAGE_POLICY,
            "Vary": "Accept-Encoding",
        }
        if file.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        body = file.body
        if file.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            body = file.packed
        return Response(body, media_type=None, headers={**headers, "Content-Type": TYPES[path.suffix]})

    def _path(self, name: str) -> Path:
        """Return the file's place. Links that lead out of the folder, hidden files and unknown types have none."""
        if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_./-]{0,199}", name, re.ASCII) or ".." in name or "/." in name:
            raise Refused(Code.NOT_FOUND)
        path = (self.folder / name).resolve()
        if not path.is_relative_to(self.folder) or path.suffix not in TYPES or not path.is_file():
            raise Refused(Code.NOT_FOUND)
        return path

    def _read(self, name: str, path: Path) -> _File:
        facts = path.stat()
        changed = (facts.st_mtime_ns, facts.st_size)
        known = self._files.get(name)
        if known is None or known.changed != changed:
            body = path.read_bytes()
            packed = gzip.compress(body, mtime=0) if path.suffix in _PACKED and len(body) > 512 else None
            known = _File(changed, body, packed, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
            self._files[name] = known
        return known
