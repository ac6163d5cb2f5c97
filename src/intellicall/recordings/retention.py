"""What an account no longer keeps: recordings older than its retention days, and access logs older than anybody asks for."""

from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import Connection

from intellicall.accounts.store import list_accounts
from intellicall.clock import Clock, WallWatch
from intellicall.recordings import access, store
from intellicall.recordings.access import What
from intellicall.recordings.erasing import Eraser
from intellicall.storage.database import Database

BATCH = 500
EVERY_S = 3600.0
log = structlog.get_logger()


def due(connection: Connection, now: datetime, limit: int = BATCH) -> list[str]:
    """Return up to `limit` names of recordings that are older than their account's retention days."""
    names: list[str] = []
    for account in list_accounts(connection):
        if len(names) == limit:
            break
        before = now - timedelta(days=account.retention_days)
        names += store.older_than(connection, account.id, before, limit - len(names))
    return names


async def erase_hourly(database: Database, eraser: Eraser, clock: Clock) -> None:
    """Erase what is due, for ever. An hour in which the wall clock was set is left out: by the next one, a mistake may be mended.

    Raises StorageUnavailable and OSError.
    """
    watch = WallWatch(clock)
    while True:
        if watch.was_set():
            log.warning("clock_was_set", consequence="nothing is erased for an hour")
        else:
            await erase_due(database, eraser, clock.now())
        await clock.sleep(EVERY_S)


async def erase_due(database: Database, eraser: Eraser, now: datetime) -> int:
    """Erase everything that is due and return how many recordings that were.

    Raises StorageUnavailable and OSError; the next run goes on with the rest.
    """
    count = 0
    while names := await database.read(partial(due, now=now)):
        await database.write(partial(_mark, names=names))
        count += await eraser.finish()
    await database.write(partial(access.forget_old, now=now))
    return count


def _mark(connection: Connection, names: list[str]) -> None:
    for name in names:
        store.erase(connection, name, What.RETENTION.value)
