"""Every route of the API with what is another account's: it looks as if it were not there (invariant I10).

The routes come from the served description, so that a new one is tried too.
"""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.app.running import AGENT, CALLER_ID, CUSTOMER, Api, open_api, seed

from intellicall.accounts import changes, store
from intellicall.calls.table import State
from intellicall.clock import SystemClock

CANARY = "canary"
THEIR_NUMBER = "+12025550191"
UNKNOWN = {
    "call_id": "01890000-0000-7000-8000-000000000000",
    "participant_id": "p1",
    "crm_username": f"{CANARY}.nobody",
    "delivery_id": "01890000-0000-7000-8000-000000000001",
}
BY_LINK = {"/recordings/{file}"}
"""Who has the link may have it (guide, section 6); whoever has not, is told nothing: `recordings/test_http.py`."""
OPEN = {"/events", "/CRM_API/webphone/launch", "/healthz", "/readyz", "/metrics"}
"""No lists: a stream (`calls/test_events_http.py`), a page, and what is the operator's."""
VOLATILE = re.compile(r'"(request_id|instance)": *"[^"]*"')


class Tenants:
    """One platform, two accounts: `api.key` is the account that looks, `ids` are the other one's."""

    def __init__(self, api: Api, theirs: str) -> None:
        self.api = api
        self.theirs = theirs
        self.ids: dict[str, set[str]] = {}
        self.paths: dict[str, dict[str, Any]] = {}

    async def furnish(self) -> None:
        """Give the other account a live call, one that has ended, its result and its agent, all with a canary in them."""
        api, mine = self.api, self.api.key
        api.key = self.theirs
        fields = {"from_number": THEIR_NUMBER}
        ended = await api.call_in(State.ENDED, uuid=f"{CANARY}-1", **fields)
        live = await api.call_in(State.TALKING, uuid=f"{CANARY}-2", **fields)
        assert (await api.send("PATCH", f"/calls/{ended}", {"notes": CANARY}))[0] == 200
        _, found, _ = await api.send("GET", "/deliveries")
        deliveries = {one["id"] for one in found["deliveries"]}
        assert deliveries
        self.ids = {
            "call_id": {ended, live},
            "participant_id": {"agent", "customer"},
            "crm_username": {f"{CANARY}.agent"},
            "delivery_id": deliveries,
        }
        api.key = mine
        _, document, _ = await api.send("GET", "/openapi.json")
        self.paths = document["paths"]

    async def everything_of_theirs(self) -> str:
        """Return all that the other account can see of itself, to compare."""
        api, mine = self.api, self.api.key
        api.key = self.theirs
        try:
            paths = ["/calls", "/results", "/deliveries", "/callback", *(f"/calls/{one}/timeline" for one in self.ids["call_id"])]
            return json.dumps([(await api.send("GET", path))[1] for path in sorted(paths)])
        finally:
            api.key = mine

    def operations(self) -> list[tuple[str, str, Any]]:
        """Return method, path with its placeholders, and a body that would be right."""
        found = []
        for path, methods in self.paths.items():
            for method, operation in methods.items():
                if method != "parameters":
                    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
                    examples = content.get("examples", {})
                    body = next((one["value"] for one in examples.values()), content.get("example", {} if content else None))
                    found.append((method.upper(), path, body))
        return found

    async def answer(self, method: str, path: str, body: Any, **options: Any) -> tuple[int, str]:
        status, text, _ = await self.api.send(method, path, body, **options)
        return status, VOLATILE.sub("", json.dumps(text))


@pytest.fixture
async def tenants(tmp_path: Any) -> AsyncIterator[Tenants]:
    async with open_api(tmp_path) as api:

        def settle(connection: Any) -> str:
            key, _ = seed(connection, "a2", THEIR_NUMBER, api.receiver.url, {})
            account = store.account_by_name(connection, "a2")
            changes.add_agent(connection, account, f"{CANARY}.agent", None, SystemClock().now())
            return key

        found = Tenants(api, await api.platform.database.write(settle))
        await found.furnish()
        yield found


async def test_every_route_with_an_id_of_another_account_answers_as_if_it_were_unknown(tenants: Tenants) -> None:
    before = await tenants.everything_of_theirs()
    tried = 0
    for method, path, body in tenants.operations():
        names = re.findall(r"\{(\w+)\}", path)
        if not names or path in BY_LINK:
            continue
        assert set(names) <= set(tenants.ids), f"{path}: what is another account's id here?"
        first, others = names[0], {name: UNKNOWN[name] for name in names[1:]}
        wanted = await tenants.answer(method, path.format(**others, **{first: UNKNOWN[first]}), body)
        assert wanted[0] == 404, (method, path, wanted)
        for foreign in tenants.ids[first]:
            for participant in tenants.ids["participant_id"] if others else [""]:
                rest = dict.fromkeys(others, participant)
                found = await tenants.answer(method, path.format(**rest, **{first: foreign}), body)
                assert found == wanted, (method, path)
                tried += 1
    assert tried > 30
    assert await tenants.everything_of_theirs() == before


async def test_no_list_shows_anything_of_another_account(tenants: Tenants) -> None:
    """With each filter, set to what the other account has, and with its cursors."""
    api = tenants.api
    values = {
        "uuid": [f"{CANARY}-1"],
        "call_id": sorted(tenants.ids["call_id"]),
        "crm_username": [f"{CANARY}.agent"],
        "agent_number": [AGENT],
        "number": [CUSTOMER, THEIR_NUMBER],
    }
    secrets = [CANARY, THEIR_NUMBER, *(one for ids in ("call_id", "delivery_id") for one in tenants.ids[ids])]
    lists = [path for method, path, _ in tenants.operations() if method == "GET" and "{" not in path and path not in OPEN]
    assert {"/calls", "/agents", "/results", "/deliveries", "/callback"} <= set(lists)
    mine, api.key = api.key, tenants.theirs
    _, first, _ = await api.send("GET", "/calls?limit=1")
    _, their_results, _ = await api.send("GET", "/results")
    api.key = mine
    for path in lists:
        offered = {one["name"] for one in tenants.paths[path]["get"].get("parameters", [])}
        queries = [{}, *({name: value} for name, some in values.items() if name in offered for value in some)]
        for query in queries:
            status, text = await tenants.answer("GET", path, None, params=query)
            assert status == 200, text
            text = text if not query else text.replace(json.dumps(next(iter(query.values()))), "")
            assert not [one for one in secrets if one in text], (path, query)
    for query in ({"cursor": first["next"]}, {"after": their_results["next"]}):
        for path in ("/calls", "/results", "/deliveries"):
            _, text = await tenants.answer("GET", path, None, params=query)
            assert not [one for one in secrets if one in text], (path, query)
    async with api.session.get(f"{api.url}/metrics") as shown:
        assert not [one for one in secrets if one in await shown.text()]


async def test_what_another_account_has_cannot_be_used(tenants: Tenants) -> None:
    """Its caller ID and its agents are unknown here; its uuids are free."""
    api = tenants.api
    assert (await api.start(from_number=THEIR_NUMBER))[1]["code"] == (await api.start(from_number="+12025550199"))[1]["code"]
    refusals = []
    for crm_username in (f"{CANARY}.agent", f"{CANARY}.nobody"):
        status, problem, _ = await api.start(agent_number=None, crm_username=crm_username)
        refusals.append((status, problem["code"], problem["detail"].replace(crm_username, "")))
    assert refusals[0] == refusals[1]
    assert refusals[0][0] >= 400
    status, call, _ = await api.start(uuid=f"{CANARY}-2", from_number=CALLER_ID)
    assert status == 201
    assert call["call_id"] not in tenants.ids["call_id"]


async def test_sending_results_again_sends_the_own_ones_only(tenants: Tenants) -> None:
    api = tenants.api
    requests = len(api.receiver.requests)
    body = {"from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z", "state": "delivered"}
    status, answer, _ = await api.send("POST", "/deliveries/resend", body)
    assert (status, answer["count"]) == (200, 0), answer
    assert len(api.receiver.requests) == requests
