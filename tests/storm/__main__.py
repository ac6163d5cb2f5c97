"""`python -m tests.storm`: the long storm (`make soak`). Prints its counts; ends with 1 when anything was violated."""

# ruff: noqa: T201 - it prints what it counts
import argparse
import asyncio
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.storm.numbers import ODDS, TRAFFIC
from tests.storm.storm import storm
from tests.storm.weather import FAULTS
from tests.support.databases import own_postgres, serve


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.storm", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=float, default=20, help="calls a second")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--faults", nargs="*", choices=list(FAULTS), default=list(FAULTS))
    parser.add_argument("--traffic", choices=list(ODDS), default="people")
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL server of its own instead of SQLite")
    parser.add_argument("--keep", type=Path, default=None, help="an empty folder in which everything is kept")
    given = parser.parse_args()
    os.environ[TRAFFIC] = given.traffic
    seed = given.seed if given.seed is not None else secrets.randbelow(1 << 32)
    print(
        f"seed {seed}, {given.rate:g} calls/s for {given.minutes:g} minutes, faults: {' '.join(given.faults) or 'none'}", flush=True
    )
    with tempfile.TemporaryDirectory(prefix="intellicall-storm-") as scratch, _database(own_server=given.postgres) as url:
        work = storm(
            given.keep or Path(scratch),
            rate=given.rate,
            seconds=given.minutes * 60,
            seed=seed,
            kinds=given.faults,
            database_url=url,
        )
        verdict = asyncio.run(work)
    print("\n".join(verdict.lines()))
    return 1 if verdict.violations else 0


@contextmanager
def _database(*, own_server: bool) -> Iterator[str | None]:
    """Yield the URL of an empty database; None for the platform's own SQLite file."""
    if not own_server:
        yield None
        return
    with own_postgres() as server:
        process = serve(server.folder)
        try:
            server.run("CREATE DATABASE intellicall")
            yield server.url("intellicall")
        finally:
            process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
            process.wait(20)


if __name__ == "__main__":
    sys.exit(main())
