"""Free ports."""

import socket


def free_port() -> int:
    """Return a port of loopback that is free for UDP and TCP at this moment."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram, socket.socket() as stream:
            datagram.bind(("127.0.0.1", 0))
            port = int(datagram.getsockname()[1])
            try:
                stream.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
