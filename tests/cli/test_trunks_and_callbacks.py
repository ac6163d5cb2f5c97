"""Trunks and callbacks at the terminal; their secrets go in and never come out."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from sqlalchemy import insert
from tests.cli.conftest import Data, Run
from tests.support.receiver import answers, receiver

from intellicall.accounts import store
from intellicall.callbacks.delivery import State
from intellicall.callbacks.tables import deliveries
from intellicall.storage.database import Database


@pytest.fixture
def database(tmp_path: Path, run: Run) -> Database:
    return Database(f"sqlite:///{tmp_path / 'state' / 'intellicall.db'}")


def test_a_trunk_is_added_changed_used_and_removed(data: Data, refusal: Data) -> None:
    trunk = data("trunk", "add", "carrier-a", "--host", "sip.carrier.example", "--transport", "tls", "--codec", "g722", "--srtp")
    assert (trunk["port"], trunk["codecs"], trunk["srtp"], trunk["password_set"]) == (5061, ["g722"], True, False)
    changed = data("trunk", "set", "carrier-a", "--port", "5071", "--caller-id", "pai", "--strip-plus")
    assert changed == trunk | {"port": 5071, "caller_id_style": "pai", "strip_plus": True}
    assert data("trunk", "list") == [changed] == [data("trunk", "show", "carrier-a")]
    data("account", "create", "acme")
    data("number", "assign", "acme", "98765 00000", "--trunk", "carrier-a")
    assert refusal("trunk", "remove", "carrier-a")["code"] == "invalid_field"
    data("number", "release", "acme", "9876500000")
    data("trunk", "remove", "carrier-a")
    assert data("trunk", "list") == []
    assert refusal("trunk", "show", "carrier-a")["code"] == "not_found"


def test_the_sandboxs_name_is_taken(refusal: Data) -> None:
    assert refusal("trunk", "add", "sandbox", "--host", "sip.carrier.example")["code"] == "refused"


@pytest.mark.parametrize("way", ["option", "environment", "stdin"])
def test_a_trunks_password_goes_in_and_never_comes_out(
    run: Run, database: Database, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    arguments = ["trunk", "add", "carrier-a", "--host", "sip.example", "--register", "--username", "acme"]
    if way == "environment":
        monkeypatch.setenv("INTELLICALL_TRUNK_PASSWORD", "s3cret!")
    extra = {"option": ["--password", "s3cret!"], "environment": [], "stdin": ["--password-stdin"]}[way]
    outputs = [run(*arguments, *extra, stdin="s3cret!\n").output]
    outputs += [
        run("trunk", *rest).output
        for rest in (("list",), ("list", "--json"), ("show", "carrier-a"), ("show", "carrier-a", "--json"))
    ]
    assert database.read_now(store.trunks)[0].password == "s3cret!"
    assert "s3cret" not in "".join(outputs)
    database.close()


def test_changing_a_trunk_keeps_its_password_and_the_platform_notices(run: Run, database: Database) -> None:
    run("trunk", "add", "carrier-a", "--host", "sip.example", "--username", "acme", "--password", "s3cret!")
    before = database.read_now(store.trunks_version)
    run("trunk", "set", "carrier-a", "--host", "sip2.example")
    (trunk,) = database.read_now(store.trunks)
    assert (trunk.host, trunk.password) == ("sip2.example", "s3cret!")
    assert database.read_now(store.trunks_version) > before
    database.close()


def test_a_callbacks_secret_goes_in_and_never_comes_out(run: Run, data: Data, database: Database) -> None:
    data("account", "create", "acme")
    url = "https://crm.example/results"
    outputs = [
        run("callback", "set", "acme", url, "--header", "X-Token", "--value-stdin", stdin="s3cret!\n").output,
        run("callback", "show", "acme").output,
        run("account", "show", "acme", "--json").output,
    ]
    endpoint = database.read_now(lambda c: store.account_by_name(c, "acme")).callback
    assert endpoint is not None
    assert (endpoint.url, endpoint.header_name, endpoint.header_value) == (url, "X-Token", "s3cret!")
    assert "s3cret" not in "".join(outputs)
    assert data("callback", "show", "acme") == {"url": url, "header": "X-Token"}
    data("callback", "set", "acme", "https://crm.example/other")
    assert data("callback", "show", "acme") == {"url": "https://crm.example/other", "header": None}
    data("callback", "clear", "acme")
    assert data("callback", "show", "acme") == {"url": None, "header": None}
    database.close()


def test_an_account_has_a_schedule_of_retries_and_an_alert_url(run: Run, data: Data, refusal: Data) -> None:
    made = data("account", "create", "acme")
    assert (made["retries"], made["alert_url"]) == ("guide", None)
    changed = data("account", "set", "acme", "--retries", "extended", "--alert-url", "https://ops.example/alerts")
    assert (changed["retries"], changed["alert_url"]) == ("extended", "https://ops.example/alerts")
    assert data("account", "set", "acme", "--wrap-up", "5")["alert_url"] == "https://ops.example/alerts"
    assert data("account", "set", "acme", "--alert-url", "none")["alert_url"] is None
    refused = refusal("account", "set", "acme", "--alert-url", "ftp://ops.example/")
    assert (refused["code"], refused["field"]) == ("invalid_field", "alert_url")
    assert run("account", "set", "acme", "--retries", "for ever").exit_code == 2


async def test_a_callback_is_tried_with_a_real_looking_result(data: Data, refusal: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    data("account", "create", "acme")
    assert refusal("callback", "test", "acme")["code"] == "no_callback_url"
    async with receiver(answers(202), answers(500)) as there:
        await asyncio.to_thread(data, "callback", "set", "acme", there.url, "--header", "X-Token", "--value", "s3cret!")
        refused = await asyncio.to_thread(refusal, "callback", "test", "acme")
        assert refused["code"] == "not_delivered"  # a private address, unless the setting allows it
        monkeypatch.setenv("INTELLICALL_ALLOW_PRIVATE_CALLBACKS", "true")
        assert (await asyncio.to_thread(data, "callback", "test", "acme"))["status"] == 202
        assert (await asyncio.to_thread(refusal, "callback", "test", "acme"))["status"] == 500
        first, _ = await there.until(2)
    body = orjson.loads(first.body)
    assert body["uuid"].startswith("test-")
    assert (body["status"], body["duration"], body["call_type"]) == ("ANSWER", 42, "server")
    assert first.headers["x-token"] == "s3cret!"


def test_what_was_not_delivered_is_seen_and_sent_again(data: Data, refusal: Data, database: Database) -> None:
    account = data("account", "create", "acme")["id"]
    now = datetime.now(UTC)
    row = {"account_id": account, "kind": "result", "body": b"{}", "attempts": 4, "round_start": 0, "created_at": now}
    states = {"d1": State.UNDELIVERED, "d2": State.DELIVERED}
    database.write_now(
        lambda c: c.execute(
            insert(deliveries), [row | {"id": one, "call_id": one, "state": state} for one, state in states.items()]
        )
    )
    assert {one["id"] for one in data("callback", "deliveries", "acme")} == {"d1", "d2"}
    assert [one["id"] for one in data("callback", "deliveries", "acme", "--state", "undelivered")] == ["d1"]
    assert refusal("callback", "resend", "d1")["code"] == "not_possible_now"  # no callback URL yet
    data("callback", "set", "acme", "https://crm.example/results")
    assert data("callback", "resend", "d1")["state"] == "due"
    assert refusal("callback", "resend", "nothing")["code"] == "not_found"
    assert data("callback", "attempts", "d1") == []
    database.close()
