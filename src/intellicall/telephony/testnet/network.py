"""The test network's process: start it beside the platform, stop it, and reach it through a trunk named `sandbox`."""

import asyncio
import contextlib
import socket
from pathlib import Path

from intellicall.telephony.asterisk.install import EngineInstall
from intellicall.telephony.asterisk.process import EngineDirs, EngineProcess
from intellicall.telephony.engine import EngineUnavailable, Transport, Trunk
from intellicall.telephony.testnet.carrier import configuration
from intellicall.telephony.testnet.numbers import NUMBERS
from intellicall.telephony.testnet.sounds import write_sounds

TRUNK_NAME = "sandbox"
HOST = "127.0.0.1"


class TestNetwork:
    """A second Asterisk on loopback that plays the carrier and all its subscribers. See docs/test-network.md.

    `sip_port` 0 finds a free port once and keeps it in the state folder. A running one of the same folder is adopted.
    """

    __test__ = False  # its name is not meant for pytest

    def __init__(
        self, install: EngineInstall, state_dir: Path, *, sip_port: int = 0, rtp_ports: tuple[int, int] = (10_000, 19_999)
    ) -> None:
        self._install = install
        self._dirs = EngineDirs.below(state_dir)
        self._wanted_port = sip_port
        self._rtp_ports = rtp_ports
        self._port: int | None = None
        self.engine = EngineProcess(install, self._dirs)

    @property
    def state_dir(self) -> Path:
        """Where everything of the network is written."""
        return self._dirs.state

    @property
    def trunk(self) -> Trunk:
        """The trunk that leads to the test network. Raises RuntimeError before `start`."""
        if self._port is None:
            raise RuntimeError("the test network was not started")
        return Trunk(TRUNK_NAME, HOST, self._port, Transport.UDP, codecs=("alaw", "ulaw"))

    async def start(self, deadline_s: float = 30.0) -> None:
        """Start the network, or adopt the running one; returns when it takes calls. Raises EngineUnavailable after `deadline_s`."""
        self._dirs.create()
        self._port = self._choose_port()
        sounds = self._dirs.state / "sounds"
        await asyncio.to_thread(write_sounds, sounds)
        files = configuration(self._port, self._rtp_ports, sounds) | {"asterisk.conf": self._dirs.asterisk_conf(self._install)}
        for name, text in files.items():
            (self._dirs.etc / name).write_text(text)
        await self.engine.start()
        try:
            async with asyncio.timeout(deadline_s):
                await self._booted()
        except TimeoutError:
            await self.engine.stop()
            raise EngineUnavailable("the test network did not start") from None

    async def stop(self) -> None:
        """End the network and every call on it."""
        await self.engine.stop()

    async def _booted(self) -> None:
        while True:
            with contextlib.suppress(ConnectionError, TimeoutError):
                if "fully booted" in await self.engine.console("core waitfullybooted"):
                    return
            await asyncio.sleep(0.05)

    def _choose_port(self) -> int:
        """Return the port asked for, else the one used before (a running network has it), else a free one."""
        memory = self._dirs.state / "sip-port"
        remembered = int(memory.read_text()) if memory.exists() else 0
        if self._wanted_port:
            port = self._wanted_port
        elif remembered and (self.engine.can_adopt() or _free_port(remembered)):
            port = remembered
        else:
            port = _free_port(0)
        memory.write_text(str(port))
        return port


def _free_port(port: int) -> int:
    """Return `port` (or any, for 0) when it is free for UDP and TCP on loopback; 0 when it is not."""
    for _ in range(20):
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram,
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream,
            contextlib.suppress(OSError),
        ):
            datagram.bind((HOST, port))
            stream.bind((HOST, datagram.getsockname()[1]))
            return int(datagram.getsockname()[1])
        if port:
            return 0
    raise EngineUnavailable("no free port on the loopback interface")


__all__ = ["NUMBERS", "TRUNK_NAME", "TestNetwork"]
