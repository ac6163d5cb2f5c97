"""A cursor comes back as it was made, and nothing else is one."""

import base64

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from intellicall.errors import Code, Refused
from intellicall.web.cursor import LONGEST, from_cursor, to_cursor


@given(st.lists(st.text(st.characters(codec="utf-8")).filter(str.isprintable), max_size=4))
def test_it_comes_back(place: list[str]) -> None:
    word = to_cursor(*place)
    assume(len(word) <= LONGEST)
    assert from_cursor(word, len(place)) == place
    assert word.replace("-", "").replace("_", "").isalnum()


def raw(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "word",
    [
        "",
        "x",
        "%00",
        "äö",
        to_cursor("a"),
        to_cursor("a", "b", "c"),
        to_cursor("a", "b") + "=",
        to_cursor("a", "b") + "x",
        raw('["a", "b"]'),
        raw('{"a": "b"}'),
        raw('["a",1]'),
        raw('["a","b\\u0000"]'),
        raw("[" * 5_000),
        to_cursor("a", "b" * 3_000),
    ],
)
def test_anything_else_is_refused(word: str) -> None:
    with pytest.raises(Refused) as refused:
        from_cursor(word, 2)
    assert (refused.value.code, refused.value.field) == (Code.INVALID_FIELD, "cursor")


@given(st.text(max_size=60))
def test_no_word_breaks_it(word: str) -> None:
    try:
        place = from_cursor(word, 2)
    except Refused:
        return
    assert to_cursor(*place) == word
