"""Which RTP ports an engine has: others than the engine before it.

A phone whose engine died goes on sending its voice to the port that it was given, until it notices, in half a minute or so. A new
call on that port would let in some of it (Asterisk 22 takes any steady stream for the right one until the right one begins), and
its recording would then take the right one for late and drop it. So the range is divided, and each engine that is started takes
the next part. Seen with Asterisk 22.10.1: calls that began up to 3 s after an engine's start, with half of their recording silent.
"""

PARTS = 4
LEAST = 2_000
"""Ports in a part, four for each call. A range that is too narrow for two parts stays whole."""


def parts(low: int, high: int) -> list[tuple[int, int]]:
    """Return the parts of a range, in the order in which engines take them: lowest and highest port of each."""
    count = max(min(PARTS, (high - low + 1) // LEAST), 1)
    size = (high - low + 1) // count
    return [(low + size * index, low + size * (index + 1) - 1) for index in range(count)]


def calls_at_once(low: int, high: int) -> int:
    """Return how many calls one engine of this range can carry."""
    first, last = parts(low, high)[0]
    return max(last - first + 1, 0) // 4
