"""What a restored backup means to deliveries: what was on its way then has probably arrived since, and is not sent by itself."""

from datetime import datetime

from sqlalchemy import Connection, update

from intellicall.callbacks.delivery import State
from intellicall.callbacks.tables import deliveries


def hold(connection: Connection, now: datetime) -> int:
    """Make dead letters of everything that would be sent; the operator or the account may send it again. Returns how many."""
    waiting = deliveries.c.state.in_((State.DUE, State.WAITING))
    held = {"state": State.UNDELIVERED, "due_at": None, "finished_at": now, "header_name": None, "header_value": None}
    return connection.execute(update(deliveries).where(waiting).values(**held)).rowcount
