"""Lists of agents as spreadsheets write them, and every bad line named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intellicall.accounts.agent_file import AgentLine, read


@pytest.mark.parametrize(
    "content",
    [
        b"crm_username,number\nasha,9876543210\nravi,\n",
        b"\xef\xbb\xbfcrm_username,number\r\nasha,9876543210\r\nravi,",
        b"crm_username;number\nasha;9876543210\nravi;\n",
        b"Number, CRM_Username\n9876543210, asha \n,ravi\n",
        b'"crm_username","number"\n"asha","9876543210"\n"ravi",""\n',
    ],
)
def test_every_dialect(content: bytes) -> None:
    assert read(content) == ([AgentLine("asha", "9876543210", 2), AgentLine("ravi", None, 3)], [])


def test_the_number_may_be_left_out_and_empty_lines_keep_their_count() -> None:
    assert read(b"crm_username\nasha\n\n  \nravi\n") == ([AgentLine("asha", None, 2), AgentLine("ravi", None, 5)], [])


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", 1),
        (b"asha,9876543210\n", 1),
        (b"crm_username,phone\nasha,1\n", 1),
        (b"crm_username,crm_username\na,b\n", 1),
        (b"number\n1\n", 1),
        (b"crm_username,number\nasha,1\nravi\n", 3),
        (b"crm_username,number\nasha,1,2\n", 2),
        (b'crm_username,number\nasha,1\nra"vi"x",2\n"open,3\n', 4),
        (b"crm_username,number\nasha,1\n\xff\xfe,2\n", 3),
    ],
)
def test_what_is_bad_is_told_by_its_line(content: bytes, line: int) -> None:
    _, bad = read(content)
    assert [one.line for one in bad] == [line]


@given(st.binary(max_size=200))
def test_no_file_breaks_the_reader(content: bytes) -> None:
    good, bad = read(b"crm_username,number\n" + content)
    assert all(line.line > 1 for line in good)
    assert all(line.line > 1 for line in bad)
