"""A whole SIP phone for tests: it answers calls over UDP, plays its own tone, keeps what it hears, and presses and notes keys.

Signalling as far as one called party needs it (RFC 3261), PCMA (RFC 3551) and telephone-event (RFC 4733), all on loopback.
"""

import asyncio
import itertools
import re
import secrets
import struct
import time
from array import array
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from tests.support import audio
from tests.support.rtp import PCMA, RtpPhone
from tests.support.sipp import until

from intellicall.telephony.engine import Trunk

TELEPHONE_EVENT = 101
KEYS = "0123456789*#ABCD"
EVENT_PACKETS = 5  # of 20 ms each


@dataclass
class Dialog:
    """One call to the phone, from its INVITE on."""

    invite: list[str]
    call_id: str
    caller: str
    shown: str
    dialed: str
    headers: dict[str, str]
    remote: tuple[str, int]
    media_port: int
    tag: str
    answered: bool = False
    confirmed: bool = False
    over: bool = False


@dataclass
class SipPhone(asyncio.DatagramProtocol):
    """One phone with one line, for one call at a time. `answers`: at once; otherwise it rings until `answer` or `refuse`."""

    tone: int
    answers: bool = True
    rtp: RtpPhone = field(default_factory=RtpPhone)
    dialogs: list[Dialog] = field(default_factory=list)
    port: int = 0
    _tags: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    # -- what a test asks and does -------------------------------------------------------------------------------------

    def trunk(self, name: str) -> Trunk:
        """Return the trunk that leads here."""
        return Trunk(name, "127.0.0.1", self.port)

    @property
    def dialog(self) -> Dialog:
        """The last call."""
        return self.dialogs[-1]

    async def until(self, holds: Callable[[], bool], deadline_s: float = 5.0) -> None:
        """Wait until the phone's state is so. Raises TimeoutError."""
        async with asyncio.timeout(deadline_s):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    async def rung(self) -> Dialog:
        """Wait for a call."""
        await self.until(lambda: bool(self.dialogs))
        return self.dialog

    async def gone(self, deadline_s: float = 5.0) -> None:
        """Wait until the other side has ended the call."""
        await self.until(lambda: bool(self.dialogs) and self.dialog.over, deadline_s)

    def answer(self) -> None:
        """Pick up the ringing call."""
        self._pick_up(self.dialog)

    def refuse(self, status: str = "486 Busy Here") -> None:
        """Decline the ringing call."""
        self.dialog.over = True
        self._respond(self.dialog.invite, status, self.dialog)

    def hang_up(self) -> None:
        """End the call."""
        dialog = self.dialog
        dialog.over = True
        to, own = dialog.headers["from"], f"{dialog.headers['to']};tag={dialog.tag}"
        contact = re.search(r"<([^>]+)>", dialog.headers["contact"])
        assert contact
        via = f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK{secrets.token_hex(8)}"
        lines = [f"BYE {contact[1]} SIP/2.0", via, "Max-Forwards: 70", f"From: {own}", f"To: {to}"]
        self._send([*lines, f"Call-ID: {dialog.call_id}", "CSeq: 9 BYE", "Content-Length: 0", "", ""], dialog.remote)
        self._stop_playing()

    async def press(self, digits: str) -> None:
        """Press keys: each held 100 ms, with 100 ms between."""
        for key in digits:
            await self._press(KEYS.index(key))
            await asyncio.sleep(0.1)

    def pressed(self) -> str:
        """Return the keys that were heard as telephone events, each once, in order."""
        seen: dict[int, str] = {}
        for packet in self.rtp.packets:
            if packet.payload_type == TELEPHONE_EVENT:
                seen.setdefault(packet.timestamp, KEYS[packet.payload[0]])
        return "".join(seen.values())

    def heard(self, seconds: float) -> "array[int]":
        """Return the voice of the last `seconds`, as it came."""
        since = time.monotonic() - seconds
        packets = [packet for packet in self.rtp.packets if packet.payload_type == PCMA and packet.at >= since]
        return audio.decode_a_law(b"".join(packet.payload for packet in packets))

    async def hears(self, *tones: int, of: tuple[int, ...], seconds: float = 0.5, deadline_s: float = 4.0) -> None:
        """Wait until, for `seconds`, these tones and none else `of` all are heard. Raises AssertionError with what was heard."""
        wanted = {tone: tone in tones for tone in of}
        try:
            await until(lambda: {tone: self.hears_tone(tone, seconds) for tone in of} == wanted, deadline_s, every_s=0.05)
        except TimeoutError:
            heard = self.heard(seconds)
            shares = {tone: round(audio.tone_share(heard, tone), 2) for tone in of}
            raise AssertionError(f"{self.tone} Hz phone hears {shares}, {audio.loudness(heard):.0f} loud") from None

    async def until_hears(self, tone: int, deadline_s: float = 6.0) -> None:
        """Wait until this tone, and it alone, was heard for 300 ms in the last two seconds. Raises TimeoutError."""
        await until(lambda: audio.tone_seconds(self.heard(2), tone) >= 0.3, deadline_s, every_s=0.05)

    async def hears_music(self, *, of: tuple[int, ...], seconds: float = 0.5) -> None:
        """Wait until, for `seconds`, something is heard all through, and none of these tones."""

        def music() -> bool:
            heard = self.heard(seconds)
            loud = len(heard) >= seconds * audio.SAMPLE_RATE * 0.8 and all(
                audio.loudness(piece) > audio.AUDIBLE for piece in audio.windows(heard)
            )
            return loud and not any(self.hears_tone(tone, seconds) for tone in of)

        await until(music, 4, every_s=0.05)

    async def until_loud(self) -> None:
        """Wait until something is heard."""
        await until(lambda: audio.loudness(self.heard(0.3)) > audio.AUDIBLE, 4, every_s=0.05)

    async def until_quiet(self) -> None:
        """Wait until nothing is heard."""
        await until(lambda: audio.loudness(self.heard(0.5)) < audio.AUDIBLE, 4, every_s=0.05)

    def hears_tone(self, tone: int, seconds: float) -> bool:
        """Tell whether the tone is a good part of what was heard in the last `seconds`, all through."""
        heard = self.heard(seconds)
        pieces = audio.windows(heard)
        if len(heard) < seconds * audio.SAMPLE_RATE * 0.8:
            return False
        there = [audio.loudness(piece) > audio.AUDIBLE and audio.tone_share(piece, tone) > 0.15 for piece in pieces]
        return sum(there) > len(there) / 2

    # -- signalling ----------------------------------------------------------------------------------------------------

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        head, _, body = data.decode().partition("\r\n\r\n")
        lines = head.split("\r\n")
        if not lines[0] or lines[0].startswith("SIP/2.0"):
            return
        method, uri, _ = lines[0].split(" ", 2)
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in reversed(lines[1:]))}
        dialog = next((each for each in self.dialogs if each.call_id == headers["call-id"]), None)
        if method == "INVITE" and dialog is None:
            self._invited(lines, headers, uri, body, addr)
        elif dialog is None:
            return
        elif method == "INVITE":
            self._respond(lines, "200 OK", dialog, self._sdp()) if dialog.answered else None
        elif method == "BYE":
            dialog.over = True
            self._respond(lines, "200 OK", dialog)
            self._stop_playing()
        elif method == "CANCEL":
            dialog.over = True
            self._respond(lines, "200 OK", dialog)
            self._respond(dialog.invite, "487 Request Terminated", dialog)
        elif method == "ACK":
            dialog.confirmed = dialog.answered
        else:
            self._respond(lines, "200 OK", dialog)
        self._changed.set()

    def _invited(self, lines: list[str], headers: dict[str, str], uri: str, body: str, addr: tuple[str, int]) -> None:
        media = re.search(r"^m=audio (\d+)", body, re.MULTILINE)
        shown = re.search(r"sip:([^@>;]*)@", headers["from"])
        dialed = re.search(r"sip:([^@>;]*)@", uri)
        assert media
        assert shown
        dialog = Dialog(
            invite=lines,
            call_id=headers["call-id"],
            caller=headers["from"],
            shown=shown[1],
            dialed=dialed[1] if dialed else "",
            headers=headers,
            remote=addr,
            media_port=int(media[1]),
            tag=f"phone{next(self._tags)}",
        )
        self.dialogs.append(dialog)
        self._respond(lines, "180 Ringing", dialog)
        if self.answers:
            self._pick_up(dialog)

    def _pick_up(self, dialog: Dialog) -> None:
        dialog.answered = True
        self._respond(dialog.invite, "200 OK", dialog, self._sdp())
        self.rtp.play(self.tone, dialog.media_port)

    def _sdp(self) -> str:
        return (
            f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {self.rtp.port} RTP/AVP 8 101\r\n"
            "a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
        )

    def _respond(self, lines: list[str], status: str, dialog: Dialog, body: str = "") -> None:
        copied = [line for line in lines[1:] if line.partition(":")[0].lower() in {"via", "from", "call-id", "cseq"}]
        to = next(line for line in lines if line.lower().startswith("to:"))
        tagged = to if ";tag=" in to else f"{to};tag={dialog.tag}"
        kind = ["Content-Type: application/sdp"] if body else []
        contact = f"Contact: <sip:phone@127.0.0.1:{self.port}>"
        message = [f"SIP/2.0 {status}", *copied, tagged, contact, *kind, f"Content-Length: {len(body)}", "", body]
        self._send(message, dialog.remote)

    def _send(self, lines: list[str], to: tuple[str, int]) -> None:
        self._transport.sendto("\r\n".join(lines).encode(), to)

    # -- media ---------------------------------------------------------------------------------------------------------

    def _stop_playing(self) -> None:
        self.rtp.stop()

    async def _press(self, event: int) -> None:
        """Send one event as RFC 4733 §2.5 wants it: updates every 20 ms, the end three times."""
        timestamp = time.monotonic_ns() // 125_000 & 0xFFFFFFFF
        for packet in range(EVENT_PACKETS + 3):
            end = packet >= EVENT_PACKETS
            payload = struct.pack("!BBH", event, 0x80 * end | 10, 160 * (min(packet, EVENT_PACKETS - 1) + 1))
            self.rtp.send(TELEPHONE_EVENT, timestamp, payload, marker=packet == 0)
            await asyncio.sleep(0.02 if not end else 0)


@asynccontextmanager
async def sip_phone(tone: int, *, answers: bool = True) -> AsyncIterator[SipPhone]:
    """Run a phone on a free port of loopback."""
    phone = SipPhone(tone, answers)
    async with phone.rtp:
        endpoint, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: phone, ("127.0.0.1", 0))
        phone.port = endpoint.get_extra_info("sockname")[1]
        try:
            yield phone
        finally:
            endpoint.close()
