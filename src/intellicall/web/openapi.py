"""What the API's description (OpenAPI 3.1) says beyond what FastAPI finds out itself; knows no room.

`operation` makes a route's keyword arguments: who may call it, its body, its examples, and every error code that it can answer
with. `describe` makes one document of them. Error examples are made by the same function as real errors.
"""

import json
import warnings
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict, Field
from starlette.routing import BaseRoute

from intellicall.errors import KINDS, Code, Refused
from intellicall.web.problem import MEDIA_TYPE, problem, problem_headers

JSON = "application/json"
SCHEME = "serverKey"
REQUEST_ID = "0d6b1f0f-7a37-4a83-9d52-5c21f0a0a2c4"

EVERYWHERE = (
    Code.BAD_REQUEST,
    Code.DUPLICATE_FIELD,
    Code.INSECURE_TRANSPORT,
    Code.REQUEST_TIMEOUT,
    Code.BODY_TOO_LARGE,
    Code.HEADERS_TOO_LARGE,
    Code.INTERNAL,
)
"""What any route can answer with: the wire's refusals, and our own failure."""
FOR_KEYS = (
    Code.MISSING_KEY,
    Code.INVALID_KEY,
    Code.WRONG_KEY_KIND,
    Code.ADDRESS_NOT_ALLOWED,
    Code.ACCOUNT_DISABLED,
    Code.STORAGE_UNAVAILABLE,
)
"""What every route can answer with that asks for the server key."""
FOR_BODIES = (
    Code.MALFORMED_JSON,
    Code.UNSUPPORTED_MEDIA_TYPE,
    Code.INVALID_FIELD,
    Code.MISSING_FIELD,
    Code.UNKNOWN_FIELD,
)
"""What every route can answer with that takes a JSON body."""

HEADERS = {
    "X-Request-Id": "The id of this request; name it when you ask the operator.",
    "Retry-After": "Seconds to wait before trying again.",
    "WWW-Authenticate": "`Bearer`",
}


class Problem(BaseModel):
    """A refusal (RFC 9457). Some codes have further members, for example `state` and `allowed`, or `call_id`."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="A URN with the code.")
    title: str = Field(description="What the code means, for people.")
    status: int
    code: Code = Field(description="Stable: branch on this one.")
    detail: str = Field(description="What it is about this time, for people.")
    remedy: str = Field(description="What helps, for people.")
    field: str | None = Field(default=None, description="The input at fault.")
    request_id: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One good answer: what it means, the model of its JSON (None: no JSON), and at least one example by its name."""

    description: str
    model: type[BaseModel] | None = None
    examples: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: Mapping[str, Any] | None = None  # of an answer that is not JSON


@dataclass(frozen=True, slots=True)
class Body:
    """A JSON body: its model and examples by name."""

    model: type[BaseModel]
    examples: Mapping[str, object]
    required: bool = True


def operation(
    operation_id: str,
    summary: str,
    answers: Mapping[int, Answer],
    errors: Iterable[Code | Refused] = (),
    *,
    body: Body | None = None,
    parameters: Sequence[Mapping[str, Any]] = (),
    public: bool = False,
) -> dict[str, Any]:
    """Return the keyword arguments of a route. `errors`: its own ones, a `Refused` where the example shall say more.

    `public`: no key is asked for. What the wire, the key and the body can be refused for is added.
    """
    shared = [*EVERYWHERE, *(() if public else FOR_KEYS), *(FOR_BODIES if body else ())]
    extra: dict[str, Any] = {"security": [] if public else [{SCHEME: []}]}
    if body is not None:
        extra["requestBody"] = {
            "required": body.required,
            "content": {JSON: {"schema": body.model.model_json_schema(), "examples": _examples(body.examples)}},
        }
    if parameters:
        extra["parameters"] = [dict(parameter) for parameter in parameters]
    return {
        "operation_id": operation_id,
        "summary": summary,
        "status_code": min(answers),
        "response_model": None,
        "responses": {**{status: _good(answer) for status, answer in answers.items()}, **_refusals([*shared, *errors])},
        "openapi_extra": extra,
    }


def parameter(
    name: str, place: str, description: str, example: object = None, *, schema: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return an optional parameter that FastAPI does not see, because the handler reads it itself."""
    described = {"name": name, "in": place, "required": False, "description": description}
    shown = {} if example is None else {"example": example}
    return {**described, "schema": dict(schema or {"type": "string"}), **shown}


def _good(answer: Answer) -> dict[str, Any]:
    made: dict[str, Any] = {"description": answer.description, "headers": _headers(["X-Request-Id"])}
    made["headers"] |= {name: _header(text) for name, text in answer.headers.items()}
    if answer.content is not None:
        made["content"] = dict(answer.content)
    if answer.model is not None:
        made |= {"model": answer.model, "content": {JSON: {"examples": _examples(answer.examples)}}}
    return made


def _refusals(errors: Iterable[Code | Refused]) -> dict[int, dict[str, Any]]:
    """One answer a status, with an example a code; the last word on a code is the example's."""
    refusals = {}
    for error in errors:
        refused = error if isinstance(error, Refused) else Refused(error)
        refusals[refused.code] = refused
    by_status: dict[int, list[Refused]] = defaultdict(list)
    for refused in refusals.values():
        by_status[refused.kind.status].append(refused)
    return {status: _refusal(by_status[status]) for status in sorted(by_status)}


def _refusal(refusals: Collection[Refused]) -> dict[str, Any]:
    codes = sorted(str(refused.code) for refused in refusals)
    names = ["X-Request-Id", *sorted({name for refused in refusals for name in problem_headers(refused)})]
    described = {refused.code: KINDS[refused.code].title for refused in refusals}
    return {
        "description": "; ".join(f"`{code}`: {title}" for code, title in sorted(described.items())),
        "headers": _headers(names),
        "content": {
            MEDIA_TYPE: {
                "schema": {
                    "allOf": [{"$ref": "#/components/schemas/Problem"}],
                    "properties": {"code": {"enum": codes}},
                },
                "examples": _examples({str(refused.code): problem(refused, REQUEST_ID) for refused in refusals}),
            }
        },
    }


def _headers(names: Iterable[str]) -> dict[str, Any]:
    return {name: _header(HEADERS[name]) for name in names}


def _header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


def _examples(values: Mapping[str, object]) -> dict[str, Any]:
    return {name: {"summary": name.replace("_", " "), "value": keep_nulls(value)} for name, value in values.items()}


_NULL = "\x00null"


def keep_nulls(value: object) -> Any:
    """Return an example in which `describe` finds the nulls again: FastAPI leaves members that are None out."""
    match value:
        case None:
            return _NULL
        case Mapping():
            return {name: keep_nulls(member) for name, member in value.items()}
        case list() | tuple():
            return [keep_nulls(member) for member in value]
        case _:
            return value


def _with_nulls(value: Any) -> Any:
    match value:
        case dict():
            return {name: _with_nulls(member) for name, member in value.items()}
        case list():
            return [_with_nulls(member) for member in value]
        case _:
            return None if value == _NULL else value


@dataclass(frozen=True, slots=True)
class Description:
    """What the document says about the API as a whole. `webhooks`: what the platform sends, as routes that take it."""

    title: str
    text: str
    tags: Sequence[tuple[str, str]] = ()
    webhooks: Sequence[BaseRoute] = ()


def describe(app: FastAPI, description: Description) -> dict[str, Any]:
    """Return the document: FastAPI's, with keys, problems and webhooks, and without what is not so here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Duplicate Operation ID")  # GET and HEAD of one route; tests look for others
        made: dict[str, Any] = get_openapi(
            title=description.title,
            version=app.version,
            openapi_version="3.1.0",
            description=description.text,
            routes=app.routes,
            webhooks=app.webhooks.routes,
            tags=[{"name": name, "description": text} for name, text in description.tags],
            servers=[{"url": "/", "description": "The platform that this document was fetched from"}],
        )
    made = _with_nulls(made)
    for path in made["paths"].values():
        path.pop("head", None)  # it answers as GET does, without the body
    components = made.setdefault("components", {})
    components["securitySchemes"] = {
        SCHEME: {"type": "http", "scheme": "bearer", "description": "The account's server key. It stays in your backend."}
    }
    schemas = components.setdefault("schemas", {})
    for theirs in ("HTTPValidationError", "ValidationError"):
        schemas.pop(theirs, None)
    code = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= {"Code": code.pop("$defs")["Code"], "Problem": code}
    components["schemas"] = dict(sorted(schemas.items()))
    for name, webhook in made.get("webhooks", {}).items():
        webhook["post"] |= {"operationId": name, "security": []}
    described = [one for path in [*made["paths"].values(), *made.get("webhooks", {}).values()] for one in path.values()]
    for one in described:
        _drop_framework_refusal(one)
    components["examples"] = _shared_examples(described)
    return made


def _shared_examples(described: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Take out the examples that many answers have, leave a reference in each place, and return them by their names."""
    places: dict[str, list[tuple[dict[str, Any], str]]] = defaultdict(list)
    for one in described:
        for answer in one["responses"].values():
            for content in answer.get("content", {}).values():
                for name, example in content.get("examples", {}).items():
                    places[json.dumps([name, example])].append((content["examples"], name))
    shared: dict[str, Any] = {}
    for examples in places.values():
        holder, name = examples[0]
        if len(examples) > 1:
            taken = name if name not in shared else f"{name}_{sum(known.startswith(name) for known in shared) + 1}"
            shared[taken] = holder[name]
            for place, inside in examples:
                place[inside] = {"$ref": f"#/components/examples/{taken}"}
    return dict(sorted(shared.items()))


def _drop_framework_refusal(described: dict[str, Any]) -> None:
    """FastAPI promises its own 422 for every parameter; ours are documented one by one."""
    promised = described["responses"].get("422", {}).get("content", {})
    if JSON in promised:
        del described["responses"]["422"]
