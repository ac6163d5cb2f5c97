"""What the engine itself wrote down of legs: when each was answered and when it ended, also while nobody listened.

Asterisk's channel event log (CEL, module `cel_custom` of 22.10) appends one line an event to `legs.csv` in the recordings folder:
tab between the fields, no number in it. It opens the file anew for each line, so the file may be renamed at any time.
"""

import contextlib
import csv
import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from intellicall.telephony.asterisk.causes import NOTHING_RECEIVED, cause_of
from intellicall.telephony.engine import Cause, LegAnswered, LegEnded, Role

LEGS_FILE = "legs.csv"
LEG_FIELDS = "EventType,EventTime,UniqueID,LinkedID,ChanName,EventExtra"
KEPT_BYTES = 8_000_000
"""The file is put aside at this size and kept until the next one has it: some ten thousand calls in all."""
FOLLOWS = timedelta(seconds=1)
"""Within this, a leg that only followed another one's end may have been written down before it."""

LegId = tuple[str, str]
"""Call and leg."""


@dataclass(frozen=True, slots=True)
class LegLine:
    """One line: `leg` as our ids tell it, `hung_up` whether this leg's own far end ended it, `cause` in numbers of Q.850."""

    ended: bool
    at: datetime
    call_id: str
    leg: str
    hung_up: bool = False
    cause: int | None = None


def read(folder: Path, call_ids: Collection[str]) -> list[LegLine]:
    """Return what is written of these calls, in order. Blocks; a file that cannot be read is as an empty one."""
    wanted = [call_id.encode() for call_id in call_ids]
    lines: list[LegLine] = []
    for name in (f"{LEGS_FILE}.1", LEGS_FILE):
        with contextlib.suppress(OSError), (folder / name).open("rb") as file:
            texts = [text.decode("utf-8", "replace") for text in file if any(call_id in text for call_id in wanted)]
            lines += [line for text in texts for line in parsed(text)]
    return [line for line in lines if line.call_id in call_ids]


def rotate(folder: Path) -> None:
    """Put the file aside when it is big. Blocks."""
    with contextlib.suppress(OSError):
        if (folder / LEGS_FILE).stat().st_size > KEPT_BYTES:
            (folder / LEGS_FILE).replace(folder / f"{LEGS_FILE}.1")


def parsed(text: str) -> Iterator[LegLine]:
    """Yield the line, unless it is of a channel that is none of ours, or torn."""
    with contextlib.suppress(ValueError, OverflowError, csv.Error):
        kind, at, channel, linked, name, extra = next(csv.reader([text.rstrip("\n")], delimiter="\t"))
        owner = _owner(channel, linked)
        if owner is None or kind not in {"ANSWER", "HANGUP"}:
            return
        when = datetime.fromtimestamp(float(at), UTC)
        told = json.loads(extra) if kind == "HANGUP" else {}
        yield LegLine(kind == "HANGUP", when, *owner, told.get("hangupsource") == name, told.get("hangupcause") or None)


def _owner(channel: str, linked: str) -> LegId | None:
    """Our channels are `CALL-LEG-N`; one with an id of Asterisk's own that is linked to such a one is its call's customer."""
    for own in (channel, linked):
        call_id, _, leg = own.rpartition("-")[0].rpartition("-")
        if call_id and leg:
            return call_id, leg if own is channel else Role.CUSTOMER
    return None


def told(lines: Iterable[LegLine], living: Collection[LegId]) -> list[LegAnswered | LegEnded]:
    """Return what the lines say, in the order of cause and effect; of a leg that lives, no end (it is another trunk's try)."""
    answered: dict[LegId, LegLine] = {}
    ended: dict[LegId, LegLine] = {}
    for line in lines:
        (ended if line.ended else answered)[line.call_id, line.leg] = line
    gave_up = {call_id for (call_id, leg), line in ended.items() if leg == Role.AGENT and line.hung_up}
    events: list[LegAnswered | LegEnded] = [
        LegAnswered(line.call_id, line.leg, line.at) for line in answered.values() if line.leg == Role.CUSTOMER
    ]
    for leg, line in ended.items():
        if leg not in living:
            cause = _cause(line, up=leg in answered, canceled=line.call_id in gave_up)
            events.append(LegEnded(line.call_id, line.leg, line.at, cause, line.hung_up))
    return sorted(events, key=_when)


def _cause(line: LegLine, *, up: bool, canceled: bool) -> Cause:
    if up:
        return Cause.VANISHED if line.cause == NOTHING_RECEIVED and not line.hung_up else Cause.NORMAL
    if line.hung_up:
        return cause_of(None, line.cause)
    return Cause.CANCELED if canceled else Cause.NO_ANSWER


def _when(event: LegAnswered | LegEnded) -> datetime:
    followed = isinstance(event, LegEnded) and not event.by_far_end
    return event.at + FOLLOWS if followed else event.at
