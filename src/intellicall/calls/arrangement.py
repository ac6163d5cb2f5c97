"""Who hears whom: pure, from the state of a call and who sits in it to the engine's `Arrangement`."""

from collections.abc import Mapping

from intellicall.calls.call import Call
from intellicall.calls.table import Party, State
from intellicall.telephony.engine import Arrangement, Place

_TOGETHER, _MUSIC, _RINGBACK, _SILENCE = Place.TOGETHER, Place.MUSIC, Place.RINGBACK, Place.SILENCE
_AGENT, _CUSTOMER, _GUEST = Party.AGENT, Party.CUSTOMER, Party.GUEST

PLACES: Mapping[State, Mapping[Party, Place]] = {
    State.TALKING: {_AGENT: _TOGETHER, _CUSTOMER: _TOGETHER},
    State.HELD: {_AGENT: _SILENCE, _CUSTOMER: _MUSIC},
    State.CONSULT_RINGING: {_AGENT: _TOGETHER, _CUSTOMER: _MUSIC, _GUEST: _TOGETHER},
    State.CONSULTING: {_AGENT: _TOGETHER, _CUSTOMER: _MUSIC, _GUEST: _TOGETHER},
    State.CONSULT_HELD: {_AGENT: _TOGETHER, _CUSTOMER: _TOGETHER, _GUEST: _MUSIC},
    State.ADDING: {_AGENT: _TOGETHER, _CUSTOMER: _TOGETHER, _GUEST: _SILENCE},
    State.THREE_WAY: {_AGENT: _TOGETHER, _CUSTOMER: _TOGETHER, _GUEST: _TOGETHER},
    State.TRANSFERRING: {_AGENT: _SILENCE, _CUSTOMER: _RINGBACK, _GUEST: _SILENCE},
    State.AGENT_AWAY: {_AGENT: _SILENCE, _CUSTOMER: _MUSIC},
}


def arrangement(call: Call) -> Arrangement | None:
    """Return who is to hear whom; None while the two do not talk yet, or no more: then the engine goes by itself."""
    places = PLACES.get(call.state)
    if places is None:
        return None
    here = {seat: participant for seat, participant in call.seats.items() if participant.here}
    return Arrangement(
        places={participant.line: places[seat] for seat, participant in here.items()},
        vital=frozenset(participant.line for seat, participant in here.items() if _vital(call, seat)),
        muted=frozenset(participant.line for participant in here.values() if participant.muted),
        paused=call.paused,
    )


def on_hold(call: Call, seat: Party) -> bool:
    """Return whether the participant in this seat hears music."""
    return PLACES.get(call.state, {}).get(seat) is _MUSIC


def _vital(call: Call, seat: Party) -> bool:
    """The customer's end ends every call; another's, when the customer would be left alone."""
    if seat is Party.AGENT:
        return call.state not in (State.TRANSFERRING, State.AGENT_AWAY) and not (call.guest and call.guest.up)
    return seat is Party.CUSTOMER or not call.agent.up
