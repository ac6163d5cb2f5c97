"""The far end: one SIP user agent on loopback that is every agent's phone and every customer (RFC 3261, UDP, G.711 A-law).

It answers at once; the customer hangs up after the call's time. Each request's time of arrival is the kernel's own stamp
(SO_TIMESTAMPNS, socket(7)), so a busy benchmark does not look like a slow platform. Both ends speak for a moment, so
that there is something to record.
"""

import asyncio
import re
import socket
import struct
import time
from dataclasses import dataclass

from tests.support.sip_text import Headers, headers_of, response

from bench.calls import Ledger, Seen

_SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("qq")
_BUFFER = 4 * 1024 * 1024
_PACKETS = 10
_PACKET_S = 0.02
_SILENCE = b"\xd5" * 160  # 20 ms of A-law
_BYE_AGAIN_S = 0.5
_BYE_TRIES = 4
_USER = re.compile(r"^\w+ sip:([^@;>]+)@")
_CONTACT = re.compile(r"<([^>]+)>")
_MEDIA = re.compile(r"^m=audio (\d+)", re.MULTILINE)


@dataclass(slots=True)
class _Leg:
    """One dialog, seen from the called side."""

    seen: Seen
    customer: bool
    answer: bytes
    bye: bytes
    source: tuple[str, int]
    media: int
    packets: int = 0
    byes: int = 0
    over: bool = False


class SipPeer:
    """Use `start`, give `port` to a trunk, and `stop`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._legs: dict[str, _Leg] = {}
        self._speaking: list[_Leg] = []
        self._signals = _socket()
        self._media = _socket()
        self._signals.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.port = int(self._signals.getsockname()[1])
        self._media_port = int(self._media.getsockname()[1])
        self._speaker: asyncio.Task[None] | None = None

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(self._signals, self._read)
        self._speaker = loop.create_task(self._speak())

    async def stop(self) -> None:
        asyncio.get_running_loop().remove_reader(self._signals)
        if self._speaker:
            self._speaker.cancel()
            await asyncio.gather(self._speaker, return_exceptions=True)
        self._signals.close()
        self._media.close()

    def _read(self) -> None:
        while True:
            try:
                data, ancillary, _, source = self._signals.recvmsg(65_535, 64)
            except BlockingIOError:
                return
            seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2][: _TIMESPEC.size])
            self._take(data.decode(errors="replace"), source, seconds + nanoseconds / 1e9)

    def _take(self, text: str, source: tuple[str, int], at: float) -> None:
        headers = headers_of(text)
        leg = self._legs.get(headers["call-id"][0])
        if text.startswith("INVITE "):
            self._invited(text, headers, leg, source, at)
        elif text.startswith("ACK ") and leg and not leg.packets and not leg.over:
            leg.packets = _PACKETS
            self._speaking.append(leg)
        elif text.startswith(("BYE ", "CANCEL ")):
            self._send(response(headers, "200 OK"), source)
            self._over(leg, at)
        elif text.startswith("SIP/2.0 ") and headers["cseq"][0].endswith("BYE"):
            self._over(leg, at)

    def _invited(self, text: str, headers: Headers, leg: _Leg | None, source: tuple[str, int], at: float) -> None:
        if leg is None:
            user = _USER.match(text)
            found = self._ledger.find(user[1] if user[1].startswith("+") else f"+{user[1]}") if user else None
            if found is None:
                self._send(response(headers, "404 Not Found"), source)
                return
            leg = self._new_leg(text, headers, *found, source)
            self._note_invite(leg, at)
        self._send(leg.answer, source)

    def _new_leg(self, text: str, headers: Headers, seen: Seen, customer: bool, source: tuple[str, int]) -> _Leg:  # noqa: FBT001
        tag = f";tag=bench{len(self._legs)}"
        answer = response(headers, "200 OK", tag, contact=self.port, media=self._media_port)
        contact, media = _CONTACT.search(headers["contact"][0]), _MEDIA.search(text)
        bye = (
            f"BYE {contact[1] if contact else ''} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bKbench{len(self._legs)}\r\nMax-Forwards: 70\r\n"
            f"From: {headers['to'][0]}{tag}\r\nTo: {headers['from'][0]}\r\nCall-ID: {headers['call-id'][0]}\r\n"
            "CSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n"
        )
        leg = _Leg(seen, customer, answer, bye.encode(), source, int(media[1]) if media else 0)
        self._legs[headers["call-id"][0]] = leg
        return leg

    def _note_invite(self, leg: _Leg, at: float) -> None:
        now = time.time()
        if not leg.customer:
            leg.seen.agent_invited, leg.seen.agent_answered = at, now
            return
        leg.seen.customer_invited, leg.seen.customer_answered = at, now
        asyncio.get_running_loop().call_later(leg.seen.talk_s, self._hang_up, leg)

    def _hang_up(self, leg: _Leg) -> None:
        """Send BYE, and again while it is not answered: UDP may lose it under load."""
        if leg.over or leg.byes >= _BYE_TRIES:
            return
        leg.byes += 1
        leg.seen.hung_up = leg.seen.hung_up or time.time()
        self._send(leg.bye, leg.source)
        asyncio.get_running_loop().call_later(_BYE_AGAIN_S, self._hang_up, leg)

    def _over(self, leg: _Leg | None, at: float) -> None:
        if leg is None or leg.over:
            return
        leg.over = True
        leg.seen.hung_up = leg.seen.hung_up or at
        leg.seen.legs_over += 1
        if leg.seen.legs_over == 2:
            leg.seen.over.set()

    def _send(self, message: bytes, to: tuple[str, int]) -> None:
        try:
            self._signals.sendto(message, to)
        except BlockingIOError:
            return  # lost, as UDP may; SIP repeats

    async def _speak(self) -> None:
        """Send what is to be said, 20 ms at a time (RFC 3550)."""
        at = asyncio.get_running_loop().time()
        while True:
            at = max(at + _PACKET_S, asyncio.get_running_loop().time())
            await asyncio.sleep(at - asyncio.get_running_loop().time())
            for leg in self._speaking:
                leg.packets -= 1
                number = _PACKETS - leg.packets
                header = struct.pack("!BBHII", 0x80, 8, number, number * 160, leg.media)
                if leg.media and not leg.over:
                    self._media.sendto(header + _SILENCE, ("127.0.0.1", leg.media))
            self._speaking = [leg for leg in self._speaking if leg.packets > 0 and not leg.over]


def _socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    made.setblocking(False)  # noqa: FBT003 - the standard library's signature
    made.bind(("127.0.0.1", 0))
    return made
