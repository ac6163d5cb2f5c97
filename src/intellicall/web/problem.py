"""Refusals as problem+json (RFC 9457): one form for everything that the platform says no to.

Members: `type` (a URN with the code), `title`, `status`, `code`, `detail`, `remedy`, `field` when one input is at fault,
`request_id`, and whatever the refusal carries in `more`. No answer repeats a value that was sent.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from starlette.responses import Response

from intellicall.errors import KINDS, Code, Refused

MEDIA_TYPE = "application/problem+json"
_CHALLENGED = {Code.MISSING_KEY, Code.INVALID_KEY, Code.WRONG_KEY_KIND}
_RETRY_AFTER = {
    Code.ENGINE_UNAVAILABLE: 5,
    Code.STORAGE_UNAVAILABLE: 2,
    Code.PLATFORM_STALLED: 3,
    Code.TOO_MANY_REQUESTS: 10,
    Code.RECORDING_DISK_FULL: 30,
}

# pydantic's error types in our words; its own messages may repeat the input.
_PLAIN = {
    "string_type": "It must be a string.",
    "string_too_short": "It is too short.",
    "string_too_long": "It is too long.",
    "string_pattern_mismatch": "It has a wrong form.",
    "int_type": "It must be a whole number.",
    "int_parsing": "It must be a whole number.",
    "int_from_float": "It must be a whole number.",
    "float_type": "It must be a number.",
    "float_parsing": "It must be a number.",
    "bool_type": "It must be true or false.",
    "bool_parsing": "It must be true or false.",
    "dict_type": "It must be an object.",
    "model_type": "It must be an object.",
    "model_attributes_type": "It must be an object.",
    "list_type": "It must be a list.",
    "none_required": "It must be null.",
    "enum": "It is not one of the values that are possible here.",
    "literal_error": "It is not one of the values that are possible here.",
    "greater_than": "It is too small.",
    "greater_than_equal": "It is too small.",
    "less_than": "It is too large.",
    "less_than_equal": "It is too large.",
}


def problem(refused: Refused, request_id: str) -> dict[str, Any]:
    """Return the members of the problem."""
    members: dict[str, Any] = {
        "type": f"urn:intellicall:error:{refused.code}",
        "title": refused.kind.title,
        "status": refused.kind.status,
        "code": str(refused.code),
        "detail": refused.detail or refused.kind.title,
        "remedy": refused.kind.remedy,
    }
    if refused.field is not None:
        members["field"] = refused.field
    members["request_id"] = request_id
    return {**refused.more, **members}


def problem_body(refused: Refused, request_id: str) -> bytes:
    """Return the problem as UTF-8 JSON."""
    return orjson.dumps(problem(refused, request_id), default=str)


def problem_headers(refused: Refused) -> dict[str, str]:
    """Return the headers that belong to a refusal: Retry-After, WWW-Authenticate."""
    headers = {}
    retry_after = refused.retry_after or _RETRY_AFTER.get(refused.code)
    if retry_after:
        headers["Retry-After"] = str(retry_after)
    if refused.code in _CHALLENGED:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def problem_response(refused: Refused, request_id: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return the HTTP answer to a refusal."""
    return Response(
        problem_body(refused, request_id),
        status_code=refused.kind.status,
        media_type=MEDIA_TYPE,
        headers={**problem_headers(refused), **(headers or {})},
    )


def from_validation(errors: Sequence[Any]) -> Refused:
    """Turn pydantic's list of errors into the refusal of the first one. The value is never repeated.

    Unknown fields are told first: a misspelt name is also a missing one, and the misspelling is what the sender can see.
    """
    if not errors:
        return Refused(Code.BAD_REQUEST)
    error = next((error for error in errors if error["type"] == "extra_forbidden"), errors[0])
    kind = str(error["type"])
    field = _field(error.get("loc", ()))
    if kind == "json_invalid":
        return Refused(Code.MALFORMED_JSON)
    if kind == "extra_forbidden":
        return Refused(Code.UNKNOWN_FIELD, field=field)
    if kind == "missing":
        return Refused(Code.MISSING_FIELD, field=field)
    return Refused(Code.INVALID_FIELD, _PLAIN.get(kind, "The value cannot be used."), field=field)


def from_status(status: int) -> Refused:
    """Return the refusal that says what an HTTP status of the framework means."""
    known = {404: Code.NOT_FOUND, 405: Code.METHOD_NOT_ALLOWED, 413: Code.BODY_TOO_LARGE, 415: Code.UNSUPPORTED_MEDIA_TYPE}
    if status in known:
        return Refused(known[status])
    return Refused(Code.BAD_REQUEST if status < 500 else Code.INTERNAL)


def _field(location: Sequence[Any]) -> str | None:
    """Return `a.b.0` for the place of an error; a name that the sender made up is cut to what can be shown."""
    parts = [str(part) for part in location]
    if parts and parts[0] in ("body", "query", "path", "header", "cookie"):
        parts = parts[1:]
    text = "".join(character for character in ".".join(parts) if character.isprintable())
    return text[:64] or None


__all__ = [
    "KINDS",
    "MEDIA_TYPE",
    "from_status",
    "from_validation",
    "problem",
    "problem_body",
    "problem_headers",
    "problem_response",
]
