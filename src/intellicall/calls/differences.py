"""What a snapshot of the engine says about a call's participants: pure, one fact a difference at most."""

from collections.abc import Callable

from intellicall.calls.call import Call, Leg, Participant, What
from intellicall.calls.table import Reason
from intellicall.telephony.engine import LegSeen

Difference = Callable[[Call, Participant, LegSeen | None], tuple[What, Reason | None] | None]


def nothing_left_out(reason: Reason) -> Difference:
    """After a restart, of the platform or the engine, no order to dial is under way: a leg that is not there is gone."""

    def difference(call: Call, participant: Participant, seen: LegSeen | None) -> tuple[What, Reason | None] | None:
        if not participant.here:
            return None
        if seen is None:
            return What.LEG_ENDED, None if call.answered and reason is not Reason.ENGINE_LOST else reason
        return (What.ANSWERED, None) if seen.answered and not participant.up else None

    return difference


def of_known_legs(_call: Call, participant: Participant, seen: LegSeen | None) -> tuple[What, Reason | None] | None:
    """After a gap in the events: a leg that was being dialed may still come, so only legs that had been heard of can be gone."""
    if seen is None:
        return (What.LEG_ENDED, None) if participant.leg in (Leg.RINGING, Leg.UP) else None
    return (What.ANSWERED, None) if seen.answered and participant.leg in (Leg.DIALING, Leg.RINGING) else None
