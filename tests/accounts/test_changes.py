"""What the operator changes, on both databases; a refusal changes nothing."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from intellicall.accounts import changes, store
from intellicall.accounts.account import Account
from intellicall.accounts.agent_file import AgentLine, BadLine
from intellicall.errors import Code, Refused
from intellicall.storage.database import Database
from intellicall.telephony.engine import CallerIdStyle, Transport, Trunk

NOW = datetime(2026, 7, 3, 10, 0, tzinfo=UTC)
ACCOUNT = Account("a1", "acme", enabled=True, sandbox=False, default_region="IN", concurrent_calls=10)
TRUNK = Trunk(
    "carrier-a",
    "sip.carrier.example",
    5061,
    Transport.TLS,
    register=True,
    username="acme",
    password="s3cret!",
    codecs=("g722", "alaw"),
    srtp=True,
    caller_id_style=CallerIdStyle.PAI,
    strip_plus=True,
)


@pytest.fixture
def stored(database: Database) -> Database:
    database.write_now(lambda c: changes.create_account(c, ACCOUNT, NOW))
    return database


def refused_field(database: Database, work: Any) -> str | None:
    with pytest.raises(Refused) as refused:
        database.write_now(work)
    return refused.value.field


def test_names_of_accounts_are_unique(stored: Database) -> None:
    assert refused_field(stored, lambda c: changes.create_account(c, replace(ACCOUNT, id="a2"), NOW)) == "name"


def test_a_sandbox_never_becomes_a_real_account(stored: Database) -> None:
    assert refused_field(stored, lambda c: changes.update_account(c, replace(ACCOUNT, sandbox=True))) == "sandbox"
    assert stored.read_now(lambda c: store.account(c, "a1")) == ACCOUNT


def test_a_trunk_comes_back_as_it_was_stored_and_every_change_is_seen(stored: Database) -> None:
    versions = [stored.read_now(store.trunks_version)]
    for work in (
        lambda c: changes.add_trunk(c, TRUNK),
        lambda c: changes.put_trunk(c, replace(TRUNK, port=5062)),
        lambda c: changes.put_trunk(c, TRUNK),
    ):
        stored.write_now(work)
        versions.append(stored.read_now(store.trunks_version))
    assert stored.read_now(store.trunks) == [TRUNK]
    assert stored.read_now(lambda c: store.trunk(c, "carrier-a")) == TRUNK
    assert refused_field(stored, lambda c: changes.add_trunk(c, TRUNK)) == "name"
    stored.write_now(lambda c: changes.remove_trunk(c, "carrier-a"))
    versions.append(stored.read_now(store.trunks_version))
    assert versions == sorted(set(versions))
    assert len(versions) == 5


@pytest.mark.parametrize(
    "field",
    [
        {"name": "Carrier A"},
        {"name": "a;b"},
        {"host": "sip.example\nmatch=0.0.0.0/0"},
        {"host": ""},
        {"port": 0},
        {"username": "a]b"},
        {"password": "a;b"},
        {"password": "a\nb"},
        {"codecs": ()},
        {"codecs": ("alaw", "alaw")},
        {"codecs": ("h264",)},
    ],
)
def test_nothing_gets_into_a_trunk_that_could_write_engine_configuration(stored: Database, field: dict[str, Any]) -> None:
    assert refused_field(stored, lambda c: changes.add_trunk(c, replace(TRUNK, **field))) == next(iter(field))
    assert stored.read_now(store.trunks) == []


def test_registration_needs_credentials(stored: Database) -> None:
    assert refused_field(stored, lambda c: changes.add_trunk(c, replace(TRUNK, password=None))) == "register"


def test_a_number_needs_known_trunks_and_a_used_trunk_stays(stored: Database) -> None:
    stored.write_now(lambda c: changes.add_trunk(c, TRUNK))
    for names in ([], ["nobody"], ["carrier-a", "carrier-a"], ["sandbox"]):
        assert refused_field(stored, lambda c, n=names: changes.assign_number(c, ACCOUNT, "9876500000", n, NOW)) == "trunk"
    stored.write_now(lambda c: changes.assign_number(c, ACCOUNT, "9876500000", ["carrier-a"], NOW))
    assert refused_field(stored, lambda c: changes.remove_trunk(c, "carrier-a")) == "name"
    stored.write_now(lambda c: changes.add_trunk(c, replace(TRUNK, name="carrier-b")))
    stored.write_now(lambda c: changes.assign_number(c, ACCOUNT, "9876500000", ["carrier-b", "carrier-a"], NOW))
    assert stored.read_now(lambda c: store.caller_id(c, ACCOUNT, "+919876500000")).trunks == ("carrier-b", "carrier-a")


@pytest.mark.parametrize("name", ["", " asha", "asha ", "a\x00", "a\nb", "x" * 129, "\ud800"])
def test_agents_names_can_be_stored_and_sent(stored: Database, name: str) -> None:
    assert refused_field(stored, lambda c: changes.add_agent(c, ACCOUNT, name, None, NOW)) == "crm_username"


def test_names_and_phones_of_agents_are_unique_in_their_account(stored: Database) -> None:
    stored.write_now(lambda c: changes.create_account(c, replace(ACCOUNT, id="a2", name="other"), NOW))
    stored.write_now(lambda c: changes.add_agent(c, ACCOUNT, "asha", "9876543210", NOW))
    assert refused_field(stored, lambda c: changes.add_agent(c, ACCOUNT, "asha", None, NOW)) == "crm_username"
    assert refused_field(stored, lambda c: changes.add_agent(c, ACCOUNT, "ravi", "+91 98765 43210", NOW)) == "number"
    stored.write_now(lambda c: changes.add_agent(c, replace(ACCOUNT, id="a2"), "asha", "9876543210", NOW))
    stored.write_now(lambda c: changes.add_agent(c, ACCOUNT, "ASHA", None, NOW))
    assert refused_field(stored, lambda c: changes.set_agent_number(c, ACCOUNT, "ASHA", "9876543210")) == "number"
    stored.write_now(lambda c: changes.set_agent_number(c, ACCOUNT, "asha", None))
    stored.write_now(lambda c: changes.set_agent_number(c, ACCOUNT, "ASHA", "9876543210"))


def test_an_agents_phone_must_be_one_that_the_account_may_ring(stored: Database) -> None:
    with pytest.raises(Refused) as refused:
        stored.write_now(lambda c: changes.add_agent(c, ACCOUNT, "asha", "+19005551234", NOW))
    assert refused.value.code is Code.DESTINATION_NOT_ALLOWED


def test_an_import_is_all_or_nothing(stored: Database) -> None:
    lines = [
        AgentLine("asha", "9876543210", 2),
        AgentLine("ravi", "12", 3),
        AgentLine("asha", None, 4),
        AgentLine("", None, 5),
        AgentLine("mina", "+91 98765 43210", 6),
    ]
    result = stored.write_now(lambda c: changes.import_agents(c, ACCOUNT, lines, NOW))
    assert [(bad.line, bad.crm_username) for bad in result.bad] == [(3, "ravi"), (4, "asha"), (5, ""), (6, "mina")]
    assert "line 2" in result.bad[1].problem
    assert stored.read_now(lambda c: store.list_agents(c, "a1")) == []


def test_an_import_adds_changes_revives_and_swaps(stored: Database) -> None:
    for name, number in [("asha", "9876543210"), ("ravi", "9876543211"), ("gone", None), ("stays", "9876543219")]:
        stored.write_now(lambda c, n=name, p=number: changes.add_agent(c, ACCOUNT, n, p, NOW))  # type: ignore[misc]
    stored.write_now(lambda c: changes.remove_agent(c, "a1", "gone"))
    before = {agent.crm_username: agent.id for agent in stored.read_now(lambda c: store.list_agents(c, "a1"))}
    lines = [
        AgentLine("gone", None, 2),
        AgentLine("stays", "9876543219", 3),
        AgentLine("new", "9876543212", 4),
    ]
    dry = stored.write_now(lambda c: changes.import_agents(c, ACCOUNT, lines, NOW, dry_run=True))
    assert len(stored.read_now(lambda c: store.list_agents(c, "a1"))) == 4
    done = stored.write_now(lambda c: changes.import_agents(c, ACCOUNT, lines, NOW))
    assert dry == done == changes.ImportResult(added=1, changed=1, unchanged=1, bad=())
    swap = [AgentLine("asha", "9876543211", 2), AgentLine("ravi", "9876543210", 3)]
    assert stored.write_now(lambda c: changes.import_agents(c, ACCOUNT, swap, NOW)).changed == 2
    after = {agent.crm_username: agent for agent in stored.read_now(lambda c: store.list_agents(c, "a1"))}
    assert (after["asha"].number, after["ravi"].number) == ("+919876543211", "+919876543210")
    assert after["gone"].enabled
    assert all(after[name].id == agent_id for name, agent_id in before.items())


def test_a_number_that_stays_another_agents_is_a_bad_line(stored: Database) -> None:
    stored.write_now(lambda c: changes.add_agent(c, ACCOUNT, "asha", "9876543210", NOW))
    result = stored.write_now(lambda c: changes.import_agents(c, ACCOUNT, [AgentLine("ravi", "9876543210", 2)], NOW))
    assert result.bad == (BadLine(2, "ravi", "Another agent of the account has this number."),)
