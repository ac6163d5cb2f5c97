"""What the journal says of a move: pure. The public events are made of it (calls/events.py)."""

from intellicall.calls.arrangement import on_hold
from intellicall.calls.call import Call, Fact, Order
from intellicall.calls.result import Entry
from intellicall.calls.table import Move, Party

_OF_THE_GUEST = {
    Move.GUEST_RINGS,
    Move.GUEST_ANSWERS,
    Move.GUEST_LEAVES,
    Move.DROP_GUEST,
    Move.CONSULT,
    Move.ADD,
    Move.TRANSFER,
    Move.MERGE,
}
_OF_THE_AGENT = {Move.COMPLETE, Move.COMPLETE_RINGING, Move.AGENT_LEAVES, Move.TRANSFER_DONE, Move.AGENT_LOST, Move.AGENT_BACK}

_OUT_OF_SEVERAL = {Move.CONSULT, Move.AGENT_LOST}  # what they mean to the one on hold depends on the state before


def journal_data(before: Call, after: Entry, move: Move, happening: Fact | Order) -> dict[str, object]:
    """Return the data of a move's journal entry: the state after it, whose doing it was, whom it is about, who is on hold."""
    call = after.call
    data: dict[str, object] = {"state": call.state}
    if move in _OUT_OF_SEVERAL:
        data["was"] = before.state
    if isinstance(happening, Order):
        data["party"] = happening.by
    else:
        data |= {"party": happening.party, "reason": happening.reason or happening.cause}
    if not before.answered or not call.answered:
        return data
    subject = _subject(before, call, move, happening)
    if subject is not None:
        data["participant_id"] = subject
        if move in _OF_THE_GUEST:
            person = after.person(subject)
            data |= {"number": person.number, "crm_username": person.crm_username}
    if call.agent.id != before.agent.id:
        data["to"] = call.agent.id
    held = [participant.id for seat, participant in call.seats.items() if on_hold(call, seat)]
    data["on_hold"] = held[0] if held else None
    return data


def _subject(before: Call, after: Call, move: Move, happening: Fact | Order) -> str | None:
    """Whom a move is about."""
    if move in _OF_THE_AGENT:
        return before.agent.id
    if move in _OF_THE_GUEST:
        guest = after.guest or before.guest
        return guest.id if guest else None
    if isinstance(happening, Order):
        return happening.participant or (before.agent.id if move in (Move.MUTE, Move.UNMUTE) else before.customer.id)
    seats = {Party.AGENT: before.agent, Party.CUSTOMER: before.customer}
    return seats[happening.party].id if happening.party in seats else None
