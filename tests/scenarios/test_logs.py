"""Logs name no person and no secret: phone numbers, keys, tokens and recordings' names stay out (house rule 14)."""

from pathlib import Path

import pytest
from tests.support.demo import Demo

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="session")]


async def test_nothing_private_is_logged(demo: Demo) -> None:
    """The session's demo is asked once more when it ends, after everything that all tests did."""
    demo.secrets |= {"ics_a-wrong-key", "icb_a-wrong-key", "+919876501234"}
    order = {"from_number": demo.caller_id, "agent_number": demo.number("tone_440")}
    assert (await demo.request("POST", "/calls", order | {"to_number": "busy"}))[0] == 422
    assert (await demo.request("POST", "/calls", order | {"to_number": "+919876501234"}))[0] == 403
    assert (await demo.request("POST", "/calls", order | {"to_number": demo.number("busy")}, "ics_a-wrong-key"))[0] == 401
    assert (await demo.request("GET", "/calls?uuid=+919876501234"))[0] == 200
    query = f"crm_username=agent.017&from_number={demo.caller_id}&to_number=+919876501234&api_key="
    for key in (demo.facts["browser_key"], "icb_a-wrong-key"):
        async with demo.http.get(f"{demo.base_url}/CRM_API/webphone/launch?{query}{key}") as answer:
            assert answer.status in (401, 403)
    for customer in ("hangs_up", "unknown", "reject"):
        call = await demo.start_call(customer)
        result = await demo.result(call["call_id"], 20)
        if result["recording_url"]:
            async with demo.http.get(result["recording_url"]) as answer:
                assert answer.status == 200
    assert demo.told_in_logs() == []


async def test_the_search_of_the_logs_finds_what_is_there(demo: Demo) -> None:
    planted = Path(demo.facts["log_dir"]) / "planted.log"
    planted.write_text(f"dialed {demo.number('busy')} with {demo.facts['server_key']}\n")
    try:
        told = demo.told_in_logs()
    finally:
        planted.unlink()
    assert [line.split(": ")[1].split(" …")[0] for line in told] == ["phone number", "server_key"]
