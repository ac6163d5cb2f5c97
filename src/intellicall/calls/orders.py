"""What somebody asks of a live call, and what it takes beside the order itself."""

import hashlib
from dataclasses import dataclass, replace

from intellicall.calls.call import Call, Order
from intellicall.calls.people import Person
from intellicall.calls.result import Entry
from intellicall.calls.table import Move, Party, State
from intellicall.telephony.engine import LegPlan


@dataclass(frozen=True, slots=True)
class Ask:
    """An order, and who is rung or which digits are sent with it.

    `person` and `leg` are without the id and the leg's name, which only the call can give. `key`: the asker's Idempotency-Key.
    """

    order: Order
    person: Person | None = None
    leg: LegPlan | None = None
    digits: str | None = None
    key: str | None = None

    @property
    def fingerprint(self) -> str:
        """What two asks with the same key must have in common to be the same ask. A hash: digits are not stored."""
        whom = (self.person.e164 or self.person.agent_id) if self.person else None
        caller_id = self.leg.caller_id if self.leg else None
        parts = (self.order.move, self.order.participant, whom, caller_id, self.digits)
        return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()

    def seat(self, entry: Entry) -> Entry:
        """Return the call with the one who was called in by this ask among its people."""
        if self.person is None:
            return entry
        participant = entry.call.agent if self.order.move is Move.AGENT_BACK else entry.call.guest
        if participant is None:
            return entry
        person = replace(self.person, id=participant.id, line=participant.line)
        return replace(entry, people=(*entry.people, person))

    def line(self, entry: Entry) -> str | None:
        """Return the leg that is to be rung; None when it is not wanted any more."""
        participant = entry.call.agent if self.order.move is Move.AGENT_BACK else entry.call.guest
        return participant.line if participant and participant.here and not participant.up else None

    def listener(self, entry: Entry) -> str | None:
        """Return the leg that is to hear the digits: the one named, else whom the agent hears."""
        found = entry.call.participant(self.order.participant or heard_by_agent(entry.call))
        return found[1].line if found and found[1].up else None


def heard_by_agent(call: Call) -> str:
    """Return the participant whom the agent talks to."""
    guest = call.seats.get(Party.GUEST)
    return guest.id if guest and call.state is State.CONSULTING else call.customer.id


@dataclass(frozen=True, slots=True)
class Note:
    """What people say about a call: its disposition and notes. None leaves what is there, empty notes remove it."""

    disposition: str | None = None
    notes: str | None = None

    def applied(self, entry: Entry) -> Entry:
        """Return the call with it."""
        disposition = entry.disposition if self.disposition is None else self.disposition
        return replace(entry, disposition=disposition, notes=entry.notes if self.notes is None else self.notes or None)
