"""The packets themselves, as the kernel hands them to the phones: `python -m tests.storm.wire LOG PORT`.

A packet socket on the loopback interface (packet(7)), which takes CAP_NET_RAW; without it the first line that is printed says so.
Every dial, an INVITE outside of a dialog (RFC 3261 section 12.1), to this UDP port becomes a line; the last line tells how many
packets were seen and how many the kernel dropped.
"""

import ctypes
import json
import re
import select
import signal
import socket
import struct
import sys
import time
from pathlib import Path
from typing import TextIO

from tests.storm.numbers import part_of
from tests.support.sip_text import headers_of

READY, NOT_ALLOWED = "ready", "not allowed"
BUFFER_BYTES = 1 << 22
_ETH_P_IP = 0x0800
_SO_ATTACH_FILTER = 26  # asm-generic/socket.h
_SOL_PACKET, _PACKET_STATISTICS = 263, 6  # linux/if_packet.h
_UDP = 17
_DIAL = re.compile(r"^INVITE sip:([^@;>]+)@")


def listen(port: int) -> socket.socket:
    """Return a socket that gets every UDP packet to this port on loopback, from its IP header on. Raises PermissionError.

    Bound to a protocol it gets what arrives; only one for all protocols would get what leaves as well, and so all of it twice.
    """
    made = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        _filter(made, port)
        made.bind(("lo", _ETH_P_IP))
    except BaseException:
        made.close()
        raise
    return made


def _filter(made: socket.socket, port: int) -> None:
    """Classic BPF, run by the kernel: IPv4, UDP, this destination port."""
    program = (
        (0x30, 0, 0, 9),  # load the protocol
        (0x15, 0, 4, _UDP),  # not UDP: to the last step
        (0xB1, 0, 0, 0),  # the IP header's length, from its first byte
        (0x48, 0, 0, 2),  # load the destination port behind it
        (0x15, 0, 1, port),
        (0x06, 0, 0, 0xFFFF),
        (0x06, 0, 0, 0),
    )
    code = b"".join(struct.pack("HBBI", *step) for step in program)
    held = ctypes.create_string_buffer(code)
    made.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", len(program), ctypes.addressof(held)))


def dialed(packet: bytes) -> tuple[str, str] | None:
    """Return the number that a packet dials, and its SIP Call-ID; None for any other packet. It begins with the IP header."""
    message = packet[(packet[0] & 0xF) * 4 + 8 :].decode(errors="replace")
    begins, headers = _DIAL.match(message), headers_of(message)
    if begins is None or "call-id" not in headers or "to" not in headers or ";tag=" in headers["to"][0]:
        return None
    return begins[1], headers["call-id"][0]


def witness(log: TextIO, wire: socket.socket, stopped: list[int]) -> None:
    """Write down every dial until `stopped` has something in it."""
    while not stopped:
        if not select.select([wire], [], [], 0.2)[0]:
            continue
        found = dialed(wire.recv(65_535))
        part = part_of(found[0]) if found else None
        if found and part:
            role = "customer" if part.customer else "agent"
            log.write(json.dumps({"at": time.time(), "index": part.index, "role": role, "sip_id": found[1]}) + "\n")
            log.flush()
    packets, drops = struct.unpack("II", wire.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
    log.write(json.dumps({"packets": packets, "drops": drops}) + "\n")


def main(log: Path, port: int) -> None:
    """Listen until SIGTERM."""
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stopped.append(number))
    try:
        wire = listen(port)
    except PermissionError:
        print(NOT_ALLOWED, flush=True)  # noqa: T201 - for the one who started us
        return
    with wire, log.open("a") as lines:
        print(READY, flush=True)  # noqa: T201 - as above
        witness(lines, wire, stopped)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
