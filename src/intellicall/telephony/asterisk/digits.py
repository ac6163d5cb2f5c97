"""Sending DTMF: AMI's PlayDTMF, which works on any channel in any lane.

The action holds its session up for as long as the tone lasts, so each leg that is sent digits gets a session of its own, for as
long as there are digits to send; orders of the same leg follow each other.
"""

import asyncio
import re
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from intellicall.telephony.asterisk.ami import AmiLink
from intellicall.telephony.asterisk.connection import ConnectionGone, EngineConnection, RequestRefused
from intellicall.telephony.asterisk.legs import Leg
from intellicall.telephony.engine import EngineUnavailable

TONE_MS = 100
PAUSE_S = 0.1
_KEYS = re.compile(r"[0-9*#A-D]*")

log = structlog.get_logger()


class DigitSender:
    """Sends digits to legs. `beside` runs a task that nobody waits for."""

    def __init__(self, where: EngineConnection, beside: Callable[[Coroutine[Any, Any, None], str], None]) -> None:
        self._where = where
        self._beside = beside
        self._queues: dict[str, deque[str]] = {}

    async def send(self, leg: Leg | None, digits: str) -> None:
        """See the port's `send_digits`. Raises ValueError, EngineUnavailable."""
        if not _KEYS.fullmatch(digits):
            raise ValueError("only the keys 0-9, *, # and A-D can be sent")
        channel = leg.name if leg is not None and leg.lives else None
        if not digits or channel is None:
            return
        queue = self._queues.get(channel)
        if queue is not None:
            queue.extend(digits)
            return
        self._queues[channel] = deque(digits)
        try:
            session = await AmiLink.open(self._where)
        except ConnectionGone as gone:
            del self._queues[channel]
            raise EngineUnavailable("the engine did not answer") from gone
        self._beside(self._send(session, channel), "digits")

    async def _send(self, session: AmiLink, channel: str) -> None:
        queue = self._queues[channel]
        try:
            while queue:
                tone = {"Channel": channel, "Digit": queue.popleft(), "Duration": str(TONE_MS)}
                await session.action("PlayDTMF", tone)
                await asyncio.sleep(PAUSE_S)
        except RequestRefused:
            pass  # the leg is gone
        except ConnectionGone:
            log.warning("digits were cut off")
        finally:
            del self._queues[channel]
            await session.close()
