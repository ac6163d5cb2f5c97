"""A call's recording: its name, its states, and the header of its WAV file. Pure.

Stereo, 8 kHz, 16 bit, little-endian: left is what the customer says, right is what the customer hears.
"""

import re
import struct
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from errno import EFBIG

RATE = 8000
CHANNELS = 2
SAMPLE_BYTES = 2
FRAME_BYTES = CHANNELS * SAMPLE_BYTES
HEADER_BYTES = 44
MAX_AUDIO_BYTES = (0xFFFF_FFFF - (HEADER_BYTES - 8)) // FRAME_BYTES * FRAME_BYTES
"""RIFF counts bytes in 32 bits: 37 hours."""

_NAME = re.compile(r"crm_[0-9a-f]{32,64}", re.ASCII)
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_PCM = 1


class State(StrEnum):
    """Where a recording stands."""

    RECORDING = "recording"  # the call goes on, or its file is being completed
    READY = "ready"
    NONE = "none"  # the call ended without audio to keep
    PENDING = "pending"  # the call has ended; its file could not be completed yet
    INCOMPLETE = "incomplete"  # a part is missing; what there is of it stays on the shelf
    FAILED = "failed"  # the audio could not be completed; what there is of it stays on the shelf
    ERASING = "erasing"  # nobody may have it any more; it is being removed
    ERASED = "erased"  # nothing of it is left; `reason` says why


class Place(StrEnum):
    """Where a recording is kept."""

    DISK = "disk"
    MOVING = "moving"  # on the disk; there may be something on S3, which nobody has checked
    BOTH = "both"  # the copy on S3 was read back and found good; the one on the disk is to go when its time is over
    S3 = "s3"


@dataclass(frozen=True, slots=True)
class Recording:
    """One row of the recordings table. `seconds` and `bytes` (of the WAV file) are known once it is ready.

    `talk_s`: how long the two talked, as long as the file is pending. `reason`: why it is, or is being, erased. `tries`: how often
    it could not be completed, or not be moved, one time after the other.
    """

    name: str
    call_id: str
    account_id: str
    state: State
    seconds: float | None
    bytes: int | None
    created_at: datetime
    sealed_at: datetime | None
    talk_s: float | None = None
    reason: str | None = None
    sha256: str | None = None
    place: Place = Place.DISK
    moved_at: datetime | None = None
    tries: int = 0


class TooLong(OSError):  # noqa: N818 - a state of the world
    """More audio than a WAV file can hold: for the one who seals, one of the ways in which the disk can fail him."""

    def __init__(self) -> None:
        super().__init__(EFBIG, "a WAV file holds at most 4 GiB")


def is_name(text: str) -> bool:
    """Say whether this can be a recording's name: `crm_` and at least 128 bits in lower-case hex digits."""
    return _NAME.fullmatch(text) is not None


def seconds_of(audio_bytes: int) -> float:
    """Return the length of this much audio in seconds."""
    return audio_bytes / (RATE * FRAME_BYTES)


def whole_frames(size: int) -> int:
    """Return `size` without a torn last frame, in bytes."""
    return size - size % FRAME_BYTES


def wav_header(audio_bytes: int) -> bytes:
    """Return the 44-byte header of a canonical PCM WAV file (RIFF, Microsoft/IBM 1991). Raises TooLong beyond 4 GiB."""
    if audio_bytes > MAX_AUDIO_BYTES:
        raise TooLong
    return _HEADER.pack(
        b"RIFF",
        HEADER_BYTES - 8 + audio_bytes,
        b"WAVE",
        b"fmt ",
        16,  # bytes of the format chunk
        _PCM,
        CHANNELS,
        RATE,
        RATE * FRAME_BYTES,
        FRAME_BYTES,
        SAMPLE_BYTES * 8,
        b"data",
        audio_bytes,
    )
