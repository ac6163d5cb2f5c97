"""The API's description is whole and true: every route, body, answer and error, each with an example that fits its schema."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from fastapi.routing import APIRoute
from starlette.routing import WebSocketRoute
from tests.app.running import WAYS, Api

from intellicall.app import describe_api
from intellicall.calls.bodies import CallResult, CallView, Participant
from intellicall.calls.result import result
from intellicall.calls.samples import entry, shown
from intellicall.calls.table import ORDERS, State
from intellicall.errors import KINDS, Code
from intellicall.event_types import EventType

NOT_FOR_PROGRAMS = ("/docs", "/softphone", "/assets/", "/openapi.json")
"""Pages, and what belongs to them."""
DOCUMENT = describe_api()
OPERATIONS = {f"{method.upper()} {path}": one for path, methods in DOCUMENT["paths"].items() for method, one in methods.items()}
EVERY_OPERATION = pytest.mark.parametrize("name", OPERATIONS)
ORDER_PATHS = {
    "drop": "DELETE /calls/{call_id}/participants/{participant_id}",
    "consult": "POST /calls/{call_id}/participants",
    "add": "POST /calls/{call_id}/participants",
    "pause_recording": "POST /calls/{call_id}/recording/pause",
    "resume_recording": "POST /calls/{call_id}/recording/resume",
}


def resolved(example: dict[str, Any]) -> dict[str, Any]:
    reference = example.get("$ref")
    return dict(DOCUMENT["components"]["examples"][reference.rpartition("/")[2]]) if reference else example


def contents(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield where, media type and content of everything that is sent and answered."""
    for kind, content in described.get("requestBody", {}).get("content", {}).items():
        yield "the request", kind, content
    for status, answer in described["responses"].items():
        for kind, content in answer.get("content", {}).items():
            yield status, kind, content


def check_examples(where: str, content: dict[str, Any]) -> None:
    schema = {**content["schema"], "components": DOCUMENT["components"]}
    validator = jsonschema_rs.validator_for(schema)
    for name, example in content["examples"].items():
        problems = [error.message for error in validator.iter_errors(resolved(example)["value"])]
        assert problems == [], (where, name)


async def test_every_route_is_described_and_the_platform_serves_the_same(api: Api) -> None:
    _, served, _ = await api.send("GET", "/openapi.json")
    assert served == json.loads(json.dumps(DOCUMENT))
    routes = {
        f"{method} {route.path_format}"
        for route in _routes(api.platform.application)
        for method in (route.methods or set()) - {"HEAD"}
        if not route.path.startswith(NOT_FOR_PROGRAMS)
    }
    assert routes == set(OPERATIONS)
    ids = [described["operationId"] for described in OPERATIONS.values()]
    assert sorted(set(ids)) == sorted(ids)


def _routes(application: Any) -> Iterator[APIRoute]:
    """All routes, also those of routers inside."""
    pending = list(application.routes)
    while pending:
        route = pending.pop()
        if isinstance(route, APIRoute):
            yield route
        elif not isinstance(route, WebSocketRoute):
            pending += getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", [])


@EVERY_OPERATION
def test_an_operation_says_what_it_does_with_examples(name: str) -> None:
    described = OPERATIONS[name]
    assert described["summary"]
    assert described["description"]
    assert described["operationId"].isidentifier()
    assert {tag["name"] for tag in DOCUMENT["tags"]} >= set(described["tags"])
    for where, kind, content in contents(described):
        if kind in ("application/json", "application/problem+json"):
            assert content["examples"], where
            check_examples(f"{name} {where}", content)
    assert min(map(int, described["responses"])) in (200, 201, 204, 303)
    for parameter in described.get("parameters", []):
        assert parameter["description"], parameter["name"]


@EVERY_OPERATION
def test_an_operation_names_its_errors_one_by_one(name: str) -> None:
    described = OPERATIONS[name]
    if name == "GET /CRM_API/webphone/launch":
        return  # opened by people: its refusals are pages
    asks_for_key = described["security"] != []
    for status, answer in described["responses"].items():
        content = answer.get("content", {}).get("application/problem+json")
        if content is None:
            assert int(status) < 400 or name == "GET /readyz", status
            continue
        codes = content["schema"]["properties"]["code"]["enum"]
        assert {KINDS[Code(code)].status for code in codes} == {int(status)}
        assert set(content["examples"]) == set(codes)
    assert ("401" in described["responses"]) == asks_for_key
    assert "internal_error" in json.dumps(described["responses"]["500"])


def test_every_order_has_its_address() -> None:
    paths = {name: ORDER_PATHS.get(name, f"POST /calls/{{call_id}}/{name}") for name in ORDERS.values()}
    assert set(paths.values()) <= set(OPERATIONS)
    for path in set(paths.values()):
        described = OPERATIONS[path]
        assert "Idempotency-Key" in [parameter["name"] for parameter in described["parameters"]]
        assert "Idempotent-Replayed" in described["responses"]["200"]["headers"]
        assert {"not_possible_now", "idempotency_conflict"} <= set(
            described["responses"]["409"]["content"]["application/problem+json"]["examples"]
        )


def test_webhooks_are_described_with_examples() -> None:
    assert set(DOCUMENT["webhooks"]) == {"result", "event", "alert"}
    for name, webhook in DOCUMENT["webhooks"].items():
        content = webhook["post"]["requestBody"]["content"]["application/json"]
        assert len(content["examples"]) >= 2, name
        check_examples(name, content)
        headers = {one["name"] for one in webhook["post"]["parameters"] if one["in"] == "header" and one["description"]}
        assert headers >= {"webhook-id", "webhook-timestamp", "webhook-signature"}, name
    told = set(DOCUMENT["webhooks"]["event"]["post"]["requestBody"]["content"]["application/json"]["examples"])
    assert set(map(str, EventType)) >= told >= {"held", "participant_joined", "transferred", "recording_paused", "ended"}


def test_the_models_have_exactly_the_members_that_are_sent() -> None:
    assert set(shown("ended")) == set(CallView.model_fields)
    assert set(result(entry("ended"))) == set(CallResult.model_fields)
    assert set(shown("talking")["participants"][0]) == set(Participant.model_fields)


async def test_a_call_fits_its_schema_in_every_state(api: Api) -> None:
    schema = {"$ref": "#/components/schemas/CallView", "components": DOCUMENT["components"]}
    validator = jsonschema_rs.validator_for(schema)
    assert set(WAYS) == set(State)
    for state in State:
        call_id = await api.call_in(state)
        assert [error.message for error in validator.iter_errors(await api.show(call_id))] == []
        await api.order(call_id, "hangup")


def test_the_document_is_openapi_3_1_and_nothing_of_it_is_elsewhere() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    assert DOCUMENT["servers"] == [{"url": "/", "description": "The platform that this document was fetched from"}]
    text = json.dumps(DOCUMENT)
    assert "HTTPValidationError" not in text
    references = {one.split('"')[0] for one in text.split('"$ref": "')[1:]}
    for reference in references:
        part: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            part = part[step]


def test_the_committed_snapshot_is_fresh() -> None:
    committed = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text())
    assert committed == json.loads(json.dumps(DOCUMENT)), "run `intellicall reference --write docs`"
