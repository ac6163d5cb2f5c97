"""A short storm: every kind of fault strikes below real SIP calls; what the witnesses saw must agree with what we say.

`make soak` is the long one.
"""

from pathlib import Path

import pytest
from tests.storm.storm import storm
from tests.storm.weather import SHORT

pytestmark = pytest.mark.asterisk

RATE = 4.0
SECONDS = 70.0


async def test_no_call_and_no_result_is_lost_in_a_storm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verdict = await storm(tmp_path / "storm", rate=RATE, seconds=SECONDS, seed=1, kinds=SHORT)
    with capsys.disabled():
        print("", *verdict.lines(), sep="\n")  # noqa: T201 - the counts are the proof
    assert not verdict.violations
    assert verdict.counts["calls with a result"] > RATE * SECONDS / 2
    assert all(verdict.counts[f"faults: {kind}"] for kind in SHORT)
