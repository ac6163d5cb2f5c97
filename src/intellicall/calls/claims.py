"""Whose softphone is being taken for a call at this moment: from the check that it is free until its call is stored."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from intellicall.errors import Code, Refused


class Claims:
    """The agents of one platform process. One agent's softphone is never rung for two calls at once."""

    def __init__(self) -> None:
        self._starting: Counter[str] = Counter()
        self._invited: set[str] = set()

    @contextmanager
    def starting(self, agent_id: str | None) -> Iterator[None]:
        """While a call of the agent's own is stored; None: of nobody's softphone. Refused with AGENT_BUSY.

        Several may be under way: which of them is first, the database decides.
        """
        if agent_id is None:
            yield
            return
        if agent_id in self._invited:
            raise Refused(Code.AGENT_BUSY)
        self._starting[agent_id] += 1
        try:
            yield
        finally:
            self._starting[agent_id] -= 1
            if not self._starting[agent_id]:
                del self._starting[agent_id]

    @contextmanager
    def inviting(self, agent_id: str | None, *, busy: bool) -> Iterator[None]:
        """While the agent is called into another's call; `busy`: is in a call already. Refused with AGENT_BUSY."""
        if agent_id is None:
            yield
            return
        if busy or agent_id in self._invited or agent_id in self._starting:
            raise Refused(Code.AGENT_BUSY, field="crm_username")
        self._invited.add(agent_id)
        try:
            yield
        finally:
            self._invited.discard(agent_id)
