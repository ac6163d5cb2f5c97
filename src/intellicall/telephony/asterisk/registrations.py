"""Whether carriers let us register: the engine's outbound registrations, asked over AMI (ARI does not have them)."""

from intellicall.telephony.asterisk.ami import AmiLink
from intellicall.telephony.asterisk.dialplan import trunk_endpoint
from intellicall.telephony.engine import Trunk, TrunkState


async def registrations(ami: AmiLink) -> dict[str, bool]:
    """Return, by endpoint, whether it is registered now. Raises RequestRefused, ConnectionGone."""
    found = await ami.listing("PJSIPShowRegistrationsOutbound")
    details = [one for one in found if one["event"] == "OutboundRegistrationDetail"]  # beside each stands what it logs in with
    return {one["objectname"]: one["status"] == "Registered" for one in details}


def trunk_state(trunk: Trunk, registered: dict[str, bool]) -> TrunkState:
    """Return the state of a trunk, given what `registrations` told."""
    if not trunk.register:
        return TrunkState.STATIC
    return TrunkState.REGISTERED if registered.get(trunk_endpoint(trunk)) else TrunkState.UNREGISTERED
