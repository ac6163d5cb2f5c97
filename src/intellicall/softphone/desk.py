"""What the softphone's server side asks of the room that makes calls. `calls` fulfils it; this room does not know `calls`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from intellicall.softphone.launch import Launch
from intellicall.softphone.page_messages import NoteMessage, OrderMessage
from intellicall.softphone.store import Owner

if TYPE_CHECKING:
    from intellicall.softphone.sessions import Session


class CallDesk(Protocol):
    """Orders of an agent who sits at a softphone. A call's view is the `call` of docs/softphone-protocol.md."""

    async def dial(self, launch: Launch, session: "Session") -> Mapping[str, Any]:
        """Turn a spent launch into a call and return its view. Raises Refused; `more` has the `call` that lives already, if any."""
        ...

    async def redial(self, call_id: str, session: "Session") -> Mapping[str, Any]:
        """Call the customer of an earlier call of the agent's own again, from the same caller ID. Raises Refused, as `dial`."""
        ...

    async def hang_up(self, agent: Owner, call_id: str) -> None:
        """End the agent's call; a guest leaves it. Raises Refused NOT_FOUND when the agent has no such call."""
        ...

    async def order(self, agent: Owner, message: OrderMessage) -> None:
        """Carry out an order on the agent's call. Raises Refused; NOT_POSSIBLE_NOW also for what a guest may not order."""
        ...

    async def note(self, agent: Owner, message: NoteMessage) -> Mapping[str, Any]:
        """Set disposition and notes of a call that is or was the agent's; return both as they are now. Raises Refused."""
        ...

    async def history(self, agent: Owner, before: str | None) -> Mapping[str, Any]:
        """Return `calls` and `next` of the protocol: the agent's own calls, newest first. Raises Refused for a strange cursor."""
        ...

    def current(self, agent_id: str) -> Mapping[str, Any] | None:
        """Return the view of the agent's living call, if any."""
        ...

    def movable(self, agent_id: str) -> bool:
        """Return whether the agent's living call can go on in another tab without losing anybody."""
        ...

    async def softphone_lost(self, agent_id: str, session_id: str) -> None:
        """The softphone of a living call went away and did not come back in time, or its page was loaded anew. Raises nothing."""
        ...

    async def softphone_ready(self, agent_id: str, session_id: str) -> None:
        """The agent's softphone can be rung (again): a call that waits for the agent comes back to it. Raises nothing."""
        ...
