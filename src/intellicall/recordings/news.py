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


@dataclass(frozen=True, slots=True)
class Telling:
    """How news comes to a call: `tell` puts it into the call's journal and row, in the transaction that makes it true; `wake` tells
    those who follow the account's events, when it is stored. A call that never was is let be.
    """

    tell: Callable[[Connection, News], None]
    wake: Callable[[str], None]
