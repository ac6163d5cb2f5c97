"""`intellicall backup` and `intellicall restore`: everything that the platform knows, in one file."""

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Connection

from intellicall.cli.config import settings_file
from intellicall.cli.terminal import Fault, Json, answer, utc
from intellicall.settings import Settings, load
from intellicall.storage import archive
from intellicall.storage.database import Database
from intellicall.storage.migrate import migrate, pending

_CONFIG = "intellicall.toml"
_RECORDINGS = "recordings/"
_NOT_EMPTY = "The database is not empty. Restore into a new one, or another --state-dir."
_WARNING = "It holds keys, passwords and customers' numbers: keep it as safe as the platform."


def backup(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not exist yet.")],
    *,
    recordings: Annotated[bool, typer.Option("--recordings", help="Put the recordings on this disk into it, too.")] = False,
    as_json: Json = False,
) -> None:
    """Write a backup of database and settings file, of one moment, while the platform runs."""
    _know_tables()
    settings = load()
    if pending(settings.sql_url):
        raise Fault("The database does not have this version's schema. Run `intellicall migrate`.", "migration_needed")
    files = {_CONFIG: settings_file()}
    if recordings:
        files |= {f"{_RECORDINGS}{wav.name}": wav for wav in sorted(settings.recordings_dir.glob("*.wav"))}
    try:
        made = archive.write_archive(settings.sql_url, files, file.absolute(), version("intellicall"), datetime.now(UTC))
    except FileExistsError:
        raise Fault("The file exists already; choose another name.", "file_exists") from None
    except OSError as error:
        raise Fault(f"The backup could not be written: {error.strerror}.", "not_written") from None
    answer(_summary(made) | {"file_bytes": file.stat().st_size}, f"The backup is written. {_WARNING}", as_json=as_json)


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `intellicall backup` has written.")], *, as_json: Json = False
) -> None:
    """Bring a backup into an empty state folder and database, before the platform is started there."""
    _know_tables()
    settings = load()
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with archive.open_archive(file, settings.data_dir) as (manifest, folder):
            if pending(settings.sql_url) and archive.has_tables(settings.sql_url):
                raise Fault(_NOT_EMPTY, "not_empty")
            migrate(settings.sql_url)
            done = _restore(settings, manifest, folder)
    except archive.BadArchive as error:
        raise Fault(f"This file cannot be restored: {error}.", "bad_backup") from None
    except OSError as error:
        raise Fault(f"The backup could not be restored: {error.strerror}.", "not_restored") from None
    answer(_summary(manifest) | done, _told(done), as_json=as_json)


def _restore(settings: Settings, manifest: archive.Manifest, folder: Path) -> dict[str, int]:
    """Rows first, in one transaction; files are moved when they are stored."""
    if any(settings.recordings_dir.glob("*")):
        raise Fault("There are recordings in the state folder. Restore into an empty one (--state-dir).", "not_empty")
    database = Database(settings.sql_url)
    try:
        done = database.write_now(lambda connection: _restore_rows(connection, manifest, folder))
    finally:
        database.close()
    if (folder / "recordings").is_dir():
        settings.recordings_dir.mkdir(mode=0o700, exist_ok=True)
        for wav in (folder / "recordings").iterdir():
            wav.rename(settings.recordings_dir / wav.name)
    if (folder / _CONFIG).exists():
        (folder / _CONFIG).rename(settings.data_dir / f"{_CONFIG}.restored")
    return done


def _restore_rows(connection: Connection, manifest: archive.Manifest, folder: Path) -> dict[str, int]:
    from intellicall.callbacks import store as deliveries  # noqa: PLC0415 - as `_know_tables`
    from intellicall.calls.journal import Journal  # noqa: PLC0415 - as `_know_tables`
    from intellicall.calls.restored import close_live, skip_positions  # noqa: PLC0415 - as `_know_tables`

    if archive.schema_of(connection) != manifest.schema:
        raise Fault(f"The backup is of version {manifest.version}: restore it with that version, then upgrade.", "other_version")
    if not archive.is_empty(connection):
        raise Fault(_NOT_EMPTY, "not_empty")
    archive.load(connection, manifest, folder)
    skip_positions(connection)
    closed = close_live(connection, Journal([deliveries.project]), manifest.created_at)
    return {"calls_closed": closed, "deliveries_held": deliveries.hold(connection, datetime.now(UTC))}


def _summary(manifest: archive.Manifest) -> dict[str, object]:
    recordings = sum(name.startswith(_RECORDINGS) for name in manifest.sha256)
    rows = {name: manifest.rows.get(name, 0) for name in ("accounts", "calls", "deliveries")}
    return {"made_at": utc(manifest.created_at), "version": manifest.version, **rows, "recordings": recordings}


def _told(done: dict[str, int]) -> str:
    return (
        f"The backup is restored. {done['calls_closed']} calls that were live then are closed with reason restored. "
        f"{done['deliveries_held']} deliveries under way are held as undelivered; `intellicall callback resend` sends them. "
        f"The settings file, if there was one, is {_CONFIG}.restored: look at it, then rename it."
    )


def _know_tables() -> None:
    """Every room's tables are known when the whole platform is; the other commands start faster without it."""
    import intellicall.app  # noqa: F401, PLC0415 - for what it imports
