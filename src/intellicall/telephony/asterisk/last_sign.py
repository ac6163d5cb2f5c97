"""When the engine was last known to live: for a platform that was away itself when the engine died.

A file in the recordings folder is touched while the engine answers; what the engine writes there itself tells, too: recordings as
they grow, and the legs that ended. Blocks; a folder that cannot be read or written tells nothing.
"""

import contextlib
import os
from datetime import UTC, datetime
from pathlib import Path

from intellicall.telephony.asterisk.bygone import LEGS_FILE

ALIVE_FILE = "engine.alive"
BEFORE_FILE = "engine.before"
TOUCH_S = 0.5


def touch(folder: Path) -> None:
    """The engine answers."""
    with contextlib.suppress(OSError):
        (folder / ALIVE_FILE).touch()


def bury(folder: Path) -> None:
    """Another engine process is there: keep the last sign of life of the one before it."""
    signs = [folder / ALIVE_FILE, folder / LEGS_FILE, *folder.glob("*.raw")]
    if (last := max(filter(None, map(_mtime, signs)), default=None)) and _mtime(folder / ALIVE_FILE):
        with contextlib.suppress(OSError):
            (folder / BEFORE_FILE).touch()
            os.utime(folder / BEFORE_FILE, (last, last))


def before(folder: Path) -> datetime | None:
    """Return when the engine process before this one was last known to live."""
    last = _mtime(folder / BEFORE_FILE)
    return datetime.fromtimestamp(last, UTC) if last else None


def _mtime(file: Path) -> float | None:
    try:
        return file.stat().st_mtime
    except OSError:
        return None
