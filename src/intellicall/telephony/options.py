"""Asking a carrier whether it is there: one SIP OPTIONS (RFC 3261 §11), over the trunk's own transport. Any answer is a yes."""

import asyncio
import contextlib
import re
import ssl
from secrets import token_hex

from intellicall.telephony.engine import Transport, Trunk

AGAIN_S = 0.5
_STATUS = re.compile(rb"SIP/2\.0 (\d{3}) ")


async def ask(trunk: Trunk, patience_s: float = 3.0) -> int:
    """Return the status of the answer. Raises OSError (of which ssl.SSLError is one) and TimeoutError when there is none."""
    async with asyncio.timeout(patience_s):
        return await (_by_udp(trunk) if trunk.transport is Transport.UDP else _by_stream(trunk))


class _Answer(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, _address: object) -> None:
        if (found := _STATUS.match(data)) and not self.status.done():
            self.status.set_result(int(found[1]))

    def error_received(self, error: Exception) -> None:
        """The host is there and nobody listens at the port."""
        if not self.status.done():
            self.status.set_exception(error)


async def _by_udp(trunk: Trunk) -> int:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(_Answer, remote_addr=(trunk.host, trunk.port))
    try:
        text = _request(trunk, transport.get_extra_info("sockname"))
        while not protocol.status.done():
            transport.sendto(text)
            await asyncio.wait([protocol.status], timeout=AGAIN_S)
        return protocol.status.result()
    finally:
        transport.close()
        if protocol.status.done():
            protocol.status.exception()


async def _by_stream(trunk: Trunk) -> int:
    secure = ssl.create_default_context() if trunk.transport is Transport.TLS else None
    reader, writer = await asyncio.open_connection(trunk.host, trunk.port, ssl=secure)
    try:
        writer.write(_request(trunk, writer.get_extra_info("sockname")))
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise ConnectionResetError("it closed the connection without an answer") from error
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    if (found := _STATUS.match(head)) is None:
        raise ConnectionResetError("what it answered is no SIP")
    return int(found[1])


def _request(trunk: Trunk, own: tuple[str, int]) -> bytes:
    host = f"[{own[0]}]" if ":" in own[0] else own[0]
    target = f"[{trunk.host}]" if ":" in trunk.host else trunk.host
    lines = (
        f"OPTIONS sip:{target}:{trunk.port} SIP/2.0",
        f"Via: SIP/2.0/{trunk.transport.value.upper()} {host}:{own[1]};rport;branch=z9hG4bK{token_hex(8)}",
        f"From: <sip:doctor@{host}>;tag={token_hex(4)}",
        f"To: <sip:{target}:{trunk.port}>",
        f"Call-ID: {token_hex(12)}",
        "CSeq: 1 OPTIONS",
        "Max-Forwards: 70",
        "User-Agent: Intellicall",
        "Content-Length: 0",
        "",
        "",
    )
    return "\r\n".join(lines).encode()
