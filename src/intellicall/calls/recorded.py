"""What becomes of a recording after its call's end, in the call's own row and journal: events, but never another result."""

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Connection

from intellicall.calls import store
from intellicall.calls.journal import Journal, JournalEntry
from intellicall.calls.result import Entry
from intellicall.calls.table import State
from intellicall.clock import Clock
from intellicall.recordings.news import News, Tell
from intellicall.recordings.outcome import LINKED, Outcome

_KINDS = {Outcome.READY: "recording_ready", Outcome.DELETED: "recording_deleted"}


def teller(journal: Journal, clock: Clock, told: Callable[[Entry], None]) -> Tell:
    """Return how the recordings room tells of what became of a recording. `told` is called in the transaction."""

    def tell(connection: Connection, news: News) -> None:
        entry = store.by_id(connection, news.call_id)
        if entry is None or entry.call.live:
            return
        url = entry.recording_url if news.outcome in LINKED else None
        after = replace(entry, seq=entry.seq + 1, recording=news.outcome, recording_url=url)
        data = {"uuid": entry.request.uuid or news.call_id, "state": State.ENDED, **_data(entry, news)}
        kind = _KINDS.get(news.outcome, "recording_failed")
        happened = JournalEntry(news.call_id, entry.request.account_id, after.seq, clock.now(), kind, data)
        store.save(connection, journal, after, [happened])
        told(after)

    return tell


def _data(entry: Entry, news: News) -> dict[str, object]:
    match news.outcome:
        case Outcome.READY:
            return ready_data(entry, news)
        case Outcome.DELETED:
            return {"reason": news.reason}
        case _:
            return {"reason": news.outcome}


def ready_data(entry: Entry, news: News) -> dict[str, object]:
    """Return the data of a `recording_ready` entry."""
    sealed = news.sealed
    assert sealed is not None  # noqa: S101 - what is ready was sealed
    return {"recording_url": entry.recording_url, "seconds": sealed.seconds, "bytes": sealed.bytes, "sha256": sealed.sha256}
