"""Recordings move to S3 after their call: sent, read back, found to be the same bytes; only then the file on the disk goes.

    disk ──begin──► moving ──read back, same SHA-256──► both ──file removed──► s3

Each arrow is a transaction, and what is said in it is true before it. A crash between any two leaves a row from which the next run
goes on: what has arrived of an upload is remembered, a copy that is whole already is only read back, a file that should have gone
goes. One that is erased on its way is erased on the store as well.
"""

import asyncio
from datetime import timedelta
from functools import partial

import structlog

from intellicall.clock import Clock
from intellicall.recordings import moves
from intellicall.recordings.backoff import wait_after
from intellicall.recordings.disk import DiskShelf
from intellicall.recordings.recording import Place, Recording
from intellicall.recordings.remote import Fault, Remote, RemoteError, Upload
from intellicall.storage.database import Database

log = structlog.get_logger()

LANES = 4
"""Recordings on their way at the same time."""
LOOK_EVERY_S = 2.0
TIDY_EVERY_S = 30.0
BATCH = 100


class Mover:
    """Moves what is ready. `keep_local`: how long the file stays on the disk beside its copy."""

    def __init__(
        self, database: Database, disk: DiskShelf, remote: Remote, clock: Clock, keep_local: timedelta = timedelta()
    ) -> None:
        self._database = database
        self._disk = disk
        self._remote = remote
        self._clock = clock
        self._keep_local = keep_local
        self._under_way: set[str] = set()

    async def run(self) -> None:
        """Move for ever. Raises StorageUnavailable; begun again it goes on."""
        async with asyncio.TaskGroup() as lanes:
            for _ in range(LANES):
                lanes.create_task(self._lane(), name="recordings-move")
            lanes.create_task(self._tidy(), name="recordings-tidy")

    async def _lane(self) -> None:
        while True:
            if not await self.move_next():
                await self._clock.sleep(LOOK_EVERY_S)

    async def _tidy(self) -> None:
        while True:
            await self.leave()
            await self.clear()
            await self._clock.sleep(TIDY_EVERY_S)

    async def move_next(self) -> bool:
        """Move the next recording that is due; False when there is none. Raises StorageUnavailable, nothing else."""
        now = self._clock.now()
        found = await self._database.read(partial(moves.due, now=now, but=list(self._under_way), limit=LANES))
        recording = next((one for one in found if one.name not in self._under_way), None)
        if recording is None:
            return False
        self._under_way.add(recording.name)
        try:
            await self._move(recording)
        except RemoteError as error:
            await self._in_vain(recording, error.fault)
        except OSError:
            await self._in_vain(recording, Fault.NO_FILE)
        finally:
            self._under_way.discard(recording.name)
        return True

    async def _move(self, recording: Recording) -> None:
        name = recording.name
        local = await self._disk.sha256(name)
        if local is not None and local != recording.sha256:
            raise RemoteError(Fault.CHANGED)
        if not await self._database.write(partial(moves.begin, name=name)):
            return
        if not await self._is_there(recording, local):
            if local is None:
                raise RemoteError(Fault.NO_FILE)
            await self._send(recording)
        if await self._database.write(partial(moves.verified, name=name, at=self._clock.now())) and not self._keep_local:
            await self._leave(recording)

    async def _is_there(self, recording: Recording, local: str | None) -> bool:
        """Whether an earlier run has sent it. Asked only where that can be: it may mean to read all of it."""
        if local is not None and recording.place is Place.DISK:
            return False
        return await self._is_good(recording)

    async def _is_good(self, recording: Recording) -> bool:
        """Whether the store has this very recording: all of it is read back."""
        return await self._remote.sha256(recording.name) == recording.sha256

    async def _send(self, recording: Recording) -> None:
        begun = await self._database.read(partial(moves.upload_of, name=recording.name))

        async def remember(upload: Upload | None) -> None:
            await self._database.write(partial(moves.remember, name=recording.name, upload=upload))

        try:
            await self._remote.upload(recording.name, self._disk.file(recording.name), begun, remember)
        except RemoteError as error:
            if error.fault is Fault.MISSING:  # the store knows nothing of what had begun
                await remember(None)
            raise
        await remember(None)
        if not await self._is_good(recording):
            raise RemoteError(Fault.DIFFERENT)

    async def _in_vain(self, recording: Recording, fault: Fault) -> None:
        tries = recording.tries + 1
        at = self._clock.now() + wait_after(tries)
        await self._database.write(partial(moves.in_vain, name=recording.name, fault=fault.value, tries=tries, next_try_at=at))
        log.warning("recording_not_moved", call_id=recording.call_id, fault=fault, tries=tries)

    async def leave(self) -> None:
        """Remove from the disk what is on the store long enough."""
        before = self._clock.now() - self._keep_local
        for recording in await self._database.read(partial(moves.to_leave, before=before, limit=BATCH)):
            try:
                there = await self._remote.open(recording.name)
                if there is not None and there.size == recording.bytes:
                    await self._leave(recording)
                else:
                    log.error("recording_lost_on_store", call_id=recording.call_id)
                    await self._database.write(partial(moves.again, name=recording.name))
            except OSError as error:
                log.warning("recording_not_left", call_id=recording.call_id, error=type(error).__name__)

    async def _leave(self, recording: Recording) -> None:
        await self._disk.erase(recording.name)
        await self._database.write(partial(moves.left, name=recording.name))

    async def clear(self) -> None:
        """Remove from the store what came there after it was erased, whole or in part."""
        but = list(self._under_way)
        for recording in await self._database.read(partial(moves.erased, but=but, limit=BATCH)):
            upload = await self._database.read(partial(moves.upload_of, name=recording.name))
            try:
                if upload:
                    await self._remote.abort(recording.name, upload)
                await self._remote.erase(recording.name)
            except RemoteError as error:
                log.warning("recording_not_cleared", call_id=recording.call_id, fault=error.fault)
            else:
                await self._database.write(partial(moves.nothing_left, name=recording.name))
