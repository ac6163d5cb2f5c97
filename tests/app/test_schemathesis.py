"""schemathesis over the whole API, with live calls to order: no 5xx, answers as documented, wrong input refused, keys asked for."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.parameters import ParameterLocation
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.app.running import Api, open_api

from intellicall.app import describe_api
from intellicall.calls.table import State

EXAMPLES = 8
"""Of each operation and kind of data; the whole file takes about a minute."""
DOCUMENT = describe_api()
ENDLESS = "/events"
"""Answers for ever when it is asked well; tests/calls/test_events_http.py follows it."""
POOL = (State.CUSTOMER_RINGING, State.TALKING, State.HELD, State.CONSULTING, State.THREE_WAY, State.ENDED)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    ignored_auth,
]
MODES = {"good data": schemathesis.GenerationMode.POSITIVE, "wrong data": schemathesis.GenerationMode.NEGATIVE}


def operations() -> Iterator[Any]:
    for made in schemathesis.openapi.from_dict(DOCUMENT).get_all_operations():
        assert isinstance(made, Ok), made
        yield made.ok()


@pytest.mark.parametrize("mode", MODES)
async def test_the_api_is_as_it_is_described(tmp_path: Path, mode: str) -> None:
    found = []
    async with open_api(tmp_path, concurrent_calls=500) as api:
        for operation in operations():
            pool: list[str | None] = [None]
            if "{call_id}" in operation.path:
                pool += [await api.call_in(state) for state in POOL]
            try:
                await asyncio.to_thread(_try, api, operation, MODES[mode], pool)
            except Exception as error:  # noqa: BLE001 - all that is found is told at once
                found.append(error)
            for call_id in filter(None, pool):
                await api.order(call_id, "hangup")
    if found:
        raise ExceptionGroup("the API is not as it is described", found)


def _try(api: Api, operation: Any, mode: schemathesis.GenerationMode, pool: list[str | None]) -> None:
    """Send what hypothesis makes of the operation's description, mostly to a call that there is."""
    if mode is schemathesis.GenerationMode.NEGATIVE and not operation.body and not list(operation.query):
        return  # a part of the path and a header can be any text
    strategy = operation.as_strategy(generation_mode=mode)
    with requests.Session() as session:

        @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
        @given(strategy, st.sampled_from(pool))
        def send(case: schemathesis.Case[Any], call_id: str | None) -> None:
            if operation.path == ENDLESS and mode is schemathesis.GenerationMode.POSITIVE:
                return
            component = case.meta.components.get(ParameterLocation.PATH) if case.meta else None
            if call_id and component and component.mode is schemathesis.GenerationMode.POSITIVE:
                case.path_parameters["call_id"] = call_id
            headers = {"Authorization": f"Bearer {api.key}"} if operation.definition.raw.get("security") else {}
            case.call_and_validate(
                base_url=api.url, session=session, headers=headers, checks=CHECKS, allow_redirects=False, timeout=10
            )

        send()
