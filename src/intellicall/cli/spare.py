"""`python -m intellicall.cli.spare FD`: a platform that has loaded everything and starts when it is told so by a line on its input.

Of `intellicall.supervisor`, not for people. FD is its end of a socket pair: it writes LOADED when it has loaded, DOORS when it is
about to listen (the answer brings the sockets of the platform before it), SERVES, with its sockets, when it takes calls.
"""

import socket
import sys

from intellicall import app  # noqa: F401 - loading it is what takes the time
from intellicall.cli.serve import run_platform
from intellicall.settings import load
from intellicall.supervisor import DOORS, LOADED, PATIENCE_S, SERVES, receive_sockets


def main() -> None:
    """Wait for the word; without one (the supervisor is gone) end."""
    line = socket.socket(fileno=int(sys.argv[1]))
    line.set_inheritable(False)  # the engine, which we start, must not hold it
    line.settimeout(PATIENCE_S)
    line.send(LOADED)
    if sys.stdin.buffer.readline():
        run_platform(load(), lambda sockets: _tell(line, [one.fileno() for one in sockets]), lambda: _ask(line))


def _ask(line: socket.socket) -> list[socket.socket]:
    """Return the sockets that the supervisor kept."""
    line.send(DOORS)
    return [socket.socket(fileno=number) for number in receive_sockets(line)[1]]


def _tell(line: socket.socket, sockets: list[int]) -> None:
    socket.send_fds(line, [SERVES], sockets)
    line.close()


if __name__ == "__main__":
    main()
