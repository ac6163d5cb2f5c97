import pytest

from intellicall.callbacks.delivery import ANSWER_KEPT, judge
from intellicall.callbacks.schedule import wait_after


def test_one_attempt_and_three_retries_after_1_2_and_4_seconds() -> None:
    assert [wait_after(failures) for failures in range(1, 5)] == [1, 2, 4, None]
    with pytest.raises(ValueError, match="failure"):
        wait_after(0)


@pytest.mark.parametrize("status", range(100, 600))
def test_exactly_the_2xx_acknowledge(status: int) -> None:
    assert judge(status).acknowledged is (200 <= status < 300)
    assert str(status) in judge(status).outcome


def test_the_first_2_kb_of_an_answer_are_kept() -> None:
    assert judge(500, b"x" * 5000).body == b"x" * ANSWER_KEPT
