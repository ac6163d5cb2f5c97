"""Why somebody who was called in is not, or not any more, in the call: for the agent who called them. Pure.

What is not of ours is the engine's cause (`telephony.engine.Cause`); `calls.result.DEPARTURES` has each in plain words.
"""

from dataclasses import replace

from intellicall.calls.call import Call, Fact, Order, What
from intellicall.calls.result import Entry
from intellicall.calls.table import Move, Party

LEFT = "left"
DROPPED = "dropped"
NO_ANSWER = "no_answer"
REJECTED = "rejected"
SOFTPHONE_LOST = "softphone_lost"


def with_departure(before: Call, after: Entry, happening: Fact | Order) -> Entry:
    """Return the call with the reason at the guest who has left by this happening; unchanged when none has."""
    guest = before.guest
    if guest is None or after.call.guest is not None or after.call.agent.id == guest.id:
        return after
    reason = _of_order(happening, up=guest.up) if isinstance(happening, Order) else _of_fact(happening, up=guest.up)
    people = tuple(replace(person, left=reason) if person.id == guest.id else person for person in after.people)
    return replace(after, people=people)


def _of_order(order: Order, *, up: bool) -> str:
    if order.move is Move.DROP_GUEST and order.by is Party.GUEST:
        return LEFT if up else REJECTED
    return SOFTPHONE_LOST if order.move is Move.DROP_GUEST and order.by is Party.PLATFORM else DROPPED


def _of_fact(fact: Fact, *, up: bool) -> str:
    if fact.what is What.OVERDUE:
        return NO_ANSWER
    return LEFT if fact.cause in (None, "normal") or (up and fact.cause == "canceled") else str(fact.cause)
