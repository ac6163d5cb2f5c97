"""What the list's query may say, and what each mistake is told."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intellicall.accounts.account import Account
from intellicall.calls.endings import Status
from intellicall.calls.filters import Filters, Position, read_cursor, read_listing
from intellicall.calls.request import CallType
from intellicall.errors import Code, Refused
from intellicall.web.cursor import to_cursor

ACCOUNT = Account("a1", "acme", enabled=True, sandbox=False, default_region="IN", concurrent_calls=1)
NOON = datetime(2026, 7, 3, 12, 0, tzinfo=UTC)


def test_nothing_asked_for_is_the_first_page_of_all() -> None:
    listing = read_listing({}, ACCOUNT)
    assert (listing.filters, listing.before, listing.limit) == (Filters(), None, 50)


def test_everything_asked_for() -> None:
    place = Position(NOON, "c1")
    query = {
        "crm_username": "agent.017",
        "agent_number": "098765 43210",
        "number": "98765 43211",
        "status": "NO_ANSWER",
        "state": "talking",
        "from": "2026-07-03T00:00:00+05:30",
        "to": "2026-07-04T00:00:00Z",
        "uuid": "u-1",
        "call_type": "browser",
        "limit": "200",
        "cursor": place.cursor,
    }
    listing = read_listing(query, ACCOUNT)
    assert listing.filters == Filters(
        crm_username="agent.017",
        agent_number="+919876543210",
        number="+919876543211",
        status=Status.NO_ANSWER,
        state="talking",
        since=datetime(2026, 7, 2, 18, 30, tzinfo=UTC),
        until=datetime(2026, 7, 4, tzinfo=UTC),
        uuid="u-1",
        call_type=CallType.BROWSER,
    )
    assert (listing.before, listing.limit) == (place, 200)


@pytest.mark.parametrize("number", ["98765 43210", "+919876543210", "00919876543210", " 919876543210", "tel:+91-98765-43210"])
def test_a_number_is_found_however_it_is_written(number: str) -> None:
    assert read_listing({"number": number}, ACCOUNT).filters.number == "+919876543210"


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-07-03T12:00:00Z", NOON),
        ("2026-07-03T12:00Z", NOON),
        ("2026-07-03 12:00:00Z", NOON),
        ("2026-07-03T12:00:00.250Z", NOON + timedelta(milliseconds=250)),
        ("2026-07-03T17:30:00+05:30", NOON),
        ("2026-07-03T17:30:00 05:30", NOON),  # a plus that was not encoded
        ("2026-07-03T17:30:00 0530", NOON),
        ("2026-07-03T08:00:00-0400", NOON),
    ],
)
def test_times_with_their_zone(text: str, time: datetime) -> None:
    assert read_listing({"from": text}, ACCOUNT).filters.since == time


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("crm_username", "", Code.INVALID_FIELD),
        ("crm_username", "a\x00b", Code.INVALID_FIELD),
        ("agent_number", "12", Code.INVALID_NUMBER),
        ("number", "12", Code.INVALID_NUMBER),
        ("number", "{phone}", Code.TEMPLATE_NOT_FILLED),
        ("status", "answer", Code.INVALID_FIELD),
        ("state", "alive", Code.INVALID_FIELD),
        ("from", "2026-07-03", Code.INVALID_FIELD),
        ("from", "2026-07-03T12:00:00", Code.INVALID_FIELD),
        ("from", "2026-02-30T12:00:00Z", Code.INVALID_FIELD),
        ("from", "2026-07-03T12:00:00+25:00", Code.INVALID_FIELD),
        ("to", "0001-01-01T00:00:00+14:00", Code.INVALID_FIELD),
        ("to", "yesterday", Code.INVALID_FIELD),
        ("uuid", "", Code.INVALID_FIELD),
        ("uuid", "x" * 129, Code.INVALID_FIELD),
        ("call_type", "phone", Code.INVALID_FIELD),
        ("limit", "0", Code.INVALID_FIELD),
        ("limit", "201", Code.INVALID_FIELD),
        ("limit", "٥", Code.INVALID_FIELD),
        ("limit", "5.0", Code.INVALID_FIELD),
        ("cursor", "", Code.INVALID_FIELD),
        ("cursor", to_cursor("2026-07-03T12:00:00", "c1"), Code.INVALID_FIELD),
        ("cursor", to_cursor("2026-07-03T12:00:00+05:30", "c1"), Code.INVALID_FIELD),
        ("cursor", to_cursor("yesterday", "c1"), Code.INVALID_FIELD),
        ("cursor", to_cursor("2026-07-03T12:00:00+00:00", "c" * 37), Code.INVALID_FIELD),
    ],
)
def test_each_mistake_is_named(name: str, value: str, code: Code) -> None:
    with pytest.raises(Refused) as refused:
        read_listing({name: value}, ACCOUNT)
    assert (refused.value.code, refused.value.field) == (code, name)


@given(
    st.datetimes(
        timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]),
        min_value=datetime(1900, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    ),
    st.uuids(),
)
def test_a_place_comes_back_to_the_microsecond(at: datetime, call_id: Any) -> None:
    place = Position(at, str(call_id))
    assert read_cursor(place.cursor) == place
