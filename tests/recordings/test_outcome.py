"""What became of a recording, in one word; and how much room there is."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from intellicall.recordings.outcome import Kept, Outcome, outcome_of
from intellicall.recordings.shelf import Sealed
from intellicall.recordings.space import MB, Level, Space


def sealed(seconds: float) -> Kept:
    return Kept(Sealed(seconds, 44 + int(seconds * 32000), "ab" * 32), seconds)


@pytest.mark.parametrize(
    ("kept", "talk_s", "disk_full", "expected"),
    [
        (sealed(60.0), 60.0, False, Outcome.READY),
        (sealed(59.95), 60.0, False, Outcome.READY),
        (sealed(60.4), 60.0, False, Outcome.READY),
        (sealed(59.95), 60.0, True, Outcome.READY),
        (sealed(58.9), 60.0, False, Outcome.INCOMPLETE),
        (sealed(59.8), 60.0, True, Outcome.DISK_FULL),
        (sealed(3.0), 60.0, True, Outcome.DISK_FULL),
        (Kept(), 0.0, False, Outcome.NONE),
        (Kept(), 0.4, False, Outcome.NONE),
        (Kept(), 5.0, False, Outcome.FAILED),
        (Kept(), 5.0, True, Outcome.DISK_FULL),
        (Kept(seconds=60.0, pending=True), 60.0, False, Outcome.PENDING),
        (Kept(seconds=60.0, pending=True, no_room=True), 60.0, False, Outcome.PENDING),
        (Kept(seconds=12.0, pending=True), 60.0, False, Outcome.INCOMPLETE),
        (Kept(seconds=59.8, pending=True, no_room=True), 60.0, False, Outcome.DISK_FULL),
        (Kept(hopeless=True), 140_000.0, False, Outcome.FAILED),
    ],
)
def test_what_became_of_it(kept: Kept, talk_s: float, disk_full: bool, expected: Outcome) -> None:
    assert outcome_of(kept, talk_s, disk_full=disk_full) is expected


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> dict[Path, int | None]:
    """What the disks say, by folder: the one thing here that only the kernel knows."""
    known: dict[Path, int | None] = {}
    monkeypatch.setattr("intellicall.recordings.space._free", known.get)
    return known


def test_the_level_follows_the_free_space_and_is_said_once(free: dict[Path, int | None], tmp_path: Path) -> None:
    relieved: list[Level] = []
    database = tmp_path / "database"
    space = Space(tmp_path, [database], warn_mb=100, stop_mb=50)
    space.relieve = lambda: relieved.append(space.level)
    steps = [
        (200, 200, Level.OK),
        (99, 200, Level.LOW),
        (90, 200, Level.LOW),
        (49, 200, Level.FULL),
        (48, 200, Level.FULL),
        (60, 200, Level.LOW),
        (200, 99, Level.LOW),
        (200, 10, Level.LOW),
        (200, 200, Level.OK),
    ]
    with capture_logs() as logs:
        for tick, (recordings_mb, database_mb, level) in enumerate(steps):
            free.update({tmp_path: recordings_mb * MB, database: database_mb * MB})
            space.look(float(tick))
            assert (space.level, space.full) == (level, level is Level.FULL)
            assert space.shown() == {"level": level, "free_mb": recordings_mb}
    assert [(entry["level"], entry["log_level"]) for entry in logs] == [
        ("low", "warning"),
        ("full", "warning"),
        ("low", "warning"),
        ("ok", "info"),
    ]
    assert relieved == [Level.LOW, Level.FULL, Level.LOW]
    assert not space.exhausted_since(None)


def test_a_disk_that_was_exhausted_is_remembered(free: dict[Path, int | None], tmp_path: Path) -> None:
    space = Space(tmp_path, [], 0, 0)
    for tick, room in ((1.0, 500 * MB), (2.0, MB // 2), (3.0, 500 * MB), (4.0, None)):
        free[tmp_path] = room
        space.look(tick)
    assert space.level is Level.OK, "limits of 0 are none"
    assert [space.exhausted_since(tick) for tick in (None, 1.0, 2.0, 2.1)] == [True, True, True, False]
    assert space.shown() == {"level": "ok", "free_mb": 500}, "a disk that cannot be asked is as it was"


def test_what_the_kernel_says(tmp_path: Path) -> None:
    space = Space(tmp_path, [tmp_path / "missing"], 0, 0)
    space.look(0.0)
    assert space.free is not None
    assert space.free > 0
    Space(tmp_path / "missing").look(0.0)
    assert not Space().full
