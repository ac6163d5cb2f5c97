"""What tests hear: reading 8 kHz audio and finding tones and silence in it (Goertzel's algorithm, standard library only)."""

from __future__ import annotations

import math
import sys
import wave
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLE_RATE = 8000
WINDOW = 800  # samples: 100 ms, so frequencies 10 Hz apart can be told from each other
PRESENT = 0.8  # share of a window's energy that must be in the tone
AUDIBLE = 300.0  # root mean square below which a window counts as silent: 16-bit samples, about -40 dB


def _samples(data: bytes) -> array[int]:
    samples = array("h")
    samples.frombytes(data[: len(data) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def read_raw_stereo(path: Path) -> tuple[array[int], array[int]]:
    """Read interleaved 16-bit little-endian stereo; return left and right."""
    samples = _samples(path.read_bytes())
    return samples[0::2], samples[1::2]


def read_wav_stereo(path: Path) -> tuple[array[int], array[int]]:
    """Read an 8 kHz 16-bit stereo WAV; return left and right."""
    with wave.open(str(path), "rb") as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (SAMPLE_RATE, 2, 2)
        samples = _samples(file.readframes(file.getnframes()))
    return samples[0::2], samples[1::2]


def decode_a_law(payload: bytes) -> array[int]:
    """Decode G.711 A-law (ITU-T G.711, table 1a)."""
    return array("h", [_A_LAW[byte] for byte in payload])


def _decode_one(byte: int) -> int:
    byte ^= 0x55
    segment, mantissa = byte >> 4 & 7, byte & 0x0F
    magnitude = mantissa * 2 + 1 if segment == 0 else (mantissa * 2 + 33) << (segment - 1)
    return magnitude * 8 if byte & 0x80 else -magnitude * 8


_A_LAW = [_decode_one(byte) for byte in range(256)]


def loudness(samples: Sequence[int]) -> float:
    """Return the root mean square of the samples."""
    return math.sqrt(sum(sample * sample for sample in samples) / len(samples)) if samples else 0.0


def tone_share(samples: Sequence[int], frequency: float) -> float:
    """Return the share (0 to 1) of the samples' energy that is in a sine of this frequency."""
    energy = sum(sample * sample for sample in samples)
    if not energy:
        return 0.0
    turn = 2 * math.cos(2 * math.pi * frequency / SAMPLE_RATE)
    before = last = 0.0
    for sample in samples:
        before, last = last, sample + turn * last - before
    power = before * before + last * last - turn * before * last
    return min(1.0, 2 * power / (len(samples) * energy))


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of audio, in seconds from its beginning."""

    start: float
    end: float

    @property
    def length(self) -> float:
        return self.end - self.start


def windows(samples: Sequence[int]) -> list[Sequence[int]]:
    """Cut into whole windows of 100 ms; a shorter rest is dropped."""
    return [samples[at : at + WINDOW] for at in range(0, len(samples) - WINDOW + 1, WINDOW)]


def _spans(marks: Sequence[bool]) -> list[Span]:
    spans: list[Span] = []
    begin: int | None = None
    for index, mark in enumerate([*marks, False]):
        if mark and begin is None:
            begin = index
        elif not mark and begin is not None:
            spans.append(Span(begin * WINDOW / SAMPLE_RATE, index * WINDOW / SAMPLE_RATE))
            begin = None
    return spans


def tone_spans(samples: Sequence[int], frequency: float) -> list[Span]:
    """Return where the tone is heard without interruption, to 100 ms."""
    return _spans([loudness(window) >= AUDIBLE and tone_share(window, frequency) >= PRESENT for window in windows(samples)])


def silent_spans(samples: Sequence[int]) -> list[Span]:
    """Return where nothing is heard, to 100 ms."""
    return _spans([loudness(window) < AUDIBLE for window in windows(samples)])


def tone_seconds(samples: Sequence[int], frequency: float) -> float:
    """Return for how many seconds the tone is heard in all."""
    return sum(span.length for span in tone_spans(samples, frequency))


def sounding_seconds(samples: Sequence[int]) -> float:
    """Return for how many seconds anything is heard."""
    return len(windows(samples)) * WINDOW / SAMPLE_RATE - sum(span.length for span in silent_spans(samples))
