"""A wall clock that is set while an engine runs: libfaketime out of Debian's packages, loaded into the engine alone.

`python -m tests.support.set_clock` fetches it, once. Only CLOCK_REALTIME is set, as an operator or NTP would; the monotonic
clocks go on (https://github.com/wolfcw/libfaketime, 0.9.12).
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

from intellicall.clock import SystemClock
from intellicall.telephony.asterisk import embedded
from intellicall.telephony.asterisk.debian_tree import Tree, fetch_tree
from intellicall.telephony.asterisk.install import EngineInstall, default_prefix


class SetClock(SystemClock):
    """The machine's clock as the platform and its engine see it, and which a test sets."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set_by(timedelta())

    def set_by(self, off: timedelta) -> None:
        """Set it: so far from the true time."""
        self._off = off
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{off.total_seconds():+.0f}\n")
        fresh.replace(self._file)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._off


@contextmanager
def clock_of_engines(install: EngineInstall, file: Path) -> Iterator[SetClock]:
    """Engines that are started meanwhile live by this clock."""
    library = next(_tree().libraries.glob("faketime/libfaketimeMT.so.1"))
    loader, *rest = install.argv
    environment = {"FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    faked = replace(install, argv=(loader, "--preload", str(library), *rest), environment=install.environment | environment)
    with patch.object(embedded, "find_or_fetch", lambda *_: faked):
        yield SetClock(file)


def _tree() -> Tree:
    return fetch_tree(default_prefix(), "libfaketime", ("libfaketime",), lambda _what, _share: None)


if __name__ == "__main__":
    sys.stdout.write(f"libfaketime: {_tree().root}\n")
