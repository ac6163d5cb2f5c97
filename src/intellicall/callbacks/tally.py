"""How many deliveries wait, and for how long: for metrics. Each query reads a small partial index, however long the history is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, literal_column, or_, select

from intellicall.callbacks.delivery import Kind, State
from intellicall.callbacks.tables import IS_DUE, callback_endpoints, deliveries


@dataclass(frozen=True, slots=True)
class Tally:
    """`lag_s`: for how long the oldest result has been due, at endpoints that are neither paused nor failing."""

    waiting: Mapping[Kind, int]
    undelivered: int
    lag_s: float
    failing: int
    paused: int


_WAITING = select(deliveries.c.kind, func.count()).where(IS_DUE).group_by(deliveries.c.kind)
_UNDELIVERED = select(func.count()).select_from(deliveries).where(deliveries.c.state == literal_column(f"'{State.UNDELIVERED}'"))
_HELD_UP = select(callback_endpoints.c.account_id).where(
    or_(callback_endpoints.c.paused_at.is_not(None), callback_endpoints.c.failing_since.is_not(None))
)
_OLDEST = select(func.min(deliveries.c.due_at)).where(
    IS_DUE,
    deliveries.c.kind == literal_column(f"'{Kind.RESULT}'"),
    deliveries.c.due_at <= bindparam("now"),
    deliveries.c.account_id.not_in(_HELD_UP),
)
_ENDPOINTS = select(func.count(callback_endpoints.c.failing_since), func.count(callback_endpoints.c.paused_at))


def tally(connection: Connection, now: datetime) -> Tally:
    """Count what waits."""
    waiting = {Kind(kind): count for kind, count in connection.execute(_WAITING)}
    oldest = connection.execute(_OLDEST, {"now": now}).scalar_one()
    failing, paused = connection.execute(_ENDPOINTS).one()
    lag_s = (now - oldest).total_seconds() if oldest else 0.0
    return Tally(waiting, connection.execute(_UNDELIVERED).scalar_one(), lag_s, failing, paused)
