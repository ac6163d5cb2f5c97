"""One browser tab that talks to us: what is to be sent to it, in order."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from intellicall.softphone.store import Owner

MOST_WAITING = 200  # messages to a tab that reads none of them

NO_SESSION: Final = 4401
WRONG_ORIGIN: Final = 4403
NO_HELLO: Final = 4408
REPLACED: Final = 4409
POLICY: Final = 1008


class Tab:
    """A connection of a page. `name` is the tab's own, the same after a reload; `page` is new at each load, or None.

    `voiceless`: the page says that it carries no call's voice; False also when it says nothing of that. `heard_at`: when the page
    last said anything, on the monotonic clock; a page that is awake does every 20 s.
    """

    def __init__(self, owner: Owner, name: str, page: str | None = None, heard_at: float = 0.0, *, voiceless: bool = False) -> None:
        self.owner = owner
        self.name = name
        self.page = page
        self.voiceless = voiceless
        self.heard_at = heard_at
        self.closed = False
        self._waiting: asyncio.Queue[Mapping[str, Any] | int] = asyncio.Queue(MOST_WAITING)

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message after those that wait; a tab that reads nothing is given up."""
        if self.closed:
            return
        try:
            self._waiting.put_nowait(message)
        except asyncio.QueueFull:
            self.closed = True
            self._waiting = asyncio.Queue()
            self._waiting.put_nowait(POLICY)

    def close(self, code: int) -> None:
        """Close the connection behind what waits. Nothing more is sent."""
        if not self.closed:
            self.send_last(code)

    def send_last(self, code: int) -> None:
        self.closed = True
        if self._waiting.full():
            self._waiting.get_nowait()
        self._waiting.put_nowait(code)

    async def next(self) -> Mapping[str, Any] | int:
        """Return the next message, or the code to close with."""
        return await self._waiting.get()
