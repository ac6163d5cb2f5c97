"""A call changes here, and only here.

Pure: standard library and `calls.table` only, no clock, no input or output. `step` is the only writer. What happens to a call
is either a **fact** (the world tells; it is never refused: a fact with no move is stale and changes nothing) or an **order** (a
person asks; an order with no move raises `NotNow`). Which of them leads where is `table.TABLE`.

There are three seats: agent, customer and, one at a time, a guest. Who sits there is a `Participant`; after a transfer the
guest sits in the agent's seat.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from intellicall.calls.blame import reason_of_delay, reason_of_leg, reason_of_order
from intellicall.calls.table import ORDERS, TABLE, Move, Party, Reason, State


class Leg(StrEnum):
    """The life of one participant's leg."""

    NONE = "none"
    DIALING = "dialing"
    RINGING = "ringing"
    UP = "up"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Participant:
    """Who sits in a seat. `id` stays for the whole call; `line` is the engine's id of the leg, a new one when it is rung again."""

    id: str
    leg: Leg = Leg.NONE
    line: str = ""
    muted: bool = False

    @property
    def here(self) -> bool:
        """Whether there is a leg, or one on its way."""
        return self.leg not in (Leg.NONE, Leg.GONE)

    @property
    def up(self) -> bool:
        return self.leg is Leg.UP


class What(StrEnum):
    """What a fact is about."""

    RINGING = "ringing"
    ANSWERED = "answered"
    LEG_ENDED = "leg_ended"
    DIAL_FAILED = "dial_failed"
    ENGINE_LOST = "engine_lost"
    SEALED = "sealed"
    OVERDUE = "overdue"


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened. `at` is UTC wall-clock time, `tick` the same moment in monotonic seconds.

    `party` (agent, customer or guest) names the seat. `reason` is None when the leg ended only because another party or we did;
    an OVERDUE with a reason is the call's own limit, one without is the state's. `late`: it was found out by comparing, after a
    gap in the engine's events, so it happened at `at` or before. `seconds` of a recording that was sealed: how long it is.
    `cause`: the engine's word for a leg's end.
    """

    what: What
    at: datetime
    tick: float
    party: Party | None = None
    reason: Reason | None = None
    late: bool = False
    seconds: float | None = None
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody asks. `participant` names whom it is about, where that is a choice; `reason` overrides the one that follows."""

    move: Move
    by: Party
    participant: str | None = None
    reason: Reason | None = None


def hang_up(by: Party, reason: Reason | None = None) -> Order:
    """Return the order to end the call for everybody."""
    return Order(Move.HANG_UP, by, reason=reason)


class Effect(StrEnum):
    """What has to be done after the change is stored. Who hears whom follows from the state: calls/arrangement.py."""

    RING_CUSTOMER = "ring_customer"
    HANG_UP = "hang_up"
    SEAL = "seal"


@dataclass(frozen=True, slots=True)
class Call:
    """The changing half of a call; what was asked for and never changes is calls/request.py."""

    id: str
    created_at: datetime
    recorded: bool
    max_length_s: int
    state: State = State.INITIATED
    agent: Participant = Participant("agent", Leg.DIALING, "agent")
    customer: Participant = Participant("customer", Leg.NONE, "customer")
    guest: Participant | None = None
    dialed: int = 0  # how many further legs there were: the number in their ids
    paused: bool = False  # the recording takes silence
    answered_at: datetime | None = None
    answered_tick: float | None = None  # monotonic; not kept through a restart
    ended_at: datetime | None = None
    talk_s: float = 0.0
    reason: Reason | None = None
    ended_late: bool = False  # nobody heard the end: `ended_at` is when it was found out

    @property
    def answered(self) -> bool:
        """True when agent and customer have been able to talk."""
        return self.answered_at is not None

    @property
    def live(self) -> bool:
        return self.state is not State.ENDED

    @property
    def seats(self) -> dict[Party, Participant]:
        """Who sits where."""
        taken = {Party.AGENT: self.agent, Party.CUSTOMER: self.customer}
        return taken | {Party.GUEST: self.guest} if self.guest else taken

    def seat_of(self, line: str) -> Party | None:
        """Return the seat whose participant has this leg; None when that leg has nothing to say any more."""
        return next((seat for seat, participant in self.seats.items() if participant.line == line), None)

    def participant(self, participant_id: str) -> tuple[Party, Participant] | None:
        """Return who has this id, and in which seat; None for somebody who has left or never was."""
        return next(((seat, one) for seat, one in self.seats.items() if one.id == participant_id), None)


@dataclass(frozen=True, slots=True)
class Step:
    """The outcome of `step`: the call after it, the move that was made (None: stale, nothing changed), and what to do."""

    call: Call
    move: Move | None
    effects: tuple[Effect, ...] = ()


class NotNow(Exception):  # noqa: N818 - a decision about an order
    """An order that makes no sense in the call's state."""

    def __init__(self, call: Call) -> None:
        super().__init__(f"not possible while the call is {call.state}")
        self.call = call


def allowed(call: Call) -> tuple[str, ...]:
    """Return the public names of the orders that the call takes now."""
    names = (ORDERS[move] for move in TABLE[call.state] if move in ORDERS and _sensible(call, move))
    return tuple(dict.fromkeys(names))


def _sensible(call: Call, move: Move) -> bool:
    """What the table cannot know: whether there is a recording, and whether the agent is still there."""
    if move in (Move.PAUSE_RECORDING, Move.RESUME_RECORDING):
        return call.recorded
    return move is not Move.COMPLETE_RINGING or call.agent.up


def step(call: Call, happening: Fact | Order) -> Step:
    """Return what becomes of the call. Raises NotNow for an order that the table has no move for."""
    return _ordered(call, happening) if isinstance(happening, Order) else _learned(call, happening)


# -- orders --------------------------------------------------------------------------------------------------------------


def _ordered(call: Call, order: Order) -> Step:
    move = _meant(call, order)
    target = TABLE[call.state].get(move)
    if target is None or not _sensible(call, move):
        raise NotNow(call)
    if move is Move.HANG_UP:
        reason = call.reason or order.reason or reason_of_order(order.by, answered=call.answered)
        return Step(replace(call, state=target, reason=reason), move, (Effect.HANG_UP,))
    return Step(replace(_done(call, move, order), state=target), move)


def _meant(call: Call, order: Order) -> Move:
    """Which column an order is: whom somebody drops, and who is still there, decides what it comes to."""
    if order.move is not Move.DROP_GUEST:
        return Move.COMPLETE_RINGING if order.move is Move.COMPLETE and not (call.guest and call.guest.up) else order.move
    found = call.participant(order.participant or "") if order.participant or not call.guest else (Party.GUEST, call.guest)
    if found is None:
        raise NotNow(call)  # whoever it was has left
    match found[0]:
        case Party.GUEST:
            return Move.DROP_GUEST if call.agent.up else Move.HANG_UP
        case Party.AGENT:
            guest_up = call.guest is not None and call.guest.up
            transfers = guest_up or (call.state is State.TRANSFERRING and call.agent.up)
            return _meant(call, replace(order, move=Move.COMPLETE)) if transfers else Move.HANG_UP
        case _:
            return Move.HANG_UP


def _done(call: Call, move: Move, order: Order) -> Call:
    """The call with its seats and flags as the order wants them; its state is left alone."""
    match move:
        case Move.MUTE | Move.UNMUTE:
            return _muted(call, order, muted=move is Move.MUTE)
        case Move.PAUSE_RECORDING | Move.RESUME_RECORDING:
            return replace(call, paused=move is Move.PAUSE_RECORDING)
        case Move.SEND_DIGITS:
            return _listening(call, order)
        case Move.CONSULT | Move.ADD | Move.TRANSFER | Move.AGENT_BACK:
            return _dialed(call, move)
        case Move.COMPLETE:
            return _promoted(call)
        case Move.DROP_GUEST:
            return replace(call, guest=None)
        case Move.COMPLETE_RINGING | Move.AGENT_LOST:
            return _agent_gone(call, move)
        case _:
            return call


def _dialed(call: Call, move: Move) -> Call:
    """One leg more: a guest's, or the agent's own again."""
    dialed = call.dialed + 1
    line = f"p{dialed}"
    if move is Move.AGENT_BACK:
        return replace(call, agent=replace(call.agent, leg=Leg.DIALING, line=line, muted=False), dialed=dialed)
    return replace(call, guest=Participant(line, Leg.DIALING, line), dialed=dialed)


def _muted(call: Call, order: Order, *, muted: bool) -> Call:
    found = call.participant(order.participant or call.agent.id)
    if found is None or not found[1].up:
        raise NotNow(call)
    return _seated(call, found[0], replace(found[1], muted=muted))


def _listening(call: Call, order: Order) -> Call:
    """The call as it is, when whoever is to hear the digits has answered."""
    found = call.participant(order.participant) if order.participant else None
    if order.participant and not (found and found[1].up):
        raise NotNow(call)
    return call


def _agent_gone(call: Call, move: Move) -> Call:
    """A three-way call goes on without the agent, and so does a blind transfer; else the customer waits for the agent to return."""
    if call.state is State.THREE_WAY:
        return _promoted(call)
    stays = move is Move.COMPLETE_RINGING or call.state is State.TRANSFERRING
    return replace(call, agent=_gone(call.agent), guest=call.guest if stays else None)


def _promoted(call: Call) -> Call:
    """The guest takes the agent's seat."""
    return replace(call, agent=call.guest or call.agent, guest=None)


def _gone(participant: Participant) -> Participant:
    return replace(participant, leg=Leg.GONE)


def _seated(call: Call, seat: Party, participant: Participant) -> Call:
    match seat:
        case Party.AGENT:
            return replace(call, agent=participant)
        case Party.CUSTOMER:
            return replace(call, customer=participant)
        case _:
            return replace(call, guest=participant)


# -- facts ---------------------------------------------------------------------------------------------------------------


def _learned(call: Call, fact: Fact) -> Step:
    told = _told(call, fact)
    move = _move(call, told, fact)
    target = TABLE[call.state].get(move) if move else None
    if move is None or target is None:
        return Step(call, None)
    if target in (State.ENDING, State.ENDED) and fact.what is not What.SEALED:
        told = _blamed(call, told, fact)
    else:
        told = _rearranged(told, move)
    after = _end(told, fact) if target is State.ENDED else replace(told, state=target)
    return Step(after, move, _effects(call, move, fact))


def _told(call: Call, fact: Fact) -> Call:
    """The call with what the fact says of its legs and times; its state and reason are left alone."""
    match fact.what:
        case What.RINGING:
            return _leg(call, fact.party, Leg.RINGING)
        case What.ANSWERED:
            return _answered(call, fact)
        case What.LEG_ENDED:
            return _leg(call, fact.party, Leg.GONE)
        case What.ENGINE_LOST:
            return _nobody(call)
        case What.DIAL_FAILED:
            return _leg(call, Party.AGENT if call.state in _AGENT_PHASE else Party.CUSTOMER, Leg.GONE)
        case What.OVERDUE:
            return _nobody(call) if call.state is State.ENDING else call
        case What.SEALED:
            return _recorded(call, fact)


_AGENT_PHASE = (State.INITIATED, State.AGENT_RINGING)
_GUEST_PHASE = (State.CONSULT_RINGING, State.ADDING, State.TRANSFERRING)


def _leg(call: Call, party: Party | None, leg: Leg) -> Call:
    seat = party or Party.CUSTOMER
    participant = call.seats.get(seat)
    return _seated(call, seat, replace(participant, leg=leg)) if participant else call


def _answered(call: Call, fact: Fact) -> Call:
    up = _leg(call, fact.party, Leg.UP)
    if fact.party is Party.AGENT and not call.answered:
        return replace(up, customer=replace(call.customer, leg=Leg.DIALING))
    if fact.party is Party.CUSTOMER:
        return replace(up, answered_at=fact.at, answered_tick=fact.tick)
    return up


def _nobody(call: Call) -> Call:
    guest = _gone(call.guest) if call.guest else None
    return replace(call, agent=_gone(call.agent), customer=_gone(call.customer), guest=guest)


def _move(call: Call, told: Call, fact: Fact) -> Move | None:
    """Which column of the table the fact is, for this call. None: it says nothing new."""
    participant = call.seats.get(fact.party) if fact.party else None
    if fact.party and (participant is None or (not participant.here and fact.what is not What.DIAL_FAILED)):
        return None
    match fact.what:
        case What.RINGING:
            return {Party.AGENT: Move.AGENT_RINGS, Party.GUEST: Move.GUEST_RINGS}.get(
                fact.party or Party.AGENT, Move.CUSTOMER_RINGS
            )
        case What.ANSWERED:
            return _answering(call, fact)
        case What.SEALED:
            return Move.SEALED if _all_gone(call) else None
    if _all_gone(call) and fact.what is not What.OVERDUE:
        return None  # all of it is known; only the recording is waited for
    if _all_gone(told):
        return Move.ALL_GONE_RECORDED if told.answered and told.recorded else Move.ALL_GONE
    if (leaving := _leaving(call, fact)) is not None and leaving in TABLE[call.state]:
        return leaving
    moves = {What.LEG_ENDED: Move.LEG_ENDS, What.DIAL_FAILED: Move.DIAL_FAILS, What.OVERDUE: Move.OVERDUE}
    return moves.get(fact.what)


def _answering(call: Call, fact: Fact) -> Move:
    if fact.party is Party.GUEST:
        return Move.TRANSFER_DONE if call.state is State.TRANSFERRING else Move.GUEST_ANSWERS
    return Move.AGENT_ANSWERS if fact.party is Party.AGENT else Move.CUSTOMER_ANSWERS


def _leaving(call: Call, fact: Fact) -> Move | None:
    """Somebody leaves a call that lives on: the customer and one more party are there, or the guest of a transfer is rung."""
    guest_fails = fact.what is What.LEG_ENDED and fact.party is Party.GUEST
    guest_late = fact.what is What.OVERDUE and fact.reason is None and call.state in _GUEST_PHASE
    if guest_fails or guest_late:
        return Move.GUEST_LEAVES if call.agent.up else None
    if fact.what is not What.LEG_ENDED or fact.party is not Party.AGENT:
        return None
    if call.state is State.AGENT_AWAY:
        return Move.AGENT_UNREACHED
    return Move.AGENT_LEAVES if call.guest else None


def _rearranged(told: Call, move: Move) -> Call:
    """Who sits where after somebody has left, or the guest of a blind transfer has answered."""
    match move:
        case Move.GUEST_LEAVES:
            return replace(told, guest=None)
        case Move.AGENT_LEAVES if told.guest and not told.guest.up:
            return told
        case Move.AGENT_LEAVES | Move.TRANSFER_DONE:
            return _promoted(told)
        case _:
            return told


def _blamed(call: Call, told: Call, fact: Fact) -> Call:
    """The first end of a leg is the end of the talk; the first reason is the reason."""
    if fact.what is What.OVERDUE and call.state is not State.ENDING:
        return replace(told, reason=call.reason or fact.reason or reason_of_delay(call.state))
    ended_at = call.ended_at or fact.at
    talk_s = call.talk_s if call.ended_at else _talked(call, fact)
    late = call.ended_late if call.ended_at else fact.late
    return replace(told, ended_at=ended_at, talk_s=talk_s, reason=call.reason or _why(call, fact), ended_late=late)


def _why(call: Call, fact: Fact) -> Reason | None:
    if fact.what is What.OVERDUE:
        return Reason.UNEXPLAINED
    handed_on = call.agent.id != "agent"
    set_by_s = (fact.at - call.answered_at).total_seconds() - _talked(call, fact) if call.answered_at else 0.0
    return reason_of_leg(call.state, fact.party, fact.reason, answered=call.answered, transferred=handed_on, set_by_s=set_by_s)


def _talked(call: Call, fact: Fact) -> float:
    if call.answered_at is None:
        return 0.0
    if call.answered_tick is not None:
        return max(fact.tick - call.answered_tick, 0.0)
    return max((fact.at - call.answered_at).total_seconds(), 0.0)


def _recorded(call: Call, fact: Fact) -> Call:
    """The recording, which runs as long as the two talk, tells when a call ended whose end nobody heard."""
    if not call.ended_late or call.answered_at is None or fact.seconds is None:
        return call
    return replace(call, talk_s=fact.seconds, ended_at=call.answered_at + timedelta(seconds=fact.seconds))


def _all_gone(call: Call) -> bool:
    return not any(participant.here for participant in call.seats.values())


def _effects(call: Call, move: Move, fact: Fact) -> tuple[Effect, ...]:
    effects: tuple[Effect, ...] = ()
    if move is Move.AGENT_ANSWERS and not call.answered:
        effects = (Effect.RING_CUSTOMER,)
    if move is Move.DIAL_FAILS or (fact.what is What.OVERDUE and move is not Move.GUEST_LEAVES):
        effects = (Effect.HANG_UP,)
    if move is Move.ALL_GONE_RECORDED:
        effects += (Effect.SEAL,)
    return effects


def _end(call: Call, fact: Fact) -> Call:
    """The last word: an end that nobody explained gets the best reason there is."""
    customer = call.customer if call.customer.leg is Leg.NONE else _gone(call.customer)
    ended = replace(call, state=State.ENDED, ended_at=call.ended_at or fact.at, agent=_gone(call.agent), customer=customer)
    if ended.reason:
        return ended
    limit_reached = ended.answered and ended.talk_s >= ended.max_length_s - 1
    return replace(ended, reason=Reason.MAX_LENGTH if limit_reached else Reason.UNEXPLAINED)
