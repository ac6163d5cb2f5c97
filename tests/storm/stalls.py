"""When the machine stalled, as the phones noticed it: most of those who talked heard nothing at the same moment.

A call that alone hears nothing is our fault; when most do, the machine had no time for the engine, and what is said in such a
moment comes in a burst, of which a recording may keep more or less. Only that is forgiven, and no more than was measured.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from tests.storm.evidence import Leg
from tests.storm.numbers import STALL_S

MOST = 0.5


class Stalls:
    """All silences of all customers, who, unlike agents, talk as long as they are connected."""

    def __init__(self, legs: Sequence[Leg]) -> None:
        talks = [(leg.answered, leg.ended["at"]) for leg in legs if leg.answered and leg.ended]
        self._talks = _Spans(talks)
        self._silences = _Spans([span for leg in legs for span in silences(leg)])

    def of(self, leg: Leg | None) -> float:
        """Return the seconds that this leg heard nothing because the machine stalled."""
        return sum(end - begin for begin, end in silences(leg) if self._common((begin + end) / 2)) if leg else 0.0

    def _common(self, at: float) -> bool:
        return self._silences.at(at) >= MOST * self._talks.at(at)


def silences(leg: Leg) -> list[tuple[float, float]]:
    """Return from when to when this leg heard nothing for long, at the edges of its talk too (seconds of the wall clock)."""
    if leg.ended is None or not leg.answered:
        return []
    heard = leg.ended["first_heard"]
    edges = [(leg.answered, heard), (leg.ended["last_heard"], leg.ended["at"])] if heard else [(leg.answered, leg.ended["at"])]
    return [(begin, end) for begin, end in [*edges, *leg.ended["gaps"]] if end - begin > STALL_S]


class _Spans:
    """Stretches of time, to be counted."""

    def __init__(self, spans: Iterable[tuple[float, float]]) -> None:
        self._spans = list(spans)
        self._begins = np.sort([begin for begin, _ in self._spans])
        self._ends = np.sort([end for _, end in self._spans])

    def at(self, moment: float) -> int:
        """Return how many of them this moment is in."""
        return int(np.searchsorted(self._begins, moment, "right") - np.searchsorted(self._ends, moment, "left"))
