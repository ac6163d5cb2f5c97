"""`python -m tests.storm`: the long storm (`make soak`). Prints its counts; ends with 1 when anything was violated."""

# ruff: noqa: T201 - it prints what it counts
import argparse
import asyncio
import os
import secrets
import sys
import tempfile
from pathlib import Path

from tests.storm.numbers import ODDS, TRAFFIC
from tests.storm.storm import storm
from tests.storm.weather import FAULTS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.storm", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=float, default=20, help="calls a second")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--faults", nargs="*", choices=list(FAULTS), default=list(FAULTS))
    parser.add_argument("--traffic", choices=list(ODDS), default="people")
    parser.add_argument("--database-url", default=None)
    parser.add_argument("--keep", type=Path, default=None, help="an empty folder in which everything is kept")
    given = parser.parse_args()
    os.environ[TRAFFIC] = given.traffic
    seed = given.seed if given.seed is not None else secrets.randbelow(1 << 32)
    print(
        f"seed {seed}, {given.rate:g} calls/s for {given.minutes:g} minutes, faults: {' '.join(given.faults) or 'none'}", flush=True
    )
    with tempfile.TemporaryDirectory(prefix="intellicall-storm-") as scratch:
        folder = given.keep or Path(scratch)
        work = storm(
            folder, rate=given.rate, seconds=given.minutes * 60, seed=seed, kinds=given.faults, database_url=given.database_url
        )
        verdict = asyncio.run(work)
    print("\n".join(verdict.lines()))
    return 1 if verdict.violations else 0


if __name__ == "__main__":
    sys.exit(main())
