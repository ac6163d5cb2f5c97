"""Is the process alive, and can it take calls? For supervisors, load balancers and the demo."""

from collections.abc import Callable, Mapping

from fastapi import APIRouter
from fastapi.responses import JSONResponse


def router(parts: Callable[[], Mapping[str, bool]]) -> APIRouter:
    """Return `/healthz` (200 while the process answers) and `/readyz` (503, naming the parts, while any is not ready)."""
    routes = APIRouter(tags=["operation"])

    @routes.get("/healthz")
    async def alive() -> dict[str, str]:
        """Answer while the process lives."""
        return {"status": "alive"}

    @routes.get("/readyz")
    async def ready() -> JSONResponse:
        """Tell which parts are ready; 503 unless all are."""
        state = dict(parts())
        return JSONResponse(state, status_code=200 if all(state.values()) else 503)

    return routes
