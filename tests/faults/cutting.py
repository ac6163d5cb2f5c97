"""A wire to PostgreSQL that can be cut around a COMMIT: before it has arrived, or before its reply comes back."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

_COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"
_PORT = ".s.PGSQL.5432"

Cut = Literal["before", "after"] | None


class Wire:
    """A Unix socket in `folder` that leads to the server's. `cut` is done to the next COMMIT, once."""

    def __init__(self, folder: Path, server: Path) -> None:
        self.cut: Cut = None
        self.cuts = 0
        self._server = str(server / _PORT)
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(folder / _PORT))
        self._listening.listen(16)
        self._open: set[socket.socket] = set()
        self._threads = [self._begin(self._accept)]

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for one in self._open:
            one.close()
        self._listening.close()

    def _begin(self, work: object, *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        thread.start()
        return thread

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._server)
                self._open |= {client, server}
                self._threads.append(self._begin(self._carry, client, server, True))
                self._threads.append(self._begin(self._carry, server, client, False))

    def _carry(self, source: socket.socket, target: socket.socket, asks: bool) -> None:
        with suppress(OSError):
            while content := source.recv(65536):
                if asks and self.cut is not None and _COMMIT in content:
                    self._do_cut(source, target, content)
                    return
                target.sendall(content)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _do_cut(self, client: socket.socket, server: socket.socket, content: bytes) -> None:
        """The client's side is closed first: no reply comes through, whatever the server does."""
        cut, self.cut = self.cut, None
        self.cuts += 1
        client.shutdown(socket.SHUT_RDWR)
        if cut == "after":
            server.sendall(content)
        server.shutdown(socket.SHUT_WR)


@contextmanager
def wire(folder: Path, server: Path) -> Iterator[Wire]:
    """Lay a wire; its folder takes the place of the server's in URLs."""
    laid = Wire(folder, server)
    try:
        yield laid
    finally:
        laid.close()
