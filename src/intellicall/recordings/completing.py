"""Recordings that could not be completed when their call ended, tried again: after a full or failing disk is well again."""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import Connection

from intellicall.clock import Clock
from intellicall.recordings import store
from intellicall.recordings.backoff import wait_after
from intellicall.recordings.keeping import Completing, keep, settle
from intellicall.recordings.news import News, Telling
from intellicall.recordings.outcome import Kept, Outcome, outcome_of
from intellicall.recordings.recording import Recording, State
from intellicall.storage.database import Database

log = structlog.get_logger()

BATCH = 100
GIVEN_UP_AFTER = timedelta(days=1)
"""What the disk still refuses then is `failed`; what there is of the audio stays where it is."""


class Completer:
    """Completes what is `pending`, and tells its calls: `recording_ready`, or `recording_failed` when a part is missing."""

    def __init__(self, database: Database, shelf: Completing, clock: Clock, telling: Telling) -> None:
        self._database = database
        self._shelf = shelf
        self._clock = clock
        self._telling = telling

    async def complete(self) -> int:
        """Try each that is pending and due once; return how many are settled now. Raises StorageUnavailable."""
        count = 0
        now = self._clock.now()
        for recording in await self._database.read(partial(store.pendings, now=now, limit=BATCH)):
            kept = await keep(self._shelf, recording.name)
            if kept.pending and now - (recording.sealed_at or now) < GIVEN_UP_AFTER:
                await self._database.write(partial(_put_off, recording=recording, now=now))
                continue
            kept = replace(kept, hopeless=kept.pending or kept.hopeless)
            await self._database.write(partial(self._settle, recording=recording, kept=kept))
            self._telling.wake(recording.account_id)
            count += 1
        if count:
            log.info("recordings_completed", count=count)
        return count

    def _settle(self, connection: Connection, recording: Recording, kept: Kept) -> None:
        now = store.find(connection, recording.name)
        if now is None or now.state is not State.PENDING:  # erased meanwhile
            return
        talk_s = recording.talk_s or 0.0
        outcome = outcome_of(kept, talk_s, disk_full=False)
        outcome = Outcome.FAILED if outcome is Outcome.NONE else outcome
        settle(connection, recording.name, kept, outcome, talk_s, self._clock.now())
        self._telling.tell(connection, News(recording.call_id, outcome, kept.sealed))


def _put_off(connection: Connection, recording: Recording, now: datetime) -> None:
    tries = recording.tries + 1
    store.still_pending(connection, recording.name, tries, now + wait_after(tries))
