"""The bench's own SIP peer answers, stamps and hangs up."""

import asyncio
import socket
import time

from bench.calls import Ledger, Seen
from bench.peer import SipPeer


async def test_a_call_to_the_peer_is_answered_stamped_and_ended() -> None:
    ledger = Ledger()
    seen = ledger.new(talk_s=0.0)
    peer = SipPeer(ledger)
    peer.start()
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
            caller.bind(("127.0.0.1", 0))
            caller.setblocking(False)
            before = time.time()
            caller.sendto(_invite(seen, caller.getsockname()[1]), ("127.0.0.1", peer.port))
            answer = await _next(caller)
            bye = await _next(caller)
            caller.sendto(_ok(bye), ("127.0.0.1", peer.port))
            async with asyncio.timeout(5):
                while not seen.legs_over:  # noqa: ASYNC110 - a packet on its way sends no event to us
                    await asyncio.sleep(0.005)
    finally:
        await peer.stop()
    assert answer.startswith("SIP/2.0 200 OK")
    assert "PCMA/8000" in answer
    assert bye.startswith("BYE sip:caller@127.0.0.1")
    assert before <= seen.customer_invited <= seen.customer_answered <= seen.hung_up


def test_numbers_are_used_again_only_after_many_calls() -> None:
    ledger = Ledger()
    first = ledger.new(1.0)
    assert ledger.find(first.customer_number) == (first, True)
    assert ledger.find(first.agent_number) == (first, False)
    assert ledger.find("+12025550100") is None
    later = [ledger.new(1.0) for _ in range(899)]
    assert len({seen.customer_number for seen in later} | {first.customer_number}) == 900


async def _next(caller: socket.socket) -> str:
    async with asyncio.timeout(5):
        return (await asyncio.get_running_loop().sock_recv(caller, 65_535)).decode()


def _invite(seen: Seen, port: int) -> bytes:
    return (
        f"INVITE sip:{seen.customer_number}@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK1\r\n"
        f"From: <sip:a@b>;tag=1\r\nTo: <sip:{seen.customer_number}@b>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n"
        f"Contact: <sip:caller@127.0.0.1:{port}>\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def _ok(request: str) -> bytes:
    return ("SIP/2.0 200 OK\r\n" + request.partition("\r\n")[2]).encode()
