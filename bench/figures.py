"""Arithmetic of the measurements, and the budget. Pure.

Two things that are compared are measured in pairs, one directly after the other, because the machine's speed drifts: the ratio
is taken within each pair and the median of the ratios is the figure.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` (0 to 1) of all values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def median_ratio(ours: Sequence[float], raw: Sequence[float]) -> float:
    """Return the median of ours ÷ raw, pair by pair."""
    return statistics.median(mine / theirs for mine, theirs in zip(ours, raw, strict=True))


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return what one more of x adds to y (least squares)."""
    return statistics.linear_regression([x for x, _ in points], [y for _, y in points]).slope


@dataclass(frozen=True, slots=True)
class Limit:
    """One figure's budget: at most `bound`, or at least when `least`. `unit` is what both are counted in."""

    bound: float
    unit: str
    least: bool = False

    def met(self, value: float) -> bool:
        return value >= self.bound if self.least else value <= self.bound

    def text(self) -> str:
        return f"{'≥' if self.least else '≤'} {shown(self.bound, self.unit)}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value with its budget, from `runs` measurements."""

    name: str
    value: float
    limit: Limit
    runs: int

    @property
    def met(self) -> bool:
        return self.limit.met(self.value)


@dataclass(slots=True)
class Row:
    """One line of the table. Without figures it was not measured, and `note` says why. `raw`: raw Asterisk in the same run."""

    key: str
    what: str
    budget: str
    figures: list[Figure] = field(default_factory=list)
    ours: str = ""
    raw: str = ""
    note: str = ""

    @property
    def verdict(self) -> str:
        if not self.figures:
            return "not measured"
        return "met" if all(figure.met for figure in self.figures) else "not met"


ROWS = {
    "engine_setup": ("Asterisk CPU per call, ours ÷ raw", "≤ 1.15"),
    "engine_talk": ("Asterisk CPU per talking recorded call, ours ÷ raw", "≤ 1.02"),
    "own_cpu": ("Our own CPU per call, everything", "≤ 3 ms"),
    "lives": ("Full lives per second on 2 cores, ours ÷ raw", "≥ 0.5"),
    "to_agent": ("POST /calls → INVITE to the agent, 20 calls/s", "p50 ≤ 5 ms, p99 ≤ 20 ms"),
    "to_customer": ("Agent answers → INVITE to the customer, 20 calls/s", "p50 ≤ 5 ms, p99 ≤ 20 ms"),
    "to_callback": ("Hang-up → callback POST received, 20 calls/s", "p50 ≤ 20 ms, p99 ≤ 100 ms"),
    "browser": ("Launch link → customer's INVITE, headless Chromium", "first ≤ 700 ms, open ≤ 150 ms"),
    "page": ("Softphone page, everything, gzipped", "≤ 100 kB"),
    "memory": ("Memory per talking call, our side", "≤ 50 kB"),
    "history": ("List and search with 1,000,000 calls, p99", "≤ 50 ms"),
}
"""Every row of the budget by its key: what is measured, and the budget in words."""


def row(key: str, note: str = "") -> Row:
    """Return the empty row of the budget."""
    what, budget = ROWS[key]
    return Row(key, what, budget, note=note)


def shown(value: float, unit: str) -> str:
    """Return a value as people read it: three figures are enough."""
    text = f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
    return f"{text} {unit}".strip()
