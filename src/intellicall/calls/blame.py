"""Why a call ends: from who did what, in which state, to a reason. Pure; `calls.call` asks, calls/endings.py has the words."""

from intellicall.calls.table import Party, Reason, State

CLOCK_SET_S = 10.0


def reason_of_order(by: Party, *, answered: bool) -> Reason:
    """Return why a call ends that `by` ordered to end."""
    match by:
        case Party.AGENT:
            return Reason.AGENT_HUNG_UP if answered else Reason.AGENT_GAVE_UP
        case Party.GUEST:
            return Reason.GUEST_HUNG_UP
        case Party.ACCOUNT:
            return Reason.ENDED_BY_ACCOUNT if answered else Reason.CANCELED_BY_ACCOUNT
        case _:
            return Reason.PLATFORM_ERROR


def reason_of_leg(
    state: State, seat: Party | None, told: Reason | None, *, answered: bool, transferred: bool, set_by_s: float
) -> Reason | None:
    """Return what a leg's end says about the call's, by who sits there. None: it only followed from something else.

    `told` is what the engine's cause means for this seat; `transferred`: somebody else than the first agent sits in the agent's.
    `set_by_s`: how far the wall clock was set forward while the two talked. Asterisk 22 times its limits by it.
    """
    if set_by_s > CLOCK_SET_S and told in (Reason.MAX_LENGTH, Reason.AUDIO_LOST):
        return Reason.CLOCK_SET
    if state is State.TRANSFERRING and seat is Party.GUEST:
        return Reason.TRANSFER_FAILED
    if state is State.AGENT_AWAY and seat is Party.AGENT:
        return Reason.AGENT_LEFT
    if told is not Reason.AGENT_HUNG_UP:
        return told
    if transferred:
        return Reason.GUEST_HUNG_UP
    return told if answered else Reason.AGENT_GAVE_UP


def reason_of_delay(state: State) -> Reason:
    """Return whose failing it is that a limit of ours, a little above the engine's, has passed."""
    match state:
        case State.INITIATED | State.AGENT_RINGING:
            return Reason.AGENT_NO_ANSWER
        case State.AGENT_ANSWERED | State.CUSTOMER_RINGING:
            return Reason.CUSTOMER_NO_ANSWER
        case State.TRANSFERRING:
            return Reason.TRANSFER_FAILED
        case State.AGENT_AWAY:
            return Reason.AGENT_LEFT
        case _:
            return Reason.MAX_LENGTH
