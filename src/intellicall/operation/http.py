"""`GET /metrics`, for those networks that the operator names, and nobody else."""

from collections.abc import Sequence

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from starlette.responses import PlainTextResponse, Response

from intellicall.errors import Code, Refused
from intellicall.operation.looking import Looking
from intellicall.operation.metrics import Metrics
from intellicall.web.address import Network, client_address, is_trusted, peer_address
from intellicall.web.openapi import Answer, operation

_TEXT = {"text/plain": {"schema": {"type": "string"}}}
_METRICS = operation(
    "metrics",
    "What Prometheus asks for",
    {200: Answer("Every metric (docs/metrics.md), in Prometheus' text format.", content=_TEXT)},
    [Refused(Code.ADDRESS_NOT_ALLOWED, "The metrics are for INTELLICALL_METRICS_NETWORKS only.")],
    public=True,
)


class MetricsDoor:
    """Who may see the metrics: `networks`. A forwarded request comes from whom a proxy of ours says, or from nobody."""

    def __init__(self, metrics: Metrics, looking: Looking, networks: Sequence[Network], proxies: Sequence[Network]) -> None:
        self._metrics = metrics
        self._looking = looking
        self._networks = networks
        self._proxies = proxies

    async def show(self, request: HttpRequest) -> Response:
        """Give every metric. No key is asked for; the address decides."""
        if not self._admits(request):
            raise Refused(Code.ADDRESS_NOT_ALLOWED, "The metrics are for INTELLICALL_METRICS_NETWORKS only.")
        await self._looking.look()
        return Response(generate_latest(self._metrics.registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    def _admits(self, request: HttpRequest) -> bool:
        """A proxy that is not ours must not lend its own address, which may well be this machine's, to the whole world."""
        forwarded = "x-forwarded-for" in request.headers or "forwarded" in request.headers
        if forwarded and not is_trusted(peer_address(request.scope), self._proxies):
            return False
        return is_trusted(client_address(request.scope, self._proxies), self._networks)


def router(door: MetricsDoor) -> APIRouter:
    """Return the route."""
    routes = APIRouter(tags=["operation"])
    routes.get("/metrics", response_class=PlainTextResponse, **_METRICS)(door.show)
    return routes
