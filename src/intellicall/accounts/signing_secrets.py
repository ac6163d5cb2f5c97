"""The secrets with which an account's callbacks are signed: Standard Webhooks, symmetric (`whsec_`). Pure.

They are kept in clear, since the platform makes a signature with them at each attempt: whoever reads the database can sign.
"""

import base64
import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from intellicall.ids import new_id

PREFIX = "whsec_"
BYTES = 32  # Standard Webhooks: 24 to 64
HINT = 4  # last characters before the padding that are shown, so that people can tell secrets apart
DEFAULT_OVERLAP_S = 86_400
LONGEST_OVERLAP_S = 30 * 86_400
MOST_SECRETS = 4
"""Valid at once, so that the header of a callback stays short: two in a rotation, more when it is repeated."""


@dataclass(frozen=True, slots=True)
class SigningSecret:
    """One secret. `text` is what its owner puts into the receiver; `expires_at` (aware UTC) is set by a rotation."""

    id: str
    account_id: str
    text: str = field(repr=False)
    created_at: datetime
    expires_at: datetime | None = None

    @property
    def hint(self) -> str:
        """The end of the text, which tells this secret from others and nothing else."""
        return self.text.rstrip("=")[-HINT:]

    def valid(self, now: datetime) -> bool:
        """Whether callbacks are signed with it."""
        return self.expires_at is None or now < self.expires_at

    def ending(self, now: datetime, overlap_s: int) -> "SigningSecret":
        """Return it as it is when another one is made now: ending after the overlap, or earlier when it was ending already."""
        end = now + timedelta(seconds=overlap_s)
        return replace(self, expires_at=end if self.expires_at is None else min(end, self.expires_at))


def new_secret(account_id: str, now: datetime) -> SigningSecret:
    """Return a new random secret of 256 bits."""
    return SigningSecret(new_id(), account_id, PREFIX + base64.b64encode(secrets.token_bytes(BYTES)).decode(), now)
