"""The words and the table of a call: in which states it can stand, what can happen to it, and which of these leads where.

Pure data: standard library only. docs/call-states.md, the API's enums and the softphone's types are generated from it.
Who is in a call, and who hears whom in which state: docs/live-calls.md.
"""

from enum import StrEnum


class State(StrEnum):
    """Where a call stands."""

    INITIATED = "initiated"  # accepted and stored; the agent's phone is being dialed
    AGENT_RINGING = "agent_ringing"
    AGENT_ANSWERED = "agent_answered"  # the customer's phone is being dialed
    CUSTOMER_RINGING = "customer_ringing"
    TALKING = "talking"
    HELD = "held"  # the customer hears music
    CONSULT_RINGING = "consult_ringing"  # the customer hears music, the guest is rung
    CONSULTING = "consulting"  # the customer hears music, agent and guest talk
    CONSULT_HELD = "consult_held"  # the guest hears music, agent and customer talk
    ADDING = "adding"  # agent and customer talk, the guest is rung
    THREE_WAY = "three_way"
    TRANSFERRING = "transferring"  # the customer hears ringback, the guest is rung, the agent may leave
    AGENT_AWAY = "agent_away"  # the agent's softphone is gone and may come back, the customer hears music
    ENDING = "ending"  # one side is gone or an end was ordered; the rest follows, the recording is completed
    ENDED = "ended"


class Move(StrEnum):
    """What can happen to a call: the columns of the table."""

    # facts
    AGENT_RINGS = "agent_rings"
    AGENT_ANSWERS = "agent_answers"
    CUSTOMER_RINGS = "customer_rings"
    CUSTOMER_ANSWERS = "customer_answers"
    GUEST_RINGS = "guest_rings"
    GUEST_ANSWERS = "guest_answers"
    TRANSFER_DONE = "transfer_done"  # the guest of a blind transfer answers, and takes the agent's seat
    GUEST_LEAVES = "guest_leaves"  # hung up, did not answer, could not be reached
    AGENT_LEAVES = "agent_leaves"  # the guest takes the agent's seat, at once or on answering
    AGENT_UNREACHED = "agent_unreached"  # the softphone that was back is gone again before it has answered
    LEG_ENDS = "leg_ends"  # one leg is gone, and with it the call; another leg is still there
    DIAL_FAILS = "dial_fails"  # the engine did not take the order to dial
    ALL_GONE = "all_gone"  # no leg is left and nothing remains to be done
    ALL_GONE_RECORDED = "all_gone_recorded"  # no leg is left, the recording has to be completed
    SEALED = "sealed"  # the recording is complete (or there is none)
    OVERDUE = "overdue"  # what should have happened by now has not
    # orders
    HANG_UP = "hang_up"
    HOLD = "hold"
    RESUME = "resume"
    MUTE = "mute"
    UNMUTE = "unmute"
    SEND_DIGITS = "send_digits"
    CONSULT = "consult"
    ADD = "add"
    SWAP = "swap"
    MERGE = "merge"
    TRANSFER = "transfer"  # blind
    COMPLETE = "complete"  # warm: the agent leaves, the guest takes the seat
    COMPLETE_RINGING = "complete_ringing"  # the agent leaves while the guest is rung
    DROP_GUEST = "drop_guest"
    PAUSE_RECORDING = "pause_recording"
    RESUME_RECORDING = "resume_recording"
    # orders of the platform's own
    AGENT_LOST = "agent_lost"  # the softphone's tab was reloaded or is gone
    AGENT_BACK = "agent_back"  # the softphone can be rung again


class Party(StrEnum):
    """Whose doing something was: `ended_by` in a result. The first three are also the seats."""

    AGENT = "agent"
    CUSTOMER = "customer"
    GUEST = "guest"
    ACCOUNT = "account"  # the account's own backend, through the API
    CARRIER = "carrier"
    PLATFORM = "platform"


class Reason(StrEnum):
    """Why a call ended. calls/endings.py gives each its status, culprit, plain words and remedy."""

    AGENT_HUNG_UP = "agent_hung_up"
    CUSTOMER_HUNG_UP = "customer_hung_up"
    GUEST_HUNG_UP = "guest_hung_up"
    ENDED_BY_ACCOUNT = "ended_by_account"
    MAX_LENGTH = "max_length"
    AGENT_LEFT = "agent_left"
    TRANSFER_FAILED = "transfer_failed"
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
    DIALED_TOO_LATE = "dialed_too_late"
    AUDIO_LOST = "audio_lost"
    ENGINE_LOST = "engine_lost"
    PLATFORM_RESTARTED = "platform_restarted"
    RESTORED = "restored"
    CLOCK_SET = "clock_set"
    PLATFORM_ERROR = "platform_error"
    UNEXPLAINED = "unexplained"


ORDERS: dict[Move, str] = {
    Move.HANG_UP: "hangup",
    Move.HOLD: "hold",
    Move.RESUME: "resume",
    Move.MUTE: "mute",
    Move.UNMUTE: "unmute",
    Move.SEND_DIGITS: "dtmf",
    Move.CONSULT: "consult",
    Move.ADD: "add",
    Move.SWAP: "swap",
    Move.MERGE: "merge",
    Move.TRANSFER: "transfer",
    Move.COMPLETE: "transfer",
    Move.COMPLETE_RINGING: "transfer",
    Move.DROP_GUEST: "drop",
    Move.PAUSE_RECORDING: "pause_recording",
    Move.RESUME_RECORDING: "resume_recording",
}
"""The orders that people can give, by their public names. AGENT_LOST and AGENT_BACK are the platform's own."""


def _setup(ringing: dict[Move, State]) -> dict[Move, State]:
    """Before the two talk: what rings or answers, and the ways to an end."""
    return {**ringing, Move.ALL_GONE: State.ENDED, Move.OVERDUE: State.ENDING, Move.HANG_UP: State.ENDING}


def _answered(state: State, orders: dict[Move, State]) -> dict[Move, State]:
    """After the customer has answered: what is possible in every state, and what is in this one."""
    same = (Move.MUTE, Move.UNMUTE, Move.PAUSE_RECORDING, Move.RESUME_RECORDING)
    return {
        Move.LEG_ENDS: State.ENDING,
        Move.ALL_GONE: State.ENDED,
        Move.ALL_GONE_RECORDED: State.ENDING,
        Move.OVERDUE: State.ENDING,
        Move.HANG_UP: State.ENDING,
        **dict.fromkeys(same, state),
        **orders,
    }


TABLE: dict[State, dict[Move, State]] = {
    State.INITIATED: _setup({Move.AGENT_RINGS: State.AGENT_RINGING, Move.AGENT_ANSWERS: State.AGENT_ANSWERED}),
    State.AGENT_RINGING: _setup({Move.AGENT_ANSWERS: State.AGENT_ANSWERED}),
    State.AGENT_ANSWERED: _setup(
        {
            Move.CUSTOMER_RINGS: State.CUSTOMER_RINGING,
            Move.CUSTOMER_ANSWERS: State.TALKING,
            Move.LEG_ENDS: State.ENDING,
            Move.DIAL_FAILS: State.ENDING,
        }
    ),
    State.CUSTOMER_RINGING: _setup({Move.CUSTOMER_ANSWERS: State.TALKING, Move.LEG_ENDS: State.ENDING}),
    State.TALKING: _answered(
        State.TALKING,
        {
            Move.HOLD: State.HELD,
            Move.SEND_DIGITS: State.TALKING,
            Move.CONSULT: State.CONSULT_RINGING,
            Move.ADD: State.ADDING,
            Move.TRANSFER: State.TRANSFERRING,
            Move.AGENT_LOST: State.AGENT_AWAY,
        },
    ),
    State.HELD: _answered(
        State.HELD,
        {
            Move.RESUME: State.TALKING,
            Move.CONSULT: State.CONSULT_RINGING,
            Move.TRANSFER: State.TRANSFERRING,
            Move.AGENT_LOST: State.AGENT_AWAY,
        },
    ),
    State.CONSULT_RINGING: _answered(
        State.CONSULT_RINGING,
        {
            Move.GUEST_RINGS: State.CONSULT_RINGING,
            Move.GUEST_ANSWERS: State.CONSULTING,
            Move.GUEST_LEAVES: State.TALKING,
            Move.DROP_GUEST: State.TALKING,
            Move.COMPLETE_RINGING: State.TRANSFERRING,
            Move.AGENT_LOST: State.AGENT_AWAY,
        },
    ),
    State.CONSULTING: _answered(
        State.CONSULTING,
        {
            Move.SEND_DIGITS: State.CONSULTING,
            Move.SWAP: State.CONSULT_HELD,
            Move.MERGE: State.THREE_WAY,
            Move.COMPLETE: State.TALKING,
            Move.DROP_GUEST: State.TALKING,
            Move.GUEST_LEAVES: State.TALKING,
            Move.AGENT_LEAVES: State.TALKING,
            Move.AGENT_LOST: State.AGENT_AWAY,
        },
    ),
    State.CONSULT_HELD: _answered(
        State.CONSULT_HELD,
        {
            Move.SEND_DIGITS: State.CONSULT_HELD,
            Move.SWAP: State.CONSULTING,
            Move.MERGE: State.THREE_WAY,
            Move.COMPLETE: State.TALKING,
            Move.DROP_GUEST: State.TALKING,
            Move.GUEST_LEAVES: State.TALKING,
            Move.AGENT_LEAVES: State.TALKING,
            Move.AGENT_LOST: State.AGENT_AWAY,
        },
    ),
    State.ADDING: _answered(
        State.ADDING,
        {
            Move.SEND_DIGITS: State.ADDING,
            Move.GUEST_RINGS: State.ADDING,
            Move.GUEST_ANSWERS: State.THREE_WAY,
            Move.GUEST_LEAVES: State.TALKING,
            Move.DROP_GUEST: State.TALKING,
            Move.AGENT_LOST: State.AGENT_AWAY,
        },
    ),
    State.THREE_WAY: _answered(
        State.THREE_WAY,
        {
            Move.HOLD: State.CONSULTING,
            Move.SEND_DIGITS: State.THREE_WAY,
            Move.COMPLETE: State.TALKING,
            Move.DROP_GUEST: State.TALKING,
            Move.GUEST_LEAVES: State.TALKING,
            Move.AGENT_LEAVES: State.TALKING,
            Move.AGENT_LOST: State.TALKING,
        },
    ),
    State.TRANSFERRING: _answered(
        State.TRANSFERRING,
        {
            Move.GUEST_RINGS: State.TRANSFERRING,
            Move.TRANSFER_DONE: State.TALKING,
            Move.GUEST_LEAVES: State.TALKING,
            Move.AGENT_LEAVES: State.TRANSFERRING,
            Move.DROP_GUEST: State.TALKING,
            Move.COMPLETE_RINGING: State.TRANSFERRING,
            Move.AGENT_LOST: State.TRANSFERRING,
        },
    ),
    State.AGENT_AWAY: _answered(
        State.AGENT_AWAY,
        {
            Move.AGENT_RINGS: State.AGENT_AWAY,
            Move.AGENT_ANSWERS: State.TALKING,
            Move.AGENT_LOST: State.AGENT_AWAY,
            Move.AGENT_BACK: State.AGENT_AWAY,
            Move.AGENT_UNREACHED: State.AGENT_AWAY,
        },
    ),
    State.ENDING: {
        Move.LEG_ENDS: State.ENDING,
        Move.ALL_GONE: State.ENDED,
        Move.ALL_GONE_RECORDED: State.ENDING,
        Move.SEALED: State.ENDED,
    },
    State.ENDED: {},
}
