"""The arithmetic of the measurements."""

import pytest
from bench.figures import ROWS, Figure, Limit, median_ratio, percentile, row, slope
from bench.report import as_json, table


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(n) for n in range(1, 101)]
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.99) == 99
    assert percentile(values, 1) == 100
    assert percentile([7.0], 0.99) == 7
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2


def test_ratios_are_taken_within_each_pair() -> None:
    # The machine became three times slower between the pairs: the ratio is not touched by it.
    assert median_ratio([1.1, 3.3], [1.0, 3.0]) == pytest.approx(1.1)
    with pytest.raises(ValueError, match="argument"):
        median_ratio([1.0], [1.0, 2.0])


def test_a_slope_is_what_one_more_adds() -> None:
    assert slope([(0, 100), (50, 1100), (100, 2100)]) == pytest.approx(20)


def test_a_row_is_met_when_all_its_figures_are() -> None:
    found = row("to_agent")
    assert found.verdict == "not measured"
    found.figures = [Figure("p50", 5.0, Limit(5, "ms"), 9), Figure("p99", 21.0, Limit(20, "ms"), 9)]
    assert found.verdict == "not met"
    found.figures = [Figure("p50", 5.0, Limit(5, "ms"), 9), Figure("p99", 20.0, Limit(20, "ms"), 9)]
    assert found.verdict == "met"


def test_a_limit_may_be_a_least_one() -> None:
    assert Limit(0.5, "", least=True).met(0.5)
    assert not Limit(0.5, "", least=True).met(0.49)
    assert Limit(3, "ms").text() == "≤ 3.00 ms"


def test_the_table_has_a_line_for_every_row_of_the_budget() -> None:
    rows = [row(key, "left out") for key in ROWS]
    assert len(rows) == 11
    assert len(table(rows).splitlines()) == 2 + 11
    assert table(rows).count("not measured") == 11
    assert '"verdict": "not measured"' in as_json(rows, kind="quick", load_before=0.0, failed=0)
