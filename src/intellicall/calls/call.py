"""A call changes here, and only here.

Pure: standard library only, no clock, no input or output. `step` is the only writer. What happens to a call is either a
**fact** (the world tells; it is never refused: a fact with no move is stale and changes nothing) or an **order** (a person
asks; an order with no move raises `NotNow`). Which of them leads where is `TABLE`; docs/call-states.md, the API's enum and the
softphone's types are generated from it.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum


class State(StrEnum):
    """Where a call stands."""

    INITIATED = "initiated"  # accepted and stored; the agent's phone is being dialed
    AGENT_RINGING = "agent_ringing"
    AGENT_ANSWERED = "agent_answered"  # the customer's phone is being dialed
    CUSTOMER_RINGING = "customer_ringing"
    TALKING = "talking"
    ENDING = "ending"  # one side is gone or an end was ordered; the rest follows, the recording is completed
    ENDED = "ended"


class Move(StrEnum):
    """What can happen to a call: the columns of the table."""

    AGENT_RINGS = "agent_rings"
    AGENT_ANSWERS = "agent_answers"
    CUSTOMER_RINGS = "customer_rings"
    CUSTOMER_ANSWERS = "customer_answers"
    LEG_ENDS = "leg_ends"  # one leg is gone, the other is still there
    DIAL_FAILS = "dial_fails"  # the engine did not take the order to dial
    ALL_GONE = "all_gone"  # no leg is left and nothing remains to be done
    ALL_GONE_RECORDED = "all_gone_recorded"  # no leg is left, the recording has to be completed
    SEALED = "sealed"  # the recording is complete (or there is none)
    OVERDUE = "overdue"  # what should have happened by now has not
    HANG_UP = "hang_up"  # an order


TABLE: dict[State, dict[Move, State]] = {
    State.INITIATED: {
        Move.AGENT_RINGS: State.AGENT_RINGING,
        Move.AGENT_ANSWERS: State.AGENT_ANSWERED,
        Move.ALL_GONE: State.ENDED,
        Move.OVERDUE: State.ENDING,
        Move.HANG_UP: State.ENDING,
    },
    State.AGENT_RINGING: {
        Move.AGENT_ANSWERS: State.AGENT_ANSWERED,
        Move.ALL_GONE: State.ENDED,
        Move.OVERDUE: State.ENDING,
        Move.HANG_UP: State.ENDING,
    },
    State.AGENT_ANSWERED: {
        Move.CUSTOMER_RINGS: State.CUSTOMER_RINGING,
        Move.CUSTOMER_ANSWERS: State.TALKING,
        Move.LEG_ENDS: State.ENDING,
        Move.DIAL_FAILS: State.ENDING,
        Move.ALL_GONE: State.ENDED,
        Move.OVERDUE: State.ENDING,
        Move.HANG_UP: State.ENDING,
    },
    State.CUSTOMER_RINGING: {
        Move.CUSTOMER_ANSWERS: State.TALKING,
        Move.LEG_ENDS: State.ENDING,
        Move.ALL_GONE: State.ENDED,
        Move.OVERDUE: State.ENDING,
        Move.HANG_UP: State.ENDING,
    },
    State.TALKING: {
        Move.LEG_ENDS: State.ENDING,
        Move.ALL_GONE: State.ENDED,
        Move.ALL_GONE_RECORDED: State.ENDING,
        Move.OVERDUE: State.ENDING,
        Move.HANG_UP: State.ENDING,
    },
    State.ENDING: {
        Move.LEG_ENDS: State.ENDING,
        Move.ALL_GONE: State.ENDED,
        Move.ALL_GONE_RECORDED: State.ENDING,
        Move.SEALED: State.ENDED,
    },
    State.ENDED: {},
}


class Party(StrEnum):
    """Whose doing an ending was: `ended_by` in a result."""

    AGENT = "agent"
    CUSTOMER = "customer"
    ACCOUNT = "account"  # the account's own backend, through the API
    CARRIER = "carrier"
    PLATFORM = "platform"


class Reason(StrEnum):
    """Why a call ended. calls/endings.py gives each its status, culprit, plain words and remedy."""

    AGENT_HUNG_UP = "agent_hung_up"
    CUSTOMER_HUNG_UP = "customer_hung_up"
    ENDED_BY_ACCOUNT = "ended_by_account"
    MAX_LENGTH = "max_length"
    AGENT_LEFT = "agent_left"
    CUSTOMER_BUSY = "customer_busy"
    CUSTOMER_REJECTED = "customer_rejected"
    CUSTOMER_NO_ANSWER = "customer_no_answer"
    CUSTOMER_UNAVAILABLE = "customer_unavailable"
    AGENT_GAVE_UP = "agent_gave_up"
    CANCELED_BY_ACCOUNT = "canceled_by_account"
    AGENT_NO_ANSWER = "agent_no_answer"
    AGENT_BUSY = "agent_busy"
    AGENT_REJECTED = "agent_rejected"
    AGENT_UNREACHABLE = "agent_unreachable"
    AGENT_NO_AUDIO = "agent_no_audio"
    NUMBER_UNKNOWN = "number_unknown"
    NUMBER_REFUSED = "number_refused"
    CARRIER_FAILURE = "carrier_failure"
    CARRIER_TIMEOUT = "carrier_timeout"
    NO_ROUTE = "no_route"
    ENGINE_UNAVAILABLE = "engine_unavailable"
    ENGINE_LOST = "engine_lost"
    PLATFORM_RESTARTED = "platform_restarted"
    PLATFORM_ERROR = "platform_error"
    UNEXPLAINED = "unexplained"


class Leg(StrEnum):
    """The life of one party's leg."""

    NONE = "none"
    DIALING = "dialing"
    RINGING = "ringing"
    UP = "up"
    GONE = "gone"


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

    `party` (agent or customer) names the leg. `reason` is None when the leg ended only because the other side or we did.
    `late`: it was found out by comparing, after a gap in the engine's events, so it happened at `at` or before. `seconds` of a
    recording that was sealed: how long it is.
    """

    what: What
    at: datetime
    tick: float
    party: Party | None = None
    reason: Reason | None = None
    late: bool = False
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class HangUp:
    """The order to end the call for everybody. `reason` overrides the one that follows from who ordered it."""

    by: Party
    reason: Reason | None = None


class Effect(StrEnum):
    """What has to be done after the change is stored."""

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
    agent: Leg = Leg.DIALING
    customer: Leg = Leg.NONE
    answered_at: datetime | None = None
    answered_tick: float | None = None  # monotonic; not kept through a restart
    ended_at: datetime | None = None
    talk_s: float = 0.0
    reason: Reason | None = None
    ended_late: bool = False  # nobody heard the end: `ended_at` is when it was found out; not kept through a restart

    @property
    def answered(self) -> bool:
        """True when both have been able to talk."""
        return self.answered_at is not None

    @property
    def live(self) -> bool:
        return self.state is not State.ENDED


@dataclass(frozen=True, slots=True)
class Step:
    """The outcome of `step`: the call after it, the move that was made (None: stale, nothing changed), and what to do."""

    call: Call
    move: Move | None
    effects: tuple[Effect, ...] = ()


class NotNow(Exception):  # noqa: N818 - a decision about an order
    """An order that makes no sense in the call's state."""

    def __init__(self, state: State) -> None:
        super().__init__(f"not possible while the call is {state}")
        self.state = state


def allowed(state: State) -> tuple[str, ...]:
    """Return the orders that a call in this state takes."""
    return ("hangup",) if Move.HANG_UP in TABLE[state] else ()


def step(call: Call, happening: Fact | HangUp) -> Step:
    """Return what becomes of the call. Raises NotNow for an order that the table has no move for."""
    if isinstance(happening, HangUp):
        if Move.HANG_UP not in TABLE[call.state]:
            raise NotNow(call.state)
        return Step(_hang_up(call, happening), Move.HANG_UP, (Effect.HANG_UP,))
    told = _told(call, happening)
    move = _move(call, told, happening)
    target = TABLE[call.state].get(move) if move else None
    if move is None or target is None:
        return Step(call, None)
    after = _end(told, happening) if target is State.ENDED else replace(told, state=target)
    return Step(after, move, _effects(move, happening))


def _hang_up(call: Call, order: HangUp) -> Call:
    return replace(
        call,
        state=State.ENDING,
        reason=call.reason or order.reason or _ordered(order.by, answered=call.answered),
    )


def _ordered(by: Party, *, answered: bool) -> Reason:
    """Why a call ends that `by` ordered to end."""
    if by is Party.AGENT:
        return Reason.AGENT_HUNG_UP if answered else Reason.AGENT_GAVE_UP
    if by is Party.ACCOUNT:
        return Reason.ENDED_BY_ACCOUNT if answered else Reason.CANCELED_BY_ACCOUNT
    return Reason.PLATFORM_ERROR


def _told(call: Call, fact: Fact) -> Call:
    """The call with what the fact says of its legs, its reason and its times; its state is left alone."""
    match fact.what:
        case What.RINGING:
            return _leg(call, fact.party, Leg.RINGING)
        case What.ANSWERED:
            return _answered(call, fact)
        case What.LEG_ENDED:
            return _blamed(_leg(call, fact.party, Leg.GONE), fact)
        case What.ENGINE_LOST:
            return _blamed(replace(call, agent=Leg.GONE, customer=Leg.GONE), fact)
        case What.DIAL_FAILED:
            failed = replace(call, agent=Leg.GONE) if call.state in _AGENT_PHASE else replace(call, customer=Leg.GONE)
            return _blamed(failed, fact)
        case What.OVERDUE:
            return _overdue(call, fact)
        case What.SEALED:
            return _recorded(call, fact)


_AGENT_PHASE = (State.INITIATED, State.AGENT_RINGING)


def _leg(call: Call, party: Party | None, leg: Leg) -> Call:
    return replace(call, agent=leg) if party is Party.AGENT else replace(call, customer=leg)


def _answered(call: Call, fact: Fact) -> Call:
    if fact.party is Party.AGENT:
        return replace(call, agent=Leg.UP, customer=Leg.DIALING)
    return replace(call, customer=Leg.UP, answered_at=fact.at, answered_tick=fact.tick)


def _blamed(call: Call, fact: Fact) -> Call:
    """The first end of a leg is the end of the talk; the first reason is the reason."""
    ended_at = call.ended_at or fact.at
    talk_s = call.talk_s if call.ended_at else _talked(call, fact)
    reason = fact.reason
    if reason is Reason.AGENT_HUNG_UP and not call.answered:
        reason = Reason.AGENT_GAVE_UP
    late = call.ended_late if call.ended_at else fact.late
    return replace(call, ended_at=ended_at, talk_s=talk_s, reason=call.reason or reason, ended_late=late)


def _recorded(call: Call, fact: Fact) -> Call:
    """The recording, which runs as long as the two talk, tells when a call ended whose end nobody heard."""
    if not call.ended_late or call.answered_at is None or fact.seconds is None or fact.seconds >= call.talk_s:
        return call
    return replace(call, talk_s=fact.seconds, ended_at=call.answered_at + timedelta(seconds=fact.seconds))


def _talked(call: Call, fact: Fact) -> float:
    if call.answered_at is None:
        return 0.0
    if call.answered_tick is not None:
        return max(fact.tick - call.answered_tick, 0.0)
    return max((fact.at - call.answered_at).total_seconds(), 0.0)


def _overdue(call: Call, fact: Fact) -> Call:
    """Our own limit, a little above the engine's, has passed: say whose failing that is."""
    if call.state is State.ENDING:
        return _blamed(replace(call, agent=Leg.GONE, customer=Leg.GONE), replace(fact, reason=Reason.UNEXPLAINED))
    reasons = {
        State.TALKING: Reason.MAX_LENGTH,
        State.INITIATED: Reason.AGENT_NO_ANSWER,
        State.AGENT_RINGING: Reason.AGENT_NO_ANSWER,
    }
    return replace(call, reason=call.reason or reasons.get(call.state, Reason.CUSTOMER_NO_ANSWER))


def _move(call: Call, told: Call, fact: Fact) -> Move | None:
    """Which column of the table the fact is, for this call. None: it says nothing new."""
    match fact.what:
        case What.RINGING | What.ANSWERED:
            return _advance(call, fact)
        case What.SEALED:
            return Move.SEALED if _gone(call) else None
        case What.LEG_ENDED if (call.agent if fact.party is Party.AGENT else call.customer) in (Leg.GONE, Leg.NONE):
            return None
    if _gone(call) and fact.what is not What.OVERDUE:
        return None  # all of it is known; only the recording is waited for
    if _gone(told):
        return Move.ALL_GONE_RECORDED if told.answered and told.recorded else Move.ALL_GONE
    moves = {What.LEG_ENDED: Move.LEG_ENDS, What.DIAL_FAILED: Move.DIAL_FAILS, What.OVERDUE: Move.OVERDUE}
    return moves.get(fact.what)


def _advance(call: Call, fact: Fact) -> Move | None:
    leg = call.agent if fact.party is Party.AGENT else call.customer
    if leg in (Leg.GONE, Leg.NONE):
        return None
    if fact.what is What.RINGING:
        return Move.AGENT_RINGS if fact.party is Party.AGENT else Move.CUSTOMER_RINGS
    return Move.AGENT_ANSWERS if fact.party is Party.AGENT else Move.CUSTOMER_ANSWERS


def _gone(call: Call) -> bool:
    return call.agent is Leg.GONE and call.customer in (Leg.GONE, Leg.NONE)


def _effects(move: Move, fact: Fact) -> tuple[Effect, ...]:
    effects: tuple[Effect, ...] = ()
    if move is Move.AGENT_ANSWERS:
        effects = (Effect.RING_CUSTOMER,)
    if move is Move.DIAL_FAILS or fact.what is What.OVERDUE:
        effects = (Effect.HANG_UP,)
    if move is Move.ALL_GONE_RECORDED:
        effects += (Effect.SEAL,)
    return effects


def _end(call: Call, fact: Fact) -> Call:
    """The last word: an end that nobody explained gets the best reason there is."""
    ended = replace(call, state=State.ENDED, ended_at=call.ended_at or fact.at, agent=Leg.GONE)
    ended = replace(ended, customer=ended.customer if ended.customer is Leg.NONE else Leg.GONE)
    if ended.reason:
        return ended
    limit_reached = ended.answered and ended.talk_s >= ended.max_length_s - 1
    return replace(ended, reason=Reason.MAX_LENGTH if limit_reached else Reason.UNEXPLAINED)
