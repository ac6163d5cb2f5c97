"""Every agent's phone and every customer of the storm: one SIP user agent in a process of its own, the witness of what was rung.

`python -m tests.storm.phones LOG` prints its port and writes a line of JSON for everything that it sees. RFC 3261 over UDP on
loopback, G.711 A-law; each leg has a media port of its own, says its tone from the answer to the end and listens for the other's.
"""

import asyncio
import contextlib
import json
import re
import signal
import socket
import struct
import sys
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from tests.storm.numbers import AGENT_TONES, CUSTOMER_TONES, STALL_S, Fate, Part, part_of
from tests.support.audio import decode_a_law
from tests.support.sip_text import Headers, headers_of, response

from intellicall.telephony.testnet.sounds import a_law, tone

PACKET_S = 0.02
SILENT_FOR_S = 6.0
"""A talking leg that hears nothing for so long has lost its engine."""
AGAIN_S = 0.5
TRIES = 8
LISTEN_EVERY = 5  # packets
_USER = re.compile(r"^\w+ sip:([^@;>]+)@")
_CONTACT = re.compile(r"<([^>]+)>")
_MEDIA = re.compile(r"^m=audio (\d+)", re.MULTILINE)
_REFUSALS = {Fate.BUSY: "486 Busy Here", Fate.CARRIER_FAILS: "503 Service Unavailable"}


@dataclass(slots=True)
class Leg:
    """One dialog, seen from the called side. Times are seconds of the wall clock; 0: not yet."""

    part: Part
    sip_id: str
    source: tuple[str, int]
    final: bytes
    bye: bytes = b""
    media: socket.socket | None = None
    far: tuple[str, int] | None = None
    answered: float = 0.0
    confirmed: bool = False
    over: bool = False
    tries: int = 0
    packets: int = 0
    since: float = 0.0
    heard_at: float = 0.0
    first_heard: float = 0.0
    gaps: list[tuple[float, float]] = field(default_factory=list)
    listened: int = 0
    heard: int = 0
    others: set[int] = field(default_factory=set)


class Phones:
    """The user agent. `note` writes what was seen."""

    def __init__(self, log: TextIO) -> None:
        self._log = log
        self._legs: dict[str, Leg] = {}
        self._talking: list[Leg] = []
        self._signals = _socket()
        self.port = int(self._signals.getsockname()[1])

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(self._signals, self._read)
        at = loop.time()
        while True:
            at = max(at + PACKET_S, loop.time())
            await asyncio.sleep(at - loop.time())
            self._speak(time.time())

    def note(self, what: str, leg: Leg, **more: Any) -> None:
        role = "customer" if leg.part.customer else "agent"
        line = {"at": time.time(), "what": what, "index": leg.part.index, "role": role, "sip_id": leg.sip_id, **more}
        self._log.write(json.dumps(line) + "\n")
        self._log.flush()

    # -- SIP

    def _read(self) -> None:
        while True:
            try:
                data, source = self._signals.recvfrom(65_535)
            except BlockingIOError:
                return
            self._take(data.decode(errors="replace"), source)

    def _take(self, text: str, source: tuple[str, int]) -> None:
        headers = headers_of(text)
        leg = self._legs.get(headers["call-id"][0])
        if text.startswith("INVITE "):
            self._invited(text, headers, leg, source)
        elif text.startswith("ACK "):
            if leg and leg.answered and not leg.confirmed:
                self._confirmed(leg)
        elif text.startswith("CANCEL "):
            self._send(response(headers, "200 OK"), source)
            if leg and not leg.answered and not leg.over:
                self._send(leg.final, source)  # 487 for the INVITE
                self._end(leg, "canceled")
        elif text.startswith("BYE "):
            self._send(response(headers, "200 OK"), source)
            if leg and not leg.over:
                self._end(leg, "engine")
        elif text.startswith("OPTIONS "):
            self._send(response(headers, "200 OK"), source)
        elif text.startswith("SIP/2.0 ") and leg and headers["cseq"][0].endswith("BYE"):
            leg.tries = TRIES

    def _invited(self, text: str, headers: Headers, leg: Leg | None, source: tuple[str, int]) -> None:
        if leg is not None:
            if leg.answered:
                self._send(leg.final, source)  # our 200 was lost
            return
        user = _USER.match(text)
        part = part_of(f"+{user[1].removeprefix('+')}") if user is not None else None
        if part is None or ";tag=" in headers["to"][0]:
            self._send(response(headers, "404 Not Found"), source)
        else:
            self._begin(text, headers, part, source)

    def _begin(self, text: str, headers: Headers, part: Part, source: tuple[str, int]) -> None:
        tag = f";tag=storm{len(self._legs)}"
        leg = Leg(part, headers["call-id"][0], source, response(headers, "487 Request Terminated", tag))
        self._legs[leg.sip_id] = leg
        self.note("invited", leg)
        refusal = _REFUSALS.get(part.fate) if part.customer else ("486 Busy Here" if part.fate is Fate.AGENT_BUSY else None)
        if refusal:
            self._send(response(headers, refusal, tag), source)
            self._end(leg, refusal)
        elif part.customer and part.fate is Fate.NO_ANSWER:
            self._send(response(headers, "180 Ringing", tag, contact=self.port), source)
        else:
            self._answer(text, headers, leg, tag)

    def _answer(self, text: str, headers: Headers, leg: Leg, tag: str) -> None:
        leg.media = _socket()
        media = _MEDIA.search(text)
        leg.far = ("127.0.0.1", int(media[1])) if media else None
        asyncio.get_running_loop().add_reader(leg.media, self._listen, leg, leg.media)
        contact = _CONTACT.search(headers["contact"][0])
        leg.bye = (
            f"BYE {contact[1] if contact else ''} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK{tag[5:]}\r\nMax-Forwards: 70\r\n"
            f"From: {headers['to'][0]}{tag}\r\nTo: {headers['from'][0]}\r\nCall-ID: {leg.sip_id}\r\n"
            "CSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n"
        ).encode()
        leg.final = response(headers, "200 OK", tag, contact=self.port, media=int(leg.media.getsockname()[1]))
        leg.answered = time.time()
        self.note("answered", leg)
        self._final_again(leg)

    def _final_again(self, leg: Leg) -> None:
        """Send the 200, and again until it is acknowledged (RFC 3261 section 13.3.1.4)."""
        if leg.confirmed or leg.over or leg.tries >= TRIES:
            return
        leg.tries += 1
        self._send(leg.final, leg.source)
        asyncio.get_running_loop().call_later(AGAIN_S, self._final_again, leg)

    def _confirmed(self, leg: Leg) -> None:
        leg.confirmed, leg.tries = True, 0
        leg.heard_at = leg.since = time.time()
        self._talking.append(leg)
        self.note("confirmed", leg)
        ends = Fate.CUSTOMER_ENDS if leg.part.customer else Fate.AGENT_ENDS
        if leg.part.fate is ends:
            more_s = 0.0 if leg.part.customer else 1.0  # the customer is rung only then
            asyncio.get_running_loop().call_later(leg.part.talk_s + more_s, self._hang_up, leg)

    def _hang_up(self, leg: Leg) -> None:
        if leg.over:
            return
        self._end(leg, "far_end")
        leg.tries = 0
        self._bye_again(leg)

    def _bye_again(self, leg: Leg) -> None:
        if leg.tries >= TRIES:
            return
        leg.tries += 1
        self._send(leg.bye, leg.source)
        asyncio.get_running_loop().call_later(AGAIN_S, self._bye_again, leg)

    def _end(self, leg: Leg, by: str) -> None:
        leg.over = True
        self.note(
            "ended",
            leg,
            by=by,
            answered=leg.answered,
            first_heard=leg.first_heard,
            last_heard=leg.heard_at,
            gaps=leg.gaps,
            listened=leg.listened,
            heard=leg.heard,
            others=sorted(leg.others),
        )
        if leg.media:
            asyncio.get_running_loop().remove_reader(leg.media)
            leg.media.close()
            leg.media = None

    def _send(self, message: bytes, to: tuple[str, int]) -> None:
        try:
            self._signals.sendto(message, to)
        except BlockingIOError:
            return  # lost, as UDP may; SIP repeats

    # -- RTP (RFC 3550)

    def _speak(self, now: float) -> None:
        """Say what is due. What a busy machine delayed is said late, not never, and by all in turns, as it would have come."""
        for leg in self._talking:
            if not leg.over and now - leg.heard_at > SILENT_FOR_S:
                self._end(leg, "silence")
        self._talking = [leg for leg in self._talking if not leg.over]
        behind = self._talking
        while behind := [leg for leg in behind if leg.packets < (now - leg.since) / PACKET_S]:
            for leg in behind:
                self._say(leg)

    def _say(self, leg: Leg) -> None:
        leg.packets += 1
        header = struct.pack("!BBHII", 0x80, 8, leg.packets & 0xFFFF, leg.packets * 160 & 0xFFFFFFFF, leg.part.index + 1)
        if leg.media and leg.far:
            with contextlib.suppress(OSError):  # the engine died: its ports answer no more
                leg.media.sendto(header + _payload(leg.part.says), leg.far)

    def _listen(self, leg: Leg, media: socket.socket) -> None:
        now = time.time()
        while not leg.over:
            try:
                packet = media.recv(2048)
            except OSError:
                return
            if leg.first_heard and now - leg.heard_at > STALL_S:
                leg.gaps.append((leg.heard_at, now))
            leg.first_heard = leg.first_heard or now
            leg.heard_at = now
            leg.listened += 1
            if leg.listened % LISTEN_EVERY == 0 and len(packet) == 172:
                self._hear(leg, packet[12:])

    def _hear(self, leg: Leg, payload: bytes) -> None:
        voice = loudest(payload)
        if voice == leg.part.hears:
            leg.heard += 1
        elif voice in _VOICES and voice is not None:
            leg.others.add(voice)


_VOICES = {*CUSTOMER_TONES, *AGENT_TONES}
_LINEAR = np.array(decode_a_law(bytes(range(256))), dtype=np.float32)
_BINS_HZ = 50
_LOUD = 1e9  # energy of a packet's strongest tone below which it is no voice


def loudest(payload: bytes) -> int | None:
    """Return the tone, in Hz, that has most of a 20 ms packet's energy; None when none has."""
    power = np.abs(np.fft.rfft(_LINEAR[np.frombuffer(payload, dtype=np.uint8)])) ** 2
    strongest = int(power.argmax())
    clear = power[strongest] > _LOUD and power[strongest] > 0.8 * power.sum()
    return strongest * _BINS_HZ if clear else None


@cache
def _payload(frequency: int) -> bytes:
    return bytes(map(a_law, tone(frequency, PACKET_S)))


def _socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    made.setblocking(False)
    made.bind(("127.0.0.1", 0))
    return made


async def main(log: Path) -> None:
    """Be every phone until SIGTERM."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    with log.open("a") as lines:
        for frequency in _VOICES:  # made beforehand: the first call must not wait for it
            loudest(_payload(frequency))
        phones = Phones(lines)
        print(phones.port, flush=True)  # noqa: T201 - for the one who started us
        running = asyncio.create_task(phones.run())
        await stopped.wait()
        running.cancel()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
