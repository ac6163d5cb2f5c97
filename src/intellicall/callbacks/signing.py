"""How a callback is signed: Standard Webhooks 1.0 (standardwebhooks.com), by its authors' library. Pure."""

from collections.abc import Iterable
from datetime import datetime

from standardwebhooks.webhooks import Webhook

from intellicall.accounts.signing_secrets import SigningSecret


def signed(delivery_id: str, body: bytes, at: datetime, secrets: Iterable[SigningSecret]) -> dict[str, str]:
    """Return the headers that sign one attempt, begun `at` (aware UTC): one signature for each secret, newest first.

    The id stays the same on every attempt, so receivers can de-duplicate on it; the time lets them refuse what is replayed.
    `body` is UTF-8.
    """
    text = body.decode()
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Webhook(secret.text).sign(delivery_id, at, text) for secret in secrets),
    }
