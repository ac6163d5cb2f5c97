"""What the documents tell people to type is typed here."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from intellicall.cli.main import app
from intellicall.errors import KINDS, Code

DOCS = Path(__file__).parents[2] / "docs"
NOT_HERE = ("intellicall serve", "intellicall run", "intellicall engine stop")


def test_every_command_of_the_operators_page_works_in_its_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTELLICALL_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("TOKEN", "Bearer-of-results")
    monkeypatch.setenv("PASSWORD", "between-us")
    blocks = re.findall(r"```\n(.*?)```", (DOCS / "operating.md").read_text(), re.DOTALL)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    commands = [line for line in lines if line.startswith("intellicall ") and not line.startswith(NOT_HERE)]
    assert len(commands) >= 8
    for command in commands:
        words = shlex.split(command.replace("$TOKEN", "Bearer-of-results").replace("$PASSWORD", "between-us"))
        outcome = CliRunner().invoke(app, words[1:])
        assert outcome.exit_code == 0, f"{command}\n{outcome.output}"


def test_the_walkthroughs_error_and_the_pages_codes_exist() -> None:
    named = set(re.findall(r"`\d{3} ([a-z_]+)`", (DOCS / "walkthrough.md").read_text()))
    assert named
    assert named <= set(Code)


def test_every_code_is_raised_somewhere_and_every_raised_one_has_its_words() -> None:
    source = Path(__file__).parents[2] / "src" / "intellicall"
    text = "\n".join(file.read_text() for file in source.rglob("*.py") if file.name != "errors.py")
    assert {code for code in Code if f"Code.{code.name}" not in text} == set()
    assert set(KINDS) == set(Code)
