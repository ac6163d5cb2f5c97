"""A media witness for tests: one UDP socket that keeps every RTP packet it gets and can play a tone (RFC 3550, PCMA)."""

from __future__ import annotations

import asyncio
import itertools
import math
import struct
import time
from array import array
from dataclasses import dataclass, field
from typing import Self

from tests.support.audio import decode_a_law

from intellicall.telephony.testnet.sounds import a_law

PACKET_SAMPLES = 160  # 20 ms
PCMA = 8


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One packet as it came: `at` is monotonic seconds."""

    at: float
    payload_type: int
    sequence: int
    timestamp: int
    payload: bytes


@dataclass
class RtpPhone(asyncio.DatagramProtocol):
    """The media half of a test phone on loopback. Use as an async context manager."""

    packets: list[RtpPacket] = field(default_factory=list)
    _transport: asyncio.DatagramTransport | None = None
    _player: asyncio.Task[None] | None = None
    sequence: int = 0
    """RTP sequence number of the next packet (RFC 3550 section 5.1)."""
    _to: int = 0

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._player:
            self._player.cancel()
            await asyncio.gather(self._player, return_exceptions=True)
        if self._transport:
            self._transport.close()

    @property
    def port(self) -> int:
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if len(data) < 12 or data[0] >> 6 != 2 or 72 <= data[1] & 0x7F <= 76:  # RTCP (RFC 5761 §4)
            return
        _, payload_type, sequence, timestamp, _ = struct.unpack("!BBHII", data[:12])
        self.packets.append(RtpPacket(time.monotonic(), payload_type & 0x7F, sequence, timestamp, data[12:]))

    def play(self, frequency: int, port: int) -> None:
        """Play a tone to 127.0.0.1:`port` until `stop`, or until the phone is closed."""
        self.stop()
        self._to = port
        self._player = asyncio.create_task(self._play(frequency))

    def stop(self) -> None:
        """Be silent, without a packet, from now on."""
        if self._player is not None:
            self._player.cancel()

    def send(self, payload_type: int, timestamp: int, payload: bytes, *, marker: bool = False) -> None:
        """Send one packet to where `play` plays, in one sequence with its packets."""
        assert self._transport is not None
        header = struct.pack("!BBHII", 0x80, 0x80 * marker | payload_type, self.sequence & 0xFFFF, timestamp, 0x1C)
        self.sequence += 1
        self._transport.sendto(header + payload, ("127.0.0.1", self._to))

    async def _play(self, frequency: int) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        second = bytes(a_law(round(10_000 * math.sin(2 * math.pi * frequency * index / 8000))) for index in range(8000))
        for count in range(1_000_000):
            at = count * PACKET_SAMPLES % 8000
            self.send(PCMA, count * PACKET_SAMPLES & 0xFFFFFFFF, second[at : at + PACKET_SAMPLES])
            await asyncio.sleep(max(0.0, start + (count + 1) * 0.02 - loop.time()))

    def heard(self) -> array[int]:
        """Return what was heard, in the order of sending; lost packets are left out."""
        voice = sorted((packet for packet in self.packets if packet.payload_type == PCMA), key=lambda packet: packet.sequence)
        return decode_a_law(b"".join(packet.payload for packet in voice))

    def longest_pause(self) -> float:
        """Return the longest time in seconds between the arrivals of two packets that follow each other."""
        times = [packet.at for packet in self.packets]
        return max((later - sooner for sooner, later in itertools.pairwise(times)), default=math.inf)

    def lost(self) -> int:
        """Return how many packets between the first and the last never came."""
        sequences = {packet.sequence for packet in self.packets}
        return max(sequences) - min(sequences) + 1 - len(sequences) if sequences else 0
