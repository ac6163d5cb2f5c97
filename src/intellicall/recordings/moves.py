"""The SQL of recordings that move to S3. A row says `both` before its file goes from the disk, and `s3` after it has gone."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select, update

from intellicall.recordings.recording import Place, Recording, State
from intellicall.recordings.remote import Upload
from intellicall.recordings.store import IS_TO_MOVE, IS_TWICE, is_due, recording_of, recordings

_READY = recordings.c.state == State.READY.value
_GONE = recordings.c.state == State.ERASED.value


@dataclass(frozen=True, slots=True)
class Moves:
    """How moving stands: how many wait, when the oldest of them began, how many were tried in vain and why the last one was."""

    waiting: int
    oldest: datetime | None
    failing: int
    fault: str | None
    on_s3: int


def due(connection: Connection, now: datetime, but: Collection[str], limit: int) -> list[Recording]:
    """Return recordings that are to be moved now and are not among `but`, oldest first."""
    query = select(recordings).where(IS_TO_MOVE, is_due(now), recordings.c.name.not_in(but)).order_by(recordings.c.created_at)
    return [recording_of(row) for row in connection.execute(query.limit(limit))]


def begin(connection: Connection, name: str) -> bool:
    """From now on there may be something on the store. False when nobody may have it any more."""
    return _change(connection, name, _READY, place=Place.MOVING.value)


def upload_of(connection: Connection, name: str) -> Upload | None:
    """Return what of it can be taken up again."""
    text = connection.scalar(select(recordings.c.upload).where(recordings.c.name == name))
    if text is None:
        return None
    upload_id, *etags = json.loads(text)
    return Upload(upload_id, tuple(etags))


def remember(connection: Connection, name: str, upload: Upload | None) -> None:
    """Store what of it can be taken up again; None: nothing."""
    _change(connection, name, upload=json.dumps([upload.id, *upload.etags]) if upload else None)


def verified(connection: Connection, name: str, at: datetime) -> bool:
    """The copy on the store was read back and found good. False when nobody may have it any more."""
    good = {"place": Place.BOTH.value, "moved_at": at, "tries": 0, "next_try_at": None, "fault": None, "upload": None}
    return _change(connection, name, _READY, **good)


def in_vain(connection: Connection, name: str, fault: str, tries: int, next_try_at: datetime) -> None:
    """It could not be moved this time."""
    _change(connection, name, fault=fault, tries=tries, next_try_at=next_try_at)


def to_leave(connection: Connection, before: datetime, limit: int) -> list[Recording]:
    """Return recordings whose file on the disk is to go: verified before then, oldest first."""
    both = recordings.c.place == Place.BOTH.value
    query = select(recordings).where(IS_TWICE, both, _READY, recordings.c.moved_at <= before)
    return [recording_of(row) for row in connection.execute(query.order_by(recordings.c.moved_at).limit(limit))]


def left(connection: Connection, name: str) -> None:
    """It is on the store alone now."""
    _change(connection, name, _READY, place=Place.S3.value)


def again(connection: Connection, name: str) -> None:
    """Move it as if nothing had happened yet: the store does not have what it had."""
    _change(connection, name, _READY, place=Place.DISK.value, moved_at=None)


def erased(connection: Connection, but: Collection[str], limit: int) -> list[Recording]:
    """Return recordings that were erased while they moved, and of which something may have come to the store since."""
    query = select(recordings).where(IS_TWICE, _GONE, recordings.c.name.not_in(but))
    return [recording_of(row) for row in connection.execute(query.limit(limit))]


def nothing_left(connection: Connection, name: str) -> None:
    """The store has nothing of an erased one."""
    _change(connection, name, _GONE, place=Place.DISK.value, upload=None)


def standing(connection: Connection) -> Moves:
    """Return how moving stands."""
    waiting, oldest = connection.execute(select(func.count(), func.min(recordings.c.created_at)).where(IS_TO_MOVE)).one()
    tried = recordings.c.tries > 0
    failing = connection.scalar(select(func.count()).select_from(recordings).where(IS_TO_MOVE, tried)) or 0
    last = select(recordings.c.fault).where(IS_TO_MOVE, tried).order_by(recordings.c.next_try_at.desc()).limit(1)
    on_s3 = select(func.count()).select_from(recordings).where(recordings.c.place == Place.S3.value, _READY)
    return Moves(waiting, oldest, failing, connection.scalar(last), connection.scalar(on_s3) or 0)


def _change(connection: Connection, name: str, *also: ColumnElement[bool], **values: Any) -> bool:
    changed = connection.execute(update(recordings).where(recordings.c.name == name, *also).values(**values))
    return changed.rowcount == 1
