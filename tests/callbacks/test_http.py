"""The endpoint and the delivery log over HTTP, on both databases: what they show, what they do, and to whom."""

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from tests.callbacks.office import Office, open_office
from tests.callbacks.samples import AT, AUTH, ended, set_endpoint
from tests.support.receiver import Received, answers, receiver

from intellicall.callbacks import store
from intellicall.callbacks.delivery import Attempt, Kind, State
from intellicall.callbacks.http import TESTS
from intellicall.storage.database import Database


@pytest.fixture
async def office(database: Database, tmp_path: Path) -> AsyncIterator[Office]:
    async with open_office(database, tmp_path) as opened:
        yield opened


@pytest.fixture
async def sqlite_office(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[Office]:
    async with open_office(sqlite_database, tmp_path) as opened:
        yield opened


def verifies(secret: str, request: Received) -> bool:
    """Whether a receiver with this secret takes the request."""
    try:
        Webhook(secret).verify(request.body, dict(request.headers))
    except WebhookVerificationError:
        return False
    return True


async def test_an_endpoint_is_shown_without_what_is_secret(office: Office) -> None:
    shown = await office.get("/callback")
    assert (shown["url"], shown["state"], shown["policy"]) == (f"http://127.0.0.1:{office.receiver.port}", "active", "guide")
    (secret,) = shown["secrets"]
    (text,) = await office.secrets()
    assert text.rstrip("=").endswith(secret["hint"])
    assert len(secret["hint"]) == 4
    everything = orjson.dumps(shown).decode()
    assert not any(word in everything for word in (text, text[6:20], "/results", AUTH[1]))
    _, none = await office.ask("GET", "/callback", account="b")
    assert (none["url"], none["state"], none["waiting"], none["undelivered"]) == (None, "none", 0, 0)


async def test_a_paused_endpoint_keeps_everything_and_then_sends_it_in_order(office: Office) -> None:
    assert (await office.post("/callback/pause"))["state"] == "paused"
    assert (await office.post("/callback/pause", {}))["state"] == "paused", "a second time changes nothing"
    await office.end(*(ended("a", f"call-{number}") for number in range(3)))
    shown = await office.get("/callback")
    assert (shown["waiting"], office.receiver.requests) == (3, [])
    assert shown["paused_since"] is not None
    listed = (await office.get("/deliveries", state="due"))["deliveries"]
    assert {one["attempt_count"] for one in listed} == {0}
    assert (await office.post("/callback/resume"))["state"] == "active"
    sent = await office.receiver.until(3)
    assert sorted(orjson.loads(one.body)["call_id"] for one in sent) == ["call-0", "call-1", "call-2"]


async def test_a_test_is_sent_signed_and_is_in_no_feed_and_no_count(office: Office) -> None:
    made = await office.post("/callback/test")
    assert (made["kind"], made["state"]) == ("test", "due")
    (sent,) = await office.receiver.until(1)
    assert orjson.loads(sent.body)["uuid"].startswith("test-")
    assert sent.headers["webhook-id"] == made["id"]
    assert sent.headers[AUTH[0].lower()] == AUTH[1]
    (secret,) = await office.secrets()
    assert verifies(secret, sent)
    shown = await office.until(made["id"], "delivered")
    assert shown["body"] == orjson.loads(sent.body)
    assert [(one["number"], one["status"], one["answer"]) for one in shown["attempts"]] == [(1, 200, "ok")]
    assert (await office.get("/results"))["results"] == []
    assert {day["results"] for day in (await office.get("/results/counts"))["days"]} == {0}
    assert [one["id"] for one in (await office.get("/deliveries", kind="test"))["deliveries"]] == [made["id"]]


async def test_tests_are_limited_and_need_a_callback_url(sqlite_office: Office) -> None:
    status, problem = await sqlite_office.ask("POST", "/callback/test", account="b")
    assert (status, problem["code"]) == (409, "not_possible_now")
    found = [await sqlite_office.ask("POST", "/callback/test") for _ in range(TESTS + 1)]
    assert [status for status, _ in found] == [201] * TESTS + [429]


async def test_after_a_rotation_both_secrets_verify_and_the_new_one_is_shown_once(office: Office) -> None:
    (old,) = await office.secrets()
    made = await office.post("/callback/secret/rotate")
    new = made["secret"]
    assert await office.secrets() == [new, old]
    assert [one["expires_at"] is None for one in made["secrets"]] == [True, False]
    assert new not in orjson.dumps(await office.get("/callback")).decode()
    await office.end()
    (sent,) = await office.receiver.until(1)
    assert (verifies(new, sent), verifies(old, sent)) == (True, True)
    last = (await office.post("/callback/secret/rotate", {"overlap_hours": 0}))["secret"]
    await office.end()
    sent = (await office.receiver.until(2))[1]
    assert [verifies(secret, sent) for secret in (last, new, old)] == [True, False, False]
    for hours in (-1, 721, "24", 1.5, None):
        status, problem = await office.ask("POST", "/callback/secret/rotate", {"overlap_hours": hours})
        assert (status, problem["field"]) == (422, "overlap_hours"), hours


async def log(office: Office) -> dict[str, str]:
    """Fill the log of a paused endpoint; return the deliveries by a name."""
    await office.post("/callback/pause")
    await office.end(*(ended("a", f"call-{n}", AT + timedelta(minutes=n)) for n in range(5)))
    await office.end(ended("b", "theirs", AT), account="b")
    ids = {f"call-{n}": (await office.get("/deliveries", call_id=f"call-{n}"))["deliveries"][0]["id"] for n in range(5)}
    for name, state, answer in (
        ("call-0", State.DELIVERED, b"ok"),
        ("call-1", State.UNDELIVERED, b"\x1b[31m\x00\xe2\x80\xae\xff<b>\r\n"),
    ):
        attempt = Attempt(ids[name], 1, AT, 12, 500, "answered with HTTP 500", answer)
        await office.database.write(partial(store.record, attempt=attempt, state=state, due_at=None, at=AT))
    return ids


async def test_the_log_is_found_by_what_is_asked_for(office: Office) -> None:
    ids = await log(office)
    names = {delivery_id: name for name, delivery_id in ids.items()}

    async def found(**query: str) -> list[str]:
        page = await office.get("/deliveries", **query)
        assert not any("body" in one for one in page["deliveries"])
        return [names[one["id"]] for one in page["deliveries"]]

    assert await found() == ["call-4", "call-3", "call-2", "call-1", "call-0"]
    assert await found(state="due") == ["call-4", "call-3", "call-2"]
    assert await found(state="undelivered") == ["call-1"]
    assert await found(kind="result", state="delivered") == ["call-0"]
    assert await found(kind="event") == []
    assert await found(**{"from": "2026-07-03T10:01:00Z", "to": "2026-07-03T15:33:00+05:30"}) == ["call-2", "call-1"]
    assert await found(call_id="theirs") == await found(call_id="nothing") == []
    for limit in range(1, 6):
        seen, cursor = list[str](), None
        for _ in range(6):
            page = await office.get("/deliveries", limit=str(limit), **({"cursor": cursor} if cursor else {}))
            seen += [names[one["id"]] for one in page["deliveries"]]
            cursor = page["next"]
            if cursor is None:
                break
        assert seen == [f"call-{n}" for n in (4, 3, 2, 1, 0)], limit


async def test_a_delivery_is_shown_with_its_attempts_as_text_that_is_safe(office: Office) -> None:
    ids = await log(office)
    shown = await office.get(f"/deliveries/{ids['call-1']}")
    assert shown["body"]["call_id"] == "call-1"
    (attempt,) = shown["attempts"]
    assert attempt == {
        "number": 1,
        "at": "2026-07-03T10:00:00.000Z",
        "status": 500,
        "latency_ms": 12,
        "outcome": "answered with HTTP 500",
        "answer": "\ufffd[31m\ufffd\ufffd\ufffd<b>\n",
    }


async def test_one_is_sent_again_the_same_under_the_same_id(office: Office) -> None:
    ids = await log(office)
    status, problem = await office.ask("POST", f"/deliveries/{ids['call-2']}/resend")
    assert (status, problem["code"], problem["state"]) == (409, "not_possible_now", "due")
    await office.post("/callback/resume")
    await office.receiver.until(3)
    assert (await office.post(f"/deliveries/{ids['call-1']}/resend"))["state"] == "due"
    sent = (await office.receiver.until(4))[3]
    assert sent.headers["webhook-id"] == ids["call-1"]
    shown = await office.until(ids["call-1"], "delivered")
    assert orjson.loads(sent.body) == shown["body"]
    assert [one["number"] for one in shown["attempts"]] == [1, 2]


async def test_a_range_is_sent_again_and_nothing_else(office: Office) -> None:
    ids = await log(office)
    whole = {"from": "2026-07-03T10:00:00Z", "to": "2026-07-04T00:00:00Z"}
    assert await office.post("/deliveries/resend", whole | {"to": "2026-07-03T10:01:00Z"}) == {"count": 0, "more": False}
    assert await office.post("/deliveries/resend", whole) == {"count": 1, "more": False}
    assert await office.post("/deliveries/resend", whole) == {"count": 0, "more": False}, "it is under way"
    assert await office.post("/deliveries/resend", whole | {"state": "delivered"}) == {"count": 1, "more": False}
    await office.post("/callback/resume")
    sent = {one.headers["webhook-id"] for one in await office.receiver.until(5)}
    assert sent == set(ids.values())
    status, theirs = await office.ask("POST", "/deliveries/resend", whole | {"state": "no_endpoint"}, account="b")
    assert (status, theirs["code"]) == (409, "not_possible_now"), "still without a callback URL"


async def test_results_of_before_the_callback_url_can_be_sent_later(office: Office) -> None:
    await office.end(ended("b", "early", AT), account="b")
    async with receiver(answers(204)) as late:
        await office.database.write(partial(set_endpoint, account_id="b", url=late.url))
        body = {"from": "2026-07-03T00:00:00Z", "to": "2026-07-04T00:00:00Z", "state": "no_endpoint"}
        assert (await office.ask("POST", "/deliveries/resend", body, account="b"))[1] == {"count": 1, "more": False}
        (sent,) = await late.until(1)
        assert orjson.loads(sent.body)["call_id"] == "early"


BAD: list[tuple[str, str, Any, dict[str, str], str]] = [
    ("GET", "/callback", None, {"x": "1"}, "x"),
    ("POST", "/callback/pause", {"x": 1}, {}, "x"),
    ("POST", "/callback/pause", None, {"x": "1"}, "x"),
    ("GET", "/deliveries", None, {"state": "lost"}, "state"),
    ("GET", "/deliveries", None, {"kind": "results"}, "kind"),
    ("GET", "/deliveries", None, {"from": "2026-07-03"}, "from"),
    ("GET", "/deliveries", None, {"limit": "0"}, "limit"),
    ("GET", "/deliveries", None, {"cursor": "x"}, "cursor"),
    ("GET", "/deliveries", None, {"call_id": "\x00"}, "call_id"),
    ("GET", "/deliveries", None, {"Limit": "1"}, "Limit"),
    ("POST", "/deliveries/resend", {"from": "2026-07-03T10:00:00Z"}, {}, "to"),
    ("POST", "/deliveries/resend", {"from": "now", "to": "2026-07-03T10:00:00Z"}, {}, "from"),
    ("POST", "/deliveries/resend", {"from": "2026-07-03T10:00:00Z", "to": "2026-07-03T10:00:00Z", "state": "due"}, {}, "state"),
    ("GET", "/results", None, {"after": "x"}, "after"),
    ("GET", "/results", None, {"limit": "501"}, "limit"),
    ("GET", "/results", None, {"page": "1"}, "page"),
    ("GET", "/results/counts", None, {"from": "yesterday"}, "from"),
]


async def test_what_is_not_understood_is_refused_with_its_name(sqlite_office: Office) -> None:
    for method, path, body, query, field in BAD:
        status, problem = await sqlite_office.ask(method, path, body, **query)
        assert (status, problem["field"]) == (422, field), (method, path, body, query)


ROUTES = [
    ("GET", "/callback"),
    *(("POST", f"/callback/{name}") for name in ("pause", "resume", "test", "secret/rotate")),
    ("GET", "/deliveries"),
    ("GET", "/deliveries/x"),
    ("POST", "/deliveries/x/resend"),
    ("POST", "/deliveries/resend"),
    ("GET", "/results"),
    ("GET", "/results/counts"),
]


async def test_nothing_is_told_without_a_key(sqlite_office: Office) -> None:
    for method, path in ROUTES:
        status, problem = await sqlite_office.ask(method, path, account=None)
        assert (status, problem["code"]) == (401, "missing_key"), path


async def test_what_is_another_accounts_is_not_there(office: Office) -> None:
    """The same answer as for what never was; and nothing of it changes."""
    ids = await log(office)
    for method, path in (("GET", "/deliveries/{}"), ("POST", "/deliveries/{}/resend")):
        found = []
        for delivery_id in (ids["call-1"], "0" * 24, "x", "%00"):
            status, problem = await office.ask(method, path.format(delivery_id), account="b")
            assert (status, problem.pop("request_id") is not None) == (404, True)
            found.append(problem)
        assert found == found[:1] * 4
    _, theirs = await office.ask("GET", "/deliveries", account="b")
    assert [one["call_id"] for one in theirs["deliveries"]] == ["theirs"]
    assert [one["call_id"] for one in (await office.ask("GET", "/results", account="b"))[1]["results"]] == ["theirs"]
    assert (await office.get(f"/deliveries/{ids['call-1']}"))["state"] == "undelivered"
    assert {one["kind"] for one in (await office.get("/deliveries"))["deliveries"]} == {Kind.RESULT}
