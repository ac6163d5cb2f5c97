"""A carrier that answers when, how often and in whose name it likes, and keeps what it saw of every dialog. UDP, no media."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from tests.support.sip_text import Headers, headers_of, response

from intellicall.telephony.engine import Trunk

AGAIN_S = 0.5  # T1
GIVES_UP_S = 32.0  # 64 T1
_NOBODYS_PORT = 9  # "discard": media sent there is heard by nobody


@dataclass
class Dialog:
    """One INVITE and what came of it. `says` sends a response to it now; `later` after so many seconds, unless it was canceled."""

    carrier: "WickedCarrier"
    dialed: str
    headers: Headers
    source: tuple[str, int]
    canceled: bool = False
    invites: int = 1
    said: list[tuple[int, str]] = field(default_factory=list)
    acked: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    def says(self, status: str, fork: str = "a", *, media: bool = False, more: tuple[str, ...] = ()) -> None:
        """Send a response now; `fork` is its To tag."""
        code = int(status[:3])
        self.said.append((code, fork))
        port = _NOBODYS_PORT if media or code == 200 else 0
        message = response(self.headers, status, f";tag={fork}", contact=self.carrier.port, media=port, more=more)
        self.carrier.send(message, self.source)
        if code >= 200:
            self._again(message, fork, AGAIN_S)

    def _again(self, message: bytes, fork: str, after_s: float) -> None:
        """Repeat a final response until it is acknowledged (RFC 3261 sections 13.3.1.4 and 17.2.1): UDP may lose either."""

        def repeat() -> None:
            if fork not in self.acked and after_s < GIVES_UP_S:
                self.carrier.send(message, self.source)
                self._again(message, fork, after_s * 2)

        asyncio.get_running_loop().call_later(after_s, repeat)

    def later(self, seconds: float, status: str, fork: str = "a", *, media: bool = False) -> None:
        """Send a response after so many seconds, unless the call was canceled by then."""
        loop = asyncio.get_running_loop()
        loop.call_later(seconds, lambda: None if self.canceled else self.says(status, fork, media=media))

    @property
    def answered(self) -> list[str]:
        """The forks that said 200."""
        return [fork for code, fork in self.said if code == 200]

    @property
    def settled(self) -> bool:
        """Whether nothing of it is left: each answer was acknowledged and ended, or there was a refusal that was acknowledged."""
        if self.answered:
            return all(fork in self.acked and fork in self.ended for fork in self.answered)
        return bool(self.acked)


class WickedCarrier(asyncio.DatagramProtocol):
    """`behave` is told of every new INVITE."""

    def __init__(self, behave: Callable[[Dialog], None]) -> None:
        self._behave = behave
        self.dialogs: dict[str, Dialog] = {}
        self.port = 0

    def trunk(self, name: str) -> Trunk:
        """Return the trunk that leads here."""
        return Trunk(name, "127.0.0.1", self.port)

    def of(self, dialed: str) -> list[Dialog]:
        """Return the dialogs of a number."""
        return [dialog for dialog in self.dialogs.values() if dialog.dialed == dialed]

    def send(self, message: bytes, to: tuple[str, int]) -> None:
        if not self._transport.is_closing():
            self._transport.sendto(message, to)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        text = data.decode()
        method, _, rest = text.partition(" ")
        headers = headers_of(text)
        dialog = self.dialogs.get(headers["call-id"][0])
        if method == "INVITE":
            self._invited(rest, headers, dialog, addr)
        elif method == "ACK" and dialog:
            dialog.acked.append(_fork_of(headers))
        elif method == "OPTIONS":
            self.send(response(headers, "200 OK"), addr)
        elif method in {"CANCEL", "BYE"}:
            self.send(response(headers, "200 OK"), addr)
            if dialog and method == "BYE":
                dialog.ended.append(_fork_of(headers))
            elif dialog and not dialog.canceled and not dialog.answered:
                dialog.canceled = True
                dialog.says("487 Request Terminated")

    def _invited(self, rest: str, headers: Headers, dialog: Dialog | None, source: tuple[str, int]) -> None:
        if dialog is not None:
            dialog.invites += headers["cseq"] != dialog.headers["cseq"]  # a retransmission is not another one
            return
        dialed = rest.removeprefix("sip:").partition("@")[0]
        dialog = Dialog(self, dialed, headers, source)
        self.dialogs[headers["call-id"][0]] = dialog
        self._behave(dialog)


def _fork_of(headers: Headers) -> str:
    found = re.search(r";tag=(\w+)", headers["to"][0])
    return found[1] if found else ""


@asynccontextmanager
async def wicked_carrier(behave: Callable[[Dialog], None]) -> AsyncIterator[WickedCarrier]:
    """Run a carrier on a free port of loopback."""
    loop = asyncio.get_running_loop()
    transport, carrier = await loop.create_datagram_endpoint(lambda: WickedCarrier(behave), ("127.0.0.1", 0))
    try:
        yield carrier
    finally:
        transport.close()
