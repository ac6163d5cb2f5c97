"""The events of a real call through the whole platform: the same on the stream, in the callbacks, and in their schemas."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from tests.app.running import Api, open_api
from tests.calls.following import Follower

from intellicall.calls.webhooks import DATA, EventPush, ResultPush
from intellicall.event_types import EventType

LIFE = ["initiated", "agent_ringing", "agent_answered", "customer_ringing", "answered", "ended", "recording_ready"]


@asynccontextmanager
async def following(api: Api, **query: str) -> AsyncIterator[Follower]:
    headers = {"Authorization": f"Bearer {api.key}"}
    url = f"http://127.0.0.1:{api.platform.port}/events"
    timeout = aiohttp.ClientTimeout(total=30)
    async with api.session.get(url, headers=headers, params=query, timeout=timeout) as answer:
        assert answer.status == 200
        follower = Follower(answer)
        await follower.block()
        yield follower


async def until(events: Follower, last: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while not found or found[-1]["type"] != last:
        found += await events.events(1)
    return found


async def test_a_whole_call_on_the_stream_and_in_the_callbacks(tmp_path: Path) -> None:
    async with open_api(tmp_path, events=("all",)) as api, following(api) as follower:
        _, call, _ = await api.start(uuid="your-own-call-id")
        streamed = await until(follower, "answered")
        await api.send("POST", f"/calls/{call['call_id']}/hangup")
        streamed += await until(follower, "recording_ready")
        requests = await api.receiver.until(len(LIFE) + 1)
    assert [event["type"] for event in streamed] == LIFE
    assert {(event["call_id"], event["uuid"]) for event in streamed} == {(call["call_id"], "your-own-call-id")}
    pushed = [json.loads(request.body) for request in requests if "x-intellicall-event" in request.headers]
    assert pushed == streamed
    (result,) = [json.loads(request.body) for request in requests if "x-intellicall-event" not in request.headers]
    ResultPush.model_validate(result)
    assert next(event["data"]["result"] for event in streamed if event["type"] == "ended") == result
    for event in streamed:
        EventPush.model_validate(event)
        DATA[EventType(event["type"])].model_validate(event["data"])


async def test_a_new_call_is_told_at_once(tmp_path: Path) -> None:
    """Before anything rings: the stream is woken by the call's being stored."""
    async with open_api(tmp_path) as api, following(api, types="initiated") as follower:
        began = asyncio.get_running_loop().time()
        await api.start()
        await follower.events(1)
        assert asyncio.get_running_loop().time() - began < 1
        stopping = asyncio.create_task(api.platform.stop())
        await follower.ended()
        await stopping
        assert asyncio.get_running_loop().time() - began < 4, "streams end before the server waits for them"
