"""Is the process alive, and can it take calls? For supervisors, load balancers and the demo."""

from collections.abc import Callable, Mapping

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, RootModel

from intellicall.web.openapi import Answer, operation


class Alive(BaseModel):
    """The process answers."""

    status: str


class Parts(RootModel[dict[str, bool]]):
    """The parts of the platform, and whether each is ready."""


_ALIVE = operation("alive", "Is the process alive?", {200: Answer("It is.", Alive, {"alive": {"status": "alive"}})}, public=True)
_READY = operation(
    "ready",
    "Can it take calls?",
    {
        200: Answer("Every part is ready.", Parts, {"ready": {"engine": True, "database": True}}),
        503: Answer("Some part is not.", Parts, {"not_ready": {"engine": True, "database": False}}),
    },
    public=True,
)


def router(parts: Callable[[], Mapping[str, bool]]) -> APIRouter:
    """Return `/healthz` (200 while the process answers) and `/readyz` (503, naming the parts, while any is not ready)."""
    routes = APIRouter(tags=["operation"])

    @routes.get("/healthz", **_ALIVE)
    async def alive() -> JSONResponse:
        """Answer while the process lives. No key is asked for."""
        return JSONResponse({"status": "alive"})

    @routes.get("/readyz", **_READY)
    async def ready() -> JSONResponse:
        """Tell which parts are ready; 503 unless all are. No key is asked for."""
        state = dict(parts())
        return JSONResponse(state, status_code=200 if all(state.values()) else 503)

    return routes
