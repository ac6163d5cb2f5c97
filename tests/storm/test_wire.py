"""The capture sees every dial to its port, and nothing else."""

import os
import socket
from collections.abc import Iterator

import pytest
from tests.storm.numbers import customer_number
from tests.storm.wire import dialed, listen

DIAL = f"INVITE sip:{customer_number(3)}@127.0.0.1:5060 SIP/2.0\r\nTo: <sip:x@y>\r\nCall-ID: abc@d\r\n\r\n"


@pytest.fixture
def far_end() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        yield made


def test_a_dial_is_captured_once_and_other_ports_not_at_all(far_end: socket.socket) -> None:
    port = int(far_end.getsockname()[1])
    try:
        wire = listen(port)
    except PermissionError:
        pytest.skip("packets may not be captured here (CAP_NET_RAW)")
    with wire, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        wire.settimeout(5)
        phone.sendto(DIAL.encode(), ("127.0.0.1", port ^ 1))
        phone.sendto(DIAL.encode(), ("127.0.0.1", port))
        phone.sendto(b"BYE sip:x@y SIP/2.0\r\n\r\n", ("127.0.0.1", port))
        assert dialed(wire.recv(65_535)) == (customer_number(3), "abc@d")
        assert wire.recv(65_535).endswith(b"BYE sip:x@y SIP/2.0\r\n\r\n")
        wire.setblocking(False)
        with pytest.raises(BlockingIOError):
            wire.recv(65_535)


@pytest.mark.parametrize(
    "message",
    [
        DIAL.replace("<sip:x@y>", "<sip:x@y>;tag=z"),
        DIAL.replace("INVITE", "CANCEL"),
        DIAL.replace("Call-ID", "X-Call-ID"),
        "",
    ],
    ids=["within a dialog", "not an INVITE", "without Call-ID", "empty"],
)
def test_what_dials_nobody_is_no_dial(message: str) -> None:
    header = bytes([0x45]) + os.urandom(27)
    assert dialed(header + message.encode()) is None
    assert dialed(header + DIAL.encode()) is not None
