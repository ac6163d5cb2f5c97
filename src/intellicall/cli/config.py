"""`intellicall config`: what the settings are, and where each comes from."""

import os
from pathlib import Path
from typing import Any

import orjson
import typer
from pydantic import SecretStr
from pydantic_settings import EnvSettingsSource, TomlConfigSettingsSource
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from intellicall.cli.terminal import Json, Record, answer
from intellicall.settings import Settings, load

app = typer.Typer(no_args_is_help=True, help="The platform's settings.")

MASK = "********"


@app.callback()
def _group() -> None:
    """Keep `explain` a command of its own, though it is the only one."""


@app.command()
def explain(*, as_json: Json = False) -> None:
    """Show every setting with its value (secrets masked), its source and its default."""
    rows = explained(load())
    if not as_json:
        rows = [{name: row[name] for name in ("setting", "value", "source", "default")} for row in rows]
    answer(rows, as_json=as_json)


def explained(settings: Settings) -> list[Record]:
    """Return each setting's name, value, source, default and description; no secret is among them."""
    file = settings_file()
    environment = EnvSettingsSource(Settings)()
    written = TomlConfigSettingsSource(Settings, toml_file=file)()
    rows: list[Record] = []
    for name, field in Settings.model_fields.items():
        source = f"file {file}" if name in written else "default"
        if name in environment:
            source = f"environment INTELLICALL_{name.upper()}"
        rows.append(
            {
                "setting": name,
                "value": plain(getattr(settings, name)),
                "source": source,
                "default": plain(field.get_default(call_default_factory=True)),
                "description": field.description,
            }
        )
    return rows


def settings_file() -> Path:
    """Return the file that settings are read from, be it there or not."""
    return Path(os.environ.get("INTELLICALL_CONFIG", Path(os.environ.get("INTELLICALL_STATE_DIR", "state")) / "intellicall.toml"))


def plain(value: Any) -> Any:
    """Return a setting's value as JSON has it; secrets, and passwords in URLs, are masked."""
    if isinstance(value, SecretStr):
        return MASK if value.get_secret_value() else ""
    if isinstance(value, str) and "://" in value and "@" in value:
        try:
            return make_url(value).render_as_string(hide_password=True)
        except ArgumentError:
            return MASK
    return orjson.loads(orjson.dumps(value, default=str))
