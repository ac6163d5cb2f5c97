"""Where a page of a list ended, as clients carry it around: one opaque word that only we make and read.

Not secret and not signed: it says no more than the page that it came with. What is not of our making is refused.
"""

import base64
import binascii

import orjson

from intellicall.errors import Code, Refused

LONGEST = 2_000


def to_cursor(*place: str) -> str:
    """Return the word for a place, URL-safe."""
    return base64.urlsafe_b64encode(orjson.dumps(place)).decode().rstrip("=")


def from_cursor(word: str, parts: int) -> list[str]:
    """Return the `parts` printable texts that `to_cursor` was given. Raises Refused INVALID_FIELD for any other word."""
    try:
        place = orjson.loads(base64.b64decode(word + "=" * (-len(word) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        place = None
    ours = isinstance(place, list) and len(place) == parts and all(isinstance(part, str) and part.isprintable() for part in place)
    if not ours or len(word) > LONGEST or to_cursor(*place) != word:
        raise broken()
    return list(place)


def broken() -> Refused:
    """The refusal of a cursor that we did not make."""
    return Refused(Code.INVALID_FIELD, "Use `next` of the page before, unchanged; the first page has none.", field="cursor")
