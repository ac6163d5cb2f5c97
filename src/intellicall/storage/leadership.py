"""Which platform process leads: the last one that started. A leader has an epoch in SQL, and each of its transactions checks it.

A process that was stopped for a while (SIGSTOP, a frozen virtual machine) does not know that another one has taken its place. Its
next transaction finds a later epoch and stores nothing. What it would do without a transaction (dial, send) it does only with a
proof that is a second old at most. The commands of the CLI have no epoch: they write beside whoever leads.
"""

import time
from collections.abc import Callable

from sqlalchemy import BigInteger, Column, Connection, Integer, Table, insert, select, update

from intellicall.storage.faults import Fault, StorageUnavailable
from intellicall.storage.schema import metadata
from intellicall.storage.statement import Query

PROOF_S = 1.0
"""How old a proof may be for what is done outside of a transaction."""

leadership = Table(
    "leadership",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # always 1
    Column("epoch", BigInteger, nullable=False),
)
_EPOCH = Query(select(leadership.c.epoch).where(leadership.c.id == 1))
_EPOCH_HELD = Query(_EPOCH.select.with_for_update(read=True))
"""So that a takeover waits for commits under way; SQLite has one writer at a time anyway, and no word for it."""


class Leadership:
    """What one process knows of its lead. Before `lead` was called it has no epoch and nothing is checked."""

    def __init__(self) -> None:
        self.overtaken = False
        self.told: Callable[[], None] = lambda: None
        """Called once when another process leads, from any thread."""
        self._epoch: int | None = None
        self._proven_at = 0.0

    @property
    def taken(self) -> bool:
        """Whether this process has an epoch, and with it something to prove."""
        return self._epoch is not None

    def proven(self, within_s: float = PROOF_S) -> bool:
        """Return whether it was proven, within so many seconds, that this process leads."""
        return not self.overtaken and time.monotonic() - self._proven_at < within_s

    def lead(self, epoch: int) -> None:
        """From now on every transaction needs this epoch."""
        self._epoch = epoch

    def check(self, connection: Connection, *, hold: bool) -> None:
        """Compare the epochs; `hold` keeps the row from changing until the transaction ends. Raises StorageUnavailable."""
        if self._epoch is None:
            return
        at = time.monotonic()
        row = None if self.overtaken else (_EPOCH_HELD if hold else _EPOCH).row(connection)
        if row is not None and row.epoch == self._epoch:
            self._proven_at = at
            return
        if not self.overtaken:
            self.overtaken = True
            self.told()
        raise StorageUnavailable(Fault.OVERTAKEN)


def next_epoch(connection: Connection) -> int:
    """Take the lead from whoever has it and return the new epoch."""
    advanced = connection.execute(update(leadership).values(epoch=leadership.c.epoch + 1).where(leadership.c.id == 1))
    if not advanced.rowcount:
        connection.execute(insert(leadership).values(id=1, epoch=1))
    return int(_EPOCH.row(connection).epoch)
