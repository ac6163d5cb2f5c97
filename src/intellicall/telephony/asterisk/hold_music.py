"""The hold music that the house brings along: computed, so that it is nobody's property and always the same.

A slow walk of broken chords, each note a soft decaying tone with a little of its octave, as 8 kHz 16-bit mono WAV of 24 seconds
that begins where it ends. No note is within 15 Hz of 400, 440 or 1000 Hz: those are the tones of telephony and of its tests.
"""

import math
import sys
import wave
from array import array
from pathlib import Path

SAMPLE_RATE = 8000
NOTE_S = 0.5
RING_S = 2.5
"""How long a note can be heard, over the notes that follow."""
LOUDNESS = 0.125
"""Root mean square of the whole, of full scale: -18 dBFS."""
FILE = "intellicall.wav"

# Hz, equal temperament from A = 440: F, D minor, B flat, C; each chord is broken upwards and back in twelve notes.
_CHORDS = (
    (174.61, 220.00, 261.63, 349.23, 523.25),
    (146.83, 174.61, 220.00, 293.66, 587.33),
    (116.54, 174.61, 233.08, 293.66, 466.16),
    (130.81, 196.00, 261.63, 329.63, 523.25),
)
_WALK = (0, 1, 2, 3, 4, 3, 2, 3, 1, 2, 3, 2)


def samples() -> "array[int]":
    """Return the loop, about 24 seconds of it."""
    notes = [chord[step] for chord in _CHORDS for step in _WALK]
    length = int(len(notes) * NOTE_S * SAMPLE_RATE)
    mixed = [0.0] * length
    sound = {frequency: _note(frequency) for frequency in set(notes)}
    for position, frequency in enumerate(notes):
        begin = int(position * NOTE_S * SAMPLE_RATE)
        for index, value in enumerate(sound[frequency]):
            mixed[(begin + index) % length] += value  # what rings over the end is heard at the beginning
    scale = LOUDNESS * 32767 / math.sqrt(sum(value * value for value in mixed) / length)
    return array("h", [max(-32767, min(32767, round(value * scale))) for value in mixed])


def _note(frequency: float) -> list[float]:
    turn = 2 * math.pi * frequency / SAMPLE_RATE
    attack = 0.03 * SAMPLE_RATE
    return [
        min(1.0, index / attack)
        * math.exp(-index / (0.7 * SAMPLE_RATE))
        * (math.sin(turn * index) + 0.2 * math.sin(2 * turn * index))
        for index in range(int(RING_S * SAMPLE_RATE))
    ]


def write(folder: Path) -> None:
    """Write the music into a folder of its own, unless it is there."""
    path = folder / FILE
    if path.exists():
        return
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    data = samples()
    if sys.byteorder == "big":
        data.byteswap()
    fresh = folder / f".{FILE}.new"
    with wave.open(str(fresh), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(data.tobytes())
    fresh.replace(path)
