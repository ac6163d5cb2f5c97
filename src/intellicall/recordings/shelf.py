"""The shelf: where recordings are kept. The port; `disk.py` is the adapter, `shelves.py` the disk and S3 together."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Sealed:
    """A recording that is complete: seconds of audio; bytes of the WAV file, and its SHA-256 in hex digits."""

    seconds: float
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Stored:
    """Something of a recording on a shelf: its name, and when it was written last (UTC)."""

    name: str
    written_at: datetime


class OpenRecording(Protocol):
    """A sealed recording opened for reading. On the disk it can be read to its end even if it is erased meanwhile."""

    @property
    def size(self) -> int:
        """Bytes of the WAV file."""
        ...

    @property
    def etag(self) -> str:
        """A strong entity tag (RFC 9110 section 8.8.3), quotes included."""
        ...

    def read(self, start: int, length: int) -> AsyncIterator[bytes]:
        """Yield `length` bytes from `start`, in pieces, without ever holding the whole file. Closes at the end."""
        ...

    def close(self) -> None:
        """Let go of the file. May be called twice."""
        ...


class Shelf(Protocol):
    """Keeps recordings by name. Names are those of `recording.is_name`; others raise ValueError."""

    async def seal(self, name: str) -> Sealed | None:
        """Complete what the engine wrote; None when it wrote nothing. May be repeated, also after a crash at any point.

        Raises OSError when the disk does not let us and TooLong beyond 4 GiB; what the engine wrote is still there then.
        """
        ...

    async def written(self, name: str) -> float:
        """Return how many seconds of audio there are, complete or not; 0 when nothing can be found out."""
        ...

    async def open(self, name: str) -> OpenRecording | None:
        """Open a sealed recording; None when there is none of this name."""
        ...

    async def erase(self, name: str) -> None:
        """Remove everything of this name. No-op when there is nothing."""
        ...
