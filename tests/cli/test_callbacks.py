"""The operator's hands on an account's callbacks: how the endpoint stands, pausing it, its secrets, its log, sending again."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from tests.callbacks.samples import AT, end_calls, ended
from tests.cli.conftest import Data, Run

from intellicall.accounts import store as accounts
from intellicall.callbacks import store
from intellicall.callbacks.delivery import Attempt, State
from intellicall.storage.database import Database

URL = "https://crm.example/results?token=secret"


@pytest.fixture
def database(tmp_path: Path, run: Run, data: Data) -> Iterator[Database]:
    """Of an account with three calls that have ended: the first one's result was delivered, the second one's could not be."""
    account = data("account", "create", "acme")["id"]
    data("callback", "set", "acme", URL)
    opened = Database(f"sqlite:///{tmp_path / 'state' / 'intellicall.db'}")
    opened.write_now(partial(end_calls, entries=[ended(account, f"c{n}", AT + timedelta(minutes=n)) for n in range(3)]))
    for number, state in ((0, State.DELIVERED), (1, State.UNDELIVERED)):
        found = opened.read_now(lambda c, n=number: store.find_by_call(c, f"c{n}"))  # type: ignore[misc]
        assert found is not None
        attempt = Attempt(found.id, 1, AT, 12, 500, "answered with HTTP 500", b"\x1b[2Jno")
        opened.write_now(partial(store.record, attempt=attempt, state=state, due_at=None, at=AT))
    yield opened
    opened.close()


@pytest.mark.usefixtures("database")
def test_how_the_endpoint_stands_and_pausing_it(data: Data, refusal: Data) -> None:
    before = data("callback", "status", "acme")
    assert (before["url"], before["state"], before["waiting"], before["undelivered"]) == ("https://crm.example", "active", 1, 1)
    paused = data("callback", "pause", "acme")
    assert (paused["state"], paused["paused_since"] is None) == ("paused", False)
    assert data("callback", "status", "acme") == paused
    assert data("callback", "resume", "acme") == before
    assert refusal("callback", "pause", "nobody")["code"] == "not_found"


def test_a_secret_is_shown_once_when_it_is_made(database: Database, run: Run, data: Data) -> None:
    (first,) = data("callback", "secret", "list", "acme")
    made = data("callback", "secret", "rotate", "acme", "--overlap", "1h")
    assert made["secret"].startswith("whsec_")
    assert [one["id"] for one in made["ending"]] == [first["id"]]
    listed = data("callback", "secret", "list", "acme")
    assert [one["id"] for one in listed] == [made["id"], first["id"]]
    account = database.read_now(lambda c: accounts.account_by_name(c, "acme"))
    texts = [one.text for one in database.read_now(lambda c: accounts.list_secrets(c, account.id))]
    shown = "".join(
        run("callback", *command).output for command in (["secret", "list", "acme"], ["status", "acme"], ["show", "acme"])
    )
    assert not any(text in shown for text in texts)
    data("callback", "secret", "rotate", "acme", "--overlap", "0s")
    assert len(data("callback", "secret", "list", "acme")) == 1


@pytest.mark.usefixtures("database")
def test_the_log_and_sending_again(run: Run, data: Data, refusal: Data) -> None:
    listed = {one["call_id"]: one for one in data("callback", "deliveries", "acme")}
    assert {name: one["state"] for name, one in listed.items()} == {"c0": "delivered", "c1": "undelivered", "c2": "due"}
    assert [one["call_id"] for one in data("callback", "deliveries", "acme", "--call", "c1", "--kind", "result")] == ["c1"]
    late = ("--from", "2026-07-03T10:01:00Z", "--to", "2026-07-03T10:02:00Z")
    assert [one["call_id"] for one in data("callback", "deliveries", "acme", *late)] == ["c1"]
    shown = data("callback", "delivery", listed["c1"]["id"])
    assert (shown["body"]["call_id"], [one["outcome"] for one in shown["attempts"]]) == ("c1", ["answered with HTTP 500"])
    for command in ("delivery", "attempts"):
        assert "\x1b" not in run("callback", command, listed["c1"]["id"]).output, "a receiver's answer moves no terminal"
    whole = ("--from", "2026-07-03T00:00:00Z", "--to", "2026-07-04T00:00:00Z")
    assert data("callback", "resend-range", "acme", *whole) == {"count": 1, "more": False}
    assert data("callback", "resend-range", "acme", *whole, "--state", "delivered") == {"count": 1, "more": False}
    assert refusal("callback", "resend-range", "acme", *whole, "--state", "due")["field"] == "state"
    assert refusal("callback", "resend-range", "acme", "--from", "yesterday", "--to", "now")["field"] == "from"
    assert {one["state"] for one in data("callback", "deliveries", "acme")} == {"due"}
    assert refusal("callback", "delivery", "nothing")["code"] == "not_found"
