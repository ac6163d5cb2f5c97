"""The API of the whole platform over HTTP: integration guide section 4 to the letter, and what bad input gets.

Everything is real but the telephony: the scripted engine plays the far ends.
"""

import asyncio
import json
import time
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from tests.app.running import Api, open_api

from intellicall.app import Platform
from intellicall.calls import http
from intellicall.clock import SystemClock
from intellicall.settings import Settings
from intellicall.telephony.testnet.numbers import NUMBERS


async def test_the_guides_request_gets_its_call_and_its_result(api: Api) -> None:
    status, call, _ = await api.start(to_number="2025550100", agent_number="(202) 555-0109", uuid="your-own-call-id")
    assert (status, call["uuid"], call["state"]) == (201, "your-own-call-id", "initiated")
    [request] = await api.receiver.until(1)  # the agent's phone hangs up after 5 s
    result = json.loads(request.body)
    assert list(result) == [
        "call_id", "uuid", "status", "duration", "customer_number", "agent_number", "crm_username", "call_type",
        "disposition", "direction", "start_time", "end_time", "recording_url", "answer_time", "reason", "ended_by",
        "transferred_to", "notes", "recording",
    ]  # fmt: skip
    assert (result["call_id"], result["uuid"], result["status"]) == (call["call_id"], "your-own-call-id", "ANSWER")
    assert (result["customer_number"], result["agent_number"]) == ("2025550100", "2025550109"), "echoed as they were sent"
    assert (result["duration"], result["reason"], result["ended_by"]) == (5, "agent_hung_up", "agent")
    assert result["recording"] == "ready"
    async with api.session.get(result["recording_url"].replace("localhost", "127.0.0.1")) as recording:
        assert (recording.status, recording.content_type) == (200, "audio/wav")
        assert abs(len(await recording.read()) - 44 - 5 * 32000) < 0.5 * 32000
    for path in (f"/calls/{call['call_id']}", "/calls?uuid=your-own-call-id"):
        _, shown, _ = await api.send("GET", path)
        shown = shown["calls"][0] if "calls" in shown else shown
        assert {name: shown[name] for name in result} == result


async def test_the_same_uuid_is_the_same_call_and_another_content_a_conflict(api: Api) -> None:
    first = await api.start(uuid="u-1")
    again = await api.start(uuid="u-1")
    other = await api.start(uuid="u-1", to_number=NUMBERS["speech"].number)
    assert (first[0], again[0], again[1]["call_id"]) == (201, 200, first[1]["call_id"])
    assert (other[0], other[1]["code"], other[1]["call_id"]) == (409, "uuid_conflict", first[1]["call_id"])
    assert len(api.engine.dialed) <= 2


async def test_hanging_up_and_what_comes_too_late(api: Api) -> None:
    _, call, _ = await api.start(to_number=NUMBERS["no_answer"].number)
    status, _, _ = await api.send("POST", f"/calls/{call['call_id']}/hangup")
    assert status == 200
    result = json.loads((await api.receiver.until(1))[0].body)
    assert (result["status"], result["ended_by"], result["recording_url"]) == ("CANCELED", "account", None)
    assert result["uuid"] == result["call_id"] == call["call_id"]
    status, problem, _ = await api.send("POST", f"/calls/{call['call_id']}/hangup")
    assert (status, problem["code"], problem["state"], problem["allowed"]) == (409, "not_possible_now", "ended", [])


@pytest.mark.parametrize(
    ("fields", "status", "code", "field"),
    [
        ({"to_number": "12"}, 422, "invalid_number", "to_number"),
        ({"to_number": "{phone}"}, 400, "template_not_filled", "to_number"),
        ({"to_number": "202555;0100&PJSIP/1"}, 422, "invalid_number", "to_number"),
        ({"to_number": "+919876543210"}, 403, "destination_not_allowed", "to_number"),
        ({"agent_number": "+919876543210"}, 403, "destination_not_allowed", "agent_number"),
        ({"from_number": "+12025550199"}, 403, "number_not_assigned", "from_number"),
        ({"from_number": None}, 422, "missing_field", "from_number"),
        ({"to_number": None}, 422, "missing_field", "to_number"),
        ({"agent_number": None}, 422, "invalid_field", "agent_number"),
        ({"crm_username": "agent.017"}, 422, "invalid_field", "agent_number"),
        ({"agent_number": None, "crm_username": "nobody"}, 404, "unknown_agent", "crm_username"),
        ({"agent_number": None, "crm_username": "agent.017"}, 409, "agent_offline", "crm_username"),
        ({"to_number": 2025550100}, 422, "invalid_field", "to_number"),
        ({"to_nmber": "x"}, 422, "unknown_field", "to_nmber"),
        ({"uuid": "a\u0000b"}, 422, "invalid_field", "uuid"),
    ],
)
async def test_each_wrong_field_is_named_and_nothing_is_dialed(
    api: Api, fields: dict[str, Any], status: int, code: str, field: str
) -> None:
    answer = await api.start(**fields)
    assert (answer[0], answer[1]["code"], answer[1]["field"]) == (status, code, field)
    assert answer[2]["Content-Type"] == "application/problem+json"
    assert {"type", "title", "status", "remedy", "request_id"} <= set(answer[1])
    assert api.engine.dialed == []


@pytest.mark.parametrize(
    ("data", "headers", "status", "code"),
    [
        (b"{", {}, 400, "malformed_json"),
        (b"[]", {}, 400, "malformed_json"),
        (b'{"to_number":"1","to_number":"2"}', {}, 400, "duplicate_field"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
        (b"{}", {"Authorization": "Basic x"}, 401, "missing_key"),
        (b"{}", {"Authorization": "Bearer ics_wrong"}, 401, "invalid_key"),
        (b"x" * 70_000, {}, 413, "body_too_large"),
    ],
)
async def test_broken_requests_get_a_clear_answer(api: Api, data: bytes, headers: dict[str, str], status: int, code: str) -> None:
    answer = await api.send("POST", "/calls", data=data, headers=headers)
    assert (answer[0], answer[1]["code"]) == (status, code)


async def test_keys_of_the_other_kind_and_unknown_ones_open_nothing(api: Api) -> None:
    for key, code in ((api.browser_key, "wrong_key_kind"), ("ics_unknown", "invalid_key")):
        api.key = key
        for answer in (await api.start(), await api.send("GET", "/calls/x"), await api.send("POST", "/calls/x/hangup")):
            assert (answer[0], answer[1]["code"]) == (401, code)
    assert api.engine.dialed == []


async def test_another_address_and_the_limit(tmp_path: Path) -> None:
    async with open_api(tmp_path, concurrent_calls=1) as api:
        assert (await api.start())[0] == 201
        status, problem, headers = await api.start()
        assert (status, problem["code"]) == (429, "call_limit_reached")
        assert int(headers["Retry-After"]) > 0


async def test_only_the_accounts_networks_may_use_the_server_key(tmp_path: Path) -> None:
    async with open_api(tmp_path, allowed_networks=(ip_network("203.0.113.0/24"),)) as api:
        answer = await api.send("POST", "/calls", {}, headers={"X-Forwarded-For": "203.0.113.7"})
        assert (answer[0], answer[1]["code"]) == (403, "address_not_allowed")


async def test_without_an_engine_there_is_503_and_no_call(api: Api) -> None:
    api.engine.lose()
    status, problem, headers = await api.start(uuid="later")
    assert (status, problem["code"], int(headers["Retry-After"])) == (503, "engine_unavailable", 3)
    assert (await api.send("GET", "/calls?uuid=later"))[1] == {"calls": [], "next": None}
    assert (await api.send("GET", "/readyz"))[0] == 503
    api.engine.come_back(restarted=True)
    assert (await api.start(uuid="later"))[0] == 201
    assert (await api.send("GET", "/readyz"))[0] == 200


def test_links_made_before_the_doors_are_open_name_the_port_that_they_will_have(tmp_path: Path) -> None:
    assert Platform(Settings(state_dir=tmp_path, port=8123)).public_url == "http://localhost:8123"


async def test_a_click_that_waited_for_long_in_the_kernel_is_not_dialed(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform was stopped: whoever clicked has given up, or asks again."""
    monkeypatch.setattr(http, "LATE_S", 0.2)
    started = asyncio.ensure_future(api.start(uuid="late"))
    async with asyncio.timeout(5):
        while not api.engine.dialed and not started.done():
            time.sleep(0.3)  # noqa: ASYNC251 - we stand still whenever we are to read
            await asyncio.sleep(0)
    status, problem, headers = await started
    assert (status, problem["code"], headers["Retry-After"]) == (503, "platform_stalled", "3")
    assert api.engine.dialed == []
    monkeypatch.undo()
    status, _, _ = await api.start(uuid="late")
    assert status == 201


async def test_after_a_standstill_calls_are_refused_before_they_cost_anything(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """They come by the hundred: not even the key is looked for."""
    monkeypatch.setattr(api.platform.calls._pulse, "_settled", SystemClock().monotonic() + 30)
    api.key = "nobody's"
    status, problem, headers = await api.start()
    assert (status, problem["code"]) == (503, "platform_stalled")
    assert 20 < int(headers["Retry-After"]) <= 31
