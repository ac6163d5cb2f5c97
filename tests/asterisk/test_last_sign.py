"""When an engine process was last known to live."""

import os
from datetime import UTC, datetime
from pathlib import Path

from intellicall.telephony.asterisk import last_sign
from intellicall.telephony.asterisk.bygone import LEGS_FILE


def at(file: Path, seconds: float) -> None:
    file.touch()
    os.utime(file, (seconds, seconds))


def test_what_the_engine_wrote_last_counts(tmp_path: Path) -> None:
    last_sign.bury(tmp_path)
    assert last_sign.before(tmp_path) is None, "no engine was ever known of"
    last_sign.touch(tmp_path)
    at(tmp_path / last_sign.ALIVE_FILE, 1_000)
    at(tmp_path / LEGS_FILE, 900)
    last_sign.bury(tmp_path)
    assert last_sign.before(tmp_path) == datetime.fromtimestamp(1_000, UTC)
    at(tmp_path / "crm_x.raw", 1_400)  # the engine outlived the platform
    last_sign.bury(tmp_path)
    assert last_sign.before(tmp_path) == datetime.fromtimestamp(1_400, UTC)


def test_a_folder_that_is_not_there_tells_nothing(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    last_sign.touch(gone)
    last_sign.bury(gone)
    assert last_sign.before(gone) is None
