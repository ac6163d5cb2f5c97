from hypothesis import given
from hypothesis import strategies as st

from intellicall.callbacks.pace import Pace


def test_a_few_go_at_once_and_the_others_evenly() -> None:
    pace = Pace(per_s=10, at_once=3)
    assert [round(pace.wait(100.0), 6) for _ in range(6)] == [0, 0, 0, 0.1, 0.2, 0.3]
    assert round(pace.wait(100.35), 6) == 0.05
    assert [round(pace.wait(1_000.0), 6) for _ in range(4)] == [0, 0, 0, 0.1]


@given(st.lists(st.floats(0, 5), min_size=1, max_size=200))
def test_never_more_than_the_rate_allows(moments: list[float]) -> None:
    pace = Pace(per_s=10, at_once=3)
    turns = sorted(moment + pace.wait(moment) for moment in sorted(moments))
    for number, begin in enumerate(turns):
        for count, end in enumerate(turns[number:], 1):
            assert count <= 3 + 10 * (end - begin) + 1.001
