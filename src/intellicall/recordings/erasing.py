"""Erasing recordings: by order, or because their time is over.

First nobody may have it any more, then it is removed everywhere, then that is stored and told. A crash in between leaves a row
that is `erasing`; the next run goes on with it.
"""

from collections.abc import Awaitable, Callable
from functools import partial

import structlog
from sqlalchemy import Connection

from intellicall.clock import Clock
from intellicall.recordings import access, store
from intellicall.recordings.access import Access, What
from intellicall.recordings.encoder import Encoder
from intellicall.recordings.news import News, Telling
from intellicall.recordings.outcome import Outcome
from intellicall.recordings.recording import Recording, State
from intellicall.recordings.shelf import Shelf
from intellicall.storage.database import Database

log = structlog.get_logger()

BATCH = 500
ENOUGH = 3
"""So many that cannot be erased: the shelf is not there, and asking it takes long."""


class Eraser:
    """Removes recordings from the shelf and whatever was made of them, and tells their calls."""

    def __init__(self, database: Database, shelf: Shelf, encoder: Encoder, clock: Clock, telling: Telling) -> None:
        self._database = database
        self._shelf = shelf
        self._encoder = encoder
        self._clock = clock
        self._telling = telling

    async def erase(self, recording: Recording, why: What, address: str | None = None) -> bool:
        """Erase it everywhere. One that is erased already is let be. `address`: of the one who ordered it.

        False: a shelf does not let us now; `finish` does the rest, and until then nobody has it either. Raises StorageUnavailable;
        from the first of its transactions on it will be erased all the same.
        """
        await self._database.write(partial(store.erase, name=recording.name, reason=why.value))
        done = [await self._remove(erase, recording) for erase in (self._shelf.erase, self._encoder.erase)]
        if not all(done):
            return False
        await self._database.write(partial(self._erased, name=recording.name, address=address))
        self._telling.wake(recording.account_id)
        return True

    async def _remove(self, erase: Callable[[str], Awaitable[None]], recording: Recording) -> bool:
        try:
            await erase(recording.name)
        except OSError as error:
            log.warning("recording_not_erased_yet", call_id=recording.call_id, error=type(error).__name__)
            return False
        return True

    def _erased(self, connection: Connection, name: str, address: str | None) -> None:
        found = store.find(connection, name)
        if found is None or found.state is not State.ERASING or found.reason is None:
            return
        store.erased(connection, name)
        access.note(connection, name, Access(self._clock.now(), address, What(found.reason), 0))
        self._telling.tell(connection, News(found.call_id, Outcome.DELETED, reason=found.reason))

    async def finish(self) -> int:
        """Erase what is `erasing`: ordered by the operator's command, or left by a crash or a shelf that could not.

        Returns how many. Raises StorageUnavailable. One that cannot be erased holds up no other; after a few, the next run goes on.
        """
        count = failed = 0
        for recording in await self._database.read(partial(store.erasing, limit=BATCH)):
            if await self.erase(recording, What.DELETED):
                count += 1
            elif (failed := failed + 1) == ENOUGH:
                break
        if count:
            log.info("recordings_erased", count=count)
        return count
