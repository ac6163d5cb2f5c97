"""A moment of another codec, so that a recording hears a new partner.

What a customer hears is recorded through a translator that the engine keeps for as long as the codec stays the same, and that takes
voice whose RTP sequence number (RFC 3550 section 5.1) is behind the last one it has seen for late and drops it. A new partner's
numbers begin anywhere, so every other time the recording would miss them, for minutes; the customer hears them all the while.
(Seen on Asterisk 22.10.1, MixMonitor on a leg whose partner changed.) A frame of any other codec makes the engine begin with a
fresh translator. So before a recorded customer hears somebody new, and nobody else, alone in a two-party bridge, he hears a few
frames of silence in GSM.
"""

from dataclasses import dataclass
from pathlib import Path

MENDING_CLASS = "intellicall-mending"
MENDING_S = 0.06
"""Two to three frames of 20 ms."""
FORGETS_S = 300.0
"""After a pause of this long the old partner's numbers may look late as well: 32,768 packets are eleven minutes."""

FILE = "silence.gsm"
_SILENT_FRAME = bytes.fromhex("d820a2e15a" + 4 * "50004924924924")
"""One frame of silence in GSM 06.10, 33 bytes, 20 ms."""


@dataclass(slots=True)
class Hearing:
    """Whom a recorded customer has heard alone last, and since when he does not any more (monotonic seconds)."""

    partner: str | None = None
    parted_at: float | None = None

    def stale(self, partner: str, now: float) -> bool:
        """Return whether the recording might miss what this partner says."""
        return partner != self.partner or (self.parted_at is not None and now - self.parted_at > FORGETS_S)

    def hears(self, partner: str) -> None:
        """From now on the customer hears this partner alone."""
        self.partner, self.parted_at = partner, None

    def parts(self, now: float) -> None:
        """From now on the customer hears somebody else, more than one, or nobody."""
        if self.parted_at is None:
            self.parted_at = now


def write(folder: Path) -> None:
    """Write the silence into a folder of its own, unless it is there."""
    path = folder / FILE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_bytes(_SILENT_FRAME * 50)
