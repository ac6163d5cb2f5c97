from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.callbacks.samples import AT

from intellicall.accounts.account import Retries
from intellicall.callbacks.delivery import ANSWER_KEPT, judge
from intellicall.callbacks.schedule import LATER_WAITS_S, LONGEST_S, asked_wait, wait_after

EXTENDED = Retries.EXTENDED


def test_one_attempt_and_three_retries_after_1_2_and_4_seconds() -> None:
    assert [wait_after(failures) for failures in range(1, 5)] == [1, 2, 4, None]
    with pytest.raises(ValueError, match="failure"):
        wait_after(0)


def test_the_guides_schedule_is_kept_to_the_letter() -> None:
    asked = [wait_after(failures, passed_s=1e6, asked_s=60, drawn=1.0) for failures in range(1, 5)]
    assert asked == [1, 2, 4, None]


def test_the_extended_schedule_begins_as_the_guides_and_goes_on_for_hours() -> None:
    waits = [wait_after(failures, EXTENDED) for failures in range(1, 14)]
    assert waits == [1, 2, 4, 10, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, None]


@given(st.integers(1, 13), st.floats(0, 1), st.floats(0, 90_000), st.none() | st.floats(0, 1e9))
def test_extended_waits_are_spread_by_a_fifth_and_end_within_a_day(
    failures: int, drawn: float, passed_s: float, asked_s: float | None
) -> None:
    wait = wait_after(failures, EXTENDED, passed_s=passed_s, asked_s=asked_s, drawn=drawn)
    planned = [1, 2, 4, *LATER_WAITS_S, LONGEST_S * 2][failures - 1]
    spread = 0.2 if failures > 3 else 0.0
    if wait is None:
        assert failures == 13 or passed_s + max(planned * (1 + spread), min(asked_s or 0, 3_600)) > LONGEST_S
        return
    assert passed_s + wait <= LONGEST_S
    if asked_s is None:
        assert planned * (1 - spread) - 1e-6 <= wait <= planned * (1 + spread) + 1e-6
    else:
        assert min(asked_s, 3_600) <= wait <= max(3_600, planned * (1 + spread)) + 1e-6


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("120", 120),
        (" 0 ", 0),
        ("9" * 400, 999_999_999),
        ("Fri, 03 Jul 2026 10:02:00 GMT", 120),
        ("Friday, 03-Jul-26 10:02:00 GMT", 120),
        ("Fri Jul  3 10:02:00 2026", 120),
        ("Fri, 03 Jul 2026 12:02:00 +0200", 120),
        ("Fri, 03 Jul 2026 09:00:00 GMT", 0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("Fri, 99 Jul 2026 10:02:00 GMT", None),
        ("\u0661\u0662", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(text: str | None, seconds: float | None) -> None:
    assert asked_wait(text, AT) == seconds


@given(st.text(max_size=60))
def test_whatever_retry_after_says_it_breaks_nothing(text: str) -> None:
    found = asked_wait(text, AT + timedelta(microseconds=1))
    assert found is None or found >= 0


@pytest.mark.parametrize("status", range(100, 600))
def test_exactly_the_2xx_acknowledge(status: int) -> None:
    assert judge(status).acknowledged is (200 <= status < 300)
    assert str(status) in judge(status).outcome


def test_the_first_2_kb_of_an_answer_are_kept() -> None:
    assert judge(500, b"x" * 5000).body == b"x" * ANSWER_KEPT
