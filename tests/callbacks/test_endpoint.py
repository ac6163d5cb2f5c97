"""What attempts tell about an endpoint: pure."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.callbacks.samples import AT, delivery_to

from intellicall.accounts.account import Retries
from intellicall.callbacks.delivery import Kind
from intellicall.callbacks.endpoint import FAILING_AFTER, FAILURES, FRESH, EndpointState, Health, News, Standing, news

URL = "https://crm.example/results"
RESULT = delivery_to(URL)
RETRIED = replace(RESULT, attempts=1)
OTHER = delivery_to("https://new.example/")


def fail(health: Health, times: int, at: datetime = AT) -> Health:
    for _ in range(times):
        health = health.after(RESULT, at, acknowledged=False)
    return health


def test_twenty_results_in_a_row_that_failed_make_it_failing_and_one_success_makes_it_well() -> None:
    almost = fail(Health(), FAILURES - 1)
    assert almost.failing_since is None
    failing = fail(almost, 1, AT + timedelta(seconds=9))
    assert failing.failing_since == AT
    assert news(almost, failing) is News.FAILING
    assert news(failing, fail(failing, 1)) is None
    well = failing.after(RETRIED, AT + timedelta(seconds=10), acknowledged=True)
    assert (well.failures, well.failing_since, well.last_delivered_at) == (0, None, AT + timedelta(seconds=10))
    assert news(failing, well) is News.RECOVERED
    assert news(almost, well) is None


def test_retries_of_the_same_result_count_once() -> None:
    health = fail(Health(), 1)
    for _ in range(100):
        health = health.after(RETRIED, AT, acknowledged=False)
    assert (health.failures, health.failing_since) == (1, None)
    again = replace(RESULT, attempts=4, round_start=4)
    assert health.after(again, AT, acknowledged=False).failures == 2


def test_an_hour_of_nothing_but_failures_makes_it_failing() -> None:
    health = fail(Health(), 1)
    health = health.after(RETRIED, AT + FAILING_AFTER - timedelta(seconds=1), acknowledged=False)
    assert health.failing_since is None
    assert health.after(RETRIED, AT + FAILING_AFTER, acknowledged=False).failing_since == AT


@given(st.lists(st.booleans(), max_size=80))
def test_it_is_failing_exactly_while_the_last_twenty_have_failed(outcomes: list[bool]) -> None:
    health, row = Health(), 0
    for acknowledged in outcomes:
        health = health.after(RESULT, AT, acknowledged=acknowledged)
        row = 0 if acknowledged else row + 1
        assert health.failures == row
        assert (health.failing_since is not None) is (row >= FAILURES)


def test_another_url_begins_anew() -> None:
    failing = fail(Health(), FAILURES)
    moved = failing.after(OTHER, AT, acknowledged=False)
    assert (moved.url, moved.failures, moved.failing_since) == (OTHER.url, 1, None)
    assert news(failing, moved) is None


def standing(health: Health, url: str | None = URL, paused_at: datetime | None = None) -> Standing:
    return Standing("a", url, None, Retries.GUIDE, paused_at, health, ())


def test_the_state_in_a_word() -> None:
    failing = fail(Health(), FAILURES)
    assert standing(Health(), None).state is EndpointState.NONE
    assert standing(Health()).state is EndpointState.ACTIVE
    assert standing(failing).state is EndpointState.FAILING
    assert standing(failing, paused_at=AT).state is EndpointState.PAUSED
    assert standing(failing, OTHER.url).state is EndpointState.ACTIVE


@pytest.mark.parametrize("kind", Kind)
def test_a_pause_holds_back_results_and_events(kind: Kind) -> None:
    assert standing(Health()).sends(kind)
    assert standing(Health(), paused_at=AT).sends(kind) is (kind in (Kind.TEST, Kind.ALERT))


def test_what_is_worth_keeping() -> None:
    well = Health(URL, last_delivered_at=AT)
    soon, late = AT + FRESH / 2, AT + FRESH
    assert not standing(well).learns(RESULT, soon, acknowledged=True)
    assert standing(well).learns(RESULT, late, acknowledged=True)
    assert standing(well).learns(RESULT, AT - FRESH, acknowledged=True), "the clock was set back"
    assert standing(well).learns(RESULT, soon, acknowledged=False)
    assert standing(replace(well, failures=1)).learns(RESULT, soon, acknowledged=True)
    assert standing(Health()).learns(RESULT, soon, acknowledged=True)
    assert not standing(well).learns(OTHER, soon, acknowledged=False), "it goes to where the account receives no more"
    test = replace(RESULT, kind=Kind.TEST)
    assert not standing(well).learns(test, soon, acknowledged=False), "who tries out does not fail"
    assert standing(fail(Health(), 20)).learns(test, soon, acknowledged=True)
    for kind in (Kind.EVENT, Kind.ALERT):
        assert not standing(well).learns(replace(RESULT, kind=kind), late, acknowledged=False)
