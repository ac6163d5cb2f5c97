"""A program in a network of its own, in which every address there is leads back to itself, and every connection is counted.

Linux network, mount and user namespaces: no packet leaves the machine, root is not needed. The program's name server is
127.0.0.1:53 of that network.
"""

import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import orjson

_UNSHARE = ("unshare", "--user", "--map-root-user", "--net", "--mount")
_PREPARED = """
ip link set lo up
ip route add local 0.0.0.0/0 dev lo
ip -6 route add local ::/0 dev lo
mount --bind "$1" /etc/resolv.conf
shift
exec "$@"
"""
PATIENCE_S = 100.0


@cache
def possible() -> bool:
    """Whether this kernel lets us have such a network."""
    try:
        _run(Path("/dev/null"), "true")
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def run(module: str, *arguments: str) -> Any:
    """Run a module of ours in a fresh network and return the JSON that it printed."""
    with tempfile.NamedTemporaryFile("w") as resolv_conf:
        resolv_conf.write("nameserver 127.0.0.1\noptions timeout:5 attempts:1\n")
        resolv_conf.flush()
        return orjson.loads(_run(Path(resolv_conf.name), sys.executable, "-m", module, *arguments))


def _run(resolv_conf: Path, *command: str) -> bytes:
    whole = [*_UNSHARE, "sh", "-ec", _PREPARED, "sh", str(resolv_conf), *command]
    done = subprocess.run(whole, stdout=subprocess.PIPE, timeout=PATIENCE_S, check=True, cwd=Path(__file__).parents[2])
    return done.stdout


def connections_opened() -> int:
    """Return how many TCP connections this network has begun (SYN sent: `ActiveOpens`, RFC 4022)."""
    names, values = (line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Tcp:"))
    return int(values[names.index("ActiveOpens")])
