"""The TLS certificate: loaded, checked, and exchanged while connections live on.

A renewed certificate and its key are two files and are never exchanged at the same instant. So a pair is loaded into a
context of its own first; only a pair that fits takes over, and until then the old one goes on serving.
"""

import os
import ssl
from pathlib import Path

import structlog

log = structlog.get_logger()

Signature = tuple[tuple[int, int, int], ...]


class Certificate:
    """A certificate and key on disk, and the SSL context that handshakes use now."""

    def __init__(self, chain: Path, key: Path) -> None:
        """Load the pair. Raises OSError or ssl.SSLError when it cannot be used."""
        self._files = (chain, key)
        self._loaded = self._signature()
        self._current = self._load()
        self._complained: Signature | None = None
        self.context = self._load()
        # Called in every handshake, with or without a server name; the connection then uses the current pair.
        self.context.sni_callback = self._choose

    def reload_when_changed(self) -> bool:
        """Take over a changed pair and return True; return False when nothing changed or the new pair does not fit (logged)."""
        try:
            signature = self._signature()
            if signature == self._loaded:
                return False
            self._current = self._load()
        except (OSError, ssl.SSLError) as error:
            self._complain(error)
            return False
        self._loaded = signature
        log.info("certificate_reloaded")
        return True

    def _complain(self, error: Exception) -> None:
        try:
            signature = self._signature()
        except OSError:
            signature = ()
        if signature != self._complained:
            self._complained = signature
            log.warning("certificate_not_reloaded", error=type(error).__name__)

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._current

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(*self._files)
        return context

    def _signature(self) -> Signature:
        facts = [os.stat(file) for file in self._files]  # noqa: PTH116 - follows the links that renewal tools exchange
        return tuple((fact.st_mtime_ns, fact.st_size, fact.st_ino) for fact in facts)
