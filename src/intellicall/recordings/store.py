"""All SQL of the recordings room."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Float,
    Index,
    Integer,
    Row,
    String,
    Table,
    Text,
    bindparam,
    insert,
    literal_column,
    or_,
    select,
    text,
    update,
)

from intellicall.recordings.recording import Place, Recording, State
from intellicall.recordings.shelf import Sealed
from intellicall.storage.schema import UtcTime, metadata
from intellicall.storage.statement import Statement

recordings = Table(
    "recordings",
    metadata,
    Column("name", String(72), primary_key=True),
    Column("call_id", String(36), nullable=False, unique=True),
    Column("account_id", String(36), nullable=False),
    Column("state", String(12), nullable=False),
    Column("seconds", Float),
    Column("bytes", BigInteger),
    Column("sha256", String(64)),
    Column("created_at", UtcTime, nullable=False),
    Column("sealed_at", UtcTime),
    Column("talk_s", Float),  # how long it should be, while it is pending
    Column("reason", String(10)),  # why it is erased: `access.What`
    Column("place", String(6), nullable=False, server_default=Place.DISK.value),
    Column("moved_at", UtcTime),  # when the copy on S3 was read back and found good
    Column("tries", Integer, nullable=False, server_default="0"),  # in vain, one after the other: to complete it, or to move it
    Column("next_try_at", UtcTime),
    Column("fault", String(16)),  # why the last try to move it was in vain: `remote.Fault`
    Column("upload", Text),  # what of it can be taken up again: `remote.Upload`, as JSON
)
Index("ix_recordings_account_created", recordings.c.account_id, recordings.c.created_at)
_IS_PENDING = recordings.c.state == literal_column(f"'{State.PENDING}'")
Index("ix_recordings_pending", recordings.c.created_at, sqlite_where=_IS_PENDING, postgresql_where=_IS_PENDING)
_IS_ERASING = recordings.c.state == literal_column(f"'{State.ERASING}'")  # the planners take a partial index only for a literal
Index("ix_recordings_erasing", recordings.c.created_at, sqlite_where=_IS_ERASING, postgresql_where=_IS_ERASING)
IS_TO_MOVE = text("state = 'ready' AND place IN ('disk', 'moving')")
Index("ix_recordings_to_move", recordings.c.created_at, sqlite_where=IS_TO_MOVE, postgresql_where=IS_TO_MOVE)
IS_TWICE = text("place IN ('moving', 'both')")
Index("ix_recordings_twice", recordings.c.moved_at, sqlite_where=IS_TWICE, postgresql_where=IS_TWICE)

_BEGIN = Statement(insert(recordings), ("name", "call_id", "account_id", "state", "created_at"))
_SEALED = Statement(
    update(recordings).where(recordings.c.name == bindparam("recording")),
    ("state", "seconds", "bytes", "sha256", "sealed_at", "tries", "next_try_at"),
)
_KEPT = (State.READY.value, State.PENDING.value, State.INCOMPLETE.value, State.FAILED.value)


def begin(connection: Connection, name: str, call_id: str, account_id: str, at: datetime) -> None:
    """Remember a recording before its call is dialled. Raises IntegrityError when the name or the call has one already."""
    _BEGIN.run(
        connection, {"name": name, "call_id": call_id, "account_id": account_id, "state": State.RECORDING.value, "created_at": at}
    )


def sealed(connection: Connection, name: str, what: Sealed, at: datetime) -> None:
    """The WAV file is complete."""
    row = {"seconds": what.seconds, "bytes": what.bytes, "sha256": what.sha256, "tries": 0, "next_try_at": None}
    _SEALED.run(connection, {"recording": name, "state": State.READY.value, "sealed_at": at, **row})


def missing(connection: Connection, name: str, at: datetime) -> None:
    """The call ended and the engine had written no audio."""
    _change(connection, name, state=State.NONE.value, sealed_at=at)


def failed(connection: Connection, name: str, at: datetime) -> None:
    """The audio could not be completed; what there is stays on the shelf until its time is over."""
    _change(connection, name, state=State.FAILED.value, sealed_at=at)


def pending(connection: Connection, name: str, talk_s: float, at: datetime) -> None:
    """The call ended after a talk of so many seconds, and its file could not be completed yet."""
    _change(connection, name, state=State.PENDING.value, talk_s=talk_s, sealed_at=at)


def pendings(connection: Connection, now: datetime, limit: int) -> list[Recording]:
    """Return recordings whose file could not be completed yet and is to be tried now, oldest first."""
    query = select(recordings).where(_IS_PENDING, is_due(now))
    return [recording_of(row) for row in connection.execute(query.order_by(recordings.c.created_at).limit(limit))]


def is_due(now: datetime) -> ColumnElement[bool]:
    """Whether the time of the next try has come."""
    return or_(recordings.c.next_try_at.is_(None), recordings.c.next_try_at <= now)


def still_pending(connection: Connection, name: str, tries: int, next_try_at: datetime) -> None:
    """It could not be completed this time either."""
    _change(connection, name, tries=tries, next_try_at=next_try_at)


def incomplete(connection: Connection, name: str, seconds: float, at: datetime) -> None:
    """Of the audio there are `seconds`, and not all: it is no recording of the call."""
    _change(connection, name, state=State.INCOMPLETE.value, seconds=seconds, sealed_at=at)


def erase(connection: Connection, name: str, reason: str) -> bool:
    """Let nobody have it from now on; `erasing` finds it until `erased`. Returns False when it is or was being erased already."""
    open_ = recordings.c.state.not_in((State.ERASING.value, State.ERASED.value))
    marked = update(recordings).where(recordings.c.name == name, open_).values(state=State.ERASING.value, reason=reason)
    return connection.execute(marked).rowcount == 1


def erasing(connection: Connection, limit: int) -> list[Recording]:
    """Return recordings that are still to be removed from the shelf."""
    rows = connection.execute(select(recordings).where(_IS_ERASING).order_by(recordings.c.created_at).limit(limit))
    return [recording_of(row) for row in rows]


def erased(connection: Connection, name: str) -> None:
    """Nothing of it is on the shelf any more."""
    _change(connection, name, state=State.ERASED.value)


def of_call(connection: Connection, call_id: str) -> Recording | None:
    """Return the recording of a call, if it has, or had, one."""
    row = connection.execute(select(recordings).where(recordings.c.call_id == call_id)).one_or_none()
    return recording_of(row) if row else None


def find(connection: Connection, name: str) -> Recording | None:
    row = connection.execute(select(recordings).where(recordings.c.name == name)).one_or_none()
    return recording_of(row) if row else None


def older_than(connection: Connection, account_id: str, before: datetime, limit: int) -> list[str]:
    """Return the names of the account's recordings that began before then and still have something on the shelf, oldest first."""
    return list(
        connection.scalars(
            select(recordings.c.name)
            .where(
                recordings.c.account_id == account_id,
                recordings.c.created_at < before,
                recordings.c.state.in_(_KEPT),
            )
            .order_by(recordings.c.created_at)
            .limit(limit)
        )
    )


def known_names(connection: Connection, names: Collection[str]) -> set[str]:
    """Return which of the names (some hundreds) may have something on a shelf."""
    known = recordings.c.state.not_in((State.NONE.value, State.ERASED.value))
    return set(connection.scalars(select(recordings.c.name).where(recordings.c.name.in_(names), known)))


def _change(connection: Connection, name: str, **values: Any) -> None:
    connection.execute(update(recordings).where(recordings.c.name == name).values(**values))


def recording_of(row: Row[Any]) -> Recording:
    return Recording(
        row.name,
        row.call_id,
        row.account_id,
        State(row.state),
        row.seconds,
        row.bytes,
        row.created_at,
        row.sealed_at,
        row.talk_s,
        row.reason,
        row.sha256,
        Place(row.place),
        row.moved_at,
        row.tries,
    )
