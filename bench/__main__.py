"""`python -m bench`: print the table of the speed budget beside raw Asterisk in the same run, and store it as JSON."""

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import structlog
import uvloop

from bench.crm import Refusal
from bench.figures import ROWS, Row, row
from bench.report import as_json, table
from bench.run import DEFAULT, QUICK, Bench, Plan, opened
from bench.usage import load

RESULTS = Path(__file__).parent / "results"
PART_OF = {
    "engine_setup": "lives",
    "engine_talk": "talk",
    "own_cpu": "lives",
    "lives": "ramp",
    "to_agent": "lives",
    "to_customer": "lives",
    "to_callback": "lives",
    "browser": "click",
    "page": "page",
    "memory": "memory",
    "history": "history",
}
"""Which part of a run measures a row of the budget."""
PARTS = ("page", "memory", "talk", "lives", "click", "ramp", "history")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; 0 when every measured row meets its budget, else 1."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds: about two minutes instead of eight")
    parser.add_argument("--full", action="store_true", help="also a history of 1,000,000 calls (a minute more)")
    parser.add_argument("--only", choices=PARTS, action="append", help="measure this part alone; may be given again")
    parser.add_argument("--save", type=Path, help="also store the results in this file")
    options = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    plan = replace(QUICK if options.quick else DEFAULT, full=options.full)
    before = load()
    rows, failures = uvloop.run(_measure(plan, options.only or PARTS))
    print(table(rows))
    for failure in failures[:5]:
        print(f"a call failed: {failure}")
    kind = "quick" if options.quick else "default"
    text = as_json(rows, kind=kind, load_before=before, failed=len(failures))
    RESULTS.mkdir(exist_ok=True)
    for file in (RESULTS / "latest.json", *([options.save] if options.save else [])):
        file.write_text(text)
    return int(any(each.verdict == "not met" for each in rows))


async def _measure(plan: Plan, parts: Sequence[str]) -> tuple[list[Row], list[str]]:
    async with opened(plan, _say) as bench:
        for part in PARTS:
            if part in parts:
                await _one(bench, part)
        rows = [bench.rows.get(key) or row(key, bench.broken.get(PART_OF[key], "left out of this run")) for key in ROWS]
        return rows, bench.failures


async def _one(bench: Bench, part: str) -> None:
    """Measure one part; one that the machine was too slow for is told as not measured, and the others go on."""
    work = getattr(bench, part)
    try:
        await work()
    except (TimeoutError, Refusal) as error:
        bench.broken[part] = f"gave up: {type(error).__name__} {error}"


def _say(what: str) -> None:
    print(f"· {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
