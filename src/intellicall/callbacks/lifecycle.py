"""Lifecycle callbacks: the events that an account wants pushed beside its results (docs/live-calls.md, "Events").

Which accounts want which is kept in memory, so that a call of an account that wants none costs one look into a dictionary. What the
operator changes takes effect within `courier.SWEEP_S`. An event that could not be delivered for EVENT_AGE is given up, so that a
receiver which is dead or paused piles up a day of events and no more; results are never given up for their age.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from sqlalchemy import Connection

from intellicall.callbacks import store
from intellicall.calls import journal
from intellicall.calls.events import event_of
from intellicall.calls.journal import JournalEntry
from intellicall.event_types import ALL_EVENTS

EVENT_AGE = timedelta(hours=24)


class Lifecycle:
    """Who wants what. `project` is a projector of the journal; it runs on the writer's thread, everything else on the loop's."""

    def __init__(self) -> None:
        self._wanted: Mapping[str, frozenset[str]] = {}

    def take(self, wanted: Mapping[str, Sequence[str]]) -> None:
        """Take over what `store.subscribers` found."""
        self._wanted = {account_id: frozenset(types) for account_id, types in wanted.items()}

    def wants(self, account_id: str) -> bool:
        """Whether the account wants any events."""
        return account_id in self._wanted

    def project(self, connection: Connection, entries: Sequence[JournalEntry]) -> None:
        """Insert the deliveries of what happened to a call: part of the journal's transaction. All entries are of one call."""
        if not self._wanted or not entries:
            return
        first = entries[0]
        wanted = self._wanted.get(first.account_id)
        if wanted is None:
            return
        stored = journal.read(connection, first.call_id, first.seq)  # with the positions that they were given
        events = [event for entry in stored if (event := event_of(entry))]
        kept = [event for event in events if event.type in wanted or ALL_EVENTS in wanted]
        store.queue_events(connection, first.account_id, kept)
