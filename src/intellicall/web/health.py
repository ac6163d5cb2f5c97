"""Is the process alive, and can it take calls? For supervisors, load balancers and the demo."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, RootModel

from intellicall.web.openapi import Answer, operation


class Alive(BaseModel):
    """The process answers."""

    status: str


class Disk(BaseModel):
    """The disk of the recordings. `low`: a warning. `full`: accounts that record are refused, or call unrecorded, as they say."""

    level: Literal["ok", "low", "full"]
    free_mb: int | None


class Trunks(BaseModel):
    """How many trunks are registered, are not although they should be, and need no registration."""

    registered: int
    unregistered: int
    static: int


class Parts(RootModel[dict[str, bool | Disk | Trunks]]):
    """The parts of the platform, and whether each is ready; and `disk` and `trunks`, which keep it from nothing."""


_DETAIL = {"disk": {"level": "ok", "free_mb": 41_210}, "trunks": {"registered": 1, "unregistered": 0, "static": 1}}
_ALIVE = operation("alive", "Is the process alive?", {200: Answer("It is.", Alive, {"alive": {"status": "alive"}})}, public=True)
_READY = operation(
    "ready",
    "Can it take calls?",
    {
        200: Answer("Every part is ready.", Parts, {"ready": {"engine": True, "database": True, **_DETAIL}}),
        503: Answer("Some part is not.", Parts, {"not_ready": {"engine": True, "database": False, **_DETAIL}}),
    },
    public=True,
)


def router(parts: Callable[[], Mapping[str, bool]], detail: Callable[[], Awaitable[Mapping[str, object]]]) -> APIRouter:
    """Return `/healthz` (200 while the process answers) and `/readyz` (503, naming the parts, while any is not ready).

    `detail`: what is told besides and decides nothing.
    """
    routes = APIRouter(tags=["operation"])

    @routes.get("/healthz", **_ALIVE)
    async def alive() -> JSONResponse:
        """Answer while the process lives. No key is asked for."""
        return JSONResponse({"status": "alive"})

    @routes.get("/readyz", **_READY)
    async def ready() -> JSONResponse:
        """Tell which parts are ready; 503 unless all are. No key is asked for."""
        state = dict(parts())
        return JSONResponse({**state, **await detail()}, status_code=200 if all(state.values()) else 503)

    return routes
