"""Sends callbacks to everything that leads inside, in a network of its own (tests/support/own_network.py); prints what was dialled.

Run as a program: `literals`, `rebinding` or `mixed`, and how many names; with `bare` behind them the transport has no guard, which
shows that each way would lead inside. The transport and its resolver (the C library's) are the courier's own.
"""

import asyncio
import random
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any

import orjson
import pytest
from tests.callbacks.samples import delivery_to
from tests.support.name_server import name_server
from tests.support.own_network import connections_opened

from intellicall.callbacks import transport as courier_transport
from intellicall.callbacks.resolver import ThreadedResolver
from intellicall.callbacks.transport import HttpTransport

PUBLIC = ("8.8.8.8", "2a00:1450:4001::200e")
INSIDE_V4 = (
    *("127.0.0.1", "127.0.0.53", "10.0.0.1", "172.16.0.1", "192.168.0.1", "0.0.0.0"),  # noqa: S104 - nothing is bound to it
    *("169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192", "198.18.0.1"),
)
"""Loopback, private, unspecified; metadata of most clouds, Azure's, Alibaba's and Oracle's; benchmarking."""
INSIDE = (
    *INSIDE_V4,
    *("::1", "::", "::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"),
    *("64:ff9b:1::7f00:1", "2002:7f00:1::1", "2002:a9fe:a9fe::1", "fd00:ec2::254", "fd20:ce::254", "fc00::1", "fec0::1"),
    *("2001:0:4136:e378:8000:63bf:80ff:fffe", "2001:db8::1", "3fff::1", "100::1"),
)
NAMES = ("localhost", "localhost.", "LOCALHOST", "ⓛocalhost", "%6cocalhost", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::0001]")
WIDTH = 32


def forms(text: str) -> Iterator[str]:
    """Yield the ways to write the host of a URL that leads to this IPv4 address, on some system or in some network."""
    number = int(IPv4Address(text))
    octets = a, b, c, d = [int(part) for part in text.split(".")]
    high, low = divmod(number, 65536)
    yield from (text, f"{text}.", str(number), f"0x{number:x}", f"0X{number:08X}", f"0{number:o}", f"{a}.{number & 0xFFFFFF}")
    yield from (f"{a}.{b}.{c << 8 | d}", f"0x{a:x}.{number & 0xFFFFFF}", ".".join(f"0x{part:x}" for part in octets))
    yield from (".".join(f"0{part:o}" for part in octets), ".".join(f"0000{part:o}" for part in octets), f"{a}.0{b:o}.0x{c:x}.{d}")
    yield from (text.replace(".", "。"), text.translate(_wide(0xFF10)), "".join(f"%{ord(one):02x}" for one in text))
    yield "".join("⓪①②③④⑤⑥⑦⑧⑨"[int(one)] if one.isdigit() else one for one in text)
    mapped = (f"::ffff:{text}", f"::ffff:{high:x}:{low:x}", f"0:0:0:0:0:FFFF:{high:04X}:{low:04X}", f"::ffff:0:{text}", f"::{text}")
    nat64 = (f"64:ff9b::{text}", f"64:ff9b::{high:x}:{low:x}", f"64:ff9b:1::{high:x}:{low:x}", f"2002:{high:x}:{low:x}::1")
    yield from (f"[{one}]" for one in (*mapped, *nat64))


def _wide(zero: int) -> dict[int, int]:
    return {ord("0") + digit: zero + digit for digit in range(10)}


LITERALS = (*NAMES, *(form for address in INSIDE_V4 for form in forms(address)), *(f"[{one}]" for one in INSIDE if ":" in one))


@dataclass
class Network:
    """Everything of this network: a receiver on all its addresses, and the courier's transport."""

    transport: HttpTransport
    port: int = 0
    accepted: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)

    async def post(self, host: str, scheme: str = "https") -> None:
        answer = await self.transport.post(delivery_to(f"{scheme}://{host}:{self.port}/results"))
        self.outcomes[answer.outcome] += 1

    def forget_names(self) -> None:
        """As after the seconds for which a looked-up name is remembered."""
        connector: Any = self.transport._session.connector  # type: ignore[union-attr]
        connector.clear_dns_cache()


@asynccontextmanager
async def network() -> AsyncIterator[Network]:
    made = Network(HttpTransport(timeout_s=5))

    async def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.accepted[writer.get_extra_info("sockname")[0].removeprefix("::ffff:")] += 1
        writer.transport.abort()

    listening = socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True, backlog=4096)
    made.port = listening.getsockname()[1]
    server = await asyncio.start_server(accept, sock=listening)
    await made.transport.open()
    try:
        yield made
    finally:
        await made.transport.close()
        server.close()
        await server.wait_closed()


async def literals(network: Network) -> None:
    """Every form of every address, with nothing but the sockets' guard in its way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(courier_transport, "url_fault", lambda *_args, **_more: None)
        for host in LITERALS:
            await network.post(host, "http")


async def rebinding(network: Network, names: int) -> None:
    """Names that were public when they were looked at, a tenth of them also when the first callback came, and then lead inside."""
    drawn = random.Random(4)  # noqa: S311 - no secret
    flips = {f"n{number}": drawn.choice(INSIDE) for number in range(names)}

    def lie(name: str, before: int) -> Sequence[str]:
        if before < 1 + _called_once(name):
            return PUBLIC
        return ("localhost", "127.0.0.1", "::1") if name.endswith("5") else (flips[name],)

    async def one(name: str) -> None:
        found = await resolver.resolve(f"{name}.example", network.port, socket.AF_UNSPEC)
        assert {entry["host"] for entry in found} == set(PUBLIC)
        if _called_once(name):
            await network.post(f"{name}.example")
            network.forget_names()
        await network.post(f"{name}.example")

    resolver = ThreadedResolver()
    async with name_server(lie):
        await _side_by_side([lambda name=name: one(name) for name in flips])  # type: ignore[misc]
    await resolver.close()


def _called_once(name: str) -> bool:
    """Whether the name stays public until the first callback has come."""
    return name.endswith("0")


async def mixed(network: Network, names: int) -> None:
    """Names with a public address of one family, a forbidden one of the other."""

    def lie(name: str, _before: int) -> Sequence[str]:
        inside = INSIDE[int(name.lstrip("n")) % len(INSIDE)]
        return (PUBLIC[0] if ":" in inside else PUBLIC[1], inside)

    async with name_server(lie):
        await _side_by_side([lambda number=number: network.post(f"n{number}.example") for number in range(names)])  # type: ignore[misc]


async def _side_by_side(works: Sequence[Callable[[], Awaitable[None]]]) -> None:
    gate = asyncio.Semaphore(WIDTH)

    async def run(work: Callable[[], Awaitable[None]]) -> None:
        async with gate:
            await work()

    await asyncio.gather(*(run(work) for work in works))


async def tried(way: str, names: int) -> dict[str, Any]:
    """Return how many callbacks were tried, what was dialled, and what their attempts say."""
    before = connections_opened()
    async with network() as there:
        await (literals(there) if way == "literals" else {"rebinding": rebinding, "mixed": mixed}[way](there, names))
    dialled = connections_opened() - before
    return {"tried": there.outcomes.total(), "dialled": dialled, "accepted": there.accepted, "outcomes": there.outcomes}


def run(way: str, names: int = 0, *, bare: bool) -> dict[str, Any]:
    """Try one way; with names, so many of them."""
    with pytest.MonkeyPatch.context() as patch:
        if bare:
            patch.setattr(courier_transport, "guarded_sockets", lambda **_more: lambda info: socket.socket(*info[:3]))
        return asyncio.run(tried(way, names))


if __name__ == "__main__":
    sys.stdout.buffer.write(orjson.dumps(run(sys.argv[1], int(sys.argv[2]), bare="bare" in sys.argv)))
