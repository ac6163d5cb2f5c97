"""`intellicall agent`: the people who call."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from intellicall.accounts import agent_file, changes, store
from intellicall.accounts.account import Agent
from intellicall.accounts.numbers import display
from intellicall.cli.account import Name
from intellicall.cli.storage import now, read, write
from intellicall.cli.terminal import Fault, Json, Record, answer

app = typer.Typer(no_args_is_help=True, help="Agents: the people who call, by their stable name in the CRM.")

Username = Annotated[str, typer.Argument(metavar="CRM_USERNAME", help="The agent's name in the CRM, exact to the letter.")]
Number = Annotated[str | None, typer.Option("--number", help="The agent's real phone, for the server flow.")]


@app.command()
def add(account: Name, crm_username: Username, *, number: Number = None, as_json: Json = False) -> None:
    """Register one agent."""
    agent = write(lambda c: changes.add_agent(c, store.account_by_name(c, account), crm_username, number, now()))
    answer(_shown(agent, as_json=as_json), f"Agent {crm_username} is registered.", as_json=as_json)


@app.command("list")
def list_(
    account: Name,
    *,
    removed: Annotated[bool, typer.Option("--removed", help="Show agents that were removed, too.")] = False,
    as_json: Json = False,
) -> None:
    """List the agents of an account."""
    agents = read(lambda c: store.list_agents(c, store.account_by_name(c, account).id))
    answer([_shown(agent, as_json=as_json) for agent in agents if agent.enabled or removed], as_json=as_json)


@app.command("set")
def set_(
    account: Name,
    crm_username: Username,
    *,
    number: Number = None,
    no_number: Annotated[bool, typer.Option("--no-number", help="Forget the agent's real phone.")] = False,
    as_json: Json = False,
) -> None:
    """Change an agent's real phone."""
    if (number is None) != no_number:
        raise Fault("Give either --number or --no-number.")
    agent = write(lambda c: changes.set_agent_number(c, store.account_by_name(c, account), crm_username, number))
    answer(_shown(agent, as_json=as_json), f"Agent {crm_username} is changed.", as_json=as_json)


@app.command()
def remove(account: Name, crm_username: Username, *, as_json: Json = False) -> None:
    """Make an agent unknown from now on. Earlier calls keep the name; adding the name again brings the same agent back."""
    write(lambda c: changes.remove_agent(c, store.account_by_name(c, account).id, crm_username))
    answer({"crm_username": crm_username, "enabled": False}, f"Agent {crm_username} is removed.", as_json=as_json)


@app.command("import")
def import_(
    account: Name,
    file: Annotated[Path, typer.Argument(help="CSV with the header crm_username,number (UTF-8); - reads standard input.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every line and change nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Register many agents at once: all of them, or none when a line is bad; then every bad line is told.

    Agents that are registered already get the number of the file. Agents that the file does not name stay as they are.
    """
    lines, bad = agent_file.read(_content(file))
    result = write(
        lambda c: changes.import_agents(c, store.account_by_name(c, account), lines, now(), dry_run=dry_run or bool(bad))
    )
    problems = sorted([*bad, *result.bad], key=lambda one: one.line)
    if problems:
        told = "\n".join(f"  line {one.line}: {one.problem}" for one in problems)
        raise Fault(
            f"Nothing was imported: {len(problems)} of the file's lines are bad. Correct them and import it again.\n{told}",
            "bad_lines",
            {"lines": [{"line": one.line, "crm_username": one.crm_username, "problem": one.problem} for one in problems]},
        )
    counts = {"added": result.added, "changed": result.changed, "unchanged": result.unchanged, "dry_run": dry_run}
    answer(counts, "Every line is good; nothing was changed." if dry_run else "The agents are imported.", as_json=as_json)


def _content(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise Fault(f"The file cannot be read: {error.strerror}.", "unreadable_file") from None


def _shown(agent: Agent, *, as_json: bool) -> Record:
    number = agent.number if as_json or agent.number is None else display(agent.number)
    return {"id": agent.id, "crm_username": agent.crm_username, "number": number, "enabled": agent.enabled}
