"""What tells one engine process from every other."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells one process from every other, past and future: its id, its start in clock ticks, the boot it belongs to."""

    pid: int
    started_ticks: int
    boot: str

    @classmethod
    def parse(cls, text: str) -> "Stamp":
        stat, boot = text.strip().rsplit("\n", 1)
        pid, rest = stat.split(" ", 1)
        return cls(int(pid), int(rest.rsplit(")", 1)[1].split()[19]), boot)

    @classmethod
    def of(cls, pid: int) -> "Stamp":
        return cls.parse(Path(f"/proc/{pid}/stat").read_text() + Path("/proc/sys/kernel/random/boot_id").read_text())
