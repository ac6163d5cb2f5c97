"""One file with everything in the database, and some files beside it: written while the platform runs, read on either database.

A gzipped tar: `tables/NAME.jsonl` (a row a line; times as ISO 8601 in UTC, bytes as base64), the files, and at its end
`manifest.json` with versions, row counts and the SHA-256 of every member. The rows are of one moment: a read transaction (SQLite
in WAL mode), a repeatable-read one (PostgreSQL). Passwords and secrets are in it; the file is its owner's alone.
"""

import base64
import hashlib
import os
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import orjson
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, DateTime, LargeBinary, Table, func, insert, inspect, select, text
from sqlalchemy.types import TypeEngine

from intellicall.storage.connections import open_engine
from intellicall.storage.leadership import leadership
from intellicall.storage.schema import UtcTime, metadata

FORMAT = 1
MANIFEST = "manifest.json"
_ROWS = 500
_NOT_KEPT = frozenset({leadership.name})  # who leads is no matter of yesterday


class BadArchive(Exception):  # noqa: N818 - a state of the world
    """The file is no backup, or not a whole one. The text says what is wrong with it."""


@dataclass(slots=True)
class Manifest:
    """What is in a backup: made by which version, when (the moment that its rows show), how many rows of each table."""

    version: str
    schema: str
    created_at: datetime
    rows: dict[str, int] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """Return the manifest as it is stored."""
        members = {"format": FORMAT, "version": self.version, "schema": self.schema, "created_at": self.created_at}
        return orjson.dumps({**members, "rows": self.rows, "sha256": self.sha256}, option=orjson.OPT_INDENT_2)


def write_archive(url: str, files: Mapping[str, Path], target: Path, version: str, now: datetime) -> Manifest:
    """Write the backup and return what is in it. `files`: further members by their names; one that vanishes meanwhile is left out.

    Raises FileExistsError, OSError and StorageUnavailable or DBAPIError; then there is no `target`.
    """
    if target.exists():
        raise FileExistsError(target)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as folder:
        part = Path(folder) / "archive"
        with part.open("xb") as written, tarfile.open(fileobj=written, mode="w:gz", compresslevel=6) as tar:
            os.fchmod(written.fileno(), 0o600)
            manifest = _write_tables(url, tar, Path(folder), version, now)
            for name, file in files.items():
                _add_file(tar, name, file, manifest)
            _add_bytes(tar, MANIFEST, manifest.to_json())
        _sync(part)
        os.link(part, target)  # never over a file that has come meanwhile
    _sync(target.parent)
    return manifest


def _write_tables(url: str, tar: tarfile.TarFile, folder: Path, version: str, now: datetime) -> Manifest:
    with _snapshot(url) as connection:
        manifest = Manifest(version, schema_of(connection), now)
        for table in _tables():
            rows = folder / "rows"
            with rows.open("wb") as out:
                manifest.rows[str(table.name)] = _write_rows(connection, table, out)
            _add_file(tar, f"tables/{table.name}.jsonl", rows, manifest)
    return manifest


@contextmanager
def _snapshot(url: str) -> Iterator[Connection]:
    """A transaction that sees one moment and holds up nobody."""
    engine = open_engine(url)
    try:
        level = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name == "postgresql" else {}
        with engine.connect().execution_options(**level) as connection, connection.begin():
            yield connection
    finally:
        engine.dispose()


def schema_of(connection: Connection) -> str:
    """Return the revision of the database's schema; empty when it has none."""
    return MigrationContext.configure(connection).get_current_revision() or ""


def _tables() -> list[Table]:
    """Every table that is kept, those that are referred to first. The rooms' modules must have been imported."""
    return [table for table in metadata.sorted_tables if table.name not in _NOT_KEPT]


def _write_rows(connection: Connection, table: Table, out: BinaryIO) -> int:
    count, names = 0, [str(column.name) for column in table.columns]
    for row in connection.execute(select(table), execution_options={"yield_per": _ROWS}):
        out.write(orjson.dumps({name: _plain(value) for name, value in zip(names, row, strict=True)}))
        out.write(b"\n")
        count += 1
    return count


def _plain(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes | memoryview) else value


def _add_file(tar: tarfile.TarFile, name: str, file: Path, manifest: Manifest) -> None:
    try:
        source = file.open("rb")
    except FileNotFoundError:
        return
    with source:
        info = tar.gettarinfo(arcname=name, fileobj=source)
        info.mode, info.uid, info.gid, info.uname, info.gname = 0o600, 0, 0, "", ""
        digest = _Digest(source)
        tar.addfile(info, digest)
    manifest.sha256[name] = digest.sum.hexdigest()


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    with tempfile.TemporaryFile() as source:
        source.write(content)
        source.seek(0)
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(content), 0o600
        tar.addfile(info, source)


class _Digest:
    """Sums up what is read."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.sum = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Read on."""
        content = self._source.read(size)
        self.sum.update(content)
        return content


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# -- reading --------------------------------------------------------------------------------------------------------------


@contextmanager
def open_archive(file: Path, beside: Path) -> Iterator[tuple[Manifest, Path]]:
    """Unpack a backup into a folder in `beside` and check it whole; yields what is in it, and where. Raises BadArchive, OSError."""
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=beside) as name:
        folder = Path(name)
        try:
            with tarfile.open(file, "r:gz") as tar:
                tar.extractall(folder, filter="data")
        except (tarfile.TarError, EOFError, OSError) as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise BadArchive("it cannot be unpacked: it is no backup, or not a whole one") from error
        yield _checked(folder), folder


def _checked(folder: Path) -> Manifest:
    try:
        stored = orjson.loads((folder / MANIFEST).read_bytes())
        if stored["format"] != FORMAT:
            raise BadArchive(f"it has format {stored['format']}, which this version does not know")
        at = datetime.fromisoformat(stored["created_at"])
        manifest = Manifest(stored["version"], stored["schema"], at, stored["rows"], stored["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadArchive("it has no manifest: it is no backup, or not a whole one") from error
    members = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {MANIFEST}
    if members != manifest.sha256.keys():
        raise BadArchive("members are missing, or there are some too many")
    for name, expected in manifest.sha256.items():
        with (folder / name).open("rb") as source:
            if hashlib.file_digest(source, "sha256").hexdigest() != expected:
                raise BadArchive(f"{name.split('/')[0]} has been changed or damaged")
    return manifest


def has_tables(url: str) -> bool:
    """Whether there is anything at all in the database."""
    engine = open_engine(url)
    try:
        return bool(inspect(engine).get_table_names())
    finally:
        engine.dispose()


def is_empty(connection: Connection) -> bool:
    """Whether no kept table has a row."""
    return not any(connection.scalar(select(func.count()).select_from(select(table).limit(1).subquery())) for table in _tables())


def load(connection: Connection, manifest: Manifest, folder: Path) -> None:
    """Insert every row of the unpacked backup, in the caller's transaction."""
    for table in _tables():
        if table.name in manifest.rows:
            with (folder / "tables" / f"{table.name}.jsonl").open("rb") as source:
                _load_rows(connection, table, source)
    if connection.dialect.name == "postgresql":
        for table in _tables():
            _set_sequence(connection, table)


def _load_rows(connection: Connection, table: Table, source: BinaryIO) -> None:
    read = {column.name: _reader(column.type) for column in table.columns}
    chunk: list[dict[str, Any]] = []
    for line in source:
        row = orjson.loads(line)
        chunk.append({name: read[name](value) if value is not None else None for name, value in row.items()})
        if len(chunk) == _ROWS:
            connection.execute(insert(table), chunk)
            chunk = []
    if chunk:
        connection.execute(insert(table), chunk)


def _reader(kind: TypeEngine[Any]) -> Any:
    if isinstance(kind, UtcTime | DateTime):
        return datetime.fromisoformat
    if isinstance(kind, LargeBinary):
        return base64.b64decode
    return _as_it_is


def _as_it_is(value: Any) -> Any:
    return value


def _set_sequence(connection: Connection, table: Table) -> None:
    """Let PostgreSQL count on from the last row."""
    column = table.autoincrement_column
    if column is None:
        return
    sequence = connection.scalar(
        text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": table.name, "column": column.name}
    )
    last = connection.scalar(select(func.max(column)))
    if sequence is not None and last is not None:
        connection.execute(text("SELECT setval(CAST(:sequence AS regclass), :last)"), {"sequence": sequence, "last": last})
