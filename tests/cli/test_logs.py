"""What is written when something breaks: where, and never with what."""

import asyncio
import gc
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from intellicall.cli.logs import set_up_logs
from intellicall.settings import Settings


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before, handlers, level = structlog.get_config(), logging.root.handlers[:], logging.root.level
    yield
    structlog.configure(**before)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


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


def test_what_a_library_logs_is_a_line_like_all_others_without_what_it_fills_in(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    set_up_logs(Settings(log_format="json"))
    logging.getLogger("some.library").info("too quiet")
    logging.getLogger("some.library").warning("no route to %s", "+1202" + "5550100")
    (line,) = capfdbinary.readouterr().out.splitlines()
    told = json.loads(line)
    assert (told["level"], told["event"], told["logger"], told["text"]) == (
        "warning",
        "library_log",
        "some.library",
        "no route to %s",
    )


def test_a_task_whose_error_nobody_took_is_an_error_in_the_log(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    set_up_logs(Settings(log_format="json"))

    async def breaks() -> None:
        _breaks("+1202" + "5550100")

    async def forgets() -> None:
        task = asyncio.create_task(breaks())
        await asyncio.wait([task])
        del task
        gc.collect()

    asyncio.run(forgets())
    (line,) = capfdbinary.readouterr().out.splitlines()
    told = json.loads(line)
    assert (told["level"], told["event"], told["logger"], told["error"]) == ("error", "library_log", "asyncio", "ValueError")
    assert any("_breaks" in frame for frame in told["where"])
    assert "digits" not in line.decode()
