"""Completing a recording when its call has ended, and storing what came of it."""

from datetime import datetime
from errno import EDQUOT, ENOSPC
from typing import Protocol

from sqlalchemy import Connection

from intellicall.recordings import store
from intellicall.recordings.outcome import Kept, Outcome
from intellicall.recordings.recording import TooLong
from intellicall.recordings.shelf import Sealed

_NO_ROOM = (ENOSPC, EDQUOT)


class Completing(Protocol):
    """What the shelf does for a call that has ended: see `shelf.Shelf`."""

    async def seal(self, name: str) -> Sealed | None: ...

    async def written(self, name: str) -> float: ...


async def keep(shelf: Completing, name: str) -> Kept:
    """Complete what the engine wrote. Raises nothing: what the disk refuses now can be tried again later."""
    try:
        sealed = await shelf.seal(name)
    except TooLong as error:
        return Kept(hopeless=True, error=type(error).__name__)
    except OSError as error:
        return Kept(seconds=await shelf.written(name), pending=True, no_room=error.errno in _NO_ROOM, error=type(error).__name__)
    return Kept(sealed, sealed.seconds if sealed else 0.0)


def settle(connection: Connection, name: str, kept: Kept, outcome: Outcome, talk_s: float, at: datetime) -> None:
    """Store what became of it: part of the transaction that stores the result."""
    match outcome:
        case Outcome.READY if kept.sealed:
            store.sealed(connection, name, kept.sealed, at)
        case Outcome.PENDING:
            store.pending(connection, name, talk_s, at)
        case Outcome.INCOMPLETE | Outcome.DISK_FULL:
            store.incomplete(connection, name, kept.seconds, at)
        case Outcome.FAILED:
            store.failed(connection, name, at)
        case _:
            store.missing(connection, name, at)
