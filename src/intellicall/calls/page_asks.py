"""From what an agent orders by the softphone's page to the `Ask` that the call takes. Pure; who is called in: calls/guests.py."""

from intellicall.calls.call import Order, Participant, allowed
from intellicall.calls.orders import Ask
from intellicall.calls.result import Entry
from intellicall.calls.table import Move, Party, Reason
from intellicall.errors import Code, Refused
from intellicall.softphone.page_messages import OrderMessage, PageOrder

CALLS_SOMEBODY = {PageOrder.CONSULT: Move.CONSULT, PageOrder.ADD: Move.ADD, PageOrder.TRANSFER: Move.TRANSFER}

_MOVES = {
    PageOrder.HOLD: Move.HOLD,
    PageOrder.RESUME: Move.RESUME,
    PageOrder.MUTE: Move.MUTE,
    PageOrder.UNMUTE: Move.UNMUTE,
    PageOrder.DTMF: Move.SEND_DIGITS,
    PageOrder.SWAP: Move.SWAP,
    PageOrder.MERGE: Move.MERGE,
    PageOrder.TRANSFER: Move.COMPLETE,
    PageOrder.DROP: Move.DROP_GUEST,
    PageOrder.LEAVE: Move.DROP_GUEST,
    PageOrder.DECLINE: Move.DROP_GUEST,
    PageOrder.END: Move.HANG_UP,
    PageOrder.PAUSE_RECORDING: Move.PAUSE_RECORDING,
    PageOrder.RESUME_RECORDING: Move.RESUME_RECORDING,
}
_OF_ONESELF = {PageOrder.MUTE, PageOrder.UNMUTE, PageOrder.LEAVE, PageOrder.DECLINE}
_WHO_IS_SAID = {PageOrder.MUTE, PageOrder.UNMUTE, PageOrder.DTMF, PageOrder.DROP}
_OF_GUESTS = {PageOrder.MUTE, PageOrder.UNMUTE, PageOrder.LEAVE}
_OF_THE_RUNG = {PageOrder.ANSWER, PageOrder.DECLINE}


def check_seat(entry: Entry, seat: Party, own: Participant, message: OrderMessage) -> None:
    """Raise Refused NOT_POSSIBLE_NOW for what this seat may not order: a guest decides about nobody but itself.

    Answering and declining are for a guest who is rung, and for nobody else.
    """
    order, named = message.order, message.participant_id
    if seat is Party.GUEST:
        possible = order in (_OF_GUESTS if own.up else _OF_THE_RUNG) and named in (None, own.id)
    else:
        possible = order not in _OF_THE_RUNG
    if not possible:
        call = entry.call
        raise Refused(Code.NOT_POSSIBLE_NOW, "It is not this agent's to order.", state=call.state, allowed=list(allowed(call)))


def ask_of(seat: Party, own: Participant, message: OrderMessage) -> Ask | None:
    """Return the ask, for everything but calling somebody in. None: there is nothing to do (the page answers by SIP itself).

    Whom it is about is said in the message, or it is the agent itself where the order is about oneself.
    """
    move = _MOVES.get(message.order)
    if move is None:
        return None
    named = message.participant_id if message.order in _WHO_IS_SAID else None
    participant = named or (own.id if message.order in _OF_ONESELF else None)
    reason = Reason.GUEST_HUNG_UP if own.id != "agent" and move in (Move.HANG_UP, Move.DROP_GUEST) else None
    return Ask(Order(move, seat, participant, reason), digits=message.digits)
