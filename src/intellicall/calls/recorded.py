"""What becomes of a call's recording: in the result when the call ends; afterwards in the call's row and journal, never in another
result.
"""

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Connection

from intellicall.calls import store
from intellicall.calls.journal import Journal, JournalEntry
from intellicall.calls.result import Entry
from intellicall.calls.table import Reason, State
from intellicall.clock import Clock
from intellicall.recordings.news import News
from intellicall.recordings.outcome import LINKED, Kept, Outcome, outcome_of
from intellicall.recordings.space import Space

LOST_WITH_ENGINE_S = 1.1
"""An engine that dies takes with it what it had not written yet: up to 32 kB a recording (Asterisk 22, main/file.c)."""

Told = tuple[str, dict[str, object]]
"""A journal entry's kind and data."""

_KINDS = {Outcome.READY: "recording_ready", Outcome.DELETED: "recording_deleted"}
_UNTOLD = frozenset({Outcome.OFF, Outcome.NONE, Outcome.PENDING})


def with_recording(entry: Entry, kept: Kept, space: Space, link: Callable[[str], str]) -> Entry:
    """Return the call that has ended with what became of its recording, and the link where there is something to be had."""
    name, call = entry.request.plan.recording, entry.call
    if name is None:
        return replace(entry, recording=entry.recording or Outcome.OFF)
    talk_s = call.talk_s if call.answered else 0.0
    if call.reason is Reason.ENGINE_LOST:
        talk_s = max(talk_s - LOST_WITH_ENGINE_S, 0.0)  # what there is is kept and linked
    outcome = outcome_of(kept, talk_s, disk_full=space.exhausted_since(call.answered_tick))
    return replace(entry, recording=outcome, recording_url=link(name) if outcome in LINKED else None)


def recording_told(entry: Entry, kept: Kept) -> Told | None:
    """Return what is told beside the result of a recorded call; None while that is open, or nothing was to be had."""
    if entry.recording is None or entry.recording in _UNTOLD or entry.request.plan.recording is None:
        return None
    return _told(entry, News(entry.call.id, entry.recording, kept.sealed))


def teller(journal: Journal, clock: Clock) -> Callable[[Connection, News], None]:
    """Return how the recordings room tells of what became of a recording: `recordings.news.Telling.tell`."""

    def tell(connection: Connection, news: News) -> None:
        before = store.by_id(connection, news.call_id)
        if before is None or before.call.live:
            return
        url = before.recording_url if news.outcome in LINKED else None
        after = replace(before, seq=before.seq + 1, recording=news.outcome, recording_url=url)
        kind, data = _told(after, news)
        about = {"uuid": before.request.uuid or news.call_id, **data}
        happened = JournalEntry(news.call_id, before.request.account_id, after.seq, clock.now(), kind, about)
        store.save(connection, journal, after, [happened])

    return tell


def _told(entry: Entry, news: News) -> Told:
    kind = _KINDS.get(news.outcome, "recording_failed")
    data: dict[str, object] = {"state": State.ENDED, "reason": news.reason or news.outcome}
    if news.outcome is Outcome.READY and (sealed := news.sealed):
        measured = {"seconds": sealed.seconds, "bytes": sealed.bytes, "sha256": sealed.sha256}
        data = {"state": State.ENDED, "recording_url": entry.recording_url, **measured}
    return kind, data
