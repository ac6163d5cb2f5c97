"""The API reference at `/docs`: a page of this platform's own that reads `/openapi.json`; nothing comes from another site."""

from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from intellicall.web.static import Pages


def router(folder: Path) -> APIRouter:
    """Return the routes. `folder`: the built pages, of which `api-docs` is one."""
    routes = APIRouter(include_in_schema=False)
    pages = Pages(folder)

    @routes.api_route("/docs/", methods=["GET", "HEAD"])
    async def with_slash() -> Response:
        return RedirectResponse("/docs", 308)

    @routes.api_route("/docs", methods=["GET", "HEAD"])
    async def page(request: Request) -> Response:
        return pages.respond(request, "api-docs/index.html")

    @routes.api_route("/docs/{name:path}", methods=["GET", "HEAD"])
    async def file(request: Request, name: str) -> Response:
        return pages.respond(request, f"api-docs/{name}")

    return routes
