"""The results as people and programs read them."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from bench.figures import Row

HEADINGS = ("what", "budget", "ours", "raw Asterisk", "verdict", "")


def table(rows: Sequence[Row]) -> str:
    """Return the table as Markdown, its columns aligned."""
    cells = [HEADINGS, *((row.what, row.budget, row.ours, row.raw, row.verdict, row.note) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADINGS))]
    lines = ["| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |" for line in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def as_json(rows: Sequence[Row], *, kind: str, load_before: float, failed: int) -> str:
    """Return the run as JSON: when, on what, and each row with its figures, budgets and numbers of measurements."""
    run: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "kind": kind,
        "machine": {"cores": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()},
        "load_before": round(load_before, 2),
        "failed_calls": failed,
        "rows": [asdict(row) | {"verdict": row.verdict} for row in rows],
    }
    return json.dumps(run, indent=2, ensure_ascii=False) + "\n"
