"""The page of faults names tests that exist, and every file of the fault suite is on it."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "faults.md"
NAMED = re.compile(r"`([a-z]+/test_[a-z0-9_]+\.py)(?:::(test_[a-z0-9_]+))?`")


def test_every_test_that_is_named_exists() -> None:
    named = NAMED.findall(PAGE.read_text())
    assert len(named) > 40
    for file, test in named:
        source = TESTS / file
        assert source.is_file(), file
        assert not test or re.search(rf"def {test}\(", source.read_text()), f"{file}::{test}"


def test_every_file_of_the_suite_is_named() -> None:
    named = {file for file, _ in NAMED.findall(PAGE.read_text())}
    assert {f"faults/{file.name}" for file in (TESTS / "faults").glob("test_*.py")} <= named


def test_every_row_that_is_needed_for_a_release_is_there() -> None:
    rows = set(re.findall(r"^\| ([A-Z]\d+) \|", PAGE.read_text(), re.MULTILINE))
    needed = {f"{letter}{number}" for letter, numbers in NEEDED.items() for number in numbers}
    assert needed <= rows


NEEDED = {
    "A": (1, 2, 3, 4, 5, 6, 7, 12, 13),
    "B": (1, 2, 3, 4, 5, 6),
    "C": (1,),
    "D": (1, 2, 3),
    "E": (1, 2, 3, 4, 5, 6, 10),
    "H": (1, 2, 3, 4, 5, 9),
    "I": tuple(range(1, 18)),
}
