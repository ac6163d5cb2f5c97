"""Files on the shelves that are no call's recording: counted and told once a day, and removed with care.

Nothing younger than a week goes, and nothing at all when there are so many that rather the database must be another one than the
shelf's: an old backup was restored, or the folder belongs to somebody else.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Protocol

import structlog

from intellicall.clock import Clock
from intellicall.recordings import store
from intellicall.recordings.shelf import Stored
from intellicall.storage.database import Database

log = structlog.get_logger()

EVERY_S = 86_400.0
TOLD_AFTER = timedelta(days=1)
GONE_AFTER = timedelta(days=7)
FEW = 20
"""So many may always go; more only while they are at most a twentieth of the shelf."""
_SHARE = 20


class Swept(Protocol):
    """What both shelves do."""

    def stored(self) -> AsyncIterator[Sequence[Stored]]: ...

    async def erase(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Found:
    """What a sweep found on one shelf: everything, what is no call's, and how much of that it removed."""

    all: int
    orphans: int
    removed: int


class Sweeper:
    """Sweeps the shelves, each by its name."""

    def __init__(self, database: Database, shelves: dict[str, Swept], clock: Clock) -> None:
        self._database = database
        self._shelves = shelves
        self._clock = clock

    async def run(self) -> None:
        """Sweep once a day, for ever. Raises StorageUnavailable."""
        while True:
            for place, shelf in self._shelves.items():
                try:
                    found = await self.sweep(shelf)
                except OSError as error:
                    log.warning("recordings_not_swept", place=place, error=type(error).__name__)
                    continue
                if found.orphans:
                    log.warning("recordings_of_no_call", place=place, all=found.all, found=found.orphans, removed=found.removed)
            await self._clock.sleep(EVERY_S)

    async def sweep(self, shelf: Swept) -> Found:
        """Count first, then remove. Raises StorageUnavailable and OSError."""
        now = self._clock.now()
        names, orphans = set[str](), dict[str, Stored]()  # a listing may name one twice
        async for some in shelf.stored():
            names |= {one.name for one in some}
            old = [one for one in some if one.written_at < now - TOLD_AFTER]
            known = await self._database.read(partial(store.known_names, names=[one.name for one in old]))
            orphans |= {one.name: one for one in old if one.name not in known}
        gone = [one.name for one in orphans.values() if one.written_at < now - GONE_AFTER]
        if len(orphans) > max(FEW, len(names) // _SHARE):
            gone = []
        for name in gone:
            await shelf.erase(name)
        return Found(len(names), len(orphans), len(gone))
