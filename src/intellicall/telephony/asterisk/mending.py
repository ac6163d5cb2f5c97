"""Making a recording hear a new partner.

What a customer hears is recorded through a translator that the engine keeps for as long as anything listens in on the channel and
the codec stays the same. Debian's Asterisk 22 conceals lost packets there: voice whose RTP sequence number (RFC 3550 section 5.1)
seems to be behind the last one is taken for late and dropped. A new partner's numbers begin anywhere, and mixed voice has none, so
after a change of partner or a three-way talk the recording would miss what is said every other time, for up to eleven minutes,
while the customer hears it. A new recording has a fresh translator. So before a recorded customer hears somebody new, and nobody
else, his leg passes through a few steps of the dialplan that stop the recording, wait, and begin it anew in the same file; silence
is put in for what it missed, so that its length stays the length of the talk.

(AMI could do it without moving the leg, but to start a MixMonitor takes AMI's class `system`, which can run programs.)
"""

from dataclasses import dataclass
from pathlib import Path

LETTING_GO_S = 0.05
"""After the recording has stopped, the engine needs a frame or two (20 ms) to let go of the translator; so silence is played."""
MISSED_S = 0.08
"""How much the recording misses in all."""
FORGETS_S = 300.0
"""After a pause of this long the old partner's numbers may look late as well: 32,768 packets are eleven minutes."""
FRAME_S = 0.02
FRAME_BYTES = 640
"""20 ms at 8 kHz, 16 bit, stereo."""


@dataclass(slots=True)
class Hearing:
    """Whom a recorded customer has heard alone last, and since when he does not any more (monotonic seconds)."""

    partner: str | None = None
    parted_at: float | None = None

    def stale(self, partner: str, now: float) -> bool:
        """Return whether the recording might miss what this partner says."""
        return partner != self.partner or (self.parted_at is not None and now - self.parted_at > FORGETS_S)

    def hears(self, partner: str) -> None:
        """From now on the customer, and the recording, hear this partner alone."""
        self.partner, self.parted_at = partner, None

    def parts(self, now: float, *, mixed: bool) -> None:
        """From now on the customer hears more than one (`mixed`), or nobody: music, ringing, silence."""
        if mixed:
            self.partner = None
        elif self.parted_at is None:
            self.parted_at = now


def fill(recording: Path, seconds: float) -> None:
    """Append silence, whole frames of it. Raises OSError."""
    with recording.open("ab") as file:
        file.write(bytes(round(seconds / FRAME_S) * FRAME_BYTES))
