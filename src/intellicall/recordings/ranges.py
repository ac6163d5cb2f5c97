"""Byte ranges of HTTP requests (RFC 9110 section 14). Pure."""

import re
from dataclasses import dataclass

_SPEC = re.compile(r"(\d*)-(\d*)", re.ASCII)
_LONGEST_NUMBER = 18


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a file: first byte and count, in bytes."""

    start: int
    length: int

    def content_range(self, size: int) -> str:
        """Return the Content-Range of this part of a file of `size` bytes."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{size}"


class NotSatisfiable(ValueError):  # noqa: N818 - the RFC's word
    """The range is well-formed, but nothing of it is inside the file: 416."""


def wanted(header: str | None, size: int) -> Span | None:
    """Return the part that a Range header asks for, or None for the whole file.

    Other units, malformed ranges and several ranges at once are ignored, as the RFC allows: the whole file is sent. Raises
    NotSatisfiable.
    """
    unit, _, spec = (header or "").partition("=")
    match = _SPEC.fullmatch(spec.strip(" \t"))
    if unit.strip().lower() != "bytes" or match is None:
        return None
    first, last = match.groups()
    if max(len(first), len(last)) > _LONGEST_NUMBER or not (first or last):
        return None
    start, end = _bounds(first, last, size)
    if first and last and int(first) > int(last):
        return None
    if start >= size or end < start:
        raise NotSatisfiable("nothing of the range is inside the file")
    return Span(start, end - start + 1)


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """First and last byte, both inclusive; `-500` means the last 500 bytes."""
    if not first:
        suffix = int(last)
        return (max(size - suffix, 0), size - 1) if suffix else (size, size - 1)
    return int(first), min(int(last), size - 1) if last else size - 1
