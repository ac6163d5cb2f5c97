"""Erasing what an account no longer keeps: file first, then the row's mark, so that a crash leaves nothing unerased for good."""

from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import Connection

from intellicall.accounts.store import list_accounts
from intellicall.recordings import store
from intellicall.recordings.shelf import Shelf
from intellicall.storage.database import Database

log = structlog.get_logger()

BATCH = 500


def due(connection: Connection, now: datetime, limit: int = BATCH) -> list[str]:
    """Return up to `limit` names of recordings that are older than their account's retention days."""
    names: list[str] = []
    for account in list_accounts(connection):
        if len(names) == limit:
            break
        before = now - timedelta(days=account.retention_days)
        names += store.older_than(connection, account.id, before, limit - len(names))
    return names


async def erase_due(database: Database, shelf: Shelf, now: datetime) -> int:
    """Erase everything that is due and return how many recordings that were. Run once an hour.

    Raises StorageUnavailable and OSError; the next run goes on with the rest.
    """
    count = 0
    while names := await database.read(partial(due, now=now)):
        for name in names:
            await shelf.erase(name)
            await database.write(partial(store.erased, name=name))
        count += len(names)
    if count:
        log.info("recordings_erased", count=count)
    return count
