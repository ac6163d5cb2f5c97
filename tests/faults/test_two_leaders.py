"""Two platforms on one database: row A6 of docs/faults.md. A thousand times: `python -m tests.faults --only leaders`."""

from pathlib import Path

from tests.faults.overlap import overlap


async def test_who_was_overtaken_takes_no_call_dials_nobody_and_sends_nothing(tmp_path: Path) -> None:
    await overlap(tmp_path)
