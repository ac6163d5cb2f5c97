"""The commands, run in this process against a state folder of the test."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner, Result

from intellicall.cli.main import app

Run = Callable[..., Result]
Data = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command; the database is migrated already."""
    monkeypatch.setenv("INTELLICALL_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("INTELLICALL_CONFIG", raising=False)

    def invoke(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(app, arguments, input=stdin)

    assert invoke("migrate").exit_code == 0
    return invoke


@pytest.fixture
def data(run: Run) -> Data:
    """Run a command that must succeed with --json and return what it answers."""

    def invoke(*arguments: str, stdin: str | None = None) -> Any:
        result = run(*arguments, "--json", stdin=stdin)
        assert result.exit_code == 0, result.output
        assert result.stdout.count("\n") == 1
        return orjson.loads(result.stdout)

    return invoke


@pytest.fixture
def refusal(run: Run) -> Data:
    """Run a command that must be refused with --json and return the error."""

    def invoke(*arguments: str, stdin: str | None = None) -> Any:
        result = run(*arguments, "--json", stdin=stdin)
        assert result.exit_code == 1, result.output
        assert result.stdout == ""
        return orjson.loads(result.stderr)["error"]

    return invoke
