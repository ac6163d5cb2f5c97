"""What requests read, on both databases: who is it, may they, from which number."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

import pytest
from sqlalchemy import Connection

from intellicall.accounts import changes, store
from intellicall.accounts.account import Account, Agent, CallerId, Endpoint
from intellicall.accounts.keys import KeyKind
from intellicall.errors import Code, Refused
from intellicall.storage.database import Database

NOW = datetime(2026, 7, 3, 10, 0, tzinfo=UTC)
ACCOUNT = Account(
    "a1",
    "acme",
    enabled=True,
    sandbox=True,
    default_region="IN",
    concurrent_calls=10,
    agent_ring_s=11,
    customer_ring_s=12,
    max_length_s=13,
    recording=False,
    default_disposition="D",
    retention_days=14,
    callback_url="https://crm.example/x",
    callback_header_name="X-Token",
    callback_header_value="s3cret",
    allowed_networks=(ip_network("203.0.113.0/24"), ip_network("2001:db8::/32")),
    dispositions=("D", "Später, vielleicht"),
    wrap_up_s=15,
    events=("held", "ended"),
)
OTHER = Account("a2", "other", enabled=True, sandbox=True, default_region="US", concurrent_calls=1)
INSIDE = ip_address("203.0.113.7")


@pytest.fixture
def stored(database: Database) -> Database:
    """Two accounts: what belongs to one is not the other's."""

    def work(connection: Connection) -> None:
        changes.create_account(connection, ACCOUNT, NOW)
        changes.create_account(connection, OTHER, NOW)

    database.write_now(work)
    return database


def code_of(database: Database, work: object) -> Code:
    with pytest.raises(Refused) as refused:
        database.read_now(work)  # type: ignore[arg-type]
    return refused.value.code


def test_an_account_comes_back_as_it_was_stored(stored: Database) -> None:
    assert stored.read_now(lambda c: store.account(c, "a1")) == ACCOUNT
    assert stored.read_now(lambda c: store.account_by_name(c, "acme")) == ACCOUNT
    assert stored.read_now(lambda c: store.account_by_name(c, "a1")) == ACCOUNT
    assert stored.read_now(store.list_accounts) == [ACCOUNT, OTHER]
    assert stored.read_now(lambda c: store.account(c, "a1").callback) == Endpoint("https://crm.example/x", "X-Token", "s3cret")
    assert stored.read_now(lambda c: store.account(c, "a2").callback) is None
    assert code_of(stored, lambda c: store.account(c, "nobody")) is Code.NOT_FOUND


def test_each_key_opens_its_own_door_only(stored: Database) -> None:
    browser = stored.write_now(lambda c: changes.create_key(c, "a1", KeyKind.BROWSER, NOW)).text
    server = stored.write_now(lambda c: changes.create_key(c, "a1", KeyKind.SERVER, NOW)).text
    assert stored.read_now(lambda c: store.authenticate_browser(c, browser, NOW)) == ACCOUNT
    assert stored.read_now(lambda c: store.authenticate_server(c, server, INSIDE, NOW)) == ACCOUNT
    assert code_of(stored, lambda c: store.authenticate_browser(c, server, NOW)) is Code.WRONG_KEY_KIND
    assert code_of(stored, lambda c: store.authenticate_server(c, browser, INSIDE, NOW)) is Code.WRONG_KEY_KIND


@pytest.mark.parametrize("key", ["icb_unknown", "", "x" * 5_000, "\u0967\ud800", "icb_\x00"])
def test_what_is_no_key_is_refused(stored: Database, key: str) -> None:
    expected = Code.INVALID_KEY if key else Code.MISSING_KEY
    assert code_of(stored, lambda c: store.authenticate_browser(c, key, NOW)) is expected
    assert code_of(stored, lambda c: store.authenticate_server(c, key, INSIDE, NOW)) is expected
    assert code_of(stored, lambda c: store.authenticate_server(c, None, INSIDE, NOW)) is Code.MISSING_KEY


def test_a_servers_address_must_be_allowed(stored: Database) -> None:
    key = stored.write_now(lambda c: changes.create_key(c, "a1", KeyKind.SERVER, NOW)).text
    for address in ("203.0.113.255", "::ffff:203.0.113.7", "2001:db8::9"):
        assert stored.read_now(lambda c, a=address: store.authenticate_server(c, key, ip_address(a), NOW)) == ACCOUNT  # type: ignore[misc]
    for address in ("203.0.114.1", "::ffff:10.0.0.1", "2001:db9::9"):
        refused = code_of(stored, lambda c, a=address: store.authenticate_server(c, key, ip_address(a), NOW))
        assert refused is Code.ADDRESS_NOT_ALLOWED
    assert code_of(stored, lambda c: store.authenticate_server(c, key, None, NOW)) is Code.ADDRESS_NOT_ALLOWED


def test_rotation_lets_old_and_new_work_until_the_overlap_ends(stored: Database) -> None:
    old = stored.write_now(lambda c: changes.create_key(c, "a1", KeyKind.BROWSER, NOW)).text
    server = stored.write_now(lambda c: changes.create_key(c, "a1", KeyKind.SERVER, NOW)).text
    new, ending = stored.write_now(lambda c: changes.rotate_keys(c, "a1", KeyKind.BROWSER, NOW, 600))
    assert [key.expires_at for key in ending] == [NOW + timedelta(seconds=600)]
    before, after = NOW + timedelta(seconds=599.999), NOW + timedelta(seconds=600)
    assert stored.read_now(lambda c: store.authenticate_browser(c, old, before)) == ACCOUNT
    assert stored.read_now(lambda c: store.authenticate_browser(c, new.text, after)) == ACCOUNT
    assert stored.read_now(lambda c: store.authenticate_server(c, server, INSIDE, after)) == ACCOUNT
    assert code_of(stored, lambda c: store.authenticate_browser(c, old, after)) is Code.INVALID_KEY


def test_a_second_rotation_does_not_prolong_the_first(stored: Database) -> None:
    old = stored.write_now(lambda c: changes.create_key(c, "a1", KeyKind.BROWSER, NOW)).text
    stored.write_now(lambda c: changes.rotate_keys(c, "a1", KeyKind.BROWSER, NOW, 60))
    stored.write_now(lambda c: changes.rotate_keys(c, "a1", KeyKind.BROWSER, NOW, 6_000))
    assert code_of(stored, lambda c: store.authenticate_browser(c, old, NOW + timedelta(seconds=60))) is Code.INVALID_KEY


def test_a_revoked_key_is_dead_at_once_and_for_ever(stored: Database) -> None:
    born = stored.write_now(lambda c: changes.create_key(c, "a1", KeyKind.BROWSER, NOW))
    stored.write_now(lambda c: changes.revoke_key(c, born.key.id, NOW))
    stored.write_now(lambda c: changes.revoke_key(c, born.key.id, NOW + timedelta(days=1)))
    stored.write_now(lambda c: changes.rotate_keys(c, "a1", KeyKind.BROWSER, NOW, 6_000))
    assert code_of(stored, lambda c: store.authenticate_browser(c, born.text, NOW)) is Code.INVALID_KEY
    assert stored.read_now(lambda c: store.key(c, born.key.id)).revoked_at == NOW


def test_a_disabled_account_is_refused(stored: Database) -> None:
    key = stored.write_now(lambda c: changes.create_key(c, "a1", KeyKind.BROWSER, NOW)).text
    stored.write_now(lambda c: changes.update_account(c, replace(ACCOUNT, enabled=False)))
    assert code_of(stored, lambda c: store.authenticate_browser(c, key, NOW)) is Code.ACCOUNT_DISABLED


def test_no_table_holds_a_key(stored: Database) -> None:
    born = stored.write_now(lambda c: changes.create_key(c, "a1", KeyKind.SERVER, NOW))
    rows = stored.read_now(lambda c: str(c.exec_driver_sql("SELECT * FROM keys").all()))
    assert born.text not in rows
    assert born.digest in rows


def test_an_agent_is_found_by_exact_name_id_and_number(stored: Database) -> None:
    agent = stored.write_now(lambda c: changes.add_agent(c, ACCOUNT, "Agent.017", "+1 202-555-0101", NOW))
    assert agent == Agent(agent.id, "a1", "Agent.017", "+12025550101")
    assert stored.read_now(lambda c: store.agent(c, "a1", "Agent.017")) == agent
    assert stored.read_now(lambda c: store.agent_by_id(c, agent.id)) == agent
    assert stored.read_now(lambda c: store.agent_by_number(c, "a1", "+12025550101")) == agent
    assert stored.read_now(lambda c: store.agent_by_number(c, "a2", "+12025550101")) is None
    assert stored.read_now(lambda c: store.agent_by_number(c, "a1", "+12025550102")) is None
    for account, name in [
        ("a1", "agent.017"),
        ("a1", "Agent.017 "),
        ("a2", "Agent.017"),
        ("a1", "Agent.017\x00"),
        ("a1", "\ud800"),
    ]:
        assert code_of(stored, lambda c, a=account, n=name: store.agent(c, a, n)) is Code.UNKNOWN_AGENT
    assert code_of(stored, lambda c: store.agent_by_id(c, "nobody")) is Code.UNKNOWN_AGENT


def test_a_removed_agent_is_unknown_and_comes_back_as_the_same(stored: Database) -> None:
    agent = stored.write_now(lambda c: changes.add_agent(c, ACCOUNT, "asha", "+12025550101", NOW))
    stored.write_now(lambda c: changes.remove_agent(c, "a1", "asha"))
    assert code_of(stored, lambda c: store.agent(c, "a1", "asha")) is Code.UNKNOWN_AGENT
    assert code_of(stored, lambda c: store.agent_by_id(c, agent.id)) is Code.UNKNOWN_AGENT
    assert stored.read_now(lambda c: store.agent_by_number(c, "a1", "+12025550101")) is None
    assert [one.enabled for one in stored.read_now(lambda c: store.list_agents(c, "a1"))] == [False]
    assert stored.write_now(lambda c: changes.add_agent(c, ACCOUNT, "asha", None, NOW)) == replace(agent, number=None)


def register(stored: Database, account: Account, *names: str) -> None:
    for name in names:
        stored.write_now(lambda c, name=name: changes.add_agent(c, account, name, None, NOW))  # type: ignore[misc]


def found(stored: Database, query: str, limit: int = 10, account: str = "a1") -> list[str]:
    return [agent.crm_username for agent in stored.read_now(lambda c: store.find_agents(c, account, query, limit))]


def test_agents_are_found_by_any_part_of_their_name_in_any_case(stored: Database) -> None:
    register(stored, ACCOUNT, "Asha.Rao", "brasha", "JÖRG", "50%off", "50_off", "back\\slash", "gone")
    register(stored, OTHER, "asha.other")
    stored.write_now(lambda c: changes.remove_agent(c, "a1", "gone"))
    assert found(stored, "ASHA") == ["Asha.Rao", "brasha"], "what begins with it comes first"
    assert found(stored, "jör") == ["JÖRG"]
    assert (found(stored, "0%o"), found(stored, "0_o"), found(stored, "k\\s")) == (["50%off"], ["50_off"], ["back\\slash"])
    assert [found(stored, query) for query in ("gone", "other", "nobody", "a%o", "\x00", "\ud800")] == [[]] * 6
    assert len(found(stored, "")) == 6
    assert found(stored, "", limit=2) == found(stored, "")[:2]
    stored.write_now(lambda c: changes.add_agent(c, ACCOUNT, "gone", None, NOW))
    assert found(stored, "GONE") == ["gone"]


def test_all_agents_come_page_by_page(stored: Database) -> None:
    names = [f"agent.{number:03}" for number in range(7)]
    register(stored, ACCOUNT, *reversed(names))
    register(stored, OTHER, "agent.0005")
    stored.write_now(lambda c: changes.remove_agent(c, "a1", "agent.004"))
    seen = [""]
    while page := stored.read_now(lambda c, after=seen[-1]: store.agents_of(c, "a1", after, 2)):  # type: ignore[misc]
        assert len(page) <= 2
        seen += [agent.crm_username for agent in page]
    assert seen[1:] == [name for name in names if name != "agent.004"]


def test_a_caller_id_belongs_to_one_account(stored: Database) -> None:
    stored.write_now(lambda c: changes.assign_number(c, ACCOUNT, "98765 00000", [], NOW))
    found = stored.read_now(lambda c: store.caller_id(c, ACCOUNT, "+919876500000"))
    assert found == CallerId("+919876500000", "a1", ("sandbox",))
    assert stored.read_now(lambda c: store.list_caller_ids(c, "a1")) == [found]
    assert code_of(stored, lambda c: store.caller_id(c, OTHER, "+919876500000")) is Code.NUMBER_NOT_ASSIGNED
    assert code_of(stored, lambda c: store.caller_id(c, ACCOUNT, "+919876500001")) is Code.NUMBER_NOT_ASSIGNED
    with pytest.raises(Refused, match="another account"):
        stored.write_now(lambda c: changes.assign_number(c, OTHER, "+919876500000", [], NOW))
    stored.write_now(lambda c: changes.release_number(c, ACCOUNT, "98765 00000"))
    assert code_of(stored, lambda c: store.caller_id(c, ACCOUNT, "+919876500000")) is Code.NUMBER_NOT_ASSIGNED
