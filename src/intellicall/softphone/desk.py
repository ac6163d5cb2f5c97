"""What the softphone's server side asks of the room that makes calls. `calls` fulfils it; this room does not know `calls`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from intellicall.softphone.launch import Launch

if TYPE_CHECKING:
    from intellicall.softphone.sessions import Session


class CallDesk(Protocol):
    """Orders of an agent who sits at a softphone. A call's view is the `call` of docs/softphone-protocol.md."""

    async def dial(self, launch: Launch, session: "Session") -> Mapping[str, Any]:
        """Turn a spent launch into a call and return its view. Raises Refused; `more` has the `call` that lives already, if any."""
        ...

    async def hang_up(self, agent_id: str, call_id: str) -> None:
        """End the agent's call. Raises Refused NOT_FOUND when the agent has no such call."""
        ...

    def current(self, agent_id: str) -> Mapping[str, Any] | None:
        """Return the view of the agent's living call, if any."""
        ...

    async def softphone_lost(self, agent_id: str, session_id: str) -> None:
        """The softphone of a living call went away and did not come back in time."""
        ...
