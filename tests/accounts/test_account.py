"""Where an account may call, over which trunks, from which addresses; and which fields it may have."""

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from intellicall.accounts.account import (
    Account,
    CallerId,
    Endpoint,
    address_allowed,
    check_destination,
    check_endpoint,
    checked,
    disposition_for,
    folded,
    trunks_for,
)
from intellicall.errors import Code, Refused
from intellicall.event_types import EventType
from intellicall.telephony.testnet.numbers import NUMBERS

ACCOUNT = Account("a1", "acme", enabled=True, sandbox=False, default_region="IN", concurrent_calls=10)
SANDBOX = replace(ACCOUNT, sandbox=True)


@pytest.mark.parametrize("number", [row.number for row in NUMBERS.values()])
def test_a_sandbox_account_reaches_every_test_number_and_no_other_account_does(number: str) -> None:
    check_destination(SANDBOX, number)
    with pytest.raises(Refused) as refused:
        check_destination(ACCOUNT, number, "agent_number")
    assert (refused.value.code, refused.value.field) == (Code.DESTINATION_NOT_ALLOWED, "agent_number")


@pytest.mark.parametrize("number", ["+919876543210", "+12025550199", "+12025550100111", "+1202555010"])
def test_a_sandbox_account_reaches_nothing_else(number: str) -> None:
    with pytest.raises(Refused) as refused:
        check_destination(SANDBOX, number)
    assert refused.value.code is Code.DESTINATION_NOT_ALLOWED


@pytest.mark.parametrize(
    "number", ["+919876543210", "+912223456789", "+442079460018", "+18005551234", "+911800123456", "+4915112345678"]
)
def test_ordinary_numbers_may_be_called(number: str) -> None:
    check_destination(ACCOUNT, number)


@pytest.mark.parametrize(
    "number",
    [
        "+19005551234",  # premium rate
        "+449098790000",  # premium rate
        "+979123456789",  # international premium rate
        "+911401234567",  # UAN
        "+448451234567",  # shared cost
        "+80812345678",  # international shared cost
        "+870773111632",  # Inmarsat
        "+881651234567",  # global mobile satellite
        "+882165551234",  # Thuraya
        "+49112",  # emergency, with a country code before it
        "+91112",
    ],
)
def test_costly_emergency_and_satellite_numbers_may_not(number: str) -> None:
    with pytest.raises(Refused) as refused:
        check_destination(ACCOUNT, number)
    assert refused.value.code is Code.DESTINATION_NOT_ALLOWED


@pytest.mark.parametrize("number", ["+911111111111", "+990123456789", "9876543210", ""])
def test_a_number_of_no_numbering_plan_is_not_dialed(number: str) -> None:
    with pytest.raises(Refused) as refused:
        check_destination(ACCOUNT, number)
    assert refused.value.code is Code.INVALID_NUMBER


def test_a_sandbox_account_never_leaves_over_a_real_trunk() -> None:
    caller_id = CallerId("+919876500000", "a1", ("carrier-a", "carrier-b"))
    assert trunks_for(ACCOUNT, caller_id) == ("carrier-a", "carrier-b")
    assert trunks_for(SANDBOX, caller_id) == ("sandbox",)


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("203.0.113.7", True),
        ("203.0.114.7", False),
        ("::ffff:203.0.113.7", True),
        ("::ffff:203.0.114.7", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        (None, False),
    ],
)
def test_server_keys_are_bound_to_networks(address: str | None, allowed: bool) -> None:
    account = replace(ACCOUNT, allowed_networks=(ip_network("203.0.113.0/24"), ip_network("2001:db8::/32")))
    assert address_allowed(account, ip_address(address) if address else None) is allowed
    assert address_allowed(ACCOUNT, ip_address(address) if address else None)


@pytest.mark.parametrize(
    "field",
    [
        {"concurrent_calls": 0},
        {"agent_ring_s": 4},
        {"customer_ring_s": 301},
        {"max_length_s": 9},
        {"retention_days": 0},
        {"default_region": "in"},
        {"default_region": "ZZ"},
        {"name": ""},
        {"name": "two words"},
        {"name": "x" * 65},
        {"default_disposition": ""},
        {"default_disposition": "x\n"},
        {"default_disposition": "SALES", "dispositions": ("CRM_CALL",)},
        {"dispositions": ("CRM_CALL", "")},
        {"dispositions": ("CRM_CALL", "x" * 65)},
        {"dispositions": ("CRM_CALL", "CRM_CALL")},
        {"dispositions": ("CRM_CALL", *map(str, range(100)))},
        {"wrap_up_s": -1},
        {"wrap_up_s": 3_601},
        {"events": ("held", "rang")},
        {"events": ("held", "held")},
        {"events": ("all", "held")},
    ],
)
def test_a_field_out_of_range_is_named(field: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        checked(replace(ACCOUNT, **field))
    assert (refused.value.code, refused.value.field) == (Code.INVALID_FIELD, next(iter(field)))


@pytest.mark.parametrize(
    "fields",
    [
        {"dispositions": ("CRM_CALL", *map(str, range(99))), "wrap_up_s": 3_600},
        {"dispositions": ("Interessiert, später anrufen", "x" * 64), "default_disposition": "x" * 64},
        {"events": ("all",)},
        {"events": tuple(EventType)},
    ],
)
def test_what_an_account_may_have(fields: dict[str, Any]) -> None:
    account = replace(ACCOUNT, **fields)
    assert checked(account) == account


def test_a_disposition_is_one_of_the_list_to_the_letter() -> None:
    account = replace(ACCOUNT, dispositions=("CRM_CALL", "SALE", "बिक्री"))
    assert [disposition_for(account, text) for text in account.dispositions] == list(account.dispositions)
    for text in ("sale", "SALE ", ""):
        with pytest.raises(Refused):
            disposition_for(account, text)
    with pytest.raises(Refused) as refused:
        disposition_for(account, "OTHER")
    assert (refused.value.code, refused.value.field) == (Code.INVALID_FIELD, "disposition")
    assert refused.value.detail == "The dispositions are: CRM_CALL, SALE, बिक्री."
    assert refused.value.more["allowed"] == ["CRM_CALL", "SALE", "बिक्री"]


def test_without_a_list_any_text_is_a_disposition() -> None:
    assert disposition_for(ACCOUNT, "x" * 64) == "x" * 64
    for text in ("", "x" * 65, " x", "a\nb"):
        with pytest.raises(Refused):
            disposition_for(ACCOUNT, text)


def test_an_account_wants_the_events_that_it_lists() -> None:
    some, every = replace(ACCOUNT, events=("held", "ended")), replace(ACCOUNT, events=("all",))
    assert [event for event in EventType if some.wants(event)] == [EventType.HELD, EventType.ENDED]
    assert all(every.wants(event) for event in EventType)
    assert not any(ACCOUNT.wants(event) for event in EventType)


@pytest.mark.parametrize(
    ("one", "other"), [("ÄRGER", "ärger"), ("Straße", "STRASSE"), ("Ame\u0301lie", "amélie"), ("Σίσυφος", "ΣΊΣΥΦΟΣ")]
)
def test_searching_sees_neither_capitals_nor_ways_to_write_accents(one: str, other: str) -> None:
    assert folded(one) == folded(other)


@pytest.mark.parametrize(
    "endpoint",
    [
        Endpoint("ftp://crm.example/x"),
        Endpoint("https://"),
        Endpoint("https://user:pw@crm.example/"),
        Endpoint("https://crm.example:99999/"),
        Endpoint("https://crm.example/#part"),
        Endpoint("https://crm.example/a b"),
        Endpoint("https://crm.example/\r\nX: y"),
        Endpoint("https://crm.example/" + "x" * 2_000),
        Endpoint("https://[::1/"),
        Endpoint("https://crm.example/", "Authorization", None),
        Endpoint("https://crm.example/", None, "x"),
        Endpoint("https://crm.example/", "Bad Name", "x"),
        Endpoint("https://crm.example/", "Content-Length", "7"),
        Endpoint("https://crm.example/", "X-Token", "a\r\nX: y"),
        Endpoint("https://crm.example/", "X-Token", ""),
    ],
)
def test_callbacks_that_cannot_be_sent_are_refused(endpoint: Endpoint) -> None:
    with pytest.raises(Refused) as refused:
        check_endpoint(endpoint)
    assert refused.value.code is Code.INVALID_FIELD


def test_callbacks_that_can_be_sent() -> None:
    check_endpoint(Endpoint("https://crm.example/results?team=1", "Authorization", "Bearer 123"))
    check_endpoint(Endpoint("http://[2001:db8::1]:8080/x"))


def test_a_callbacks_secret_is_in_no_repr() -> None:
    account = replace(ACCOUNT, callback_url="https://crm.example/", callback_header_name="X-Token", callback_header_value="s3cret")
    assert "s3cret" not in repr(account)
    assert "s3cret" not in repr(account.callback)
