"""Who is called into a running call: an agent's softphone, an agent's phone, or any phone."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from intellicall.telephony.engine import SoftphoneLine


@dataclass(frozen=True, slots=True)
class Person:
    """One further leg's other half, which never changes: who it is. Stored with the call, also after they have left.

    `id` is the participant's (`p1`, or `agent` for the agent whose softphone is rung again), `line` the engine's leg. `number` is
    as it was sent, `e164` as it was dialed; `called_by` the `crm_username` of the agent who called them in, None for the backend.
    `asked_by`: the Idempotency-Key of the order that called them in, or a word of the asker's own. `left`: why a guest is not, or
    not any more, in the call (calls/departures.py).
    """

    id: str
    line: str
    number: str | None = None
    e164: str | None = None
    crm_username: str | None = None
    agent_id: str | None = None
    softphone: SoftphoneLine | None = None
    called_by: str | None = None
    asked_by: str | None = None
    left: str | None = None

    @property
    def name(self) -> str:
        """What the account calls them: the agent's `crm_username`, else the number."""
        return self.crm_username or self.number or self.id


def person_to_json(person: Person) -> dict[str, Any]:
    """Return the person as JSON values, without what is None."""
    return {name: value for name, value in asdict(person).items() if value is not None}


def person_from_json(stored: Mapping[str, Any]) -> Person:
    """Return the person that `person_to_json` stored."""
    softphone = stored.get("softphone")
    return Person(**{**stored, "softphone": SoftphoneLine(**softphone) if softphone else None})
