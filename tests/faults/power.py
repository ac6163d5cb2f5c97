"""What a disk can hold after the power has gone, made of a life of a database, and the judgment of each such image."""

import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from pysqlite3 import dbapi2
from sqlalchemy import Column, Connection, Integer, LargeBinary, MetaData, Table, insert, update

from intellicall.storage.database import Database

pairs = Table("pairs", MetaData(), Column("id", Integer, primary_key=True), Column("twin", Integer), Column("body", LargeBinary))
"""Two rows a transaction, and a third one that counts: half a transaction would be seen."""

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - thousands of images need no disk
WAL_HEADER, FRAME_HEADER, PAGE = 32, 24, 4096
FRAME = FRAME_HEADER + PAGE


def write_pair(connection: Connection, number: int) -> None:
    connection.execute(insert(pairs), [{"id": 2 * number, "twin": 2 * number + 1, "body": bytes([number % 251]) * 700}])
    connection.execute(insert(pairs), [{"id": 2 * number + 1, "twin": 2 * number, "body": b""}])
    connection.execute(update(pairs).where(pairs.c.id == -1).values(twin=number))


def check(file: Path, promised: int) -> int:
    """Open the database as a platform does after the power is back; return the number of the last transaction that is there."""
    connection = dbapi2.connect(file)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        ids = [row[0] for row in connection.execute("SELECT id FROM pairs WHERE id >= 0 ORDER BY id")]
        assert ids == list(range(len(ids))), "a transaction is missing in the middle"
        assert len(ids) % 2 == 0, "half a transaction"
        [(last,)] = connection.execute("SELECT twin FROM pairs WHERE id = -1").fetchall()
        assert last == len(ids) // 2 - 1
        assert last >= promised, "what was promised is lost"
    finally:
        connection.close()
    return int(last)


@dataclass
class Moment:
    """The two files at the moment in which transaction `promised` was promised."""

    promised: int
    database: bytes
    wal: bytes


def life(folder: Path, transactions: int) -> list[Moment]:
    """A life of so many transactions, with checkpoints, in which each promise is a moment."""
    file = folder / "test.db"
    database = Database(f"sqlite:///{file}")
    taken: list[Moment] = []
    try:
        database.write_now(pairs.create)
        database.write_now(lambda connection: connection.execute(insert(pairs).values(id=-1, twin=-1)))
        for number in range(transactions):
            database.write_now(lambda connection, number=number: write_pair(connection, number))  # type: ignore[misc]
            taken.append(Moment(number, file.read_bytes(), file.with_name("test.db-wal").read_bytes()))
            if number % 23 == 22:
                _checkpoint(file)
    finally:
        database.close()
    assert len({moment.database for moment in taken}) > 1, "no checkpoint was among it"
    return taken


def _checkpoint(file: Path) -> None:
    other = dbapi2.connect(file)
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()


def frames(wal: bytes) -> range:
    """The beginnings of the frames."""
    return range(WAL_HEADER, len(wal), FRAME)


def images(moments: list[Moment], dice: random.Random) -> Iterator[tuple[int, bytes, bytes]]:
    """What a disk can hold after the power has gone: how much was promised by then, the database and the WAL.

    All up to the last sync is there. Of what was written after it any part may be there: none, whole frames, torn ones, zeros, the
    later without the earlier, or another file's rubbish.
    """
    for before, after in pairwise(moments):
        yield before.promised, before.database, before.wal
        if after.database != before.database:
            yield from _torn_checkpoints(before, after, dice)
            continue
        synced, written = len(before.wal), after.wal
        for cut in {*(at for at in frames(written) if at >= synced), synced + 1, synced + FRAME_HEADER, len(written) - 1}:
            for torn in (0, FRAME_HEADER, FRAME - 1):
                kept = written[: min(cut + torn, len(written))]
                yield before.promised, before.database, kept
                yield before.promised, before.database, kept.ljust(len(written), b"\0")
                yield before.promised, before.database, kept + dice.randbytes(FRAME)
        yield from _reordered(before, after, dice)


def _reordered(before: Moment, after: Moment, dice: random.Random) -> Iterator[tuple[int, bytes, bytes]]:
    """Of the sectors written since the last sync, each one has arrived or not."""
    for _ in range(6):
        wal = bytearray(after.wal)
        for at in range(len(before.wal), len(wal), 512):
            if dice.random() < 0.5:
                end = min(at + 512, len(wal))
                wal[at:end] = bytes(end - at)
        yield before.promised, before.database, bytes(wal)


def _torn_checkpoints(before: Moment, after: Moment, dice: random.Random) -> Iterator[tuple[int, bytes, bytes]]:
    """While pages go from the WAL into the database, each sector has arrived or not; the WAL is whole until they all have."""
    for _ in range(40):
        size = max(len(before.database), len(after.database))
        database = bytearray(before.database.ljust(size, b"\0"))
        for at in range(0, size, 512):
            if dice.random() < 0.5:
                database[at : at + 512] = after.database.ljust(size, b"\0")[at : at + 512]
        yield before.promised, bytes(database), before.wal


def judge_images(moments: list[Moment], seed: int) -> int:
    """Open every image, the same ones for the same seed, and return how many there were. Raises AssertionError.

    A commit frame makes a transaction, and only with all its frames: their checksums are a chain (sqlite.org/fileformat2).
    """
    tried = 0
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        file = Path(folder) / "image.db"
        for promised, database, wal in images(moments, random.Random(seed)):  # noqa: S311 - not a secret
            file.write_bytes(database)
            file.with_name("image.db-wal").write_bytes(wal)
            assert check(file, promised) <= promised + 1
            for left in Path(folder).iterdir():
                left.unlink()
            tried += 1
    return tried
