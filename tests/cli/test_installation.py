"""Migrating, explaining the settings, the generated pages, and the command as a process of its own."""

import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from tests.cli.conftest import Data, Run
from typer.testing import CliRunner

from intellicall.cli.main import app
from intellicall.cli.reference import PAGES
from intellicall.errors import KINDS
from intellicall.settings import Settings

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", PAGES)
def test_the_generated_pages_are_what_the_code_says(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name](), "run: intellicall reference --write docs"


def test_the_pages_leave_nothing_out() -> None:
    commands = PAGES["cli.md"]()
    for command in (
        "account create",
        "agent import",
        "number assign",
        "key rotate",
        "trunk add",
        "callback resend",
        "config explain",
    ):
        assert f"## intellicall {command}\n" in commands
    assert all(f"INTELLICALL_{name.upper()}`" in PAGES["settings.md"]() for name in Settings.model_fields)
    assert all(f"| `{code}` |" in PAGES["errors.md"]() for code in KINDS)


def test_stale_pages_fail_the_check_and_are_written(run: Run, refusal: Data, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    for name in PAGES:
        (folder / name).resolve().parent.mkdir(parents=True, exist_ok=True)
    assert refusal("reference", str(folder))["stale"] == list(PAGES)
    assert run("reference", "--write", str(folder)).exit_code == 0
    assert run("reference", "--check", str(folder)).exit_code == 0


def test_a_database_that_was_not_migrated_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTELLICALL_STATE_DIR", str(tmp_path / "state"))
    for arguments in (("account", "list"), ("migrate", "--check")):
        result = CliRunner().invoke(app, [*arguments, "--json"])
        assert result.exit_code == 1
        assert orjson.loads(result.stderr)["error"]["code"] == "migration_needed"
    assert not (tmp_path / "state").exists()


def test_migrating_twice_changes_nothing(data: Data) -> None:
    assert data("migrate") == {"applied": []}
    assert data("migrate", "--check") == {"applied": []}


def test_a_database_that_cannot_be_reached_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTELLICALL_DATABASE_URL", "postgresql+psycopg://u:s3cret@127.0.0.1:1/none")
    result = run("account", "list")
    assert result.exit_code == 1
    assert "The database cannot be used" in result.stderr
    assert "s3cret" not in result.output


def test_settings_are_explained_with_source_and_without_secrets(
    data: Data, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "state" / "intellicall.toml").write_text('log_level = "debug"\nengine_ari_password = "s3cret"\n')
    monkeypatch.setenv("INTELLICALL_PORT", "8443")
    monkeypatch.setenv("INTELLICALL_DATABASE_URL", "postgresql+psycopg://u:s3cret@db/x")
    rows = {row["setting"]: row for row in data("config", "explain")}
    assert set(rows) == set(Settings.model_fields)
    assert (rows["port"]["value"], rows["port"]["source"], rows["port"]["default"]) == (8443, "environment INTELLICALL_PORT", 8080)
    assert rows["log_level"]["source"] == f"file {tmp_path / 'state' / 'intellicall.toml'}"
    assert rows["host"]["source"] == "default"
    assert rows["engine_ari_password"]["value"] == "********"
    assert "s3cret" not in str(rows)


def test_a_wrong_setting_is_named_without_its_value(refusal: Data, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("INTELLICALL_PORT", "s3cret")
    error = refusal("account", "list")
    assert error["code"] == "invalid_settings"
    assert "port" in error["detail"]
    assert "s3cret" not in error["detail"]
    monkeypatch.delenv("INTELLICALL_PORT")
    (tmp_path / "state" / "intellicall.toml").write_text("prot = 1\n")
    assert "prot" in refusal("account", "list")["detail"]


def test_the_command_is_a_process(tmp_path: Path) -> None:
    def intellicall(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "intellicall", "--state-dir", str(tmp_path / "state"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert intellicall("migrate").returncode == 0
    created = intellicall("account", "create", "acme", "--json")
    assert (created.returncode, created.stderr) == (0, "")
    assert orjson.loads(created.stdout)["name"] == "acme"
    again = intellicall("account", "create", "acme", "--json")
    assert (again.returncode, again.stdout) == (1, "")
    assert orjson.loads(again.stderr)["error"]["code"] == "invalid_field"
    assert intellicall("account", "nonsense").returncode == 2
