"""A simulated death leaves what a real one leaves: the same calls, journal, deliveries, dials and requests, point by point.

Here the engine's play dies with the process, so of its notes only the dials are compared.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.faults.books import read_notes
from tests.faults.dying import DEAD
from tests.faults.playing import Venue, sqlite_venue
from tests.faults.scenarios import ALL
from tests.faults.theatre import Stage
from tests.support.ports import find_free_port

SCENARIO = next(scenario for scenario in ALL if scenario.name == "recorded")
POINTS = (12, 22, 33, 37)
ROOT = Path(__file__).parents[2]


def left(venue: Venue) -> dict[str, Any]:
    """What there is after a death, without what is different in every play: ids."""
    engine, receiver = (read_notes(venue.house.notes(name)) for name in ("engine", "receiver"))
    return {
        "calls": venue.books.rows("SELECT state, seq, live, status, reason, talk_s, recording FROM calls"),
        "journal": venue.books.rows("SELECT seq, kind, at FROM journal ORDER BY position"),
        "deliveries": venue.books.rows("SELECT state, attempts, due_at FROM deliveries"),
        "attempts": venue.books.rows("SELECT number, status FROM delivery_attempts"),
        "recordings": venue.books.rows("SELECT state, seconds FROM recordings"),
        "engine": [(note["leg"], note["at"]) for note in engine if note["what"] == "dialed"],
        "received": len(receiver),
        "files": sorted(file.suffix for file in venue.house.recordings.iterdir()),
    }


class _Over(Exception):  # noqa: N818 - the play is stopped, nothing failed
    """The platform is dead, and is not to be started again."""


async def simulated(venue: Venue, point: int) -> dict[str, Any]:
    async def stop() -> None:
        raise _Over

    def no_second_life(stage: Stage) -> None:
        stage.after_death = stop

    with pytest.raises(_Over):
        await venue.run(SCENARIO, before=no_second_life, die_at=(point,))
    return left(venue)


def real(venue: Venue, point: int) -> dict[str, Any]:
    """The same in a process of its own. It gets the account with its receiver from us, and takes the receiver's port over."""
    folder = venue.house.folder.parent
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.faults.dying", folder, SCENARIO.name, str(point), str(venue.receiver.port)],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PATH": "/usr/bin:/bin"},
        timeout=60,
        check=False,
    )
    assert ended.returncode == DEAD
    return left(venue)


async def test_a_simulated_death_is_a_real_one() -> None:
    async with sqlite_venue() as venue:
        venue.receiver.port = find_free_port()  # where the other process will listen, for the account's URL
        for point in POINTS:
            venue.renew(())
            outside = real(venue, point)
            assert outside == await simulated_elsewhere(point), f"point {point}"


async def simulated_elsewhere(point: int) -> dict[str, Any]:
    async with sqlite_venue() as venue:
        return await simulated(venue, point)
