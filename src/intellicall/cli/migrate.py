"""`intellicall migrate`: bring the database to this version's schema."""

from typing import Annotated

import typer

from intellicall.cli.terminal import Fault, Json, answer
from intellicall.settings import load
from intellicall.storage import migrate


def migrate_(
    *,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 when a step is missing.")] = False,
    as_json: Json = False,
) -> None:
    """Create the database or bring it to this version's schema. All steps or none; safe to run twice and at the same time."""
    url = load().sql_url
    if check:
        missing = migrate.pending(url)
        if missing:
            raise Fault("The database lacks steps. Run `intellicall migrate`.", "migration_needed", {"missing": missing})
        answer({"applied": []}, "The database is up to date.", as_json=as_json)
        return
    applied = migrate.migrate(url)
    answer({"applied": applied}, "The database is up to date.", as_json=as_json)
