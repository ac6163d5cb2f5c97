"""The server flow: `POST /calls` rings the agent's phone, then the customer's (integration guide, sections 4 and 5)."""

import asyncio
from pathlib import Path

import pytest
from tests.support import audio
from tests.support.demo import Demo, at
from tests.support.results import GUIDE_FIELDS, HEARD, OUR_FIELDS, download

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="session")]


async def test_two_phones_talk_and_the_result_arrives(demo: Demo, tmp_path: Path) -> None:
    order = {
        "from_number": demo.caller_id,
        "to_number": "2025550100",  # as the guide writes numbers: without country code, read in the account's region
        "agent_number": demo.number("tone_440"),
        "uuid": "guide/your-own-call-id",
    }
    status, made = await demo.request("POST", "/calls", order)
    assert status == 201
    assert made["uuid"] == order["uuid"]
    assert made["state"] == "initiated"
    call_id = made["call_id"]
    talking = await demo.until_state(call_id, "talking")
    assert talking["answer_time"]
    found = await demo.request("GET", f"/calls?uuid={order['uuid']}")
    assert [call["call_id"] for call in found[1]["calls"]] == [call_id]
    await demo.talked(call_id, 3)
    await demo.hang_up(call_id)
    result = await demo.result(call_id)

    assert tuple(result) == GUIDE_FIELDS + OUR_FIELDS
    assert result == result | {
        "uuid": order["uuid"],
        "status": "ANSWER",
        "customer_number": "2025550100",
        "agent_number": demo.number("tone_440"),
        "crm_username": "agent.017",
        "call_type": "server",
        "disposition": "CRM_CALL",
        "direction": "outbound",
        "reason": "ended_by_account",
        "ended_by": "account",
    }
    assert result["duration"] in (3, 4)
    assert at(result["start_time"]) <= at(result["answer_time"]) <= at(result["end_time"])
    left, right = await download(demo, result["recording_url"], tmp_path)
    length = len(left) / audio.SAMPLE_RATE
    assert length == pytest.approx(result["duration"], abs=0.5 + 0.3)
    assert audio.tone_seconds(left, 1000) > HEARD * length
    assert audio.tone_seconds(right, 440) > HEARD * length
    assert audio.tone_seconds(left, 440) == audio.tone_seconds(right, 1000) == 0
    assert len(await demo.received(call_id)) == 1
    ended = await demo.call(call_id)
    assert {name: ended[name] for name in result} == result


async def test_the_same_uuid_never_dials_twice(demo: Demo) -> None:
    order = {
        "from_number": demo.caller_id,
        "to_number": demo.number("tone_1000"),
        "agent_number": demo.number("tone_440"),
        "uuid": "one-call-only",
    }
    before = await demo.phones_rung()
    answers = await asyncio.gather(*(demo.request("POST", "/calls", order) for _ in range(5)))
    assert sorted(status for status, _ in answers) == [200, 200, 200, 200, 201]
    (call_id,) = {call["call_id"] for _, call in answers}
    await demo.until_state(call_id, "talking")
    status, again = await demo.request("POST", "/calls", order)
    assert (status, again["call_id"], again["state"]) == (200, call_id, "talking")

    status, problem = await demo.request("POST", "/calls", {**order, "to_number": demo.number("speech")})
    assert (status, problem["code"]) == (409, "uuid_conflict")
    await demo.hang_up(call_id)
    await demo.result(call_id)
    status, after = await demo.request("POST", "/calls", order)
    assert (status, after["call_id"], after["state"]) == (200, call_id, "ended")
    assert demo.calls("one-call-only") == 1
    assert await demo.phones_rung() == before + 2  # the agent's and the customer's


async def test_without_an_open_softphone_nothing_is_dialed(demo: Demo) -> None:
    calls, rung = demo.calls(), await demo.phones_rung()
    order = {"from_number": demo.caller_id, "to_number": demo.number("tone_1000"), "crm_username": "agent.018"}
    status, problem = await demo.request("POST", "/calls", order)
    assert (status, problem["code"], problem["field"]) == (409, "agent_offline", "crm_username")
    assert demo.calls() == calls
    assert await demo.phones_rung() == rung


async def test_exactly_one_agent_is_named(demo: Demo) -> None:
    calls = demo.calls()
    order = {"from_number": demo.caller_id, "to_number": demo.number("tone_1000")}
    both = {"agent_number": demo.number("tone_440"), "crm_username": "agent.017"}
    for members in ({}, both):
        status, problem = await demo.request("POST", "/calls", order | members)
        assert (status, problem["code"]) == (422, "invalid_field")
    assert demo.calls() == calls
