"""What became of a call's recording, in one word: the member `recording` of results and of the API. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from intellicall.recordings.shelf import Sealed

SHORT_S = 1.0
"""How much shorter than the talk a recording may be before a part of it is missing: the two are measured in different places."""
SHORT_WHEN_FULL_S = 0.06
"""The same while the disk was too full to trust what was written."""


class Outcome(StrEnum):
    """Stable words of the API."""

    OFF = "off"  # the account does not record
    NONE = "none"  # nobody talked
    READY = "ready"
    PENDING = "pending"  # being completed; the link answers 202 until it is
    INCOMPLETE = "incomplete"  # a part is missing
    FAILED = "failed"
    DISK_FULL = "disk_full"  # not recorded, or broken off, because the disk was full
    DELETED = "deleted"  # later, by order or because its time was over; never in a result


LINKED = frozenset({Outcome.READY, Outcome.PENDING})
"""With these a result carries the link."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What the shelf said when the call ended: `sealed` is None when the engine had written nothing, or when `pending`.

    `seconds` is how much audio there is on the shelf, complete or not. `hopeless`: no later attempt can complete it. `no_room`: the
    disk was full. `error`: the kind of what went wrong.
    """

    sealed: Sealed | None = None
    seconds: float = 0.0
    pending: bool = False
    hopeless: bool = False
    no_room: bool = False
    error: str | None = None


def is_short(seconds: float, talk_s: float, *, disk_full: bool) -> bool:
    """Whether so much audio cannot be all of a talk. Pauses of the recording count: they are recorded as silence."""
    return talk_s - seconds > (SHORT_WHEN_FULL_S if disk_full else SHORT_S)


def outcome_of(kept: Kept, talk_s: float, *, disk_full: bool) -> Outcome:
    """Return what became of a recording whose call has ended. `disk_full`: the disk was, at some time during the call."""
    if kept.hopeless:
        return Outcome.FAILED
    disk_full = disk_full or kept.no_room
    if talk_s > 0 and is_short(kept.seconds, talk_s, disk_full=disk_full):
        return Outcome.DISK_FULL if disk_full else Outcome.INCOMPLETE if kept.seconds else Outcome.FAILED
    if kept.pending:
        return Outcome.PENDING
    return Outcome.READY if kept.sealed else Outcome.NONE
