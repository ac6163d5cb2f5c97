"""Free ports."""

import random
import socket

LOW, HIGH = 30_000, 32_767
"""Above the engines' RTP, below what Linux gives to connections (`ip_local_port_range`), which would take one again at any time."""

_given: set[int] = set()


def find_free_port() -> int:
    """Return a port of loopback that is free for UDP and TCP at this moment, and was not given before in this process."""
    while True:
        port = random.randint(LOW, HIGH)  # noqa: S311 - other test sessions draw, too
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram, socket.socket() as stream:
            try:
                datagram.bind(("127.0.0.1", port))
                stream.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _given:
            _given.add(port)
            return port
