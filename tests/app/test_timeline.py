"""`GET /calls/{id}/timeline` over HTTP: everything of a call, whoever saw it, and one sentence."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.app.running import PATIENCE_S, Api, open_api
from typer.testing import CliRunner

from intellicall.accounts import changes
from intellicall.accounts.account import Account
from intellicall.accounts.keys import KeyKind
from intellicall.calls import traces
from intellicall.cli.main import app as cli
from intellicall.clock import SystemClock
from intellicall.telephony.engine import Trunk
from intellicall.telephony.scripted.engine import BEHAVIOURS, Behaviour

CALLER: dict[str, Any] = {
    "from_number": "+12025550177",
    "to_number": "+919876543210",
    "agent_number": None,
    "crm_username": "agent.017",
}
"""A call from the agent's softphone to a number outside the test network, which the scripted engine answers."""


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """A platform whose account calls through two carriers."""
    async with open_api(tmp_path) as opened:

        def furnish(connection: Any) -> tuple[str, str]:
            now = SystemClock().now()
            for name in ("carrier1", "carrier2"):
                changes.add_trunk(connection, Trunk(name, "127.0.0.1", 5060))
            wanted = Account("a2", "a2", True, False, "US", 5, callback_url=opened.receiver.url)
            account = changes.create_account(connection, wanted, now)
            changes.assign_number(connection, account, CALLER["from_number"], ("carrier1", "carrier2"), now)
            changes.add_agent(connection, account, "agent.017", None, now)
            server, browser = (changes.create_key(connection, "a2", kind, now).text for kind in (KeyKind.SERVER, KeyKind.BROWSER))
            return server, browser

        opened.key, opened.browser_key = await opened.platform.database.write(furnish)
        opened.account = "a2"
        opened.engine._script = {**opened.engine._script, CALLER["to_number"]: Behaviour(hangs_up_s=0.2)}
        yield opened


async def timeline(api: Api, call_id: str) -> dict[str, Any]:
    status, told, _ = await api.send("GET", f"/calls/{call_id}/timeline")
    assert status == 200, told
    return dict(told)


async def until_told(api: Api, call_id: str, *whats: str) -> dict[str, Any]:
    """Return the timeline once it has all of these."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            told = await timeline(api, call_id)
            if {entry["what"] for entry in told["entries"]} >= set(whats):
                return told


async def ended(api: Api, **fields: Any) -> str:
    status, call, _ = await api.start(**CALLER, **fields)
    assert status == 201, call
    await api.until(call["call_id"], "ended")
    return str(call["call_id"])


async def test_a_failover_is_told_trunk_by_trunk_and_in_one_sentence(api: Api) -> None:
    async with await api.softphone("agent.017"):
        api.engine.failing = {"carrier1": 503, "carrier2": 500}
        told = await until_told(api, await ended(api), "attempt")
    assert told["explanation"] == {
        "reason": "carrier_failure",
        "title": "The carrier could not put the call through.",
        "ended_by": "carrier",
        "whose_fault": "carrier",
        "remedy": "Try again; if it stays, tell the operator.",
        "sentence": "The carrier answered 503 on carrier1 and the carrier answered 500 on carrier2:"
        " the call to the customer could not be put through.",
    }
    of_sip = [(entry["what"], entry["data"].get("trunk")) for entry in told["entries"] if entry["source"] == "sip"]
    assert [one for one in of_sip if one[1]] == [("invite", "carrier1"), ("trunk_failed", "carrier1"), ("invite", "carrier2")]
    texts = [entry["text"] for entry in told["entries"]]
    assert "carrier1 answered 503 Service Unavailable, or no connection to it; the next trunk is tried." in texts
    assert "The customer is called from the caller ID +12025550177, through carrier1 then carrier2." in texts
    assert [entry["at"] for entry in told["entries"]] == sorted(entry["at"] for entry in told["entries"])
    assert {entry["source"] for entry in told["entries"]} >= {"call", "sip", "softphone", "policy", "delivery"}
    assert told["entries"][-1]["what"] in ("attempt", "ended", "leg_ended")


async def test_a_microphone_that_is_refused_is_why(api: Api) -> None:
    api.engine.softphone = replace(BEHAVIOURS["no_audio"], refuses_s=0.3)
    async with await api.softphone("agent.017") as page:
        status, call, _ = await api.start(**CALLER)
        assert status == 201, call
        await page.send_json({"type": "trouble", "code": "microphone_denied", "detail": "NotAllowedError"})
        await api.until(call["call_id"], "ended")
        told = await until_told(api, call["call_id"], "microphone_denied", "ready")
    why = told["explanation"]
    assert (why["reason"], why["whose_fault"]) == ("agent_no_audio", "agent")
    assert why["sentence"].endswith("The browser does not let the page use the microphone.")


async def test_what_a_page_reports_is_kept_within_limits(api: Api) -> None:
    api.engine.softphone = BEHAVIOURS["no_answer"]
    async with await api.softphone("agent.017") as page:
        _, call, _ = await api.start(**CALLER)
        await api.until(call["call_id"], "agent_ringing")
        await page.send_json({"type": "report", "call_id": "another", "what": "ice_failed"})
        for _ in range(45):
            await page.send_json({"type": "report", "call_id": call["call_id"], "what": "quality", "packets": 5, "lost": 1})
        told = await until_told(api, call["call_id"], "quality")
        assert "ice_failed" not in {entry["what"] for entry in told["entries"]}
        while (message := await page.receive()).type is aiohttp.WSMsgType.TEXT and json.loads(message.data)["type"] != "pong":
            await page.send_json({"type": "ping"})
        told = await timeline(api, call["call_id"])
        assert len([entry for entry in told["entries"] if entry["source"] == "softphone"]) <= 41
        await page.send_json({"type": "report", "call_id": call["call_id"], "what": "quality", "lost": -1})
        while (message := await page.receive(PATIENCE_S)).type is aiohttp.WSMsgType.TEXT:
            pass
        assert page.close_code == 1008


async def test_it_is_stored_and_the_command_tells_it_after_the_platforms_end(tmp_path: Path) -> None:
    async with open_api(tmp_path) as api:
        _, call, _ = await api.start()
        await api.until(call["call_id"], "talking")
        await api.order(call["call_id"], "hangup")
        await api.until(call["call_id"], "ended")
        before = await until_told(api, call["call_id"], "attempt")
    outcome = CliRunner().invoke(cli, ["--state-dir", str(tmp_path), "call", "explain", call["call_id"], "--json"])
    assert outcome.exit_code == 0, outcome.output
    after = json.loads(outcome.stdout)
    assert after["explanation"] == before["explanation"]
    assert after["explanation"]["sentence"].endswith("The account's backend ended the call.")
    assert [entry["what"] for entry in after["entries"]] == [entry["what"] for entry in before["entries"]]
    shown = CliRunner().invoke(cli, ["--state-dir", str(tmp_path), "call", "explain", call["call_id"]])
    assert "Whose fault: nobody. What to do: Nothing to do." in shown.output
    unknown = CliRunner().invoke(cli, ["--state-dir", str(tmp_path), "call", "explain", "no-such-call"])
    assert unknown.exit_code == 1


async def test_a_call_of_nobody_and_a_strange_query_are_refused(api: Api) -> None:
    assert (await api.send("GET", "/calls/nobody/timeline"))[0] == 404
    async with await api.softphone("agent.017"):
        call_id = await ended(api)
    assert (await api.send("GET", f"/calls/{call_id}/timeline?page=2"))[0] == 422
    assert (await api.send("GET", f"/calls/{call_id}/timeline", headers={"Authorization": "Bearer x"}))[0] == 401


async def test_no_number_is_in_what_is_traced(api: Api) -> None:
    async with await api.softphone("agent.017"):
        call_id = await ended(api)
    await api.platform.onlookers.tracing.flush()
    stored = await api.platform.database.read(lambda connection: traces.read(connection, call_id))
    assert stored
    assert "+" not in json.dumps([dict(trace.data) for trace in stored])
