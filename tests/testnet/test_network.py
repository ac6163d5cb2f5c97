"""The test network as a process: found again, replaced after a crash, deaf to the outside."""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.ports import find_free_port
from tests.support.sipp import Sipp, Uac, until

from intellicall.telephony.asterisk.install import EngineInstall
from intellicall.telephony.testnet.network import NUMBERS, TestNetwork

pytestmark = pytest.mark.asterisk


@pytest.fixture
async def network(engine_install: EngineInstall, short_tmp: Path) -> AsyncIterator[TestNetwork]:
    network = TestNetwork(engine_install, Path(tempfile.mkdtemp(dir=short_tmp)))
    await network.start()
    yield network
    await network.stop()


async def test_its_trunk_is_the_sandbox_on_loopback(network: TestNetwork) -> None:
    trunk = network.trunk
    assert (trunk.name, trunk.host, trunk.codecs[0]) == ("sandbox", "127.0.0.1", "alaw")


def test_the_trunk_is_not_known_before_the_start(engine_install: EngineInstall, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        TestNetwork(engine_install, tmp_path).trunk  # noqa: B018


async def test_a_running_one_is_found_again_at_its_port(network: TestNetwork, engine_install: EngineInstall) -> None:
    pid, port = network.engine.pid, network.trunk.port
    await network.engine.release()
    again = TestNetwork(engine_install, network.state_dir)
    await again.start()
    assert (again.engine.pid, again.trunk.port) == (pid, port)
    await again.stop()


async def test_after_a_crash_it_takes_calls_again_at_the_same_port(
    network: TestNetwork, sipp_command: tuple[str, ...], tmp_path: Path
) -> None:
    port, pid = network.trunk.port, network.engine.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await until(lambda: network.engine.pid not in {None, pid}, 3.0)
    call = Uac(NUMBERS["busy"].number, 9, expect=486)  # SIPp repeats its INVITE until the new process listens
    async with Sipp(sipp_command, tmp_path, call, port=find_free_port(), remote=port) as sipp:
        await sipp.finished(10)


def sockets_of(pid: int | None) -> set[tuple[str, str, int]]:
    """Return (table, address, port) of every IP socket of a process; addresses as /proc/net writes them."""
    links = [str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    inodes = {link[8:-1] for link in links if link.startswith("socket:[")}
    found = set()
    for table in ("udp", "tcp", "udp6", "tcp6"):
        for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = row.split()
            if fields[9] in inodes:
                address, port = fields[1].split(":")
                found.add((table, address, int(port, 16)))
    return found


async def test_it_listens_on_loopback_only(network: TestNetwork, sipp_command: tuple[str, ...], tmp_path: Path) -> None:
    """SIP and, during a call, RTP. The two other sockets are the SIP library's own DNS resolver's, which hear only answers."""
    call = Uac(NUMBERS["silent"].number, 9, talk_ms=500)
    async with Sipp(sipp_command, tmp_path, call, port=find_free_port(), remote=network.trunk.port) as sipp:
        await sipp.message(status=200, method="INVITE")
        sockets = sockets_of(network.engine.pid)
        await sipp.finished()
    loopback = {(table, port) for table, address, port in sockets if address == "0100007F"}
    assert {("udp", network.trunk.port), ("tcp", network.trunk.port)} <= loopback
    assert [10_000 <= port < 20_000 for table, port in loopback if port != network.trunk.port] == [True, True]  # RTP and RTCP
    assert sorted(table for table, address, _ in sockets if address != "0100007F") == ["udp", "udp6"]


async def test_two_networks_run_side_by_side(network: TestNetwork, engine_install: EngineInstall, short_tmp: Path) -> None:
    other = TestNetwork(engine_install, Path(tempfile.mkdtemp(dir=short_tmp)))
    await asyncio.wait_for(other.start(), 15)
    assert other.trunk.port != network.trunk.port
    await other.stop()
