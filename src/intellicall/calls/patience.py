"""How long each state of a call may last when all is well. The engine keeps the exact limits; these are the net below."""

from intellicall.calls.table import State
from intellicall.telephony.engine import CallPlan

SLACK_S = 5.0  # what we wait beyond the engine's own limits before we step in
ENDING_S = 8.0  # what the rest of a call may take to disappear
LATE_S = 5.0  # a dial that could not be carried out so long is not carried out any more: nobody expects that phone to ring now
AWAY_S = 20.0  # how long a customer hears music until the agent's softphone is back

_RINGS_CUSTOMER = frozenset({State.AGENT_ANSWERED, State.CUSTOMER_RINGING})
_RINGS_AGENT = frozenset({State.INITIATED, State.AGENT_RINGING})
_RINGS_GUEST = frozenset({State.CONSULT_RINGING, State.ADDING, State.TRANSFERRING})


def limit_of(state: State, plan: CallPlan) -> float | None:
    """Return the seconds that a call may stay in this state; None where only the call's own length limits it."""
    if state in _RINGS_AGENT:
        return plan.agent_ring_s + SLACK_S
    if state in _RINGS_CUSTOMER or state in _RINGS_GUEST:
        return plan.customer_ring_s + SLACK_S
    return {State.ENDING: ENDING_S, State.AGENT_AWAY: AWAY_S}.get(state)
