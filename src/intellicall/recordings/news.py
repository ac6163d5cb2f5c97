"""What is told of a recording after its call's result: to the call's journal, in the transaction that stores it. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from intellicall.recordings.outcome import Outcome
from intellicall.recordings.shelf import Sealed


@dataclass(frozen=True, slots=True)
class News:
    """What became of a recording later. `sealed` belongs to READY; `reason` to DELETED: `deleted` or `retention`."""

    call_id: str
    outcome: Outcome
    sealed: Sealed | None = None
    reason: str | None = None


Tell = Callable[[Connection, News], None]
"""Appends it to the call's journal and shows it in the call; part of the caller's transaction. Calls that never were are let be."""
