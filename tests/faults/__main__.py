"""Every crash point of every scenario, with a short outage and with a long one: `python -m tests.faults`. Minutes, not seconds."""

import asyncio
import sys
from collections import Counter

from tests.faults.oracle import as_line
from tests.faults.playing import every_point, sqlite_venue
from tests.faults.scenarios import ALL

OUTAGES_S = (0.5, 60.0)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def play_all(names: list[str]) -> int:
    """Print what each scenario came to; return how many breaches there were."""
    points: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    breaches: list[str] = []
    async with sqlite_venue() as venue:
        for outage_s in OUTAGES_S:
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


if __name__ == "__main__":
    sys.exit(min(asyncio.run(play_all(sys.argv[1:])), 1))
