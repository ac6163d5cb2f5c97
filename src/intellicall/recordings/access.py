"""Who has had a recording: its access log, all of its SQL. Addresses are personal data and appear in no other log.

A player asks for one file in many pieces; what one client takes of one file within ten minutes is one access.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import BigInteger, Column, Connection, Index, Integer, String, Table, delete, insert, select, update

from intellicall.storage.schema import UtcTime, metadata

TOGETHER = timedelta(minutes=10)
MOST = 1_000
"""Accesses kept of one recording: the newest."""
KEPT = timedelta(days=400)


class What(StrEnum):
    """What was done: a file was downloaded, or everything was erased."""

    WAV = "wav"
    OPUS = "opus"
    MP3 = "mp3"
    DELETED = "deleted"  # by the account or the operator
    RETENTION = "retention"  # its time was over


@dataclass(frozen=True, slots=True)
class Access:
    """One access: when it began, from which address (None: from this machine's own command), what, and how many bytes left."""

    at: datetime
    address: str | None
    what: What
    bytes: int


recording_accesses = Table(
    "recording_accesses",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),  # SQLite counts in INTEGER columns only
    Column("name", String(72), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("address", String(45)),
    Column("what", String(10), nullable=False),
    Column("bytes", BigInteger, nullable=False),
)
Index("ix_recording_accesses_name", recording_accesses.c.name, recording_accesses.c.number)
Index("ix_recording_accesses_at", recording_accesses.c.at)


def note(connection: Connection, name: str, access: Access) -> None:
    """Store an access, or add its bytes to the one of the same client that is going on."""
    log = recording_accesses.c
    going_on = (
        select(log.number)
        .where(log.name == name, log.address == access.address, log.what == access.what, log.at > access.at - TOGETHER)
        .order_by(log.number.desc())
        .limit(1)
    )
    number = connection.execute(going_on).scalar_one_or_none()
    if number is not None:
        more = update(recording_accesses).where(log.number == number).values(bytes=log.bytes + access.bytes)
        connection.execute(more)
        return
    row = {"name": name, "at": access.at, "address": access.address, "what": access.what, "bytes": access.bytes}
    connection.execute(insert(recording_accesses).inline(), row)
    beyond = select(log.number).where(log.name == name).order_by(log.number.desc()).offset(MOST).limit(1)
    connection.execute(delete(recording_accesses).where(log.name == name, log.number <= beyond.scalar_subquery()))


def accesses(connection: Connection, name: str) -> list[Access]:
    """Return the accesses of a recording, oldest first."""
    log = recording_accesses.c
    found = select(log.at, log.address, log.what, log.bytes).where(log.name == name).order_by(log.number)
    return [Access(row.at, row.address, What(row.what), row.bytes) for row in connection.execute(found)]


def forget_old(connection: Connection, now: datetime) -> int:
    """Forget accesses that are older than 400 days; return how many."""
    return connection.execute(delete(recording_accesses).where(recording_accesses.c.at < now - KEPT)).rowcount
