"""What is written when something breaks: where, and never with what."""

from collections.abc import Iterator

import pytest
import structlog

from intellicall.cli.serve import set_up_logs
from intellicall.settings import Settings


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def _breaks(customer_number: str) -> None:
    raise ValueError(f"{len(customer_number)} digits")


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_traceback_shows_no_variables(log_format: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    set_up_logs(Settings(log_format=log_format))
    number = "+1202" + "5550100"
    try:
        _breaks(number)
    except ValueError:
        structlog.get_logger().exception("broke")
    printed = capfdbinary.readouterr().out
    assert b"_breaks" in printed
    assert b"12 digits" in printed
    assert b"5550100" not in printed
