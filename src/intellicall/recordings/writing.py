"""Writing Opus and MP3 with libsndfile (soundfile). Blocks; one thread at a time for each file."""

import os
from errno import EIO, ENOSPC
from pathlib import Path

import numpy as np  # comes with soundfile, whose samples are its arrays
import soundfile

from intellicall.recordings.formats import KINDS, Format
from intellicall.recordings.recording import CHANNELS, RATE


def create(part: Path, form: Format) -> soundfile.SoundFile:
    """Begin a file, readable by its owner only. Raises OSError."""
    os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))
    kind = KINDS[form]
    try:
        return soundfile.SoundFile(str(part), "w", RATE, CHANNELS, format=kind.container, subtype=kind.encoding)
    except soundfile.SoundFileError as error:
        raise OSError(EIO, "the encoder does not begin") from error


def write(target: soundfile.SoundFile, piece: bytes) -> None:
    """Append samples, in whole frames. Raises OSError.

    As floating point numbers: libsndfile 1.2.2 makes noise of whole ones in MP3.
    """
    try:
        target.write(np.frombuffer(piece, "<i2").reshape(-1, CHANNELS).astype("float32") / 32768)
    except soundfile.SoundFileError as error:
        raise OSError(EIO, "the encoder failed") from error


def check(part: Path, frames: int) -> None:
    """Raise OSError unless the file is as long as what it was given: libsndfile does not always notice that a disk is full."""
    try:
        with soundfile.SoundFile(str(part)) as made:
            whole = abs(made.frames - frames) <= RATE // 10
    except soundfile.SoundFileError:
        whole = False
    if not whole:
        raise OSError(ENOSPC, "not all of it was written")
