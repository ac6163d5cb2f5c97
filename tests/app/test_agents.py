"""GET /agents over HTTP: who can be called now, page by page."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.app.running import CUSTOMER, PATIENCE_S, RINGS, Api, open_api

from intellicall.accounts import changes, store

UNKNOWN: dict[str, Any] = {"number": None, "since": None, "call_id": None}


async def agent(api: Api, name: str = "agent.017") -> dict[str, Any]:
    status, answer, _ = await api.send("GET", f"/agents/{quote(name, safe='')}")
    assert status == 200, answer
    return dict(answer)


async def until(api: Api, presence: str, name: str = "agent.017") -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE_S):
        while (found := await agent(api, name))["presence"] != presence:
            pass  # asked again at once: the platform runs in this loop
    return found


async def test_an_agents_day(api: Api) -> None:
    assert await agent(api) == {"crm_username": "agent.017", "presence": "offline", **UNKNOWN}
    socket = await api.softphone("agent.017")
    assert await until(api, "ready") == {"crm_username": "agent.017", "presence": "ready", **UNKNOWN}
    _, call, _ = await api.start(agent_number=None, crm_username="agent.017", to_number=RINGS)
    busy = await agent(api)
    assert (busy["presence"], busy["call_id"], busy["since"]) == ("busy", call["call_id"], call["start_time"])
    await api.order(call["call_id"], "hangup")
    await api.until(call["call_id"], "ended")
    await until(api, "ready")
    await socket.close()
    await until(api, "asleep")
    await until(api, "offline")


async def test_after_a_talk_comes_the_wrap_up(tmp_path: Path) -> None:
    async with open_api(tmp_path, wrap_up_s=600) as api:
        _page = await api.softphone("agent.017")
        _, call, _ = await api.start(agent_number=None, crm_username="agent.017", to_number=CUSTOMER)
        await api.until(call["call_id"], "talking")
        await api.order(call["call_id"], "hangup")
        found = await until(api, "wrap_up")
        assert (found["call_id"], found["number"]) == (call["call_id"], None)
        assert found["since"] >= call["start_time"]


async def test_a_guest_is_busy_with_the_call_it_is_rung_for(api: Api) -> None:
    _page = await api.softphone("agent.018")
    _, call, _ = await api.start()
    await api.until(call["call_id"], "talking")
    await api.order(call["call_id"], "participants", {"crm_username": "agent.018", "mode": "consult"})
    found = await until(api, "busy", "agent.018")
    assert found["call_id"] == call["call_id"]


async def test_all_agents_come_page_by_page(api: Api) -> None:
    def add(connection: Any) -> None:
        account = store.account(connection, "a1")
        for name in ("zoë/rao", "Asha"):
            changes.add_agent(connection, account, name, None, api.platform.clock.now())

    await api.platform.database.write(add)
    names, cursor = list[str](), ""
    while True:
        status, page, _ = await api.send("GET", f"/agents?limit=1{cursor}")
        assert (status, len(page["agents"])) == (200, 1)
        names += [one["crm_username"] for one in page["agents"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert names == ["Asha", "agent.017", "agent.018", "zoë/rao"]
    assert [one["crm_username"] for one in (await api.send("GET", "/agents"))[1]["agents"]] == names
    assert (await agent(api, "zoë/rao"))["presence"] == "offline"


@pytest.mark.parametrize(
    ("path", "status", "code", "field"),
    [
        ("/agents/nobody", 404, "unknown_agent", "crm_username"),
        ("/agents/Agent.017", 404, "unknown_agent", "crm_username"),
        ("/agents/%00", 404, "unknown_agent", "crm_username"),
        ("/agents/agent.017?x=1", 422, "unknown_field", "x"),
        ("/agents?limit=0", 422, "invalid_field", "limit"),
        ("/agents?cursor=x", 422, "invalid_field", "cursor"),
        ("/agents?query=x", 422, "unknown_field", "query"),
        ("/calls?cursor=x", 422, "invalid_field", "cursor"),
        ("/calls?limit=many", 422, "invalid_field", "limit"),
        ("/calls?status=answered", 422, "invalid_field", "status"),
        ("/calls?state=alive", 422, "invalid_field", "state"),
        ("/calls?from=2026-07-03", 422, "invalid_field", "from"),
        ("/calls?number=12", 422, "invalid_number", "number"),
        ("/calls?page=2", 422, "unknown_field", "page"),
    ],
)
async def test_each_mistake_is_told(api: Api, path: str, status: int, code: str, field: str) -> None:
    answer = await api.send("GET", path)
    assert (answer[0], answer[1]["code"], answer[1]["field"]) == (status, code, field)


async def test_without_a_key_nobody_learns_who_is_there(api: Api) -> None:
    for path in ("/agents", "/agents/agent.017", "/calls", "/calls?limit=0"):
        answer = await api.send("GET", path, headers={"Authorization": f"Bearer {api.browser_key}"})
        assert (answer[0], answer[1]["code"]) == (401, "wrong_key_kind")


async def test_calls_are_listed_and_searched(api: Api) -> None:
    ids = list[str]()
    for number in range(3):
        _, call, _ = await api.start(uuid=f"u-{number}", to_number="(202) 555-0100" if number else RINGS, agent_number=RINGS)
        ids.insert(0, call["call_id"])
        await api.order(call["call_id"], "hangup")
        await api.until(call["call_id"], "ended")

    async def listed(query: str) -> list[str]:
        status, page, _ = await api.send("GET", f"/calls{query}")
        assert (status, page["next"]) == (200, None), page
        return [call["call_id"] for call in page["calls"]]

    assert await listed("") == ids
    assert await listed("?number=202-555-0100") == await listed("?number=%2B12025550100") == ids[:2]
    assert await listed("?status=CANCELED&state=ended&call_type=server") == ids
    assert await listed("?uuid=u-1") == [ids[1]]
    assert await listed("?state=live") == await listed("?to=2020-01-01T00:00:00Z") == await listed("?crm_username=agent.017") == []
    _, first, _ = await api.send("GET", "/calls?limit=2")
    _, second, _ = await api.send("GET", f"/calls?limit=2&cursor={first['next']}")
    assert [call["call_id"] for call in first["calls"] + second["calls"]] == ids
    assert first["calls"][0] == await api.show(ids[0])
