"""Every crash point of every scenario, with a short outage and with a long one, and the long variants: `python -m tests.faults`.

Minutes, not seconds. `--only points --scenarios recorded warm_transfer`, `--only leaders --count 100`.
"""

import argparse
import asyncio
import sys
from collections import Counter

from tests.faults.long import LONG
from tests.faults.oracle import as_line
from tests.faults.playing import every_point, sqlite_venue
from tests.faults.scenarios import ALL

OUTAGES_S = (0.5, 60.0)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def play_all(names: list[str], outages_s: list[float]) -> int:
    """Print what each scenario came to; return how many breaches there were."""
    points: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    breaches: list[str] = []
    async with sqlite_venue() as venue:
        for outage_s in outages_s:
            for scenario in ALL:
                if names and scenario.name not in names:
                    continue
                tally = await every_point(venue, scenario, outage_s=outage_s)
                points += tally.points
                counts += tally.counts
                breaches += [f"outage of {outage_s} s, {breach}" for breach in tally.breaches]
                say(f"{scenario.name}, outage {outage_s:g} s: {tally.points.total()} points, {len(tally.breaches)} breaches")
    say(f"{points.total()} crash points: {as_line(points)}")
    say(f"judged: {as_line(counts)}")
    for breach in breaches:
        say(breach)
    return len(breaches)


async def play_long(names: list[str], count: int | None) -> int:
    """Print what each long variant came to; return how many breaches there were."""
    found = 0
    for name in names:
        what, breaches = await LONG[name](count)
        say(f"{what}, {len(breaches)} breaches")
        for breach in breaches:
            say(breach)
        found += len(breaches)
    return found


async def main(arguments: argparse.Namespace) -> int:
    found = await play_all(arguments.scenarios, arguments.outages) if "points" in arguments.only else 0
    return found + await play_long([name for name in LONG if name in arguments.only], arguments.count)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m tests.faults")
    made.add_argument("--only", nargs="+", choices=("points", *LONG), default=("points", *LONG), help="all, if not given")
    made.add_argument("--scenarios", nargs="+", choices=[scenario.name for scenario in ALL], default=[])
    made.add_argument("--outages", nargs="+", type=float, default=OUTAGES_S, help="seconds until the platform is there again")
    made.add_argument("--count", type=int, help="how many combinations, mutations or overlaps, for a shorter run")
    return made


if __name__ == "__main__":
    sys.exit(min(asyncio.run(main(parser().parse_args())), 1))
