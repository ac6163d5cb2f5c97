"""A bug of our own in one call's task: a raise injected once into every handler, one after the other. Row A12 of docs/faults.md."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.faults.playing import sqlite_venue
from tests.faults.scenarios import ALL, END, TALK, hangs_up, order, wait
from tests.faults.theatre import Act, Stage

import intellicall.calls.conductor
from intellicall.calls.conductor import Conductor
from intellicall.calls.table import Move

BY_NAME = {scenario.name: scenario for scenario in ALL}
NOT_HANDLERS = {"post", "hear", "rearrange", "let_go", "order", "overdue", "run", "_collapse", "_refuse_the_rest", "_mail", "_fact"}
"""The mailbox's own slots, the frame around the handlers, and what ends a call that broke."""
METHODS = sorted(
    name for name, value in vars(Conductor).items() if callable(value) and not name.startswith("__") and name not in NOT_HANDLERS
)
FUNCTIONS = (
    "step",
    "fact_of",
    "journal_data",
    "with_departure",
    "with_recording",
    "recording_told",
    "result",
    "arrangement",
    "settle",
)


class Bug:
    """Raises once, for the first call that comes by."""

    def __init__(self) -> None:
        self.raised = False

    def bite(self) -> None:
        if not self.raised:
            self.raised = True
            raise ZeroDivisionError

    def into(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if asyncio.iscoroutinefunction(function):

            async def broken_task(*arguments: Any, **named: Any) -> Any:
                self.bite()
                return await function(*arguments, **named)

            return broken_task

        def broken(*arguments: Any, **named: Any) -> Any:
            self.bite()
            return function(*arguments, **named)

        return broken


async def _other(stage: Stage) -> None:
    """A second call, of the same account, that goes on while the first one breaks."""
    victim, stage.uuid = stage.call_id, "u-2"
    BY_NAME["recorded"].prepare(stage)
    await stage.start()
    stage.call_id = victim


BESIDE = (Act(client=_other), wait(1))
HANDS_ON = (order(Move.HOLD), order(Move.RESUME), order(Move.SEND_DIGITS, digits="1"), wait(1))


async def broken_by(bug: Bug, last: Act) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the rows of both calls, the victim first, and the breaches."""
    acts = [*TALK, *BESIDE, *HANDS_ON, last, wait(1), Act(world=_others_hang_up)]
    async with sqlite_venue() as venue:
        played = await venue.run(replace(BY_NAME["recorded"], acts=acts))
        rows = venue.books.rows("SELECT uuid, reason, status, talk_s FROM calls ORDER BY uuid")
    assert bug.raised
    return rows, played.verdict.breaches


def _others_hang_up(stage: Stage) -> None:
    for call_id in list(stage.engine._calls):
        stage.engine.far_end_hangs_up(call_id, "customer")


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"_hang_up"}))
async def test_a_bug_in_a_method_ends_that_call_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bug = Bug()
    monkeypatch.setattr(Conductor, name, bug.into(getattr(Conductor, name)))
    judge("platform_error", *await broken_by(bug, hangs_up("customer")))


@pytest.mark.parametrize("name", FUNCTIONS)
async def test_a_bug_in_what_a_handler_calls_ends_that_call_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bug = Bug()
    monkeypatch.setattr(intellicall.calls.conductor, name, bug.into(getattr(intellicall.calls.conductor, name)))
    judge("platform_error", *await broken_by(bug, hangs_up("customer")))


async def test_a_bug_in_the_hanging_up_itself_leaves_nobody_in_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order is stored by then, and its reason stays."""
    bug = Bug()
    monkeypatch.setattr(Conductor, "_hang_up", bug.into(Conductor._hang_up))
    judge("ended_by_account", *await broken_by(bug, END))


async def test_a_bug_that_strikes_for_ever_leaves_no_call_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even what ends a broken call is broken: the call is ended without its own task, with its result."""
    bug, take = Bug(), Conductor._take
    victims: set[str] = set()

    def broken(conductor: Conductor, happening: Any, turn: Any) -> None:
        call = conductor.entry.call
        if call.id in victims or (call.answered and not victims):
            victims.add(call.id)
            bug.raised = True
            raise ZeroDivisionError
        take(conductor, happening, turn)

    monkeypatch.setattr(Conductor, "_take", broken)
    judge("platform_error", *await broken_by(bug, hangs_up("customer")))


def judge(reason: str, rows: list[dict[str, Any]], breaches: list[str]) -> None:
    victim, other = rows
    assert breaches == []
    assert victim["reason"] == reason
    assert (other["reason"], other["status"]) == ("customer_hung_up", "ANSWER")
    assert other["talk_s"] >= 3
