"""Raw Asterisk, to compare with: a bare one of the same installation, called through AMI, with the smallest dialplan that
does the same work: ring the agent, record, ring the customer, end both together."""

import asyncio
import contextlib
import secrets
from dataclasses import dataclass
from pathlib import Path

from bench.calls import CALLER_ID, Seen
from intellicall.telephony.asterisk.install import EngineInstall
from intellicall.telephony.asterisk.process import EngineDirs, EngineProcess

MODULES = (  # noqa: SIM905 - one name a line would fill the screen
    "res_timing_timerfd res_sorcery_config res_sorcery_memory res_sorcery_astdb res_crypto pbx_config "
    "codec_alaw codec_ulaw format_pcm format_sln bridge_simple bridge_native_rtp bridge_builtin_features res_rtp_asterisk "
    "res_pjproject res_pjsip res_pjsip_session res_pjsip_pubsub res_pjsip_caller_id res_pjsip_nat res_pjsip_sdp_rtp "
    "res_pjsip_rfc3326 chan_pjsip app_dial app_mixmonitor"
).split()
BOOT_S = 20.0


@dataclass(frozen=True, slots=True)
class Ports:
    """Where raw Asterisk listens, and which peers it calls: `peer` the bench's own, `testnet` the test network."""

    sip: int
    ami: int
    peer: int
    testnet: int


class RawAsterisk:
    """Start it, place calls with `call`, stop it."""

    def __init__(self, install: EngineInstall, state: Path, ports: Ports) -> None:
        self._install = install
        self._ports = ports
        self._dirs = EngineDirs.below(state)
        self._secret = secrets.token_hex(16)
        self._recordings = state / "recordings"
        self.process = EngineProcess(install, self._dirs)
        self._writer: asyncio.StreamWriter | None = None
        self._drain: asyncio.Task[None] | None = None
        self._calls = 0

    @property
    def peer_port(self) -> int:
        return self._ports.peer

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    async def start(self) -> None:
        """Start it and log in. Raises TimeoutError."""
        self._dirs.create()
        self._recordings.mkdir()
        for name, text in self._configuration().items():
            (self._dirs.etc / name).write_text(text)
        await self.process.start()
        async with asyncio.timeout(BOOT_S):
            while not await self._booted():  # noqa: ASYNC110 - a process of its own brings it about
                await asyncio.sleep(0.1)
            reader, self._writer = await asyncio.open_connection("127.0.0.1", self._ports.ami)
        self._drain = asyncio.create_task(_drain(reader))
        self._action("Login", Username="bench", Secret=self._secret, Events="off")

    async def stop(self) -> None:
        if self._drain:
            self._drain.cancel()
            await asyncio.gather(self._drain, return_exceptions=True)
        if self._writer:
            self._writer.close()
        await self.process.stop()

    def call(self, seen: Seen) -> None:
        """Originate the call to the bench's own peer."""
        self._originate(f"PJSIP/peer/sip:{seen.agent_number}@127.0.0.1:{self._ports.peer}", "peer", seen.customer_number)

    def talk(self, agent: str, customer: str) -> None:
        """Originate a call between two numbers of the test network."""
        self._originate(f"PJSIP/peer/sip:{agent}@127.0.0.1:{self._ports.testnet}", "testnet", customer)

    def hang_up_all(self) -> None:
        """End every call."""
        self._action("Hangup", Channel="/^PJSIP/")

    def _originate(self, channel: str, context: str, customer: str) -> None:
        self._calls += 1
        file = self._recordings / f"{self._calls}.raw"
        self._action(
            "Originate",
            Channel=channel,
            Context=context,
            Exten=customer,
            Priority="1",
            CallerID=CALLER_ID,
            Async="true",
            Timeout="30000",
            Variable=f"FILE={file}",
        )

    def _action(self, name: str, **fields: str) -> None:
        assert self._writer is not None
        lines = [f"Action: {name}", *(f"{field}: {value}" for field, value in fields.items())]
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())

    async def _booted(self) -> bool:
        with contextlib.suppress(ConnectionError, TimeoutError):
            return "fully booted" in await self.process.console("core waitfullybooted")
        return False

    def _configuration(self) -> dict[str, str]:
        empty = ("stasis.conf", "pjproject.conf", "features.conf", "acl.conf", "udptl.conf", "ccss.conf")
        contexts = "".join(_context(name, port) for name, port in (("peer", self._ports.peer), ("testnet", self._ports.testnet)))
        return {
            "asterisk.conf": self._dirs.asterisk_conf(self._install),
            "modules.conf": "[modules]\nautoload=no\n" + "".join(f"load={name}.so\n" for name in MODULES),
            "logger.conf": "[general]\nqueue_log=no\n[logfiles]\n",
            "rtp.conf": "[general]\nrtpstart=30000\nrtpend=39999\nicesupport=no\n",
            "pjsip.conf": _PJSIP.format(port=self._ports.sip),
            "extensions.conf": f"[general]\nstatic=yes\n{contexts}",
            "manager.conf": _MANAGER.format(port=self._ports.ami, secret=self._secret),
            "http.conf": "[general]\nenabled=no\n",
            "cdr.conf": "[general]\nenable=no\n",
            "cel.conf": "[general]\nenable=no\n",
            "indications.conf": "[general]\ncountry=us\n[us]\ndescription=bench\nringcadence=2000,4000\n",
            **dict.fromkeys(empty, ""),
        }


async def _drain(reader: asyncio.StreamReader) -> None:
    """Read the answers away: what became of a call is seen at its peers."""
    while await reader.read(65_536):
        pass


def _context(name: str, port: int) -> str:
    return (
        f"[{name}]\nexten => _+X.,1,MixMonitor(${{FILE}},Db)\n"
        f" same => n,Dial(PJSIP/peer/sip:${{EXTEN}}@127.0.0.1:{port},45)\n same => n,Hangup()\n"
    )


_PJSIP = """\
[global]
type=global
user_agent=raw
[udp]
type=transport
protocol=udp
bind=127.0.0.1:{port}
[peer]
type=endpoint
transport=udp
context=peer
disallow=all
allow=alaw
direct_media=no
rtp_symmetric=yes
"""

_MANAGER = """\
[general]
enabled=yes
bindaddr=127.0.0.1
port={port}
[bench]
secret={secret}
read=all
write=all
"""
