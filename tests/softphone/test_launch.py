"""The launch itself, pure: cleaning of what CRMs send, freshness, masking; and limits of how often."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intellicall.errors import Code, Refused
from intellicall.softphone.launch import PARAMETERS, Launch, as_sent, clean, is_unfilled, masked
from intellicall.web.rate import Limiter

NOW = datetime(2026, 7, 3, 10, 0, tzinfo=UTC)
GOOD = {"crm_username": "agent.017", "api_key": "icb_key", "to_number": "+919876543210", "from_number": "+911140000001"}
CRM_WRITES = [
    "{phone}", "{{phone}}", "${Leads.Phone}", "{!Contact.Phone}", "<%= phone %>", "%PHONE%", "undefined", "null", "NULL", "None",
    "NaN",
    "[object Object]", "", "   ", "{assigned_user_name}", "#phone#", "__phone__", "$phone",
]  # fmt: skip


@pytest.mark.parametrize("text", CRM_WRITES)
@pytest.mark.parametrize("name", ["crm_username", "api_key", "uuid"])
def test_placeholders_are_named(name: str, text: str) -> None:
    if name == "uuid" and not text.strip():
        assert clean({**GOOD, "uuid": text}).uuid is None  # it is optional
        return
    with pytest.raises(Refused) as refused:
        clean({**GOOD, name: text})
    assert (refused.value.code, refused.value.field) == (Code.TEMPLATE_NOT_FILLED, name)


@pytest.mark.parametrize("text", ["agent.017", "a@b.example", "Ünal", "17", "o'neill", "agent 17", "a-b_c", "50%"])
def test_names_are_no_placeholders(text: str) -> None:
    assert not is_unfilled(text)
    assert clean({**GOOD, "crm_username": f" {text} "}).crm_username == text


def test_what_is_missing() -> None:
    assert clean({"crm_username": "a", "api_key": "k"}).to_number is None
    assert clean({"crm_username": "a"}).api_key is None  # said by whoever checks keys
    with pytest.raises(Refused) as refused:
        clean({"api_key": "k"})
    assert (refused.value.code, refused.value.field) == (Code.MISSING_FIELD, "crm_username")


@given(st.dictionaries(st.sampled_from(PARAMETERS), st.text(max_size=150)))
def test_cleaning_gives_a_link_or_a_refusal_that_repeats_nothing(parameters: dict[str, str]) -> None:
    try:
        link = clean(parameters)
    except Refused as refused:
        assert refused.field in PARAMETERS  # noqa: PT017 - one of two good ends
        return
    assert link.crm_username
    assert link.crm_username.isprintable()
    assert not is_unfilled(link.crm_username)
    assert link.uuid is None or (link.uuid.isprintable() and 0 < len(link.uuid) <= 128)


@given(st.text(min_size=13, max_size=60))
def test_a_key_is_never_shown_whole(key: str) -> None:
    if not is_unfilled(key):
        shown = masked(key)
        assert len(shown) <= 8
        assert key.strip() not in shown


def test_what_was_sent_is_shown_short_and_printable() -> None:
    shown = as_sent({"to_number": "x" * 500, "crm_username": "a\x00b\x1b", "api_key": "{api_key}", "other": "not ours"})
    assert len(shown["to_number"]) == 201
    assert shown["crm_username"] == "a\ufffdb\ufffd"
    assert shown["api_key"] == "{api_key}"
    assert "other" not in shown


def launch(**changes: object) -> Launch:
    values: dict[str, object] = {
        "id": "l", "account_id": "a", "agent_id": "g", "crm_username": "agent.017", "to_number": "+12025550100",
        "customer_as_sent": "+12025550100", "from_number": "+911140000001", "uuid": None, "created_at": NOW,
    }  # fmt: skip
    return Launch(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("made", "age_s", "code"),
    [
        (launch(), 60, None),
        (launch(), 61, Code.LAUNCH_EXPIRED),
        (launch(claimed_at=NOW), 300, None),
        (launch(claimed_at=NOW), 301, Code.LAUNCH_EXPIRED),
        (launch(spent_at=NOW), 1, Code.LAUNCH_SPENT),
        (launch(spent_at=NOW), 1_000, Code.LAUNCH_SPENT),
    ],
)
def test_freshness(made: Launch, age_s: int, code: Code | None) -> None:
    if code is None:
        made.check_fresh(NOW + timedelta(seconds=age_s))
        return
    with pytest.raises(Refused) as refused:
        made.check_fresh(NOW + timedelta(seconds=age_s))
    assert refused.value.code is code


def test_numbers_are_not_in_the_text_of_a_launch() -> None:
    assert "2025550100" not in repr(launch())
    assert "icb_key" not in repr(clean(GOOD))
    assert "9876543210" not in repr(clean(GOOD))


def test_a_limiter_slides_and_forgets() -> None:
    limiter = Limiter(limit=2, period_s=10)
    limiter.count("a", 0)
    limiter.count("a", 5)
    limiter.count("b", 5)
    with pytest.raises(Refused) as refused:
        limiter.count("a", 6)
    assert (refused.value.code, refused.value.retry_after) == (Code.TOO_MANY_REQUESTS, 4)
    limiter.count("a", 10)
    with pytest.raises(Refused):
        limiter.check("a", 14)
    limiter.check("a", 30)
    limiter.check("b", 30)
    assert not limiter._events
