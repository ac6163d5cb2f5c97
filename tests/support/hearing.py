"""What a party heard through a call's life, told from one side of its recording."""

from collections.abc import Sequence
from itertools import groupby

from tests.support import audio

FAINT = 0.03  # share of a second voice: a browser turns down a tone that does not stop, so voices are not alike
SHORTEST = 4  # windows of 100 ms: what is heard for less than this is a passage, not a state


def heard(samples: Sequence[int]) -> list[str]:
    """Return what is heard, in order: `agent` (440 Hz), `guest` (700 Hz), `both`, `silence` or `other` (music, ringing, speech)."""
    labels = [_label(window) for window in audio.windows(samples)]
    runs = [(label, len(list(run))) for label, run in groupby(labels)]
    long = [label for label, length in runs if length >= SHORTEST]
    return [label for label, _ in groupby(long)]


def _label(window: Sequence[int]) -> str:
    if audio.loudness(window) < audio.AUDIBLE:
        return "silence"
    agent, guest = audio.tone_share(window, 440), audio.tone_share(window, 700)
    if agent + guest < audio.PRESENT:
        return "other"
    if min(agent, guest) > FAINT:
        return "both"
    return "agent" if agent > guest else "guest"
