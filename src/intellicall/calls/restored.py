"""What a restored backup means to calls: those that were live at its moment have gone on since, and nobody knows how."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, text

from intellicall.calls import store
from intellicall.calls.call import Fact, What, step
from intellicall.calls.departures import with_departure
from intellicall.calls.entries import journal_data
from intellicall.calls.journal import Journal, JournalEntry, journal, last_position
from intellicall.calls.result import Entry, result
from intellicall.calls.table import Move, Reason, State
from intellicall.recordings import store as recordings
from intellicall.recordings.outcome import Outcome

SKIPPED = 1_000_000_000
"""Positions of the journal that are left out: more than were given out between any backup and its restore."""


def close_live(connection: Connection, outbox: Journal, at: datetime) -> int:
    """End every call of the backup that was live at `at`, the moment of the backup, with reason `restored`. Returns how many.

    A leg that the engine still has of one of them is ended when the platform starts: it belongs to no live call.
    """
    entries = store.live(connection)
    for entry in entries:
        ended, happened = _ended(entry, at)
        store.save(connection, outbox, ended, happened)
        name = entry.request.plan.recording
        if name is not None:
            (recordings.failed if ended.recording is Outcome.FAILED else recordings.missing)(connection, name, at)
    return len(entries)


def _ended(entry: Entry, at: datetime) -> tuple[Entry, list[JournalEntry]]:
    """The call through the same machine as every end."""
    happened: list[JournalEntry] = []
    for what in (What.ENGINE_LOST, What.SEALED):
        fact = Fact(what, at, 0.0, reason=Reason.RESTORED)
        taken = step(entry.call, fact)
        if taken.move is not None:
            after = with_departure(entry.call, replace(entry, call=taken.call), fact)
            entry, noted = _noted(after, taken.move, at, journal_data(entry.call, after, taken.move, fact))
            happened.append(noted)
    recorded = entry.request.plan.recording is not None
    lost = Outcome.FAILED if entry.call.answered else Outcome.NONE
    entry = replace(entry, recording=lost if recorded else Outcome.OFF, recording_url=None)
    entry, noted = _noted(entry, "ended", at, {"state": State.ENDED, "result": result(entry)})
    return entry, [*happened, noted]


def _noted(entry: Entry, kind: Move | str, at: datetime, data: dict[str, object]) -> tuple[Entry, JournalEntry]:
    request = entry.request
    after = replace(entry, seq=entry.seq + 1)
    about = {"uuid": request.uuid or request.call_id, **data}
    return after, JournalEntry(request.call_id, request.account_id, after.seq, at, kind, about)


def skip_positions(connection: Connection) -> None:
    """Let the journal go on far above everything that was given out after the backup: a cursor of that time then misses nothing."""
    position = last_position(connection) + SKIPPED
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT setval(pg_get_serial_sequence('journal', 'position'), :position)"), {"position": position})
        return
    counters = text("SELECT count(*) FROM sqlite_sequence WHERE name = :name")
    change = (
        "UPDATE sqlite_sequence SET seq = :position WHERE name = :name"
        if connection.scalar(counters, {"name": journal.name})
        else "INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :position)"
    )
    connection.execute(text(change), {"name": journal.name, "position": position})
