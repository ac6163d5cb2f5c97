"""Nobody can lose a result: what is pushed, what the feed has and what the counts say is the same, however calls end."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from tests.app.running import Api, open_api
from tests.support.receiver import Received

from intellicall.accounts import store as accounts
from intellicall.calls.table import State
from intellicall.telephony.testnet.numbers import NUMBERS

BUSY, REJECTS = NUMBERS["busy"].number, NUMBERS["reject"].number
PATIENCE_S = 15.0


@pytest.fixture
async def mixed(tmp_path: Path) -> AsyncIterator[Api]:
    async with open_api(tmp_path, events=("all",), concurrent_calls=20) as opened:
        yield opened


async def end_calls(api: Api) -> list[str]:
    """Let calls end in several ways, many of them at once; return their ids."""
    talking = await asyncio.gather(*(api.call_in(State.TALKING) for _ in range(4)))
    ringing = await api.call_in(State.CUSTOMER_RINGING)
    others = [(await api.start(to_number=number))[1]["call_id"] for number in (BUSY, REJECTS, BUSY)]
    for call_id in (*talking, ringing):
        await api.order(call_id, "hangup")
    calls = [*talking, ringing, *others]
    for call_id in calls:
        await api.until(call_id, State.ENDED)
    return calls


async def read_feed(api: Api, limit: int) -> list[dict[str, Any]]:
    results, after = list[dict[str, Any]](), ""
    while True:
        _, page, _ = await api.send("GET", f"/results?limit={limit}{after}")
        results += page["results"]
        after = f"&after={page['next']}"
        if not page["more"]:
            return results


async def counted(api: Api) -> dict[str, Any]:
    """What the books should have, over all days."""
    _, answer, _ = await api.send("GET", "/results/counts")
    total: Counter[str] = Counter()
    for day in answer["days"]:
        total.update({name: number for name, number in day.items() if isinstance(number, int)} | day["by_status"])
    return total


async def until_delivered(api: Api, count: int) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE_S):
        while (found := await counted(api))["delivered"] < count:
            pass
    return found


async def test_what_is_pushed_is_what_is_in_the_feed_and_in_the_counts(mixed: Api) -> None:
    calls = await end_calls(mixed)
    pushed = [orjson.loads(one.body) for one in await pushes(mixed, results=len(calls))]
    feed = await read_feed(mixed, 3)
    assert [result["call_id"] for result in feed] == list(dict.fromkeys(result["call_id"] for result in feed))
    assert {result["call_id"]: result for result in pushed} == {result["call_id"]: result for result in feed}
    assert {result["call_id"] for result in feed} == set(calls)
    total = await until_delivered(mixed, len(calls))
    statuses = Counter(result["status"] for result in feed)
    assert len(statuses) >= 3
    assert {name: total[name] for name in statuses} == statuses
    assert (total["results"], total["delivered"], total["undelivered"], total["waiting"]) == (len(calls), len(calls), 0, 0)


async def pushes(api: Api, results: int, events: int = 0) -> list[Received]:
    """Return the results among what was received, once there are as many, and as many events."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = [one for one in api.receiver.requests if "x-intellicall-event" not in one.headers]
            if len(found) >= results and len(api.receiver.requests) - len(found) >= events:
                return found
            await api.receiver.until(len(api.receiver.requests) + 1, PATIENCE_S)


async def test_without_a_callback_url_nothing_is_lost(tmp_path: Path) -> None:
    async with open_api(tmp_path, callback_url=None, concurrent_calls=20) as api:
        calls = await end_calls(api)
        assert {result["call_id"] for result in await read_feed(api, 100)} == set(calls)
        total = await counted(api)
        assert (total["results"], total["no_endpoint"], api.receiver.requests) == (len(calls), len(calls), [])


async def test_every_callback_of_a_call_is_verified_as_a_receiver_does(mixed: Api) -> None:
    """With the public library; while a rotation's overlap lasts, with either secret."""
    first = await mixed.platform.database.read(lambda c: accounts.list_secrets(c, mixed.account)[0].text)
    call_id = await mixed.call_in(State.HELD)
    _, made, _ = await mixed.send("POST", "/callback/secret/rotate")
    await mixed.order(call_id, "hangup")
    (result,) = await pushes(mixed, results=1, events=8)
    assert orjson.loads(result.body)["call_id"] == call_id
    kinds = [one.headers["x-intellicall-event"] for one in mixed.receiver.requests if "x-intellicall-event" in one.headers]
    assert {"initiated", "answered", "held", "ended"} <= set(kinds)
    for request in mixed.receiver.requests:
        assert Webhook(first).verify(request.body, dict(request.headers)) == orjson.loads(request.body)
    assert Webhook(made["secret"]).verify(result.body, dict(result.headers)) == orjson.loads(result.body)
    assert len({one.headers["webhook-id"] for one in mixed.receiver.requests}) == len(mixed.receiver.requests)
    forged = dict(result.headers) | {"webhook-timestamp": str(int(result.headers["webhook-timestamp"]) + 1)}
    for body, headers in ((result.body.replace(b"ANSWER", b"FAILED"), dict(result.headers)), (result.body, forged)):
        with pytest.raises(WebhookVerificationError):
            Webhook(made["secret"]).verify(body, headers)
