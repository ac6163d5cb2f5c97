"""The sounds that the test network makes itself: tones and silence as G.711 files, computed here (ITU-T G.711, E.180)."""

import math
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

SAMPLE_RATE = 8000
AMPLITUDE = 10_000  # of 32,767: about -10 dB below the loudest that G.711 can say
LOOP_S = 10  # seconds until a tone's file begins again, which nobody hears
INFORMATION_TONES = ((950, 0.33), (1400, 0.33), (1800, 0.33))  # ITU-T E.180 §7: special information tone


def tone(frequency: int, seconds: float, amplitude: int = AMPLITUDE) -> list[int]:
    """Return a sine as 16-bit samples at 8 kHz. Seamless when repeated if `frequency` × `seconds` is whole."""
    step = 2 * math.pi * frequency / SAMPLE_RATE
    return [round(amplitude * math.sin(step * index)) for index in range(round(seconds * SAMPLE_RATE))]


def a_law(sample: int) -> int:
    """Encode one 16-bit linear sample as A-law (G.711 table 1a), bits inverted as on the wire."""
    sign, magnitude = (0x80, sample >> 3) if sample >= 0 else (0, ~sample >> 3)
    segment = max(magnitude.bit_length() - 5, 0)
    mantissa = magnitude >> max(1, segment) & 0x0F
    return (sign | segment << 4 | mantissa) ^ 0x55


def mu_law(sample: int) -> int:
    """Encode one 16-bit linear sample as mu-law (G.711 table 2a), bits inverted as on the wire."""
    sign, magnitude = (0x80, -sample) if sample < 0 else (0, sample)
    biased = min(magnitude, 32_635) + 132
    segment = biased.bit_length() - 8
    return ~(sign | segment << 4 | biased >> (segment + 3) & 0x0F) & 0xFF


def write_sounds(folder: Path) -> None:
    """Write one folder for each music class (tones, `silence`, `information`), A-law and mu-law in each."""
    information = list(chain.from_iterable(tone(frequency, seconds) for frequency, seconds in INFORMATION_TONES))
    sounds: dict[str, tuple[Sequence[int], int]] = {
        "tone_1000": (tone(1000, 1), LOOP_S),
        "tone_440": (tone(440, 1), LOOP_S),
        "tone_700": (tone(700, 1), LOOP_S),
        "silence": ([0] * SAMPLE_RATE, LOOP_S),
        "information": ([*information, *[0] * (SAMPLE_RATE - len(information))], 1),
    }
    for name, (samples, repetitions) in sounds.items():
        target = folder / name
        target.mkdir(parents=True, exist_ok=True)
        (target / "sound.alaw").write_bytes(bytes(map(a_law, samples)) * repetitions)
        (target / "sound.ulaw").write_bytes(bytes(map(mu_law, samples)) * repetitions)
