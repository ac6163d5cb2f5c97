"""Accounts, agents, numbers and keys at the terminal: what an onboarding does, and what each mistake is told."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.cli.conftest import Data, Run

from intellicall.accounts import store
from intellicall.errors import Refused
from intellicall.storage.database import Database


def test_an_onboarding_from_nothing_to_a_key_that_opens(data: Data, tmp_path: Path) -> None:
    account = data("account", "create", "acme", "--sandbox", "--region", "US", "--concurrent-calls", "3", "--no-recording")
    assert (account["sandbox"], account["default_region"], account["concurrent_calls"], account["recording"]) == (
        True,
        "US",
        3,
        False,
    )
    secret = account.pop("callback_secret")
    data("agent", "add", "acme", "agent.017", "--number", "(202) 555-0101")
    assert data("number", "assign", "acme", "+1 202 555 0190") == {"number": "+12025550190", "trunks": ["sandbox"]}
    key = data("key", "create", "acme", "--kind", "browser")["key"]

    database = Database(f"sqlite:///{tmp_path / 'state' / 'intellicall.db'}")
    found = database.read_now(lambda c: store.authenticate_browser(c, key, datetime.now(UTC)))
    agent = database.read_now(lambda c: store.agent(c, found.id, "agent.017"))
    assert [one.text for one in database.read_now(lambda c: store.list_secrets(c, found.id))] == [secret]
    database.close()
    assert (found.name, agent.number) == ("acme", "+12025550101")
    assert data("account", "list") == [account]
    assert data("account", "show", account["id"]) == account


def test_every_field_of_an_account_can_be_set(data: Data) -> None:
    data("account", "create", "acme")
    fields = {
        "region": ("default_region", "DE"),
        "concurrent-calls": ("concurrent_calls", 7),
        "agent-ring": ("agent_ring_s", 21),
        "customer-ring": ("customer_ring_s", 22),
        "max-length": ("max_length_s", 600),
        "disposition": ("default_disposition", "SALES"),
        "retention-days": ("retention_days", 30),
    }
    data("account", "set", "acme", *(part for name, (_, value) in fields.items() for part in (f"--{name}", str(value))))
    data("account", "set", "acme", "--no-recording", "--allow-network", "203.0.113.0/24", "--allow-network", "2001:db8::/32")
    account = data("account", "show", "acme")
    assert {field: account[field] for field, _ in fields.values()} == dict(fields.values())
    assert account["recording"] is False
    assert account["allowed_networks"] == ["203.0.113.0/24", "2001:db8::/32"]
    assert data("account", "set", "acme", "--allow-any-address")["allowed_networks"] == []
    assert (account["dispositions"], account["wrap_up_s"], account["events"]) == ([], 0, [])
    data("account", "set", "acme", "--dispositions", 'SALES, "No, thanks"', "--dispositions", "DNC", "--wrap-up", "20")
    account = data("account", "set", "acme", "--events", "held, ended")
    assert account["dispositions"] == ["SALES", "No, thanks", "DNC"]
    assert (account["wrap_up_s"], account["events"]) == (20, ["held", "ended"])
    assert data("account", "set", "acme", "--events", "all")["events"] == ["all"]
    assert data("account", "set", "acme", "--events", "none", "--any-disposition")["events"] == []
    assert data("account", "show", "acme")["dispositions"] == []
    born = data("account", "create", "new", "--dispositions", "CRM_CALL,DNC", "--wrap-up", "5", "--events", "all")
    assert (born["dispositions"], born["wrap_up_s"], born["events"]) == (["CRM_CALL", "DNC"], 5, ["all"])
    assert data("account", "disable", "acme")["enabled"] is False
    assert data("account", "enable", "acme")["enabled"] is True


@pytest.mark.parametrize(
    ("arguments", "code", "field"),
    [
        (("account", "create", "acme"), "invalid_field", "name"),
        (("account", "create", "two words"), "invalid_field", "name"),
        (("account", "set", "acme", "--region", "XX"), "invalid_field", "default_region"),
        (("account", "set", "acme", "--allow-network", "203.0.113.1/24"), "invalid_field", "allowed_networks"),
        (("account", "set", "acme", "--dispositions", "SALES"), "invalid_field", "default_disposition"),
        (("account", "set", "acme", "--dispositions", 'CRM_CALL,"SALES'), "invalid_field", "dispositions"),
        (("account", "set", "acme", "--wrap-up", "3601"), "invalid_field", "wrap_up_s"),
        (("account", "set", "acme", "--events", "held,rang"), "invalid_field", "events"),
        (("account", "show", "nobody"), "not_found", None),
        (("agent", "add", "nobody", "asha"), "not_found", None),
        (("agent", "add", "acme", " asha"), "invalid_field", "crm_username"),
        (("agent", "add", "acme", "asha", "--number", "{phone}"), "template_not_filled", "number"),
        (("agent", "add", "acme", "asha", "--number", "12"), "invalid_number", "number"),
        (("agent", "remove", "acme", "asha"), "unknown_agent", "crm_username"),
        (("number", "assign", "acme", "9876500000"), "invalid_field", "trunk"),
        (("number", "assign", "acme", "9876500000", "--trunk", "nobody"), "invalid_field", "trunk"),
        (("number", "release", "acme", "9876500000"), "number_not_assigned", "from_number"),
        (("key", "revoke", "nothing"), "not_found", None),
        (("key", "rotate", "acme", "--kind", "server", "--overlap", "91d"), "invalid_field", "overlap"),
    ],
)
def test_each_mistake_is_told_with_its_code(
    data: Data, refusal: Data, arguments: tuple[str, ...], code: str, field: str | None
) -> None:
    data("account", "create", "acme")
    error = refusal(*arguments)
    assert (error["code"], error.get("field")) == (code, field)
    assert error["detail"].endswith(".")


def test_people_get_a_sentence_without_a_traceback(run: Run) -> None:
    result = run("account", "show", "nobody")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == "intellicall: There is no such account. The command's `list` shows what there is.\n"


@pytest.mark.parametrize(
    "arguments", [("account", "nonsense"), ("key", "create", "acme"), ("key", "create", "acme", "--kind", "x")]
)
def test_a_command_line_that_cannot_be_understood_exits_with_2(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_tables_are_for_people(run: Run) -> None:
    run("account", "create", "acme", "--sandbox", "--region", "US")
    run("agent", "add", "acme", "asha", "--number", "2025550101")
    listing = run("agent", "list", "acme").stdout
    assert "+1 202-555-0101" in listing
    assert "crm username" in listing
    assert run("number", "list", "acme").stdout == "Nothing yet.\n"


def test_agents_are_set_removed_and_brought_back(data: Data) -> None:
    data("account", "create", "acme", "--sandbox", "--region", "US")
    first = data("agent", "add", "acme", "asha")
    assert data("agent", "set", "acme", "asha", "--number", "2025550101")["number"] == "+12025550101"
    assert data("agent", "set", "acme", "asha", "--no-number")["number"] is None
    data("agent", "remove", "acme", "asha")
    assert data("agent", "list", "acme") == []
    assert len(data("agent", "list", "acme", "--removed")) == 1
    assert data("agent", "add", "acme", "asha") == first


def test_a_key_is_shown_once_rotated_and_revoked(data: Data, run: Run) -> None:
    data("account", "create", "acme")
    old = data("key", "create", "acme", "--kind", "server")
    new = data("key", "rotate", "acme", "--kind", "server", "--overlap", "12h")
    assert [key["id"] for key in new["ending"]] == [old["id"]]
    listed = data("key", "list", "acme")
    assert [key["state"] for key in listed] == ["expiring", "active"]
    lasts = datetime.fromisoformat(listed[0]["expires_at"]) - datetime.now(UTC)
    assert 11.9 < lasts.total_seconds() / 3600 <= 12
    assert data("key", "revoke", old["id"])["state"] == "revoked"
    everything = run("key", "list", "acme").stdout + str(data("account", "show", "acme"))
    assert old["key"] not in everything
    assert new["key"] not in everything
    assert "cannot be shown again" in run("key", "create", "acme", "--kind", "browser").stdout


def test_an_import_tells_every_bad_line_and_then_takes_all(data: Data, refusal: Data, tmp_path: Path) -> None:
    data("account", "create", "acme", "--sandbox", "--region", "US")
    file = tmp_path / "agents.csv"
    file.write_text("crm_username,number\nasha,2025550101\nravi,12\nmina,2025550101\n,\nasha\n")
    error = refusal("agent", "import", "acme", str(file))
    assert error["code"] == "bad_lines"
    assert [line["line"] for line in error["lines"]] == [3, 4, 6]
    assert data("agent", "list", "acme") == []

    file.write_text("crm_username,number\nasha,2025550101\nravi,\n")
    assert data("agent", "import", "acme", str(file), "--dry-run") == {"added": 2, "changed": 0, "unchanged": 0, "dry_run": True}
    assert data("agent", "list", "acme") == []
    assert data("agent", "import", "acme", str(file))["added"] == 2
    again = data("agent", "import", "acme", "-", stdin="crm_username,number\nasha,2025550102\nravi,\n")
    assert (again["changed"], again["unchanged"]) == (1, 1)
    assert refusal("agent", "import", "acme", str(tmp_path / "nothing.csv"))["code"] == "unreadable_file"


def test_bad_lines_for_people_hold_line_numbers_and_no_phone_numbers(run: Run, tmp_path: Path) -> None:
    run("account", "create", "acme")
    file = tmp_path / "agents.csv"
    file.write_text("crm_username,number\nasha,98765432101234\n")
    result = run("agent", "import", "acme", str(file))
    assert result.exit_code == 1
    assert "line 2: " in result.stderr
    assert not re.search("98765", result.output)


def test_a_mistake_is_an_exception_only_inside(run: Run) -> None:
    assert not isinstance(run("account", "show", "nobody").exception, Refused)
