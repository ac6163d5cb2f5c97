"""Names that we give: to calls, legs, sessions, recordings and keys. We choose them, the engine is told them."""

import hashlib
import secrets
import uuid

RECORDING_PREFIX = "crm_"


def new_call_id() -> str:
    """Return a random UUID (RFC 9562 version 4): the `call_id` of integration guide section 5."""
    return str(uuid.uuid4())


def new_id() -> str:
    """Return 96 random bits as 24 hex digits, for things that only we see."""
    return secrets.token_hex(12)


def new_token() -> str:
    """Return 192 unguessable bits, URL-safe (32 characters), for tickets and sessions."""
    return secrets.token_urlsafe(24)


def new_recording_name() -> str:
    """Return the unguessable part of a recording link, `crm_` and 160 random bits; unrelated to the call's id."""
    return RECORDING_PREFIX + secrets.token_hex(20)


def digest(secret: str) -> str:
    """Return the SHA-256 of a secret that has at least 128 random bits, as 64 hex digits: what we store instead."""
    return hashlib.sha256(secret.encode()).hexdigest()
