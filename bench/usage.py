"""What a process has used, read from /proc (proc(5)). Linux only."""

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Return user and system time of the process with all its threads, in seconds; its children are not counted."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / _TICKS


def resident_kb(pid: int) -> float:
    """Return the memory that is the process's own (not shared with others), in kB of 1000 bytes."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1.024
    raise ValueError("the kernel tells no proportional set size")


def load() -> float:
    """Return how many processes wanted to run, on average, during the last minute."""
    return os.getloadavg()[0]
