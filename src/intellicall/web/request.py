"""Reading what a client sent, strictly: one meaning or a refusal with the field named.

JSON that two parsers could read differently (duplicate members, NaN, broken UTF-8, lone surrogates) is refused, and so is a
query parameter that comes twice (faults G1, G10).
"""

import asyncio
import json
import math
from collections.abc import Collection
from typing import Any, NoReturn, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from intellicall.errors import Code, Refused
from intellicall.web.problem import from_validation
from intellicall.web.wire import CAME_AT

DEPTH = 32
PARAMETERS = 64

M = TypeVar("M", bound=BaseModel)


def waited_s(request: Request) -> float:
    """Return for how many seconds the request has waited until now, in the kernel and here; 0 where the door does not tell."""
    now = asyncio.get_running_loop().time()
    return now - float(getattr(request.state, CAME_AT, now))


async def read_model(request: Request, model: type[M]) -> M:
    """Return the body as `model`. Raises Refused as `read_json`, and INVALID_FIELD, MISSING_FIELD or UNKNOWN_FIELD."""
    members = await read_json(request)
    try:
        return model.model_validate(members)
    except ValidationError as error:
        raise from_validation(error.errors(include_url=False, include_context=False, include_input=False)) from None


async def read_json(request: Request) -> dict[str, Any]:
    """Return the body, which must be one JSON object.

    Raises Refused UNSUPPORTED_MEDIA_TYPE, MALFORMED_JSON or DUPLICATE_FIELD (with the member named).
    """
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if kind.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
        raise Refused(Code.UNSUPPORTED_MEDIA_TYPE, field="content-type")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused(Code.UNSUPPORTED_MEDIA_TYPE, "Send the body uncompressed.", field="content-encoding")
    return parse_json(await request.body())


def parse_json(body: bytes | str) -> dict[str, Any]:
    """Return one JSON object. Raises Refused MALFORMED_JSON or DUPLICATE_FIELD."""
    try:
        text = body.decode("utf-8") if isinstance(body, bytes) else body
        _check_depth(text)
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
        json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate is no character
    except (ValueError, RecursionError):
        raise Refused(Code.MALFORMED_JSON) from None
    if not isinstance(value, dict):
        raise Refused(Code.MALFORMED_JSON, "The body must be one JSON object.")
    return value


def read_query(request: Request, allowed: Collection[str], *, ignore_others: bool = False) -> dict[str, str]:
    """Return the query's parameters, decoded (a plus is a space).

    Raises Refused DUPLICATE_FIELD for one that comes twice, in whatever case; UNKNOWN_FIELD for one that is not in `allowed`
    (with `ignore_others` only for one that differs from an allowed one by its case); BAD_REQUEST for broken UTF-8.
    """
    raw: bytes = request.scope["query_string"]
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS)
    except ValueError:
        raise Refused(Code.BAD_REQUEST, "The query string could not be read.", field="query") from None
    known = {name.lower(): name for name in allowed}
    values: dict[str, str] = {}
    for name, value in pairs:
        proper = known.get(name.lower())
        if proper is None and ignore_others:
            continue
        if proper in values:
            raise Refused(Code.DUPLICATE_FIELD, field=proper)
        if proper is None or name != proper:
            raise Refused(Code.UNKNOWN_FIELD, f"Did you mean {proper}?" if proper else None, field=_shown(name))
        values[proper] = value
    return values


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Refused(Code.DUPLICATE_FIELD, field=_shown(twice))
    return members


def _no_constant(_name: str) -> NoReturn:
    raise ValueError("JSON has no NaN and no Infinity")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("the number is too large")
    return value


def _check_depth(text: str) -> None:
    """Raise ValueError when brackets are nested deeper than any body of ours (before the parser recurses)."""
    depth = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                in_string = False
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            if depth > DEPTH:
                raise ValueError("too deep")
        elif character in "]}":
            depth -= 1


def _shown(name: str) -> str:
    return "".join(character for character in name if character.isprintable())[:64]
