"""Keys: the browser key (low sensitivity, in launch links) and the server key (secret, in API requests). Pure.

Integration guide, sections 2, 4 and 7. A key is shown once and stored as its SHA-256 digest. A slow hash is for secrets
that people choose; these are random, and the digest is looked up, so no comparison's duration depends on a key's content.
"""

import secrets
import string
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from intellicall.ids import digest, new_id

DEFAULT_OVERLAP_S = 7 * 86_400
LONGEST_OVERLAP_S = 90 * 86_400
HINT = 4  # last characters that are kept readable, so that people can tell keys apart

_ALPHABET = string.ascii_letters + string.digits  # 5.95 bits each; survives every CRM's URL template unencoded


class KeyKind(StrEnum):
    """What a key is good for; the other kind is refused."""

    BROWSER = "browser"
    SERVER = "server"


_PREFIX = {KeyKind.BROWSER: "icb_", KeyKind.SERVER: "ics_"}
_LENGTH = {KeyKind.BROWSER: 28, KeyKind.SERVER: 44}  # 166 and 261 bits; a browser key is 32 characters, as CRM templates are short


@dataclass(frozen=True, slots=True)
class Key:
    """What is kept of a key. Times are aware UTC; `expires_at` is set by a rotation, `revoked_at` ends it at once."""

    id: str
    account_id: str
    kind: KeyKind
    hint: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def state(self, now: datetime) -> str:
        """Return `active`, `expiring` (rotated, still within the overlap), `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is None:
            return "active"
        return "expiring" if now < self.expires_at else "expired"

    def usable(self, now: datetime) -> bool:
        return self.state(now) in ("active", "expiring")


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key at its birth: `text` is shown to its owner now and never again."""

    key: Key
    text: str = field(repr=False)
    digest: str = field(repr=False)


def new_key(account_id: str, kind: KeyKind, now: datetime) -> NewKey:
    """Return a new random key, made up of letters and digits after its prefix."""
    text = _PREFIX[kind] + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH[kind]))
    return NewKey(Key(new_id(), account_id, kind, text[-HINT:], now), text, digest(text))


def expiry_after_rotation(key: Key, now: datetime, overlap_s: int) -> datetime:
    """Return when a key that is replaced now ends: after the overlap, or earlier when it was ending already."""
    end = now + timedelta(seconds=overlap_s)
    return end if key.expires_at is None else min(end, key.expires_at)
