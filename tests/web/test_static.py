"""The built pages: only files of the folder, the right headers, nothing outside."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from tests.web.serving import send_raw, serving

from intellicall.web.static import Pages


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pages = tmp_path / "pages"
    (pages / "assets").mkdir(parents=True)
    (pages / "index.html").write_text("<!doctype html>" + "x" * 2_000)
    (pages / "assets" / "main-4f2a9c1b.js").write_text("x" * 2_000)
    (pages / "assets" / "plain.css").write_text("body {}")
    (pages / ".hidden.txt").write_text("hidden")
    (pages / "notes.py").write_text("no page")
    (tmp_path / "secret.txt").write_text("secret")
    (pages / "link.txt").symlink_to(tmp_path / "secret.txt")
    return pages


@pytest.fixture
async def port(folder: Path) -> AsyncIterator[int]:
    routes = APIRouter()
    pages = Pages(folder)

    @routes.get("/p/{name:path}")
    async def page(request: Request, name: str) -> Response:
        return pages.respond(request, name)

    async with serving([routes]) as (_, found):
        yield found


async def test_files_and_their_headers(port: int, folder: Path) -> None:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
        async with client.get("/p/assets/main-4f2a9c1b.js") as answer:
            assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert answer.headers["Content-Encoding"] == "gzip"
            assert await answer.text() == "x" * 2_000
            etag = answer.headers["ETag"]
        async with client.get("/p/assets/main-4f2a9c1b.js", headers={"If-None-Match": etag}) as answer:
            assert answer.status == 304
        async with client.get("/p/index.html", headers={"Accept-Encoding": "identity"}) as answer:
            assert answer.headers["Cache-Control"] == "no-cache"
            assert "Content-Encoding" not in answer.headers
            assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        (folder / "assets" / "plain.css").write_text("body { color: red }")
        async with client.get("/p/assets/plain.css") as answer:
            assert await answer.text() == "body { color: red }"


@pytest.mark.parametrize(
    "name",
    [
        "../secret.txt", "%2e%2e/secret.txt", "..%2fsecret.txt", "assets/../../secret.txt", "link.txt", ".hidden.txt", "notes.py",
        "assets", "assets/", "", "nothing.html", "/etc/passwd", "%00", "index.html%00.css", "assets/%2e%2e/index.html",
        "a" * 5_000 + ".css",
    ],
)  # fmt: skip
async def test_nothing_else_has_an_address(port: int, name: str) -> None:
    answer = await send_raw(port, f"GET /p/{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.split()[1] == b"404"
    assert b"secret" not in answer
