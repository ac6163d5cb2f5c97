"""The ASGI application: the rooms' routes behind one front, with one form for every refusal."""

from collections.abc import Iterable
from functools import cache

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from intellicall import __version__
from intellicall.errors import Code, Refused
from intellicall.settings import Settings
from intellicall.storage.database import StorageUnavailable
from intellicall.web.middleware import Front
from intellicall.web.openapi import Description, describe
from intellicall.web.problem import from_status, from_validation, problem_response

UNNAMED = Description("Intellicall", "")


def make_app(routers: Iterable[APIRouter], settings: Settings, description: Description = UNNAMED) -> FastAPI:
    """Return the application. Its description is at /openapi.json; no page loads anything from another site."""
    app = FastAPI(
        title=description.title,
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
    )
    for router in routers:
        app.include_router(router)
    app.webhooks.routes.extend(description.webhooks)
    app.openapi = cache(lambda: describe(app, description))  # type: ignore[method-assign]  # FastAPI's way to extend it
    app.add_middleware(Front, proxies=list(settings.trusted_proxies))
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(StorageUnavailable, _no_storage)
    return app


def request_id_of(request: Request) -> str:
    """Return the id that the front gave this request."""
    return str(request.scope.get("state", {}).get("request_id", ""))


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101 - the framework's signature is wider than what it hands us
    return problem_response(error, request_id_of(request))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError | WebSocketRequestValidationError)  # noqa: S101 - as above
    return problem_response(from_validation(error.errors()), request_id_of(request))


async def _framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    return problem_response(from_status(error.status_code), request_id_of(request), error.headers)


async def _no_storage(request: Request, error: Exception) -> Response:
    """The reason is one of `storage.faults`, in plain words."""
    return problem_response(Refused(Code.STORAGE_UNAVAILABLE, str(error)), request_id_of(request))
