"""A DNS server (RFC 1035) over UDP that answers what it is told to, with TTL 0: the truth, or one lie after the other."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import cast

from dnslib import AAAA, CNAME, QTYPE, RR, A, DNSRecord

Lie = Callable[[str, int], Sequence[str]]
"""What a name leads to: its first label and how often it was asked for before (each kind of record by itself) make addresses of
both families; a word that is no address is the name that it is another name of (CNAME), and goes before its addresses."""


class NameServer(asyncio.DatagramProtocol):
    """Answers A and AAAA questions. `asked` counts them by name and kind."""

    def __init__(self, lie: Lie) -> None:
        self._lie = lie
        self._transport: asyncio.DatagramTransport | None = None
        self.asked: Counter[tuple[str, str]] = Counter()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        assert self._transport
        self._transport.sendto(self._answer(DNSRecord.parse(data)).pack(), addr)

    def _answer(self, question: DNSRecord) -> DNSRecord:
        answer = question.reply()
        name, kind = str(question.q.qname).rstrip("."), QTYPE[question.q.qtype]
        owner = name
        for told in self._lie(name.split(".")[0], self.asked[name, kind]):
            try:
                address = ip_address(told)
            except ValueError:
                answer.add_answer(RR(owner, QTYPE.CNAME, rdata=CNAME(told), ttl=0))
                owner = told
                continue
            if (address.version, kind) in ((4, "A"), (6, "AAAA")):
                rdata = A(told) if kind == "A" else AAAA(tuple(address.packed))
                answer.add_answer(RR(owner, getattr(QTYPE, kind), rdata=rdata, ttl=0))
        self.asked[name, kind] += 1
        return answer


@asynccontextmanager
async def name_server(lie: Lie, address: str = "127.0.0.1", port: int = 53) -> AsyncIterator[NameServer]:
    """Serve as long as the block."""
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: NameServer(lie), local_addr=(address, port)
    )
    try:
        yield server
    finally:
        transport.close()
