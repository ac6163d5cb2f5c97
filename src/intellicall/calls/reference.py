"""What is generated from the state machine and its endings: two pages of docs/ and the front end's types."""

from collections import defaultdict
from collections.abc import Iterable

from intellicall.calls.endings import ENDINGS, Status
from intellicall.calls.explanation import FAULTS, NOTHING_TO_DO
from intellicall.calls.table import ORDERS, TABLE, Move, Party, Reason, State


def states_page() -> str:
    """Return docs/call-states.md: the diagram and the table of moves."""
    lines = [
        "# The states of a call",
        "",
        "<!-- Generated from `calls/table.py` by `intellicall reference`. Do not edit. -->",
        "",
        "What happens to a call is a *fact* (never refused; without a move it is stale and changes nothing) or an *order*",
        "(in italics below; without a move it is refused with 409 `not_possible_now`).",
        "",
        "```mermaid",
        "stateDiagram-v2",
        "    [*] --> initiated",
    ]
    for state, moves in TABLE.items():
        by_target: dict[State, list[str]] = defaultdict(list)
        for move, target in moves.items():
            by_target[target].append(move)
        lines += [f"    {state} --> {target}: {', '.join(names)}" for target, names in by_target.items()]
    lines += ["    ended --> [*]", "```", "", "| move | " + " | ".join(State) + " |", "|---" * (len(State) + 1) + "|"]
    for move in Move:
        lines.append(f"| {_named(move)} | " + " | ".join(TABLE[state].get(move, "") for state in State) + " |")
    return "\n".join(lines) + "\n"


def endings_page() -> str:
    """Return docs/endings.md: every reason, whose doing it is, its status, what people are told and what they can do."""
    lines = [
        "# How calls end",
        "",
        "<!-- Generated from `calls/endings.py` by `intellicall reference`. Do not edit. -->",
        "",
        "`status` is the guide's. It holds for a call in which the two never talked; once both have talked the status is",
        "`ANSWER`, whatever ended it. `reason` and `ended_by` are additions to the guide's result. `whose_fault` is that of",
        "`GET /calls/{id}/timeline`, which also tells what the carriers and the browser said: who has something to put right.",
        "",
        "| reason | status | ended_by | whose_fault | in plain words | what to do |",
        "|---|---|---|---|---|---|",
    ]
    for reason, ending in ENDINGS.items():
        told = (f"`{reason}`", ending.status, ending.culprit, FAULTS[reason], ending.title, ending.remedy or NOTHING_TO_DO)
        lines.append(f"| {' | '.join(told)} |")
    return "\n".join(lines) + "\n"


def front_end_types() -> str:
    """Return web/shared/generated.ts."""
    return "\n".join(
        [
            "/* Generated from `calls/table.py` and `calls/endings.py` by `intellicall reference`. Do not edit. */",
            "",
            *_union("CALL_STATES", "CallState", State),
            *_union("CALL_ORDERS", "CallOrder", dict.fromkeys(ORDERS.values())),
            *_union("CALL_STATUSES", "CallStatus", Status),
            *_union("END_REASONS", "EndReason", Reason),
            *_union("PARTIES", "Party", Party),
        ]
    )


def _union(constant: str, name: str, members: Iterable[str]) -> list[str]:
    values = [f'  "{member}",' for member in members]
    one_line = f"export const {constant} = [{', '.join(v.strip(' ,') for v in values)}] as const;"
    listed = [one_line] if len(one_line) <= 100 else [f"export const {constant} = [", *values, "] as const;"]
    return [*listed, f"export type {name} = (typeof {constant})[number];", ""]


def _named(move: Move) -> str:
    own = (Move.AGENT_LOST, Move.AGENT_BACK)
    return f"*{move}*" if move in ORDERS or move in own else str(move)
