"""Bring a database to the schema of this version: all steps in one transaction under a lock, so old or new, never between.

The steps are in `storage/migrations/versions`; they travel inside the wheel. A new one is drafted by `draft`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import DBAPIError

from intellicall.storage.database import StorageUnavailable, open_engine

_STEPS = Path(__file__).parent / "migrations"
_LOCK = 0x696E74656C6C69  # any number that is ours: PostgreSQL's advisory locks have no names


class UnknownSchema(Exception):  # noqa: N818 - a state of the world
    """The database was brought to a schema that this version does not know: it is older than the database."""


def migrate(database_url: str) -> list[str]:
    """Apply every step that is missing and return their titles, oldest first; a second caller waits, then finds nothing to do.

    SQLite's folder and file are created when missing, readable by their owner only, as trunk passwords and callback headers
    are in it. Raises UnknownSchema, StorageUnavailable; then nothing was changed.
    """
    _make_private(database_url)
    with _locked(database_url) as connection:
        missing = _missing(connection)
        if missing:
            command.upgrade(_config(connection), "head")
            _check_references(connection)
    return [title for _, title in missing]


def pending(database_url: str) -> list[str]:
    """Return the titles of the steps that `migrate` would apply. Changes nothing. Raises UnknownSchema, StorageUnavailable."""
    file = _sqlite_file(database_url)
    if file is not None and not file.exists():
        return [step.doc for step in reversed(list(ScriptDirectory(str(_STEPS)).walk_revisions()))]
    engine = open_engine(database_url)
    try:
        with engine.connect() as connection:
            return [title for _, title in _missing(connection)]
    except DBAPIError as error:
        raise StorageUnavailable(type(error).__name__) from error
    finally:
        engine.dispose()


def draft(database_url: str, title: str, revision: str) -> None:
    """For developers: write the step from the database's schema to that of the tables imported so far. Read it, then commit it."""
    with _locked(database_url) as connection:
        command.revision(_config(connection), title, autogenerate=True, rev_id=revision)


@contextmanager
def _locked(database_url: str) -> Iterator[Connection]:
    """Open a transaction that excludes every other writer (SQLite) or migration (PostgreSQL)."""
    engine = open_engine(database_url).execution_options(writes=True)
    try:
        with engine.connect() as connection:
            if connection.dialect.name == "sqlite":  # a table is changed by making it anew; its references must not follow
                connection.connection.cursor().execute("PRAGMA foreign_keys=OFF")
            with connection.begin():
                if connection.dialect.name == "postgresql":
                    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
                yield connection
    except DBAPIError as error:
        raise StorageUnavailable(type(error).__name__) from error
    finally:
        engine.dispose()


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_STEPS).replace("%", "%%"))
    config.set_main_option("file_template", "v%%(rev)s_%%(slug)s")
    config.attributes["connection"] = connection
    return config


def _missing(connection: Connection) -> list[tuple[str, str]]:
    """Return revision and title of each step that the database lacks, oldest first."""
    steps = ScriptDirectory(str(_STEPS))
    current = MigrationContext.configure(connection).get_current_heads()
    try:
        return [(step.revision, step.doc) for step in reversed(list(steps.iterate_revisions("heads", current or "base")))]
    except RevisionError as error:
        raise UnknownSchema(
            "the database belongs to a later version of Intellicall; install that version or a newer one"
        ) from error


def _check_references(connection: Connection) -> None:
    if connection.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise StorageUnavailable("a migration left rows that refer to nothing; nothing was changed")


def _sqlite_file(database_url: str) -> Path | None:
    url = make_url(database_url)
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


def _make_private(database_url: str) -> None:
    file = _sqlite_file(database_url)
    if file is None:
        return
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600, exist_ok=True)
        if file.stat().st_mode & 0o077:
            file.chmod(0o600)
    except OSError as error:
        raise StorageUnavailable(f"the database file cannot be made: {error.strerror}") from error
