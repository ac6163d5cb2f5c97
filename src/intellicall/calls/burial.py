"""The last net below a call: one whose own task cannot end it, because a bug of ours strikes again and again, is ended here.

Nothing of the conductor and the state machine is used, as the bug may be in them: the call is stored as ended, with its result and
so with its delivery, in one transaction. Its recording, if any, is completed later, as one that could not be completed at once.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from intellicall.calls import store
from intellicall.calls.call import Leg, Participant
from intellicall.calls.journal import Journal, JournalEntry, last_seq
from intellicall.calls.result import Entry, result
from intellicall.calls.table import Reason, State
from intellicall.recordings.keeping import settle
from intellicall.recordings.outcome import LINKED, Kept, Outcome


def buried(entry: Entry, at: datetime, link: Callable[[str], str]) -> Entry:
    """Return the call as ended by us at `at`, with everybody gone."""
    call, name = entry.call, entry.request.plan.recording
    talk_s = max((at - call.answered_at).total_seconds(), 0.0) if call.answered_at else 0.0
    ended = replace(
        call,
        state=State.ENDED,
        agent=_gone(call.agent),
        customer=_gone(call.customer),
        guest=None,
        ended_at=at,
        talk_s=talk_s,
        reason=call.reason or Reason.PLATFORM_ERROR,
    )
    outcome = (Outcome.PENDING if call.answered else Outcome.NONE) if name else entry.recording or Outcome.OFF
    url = link(name) if name and outcome in LINKED else None
    return replace(entry, call=ended, seq=entry.seq + 1, recording=outcome, recording_url=url)


def bury(connection: Connection, journal: Journal, entry: Entry, at: datetime) -> None:
    """Store a call that `buried` has ended, with its result."""
    request, call = entry.request, entry.call
    entry = replace(entry, seq=max(entry.seq, last_seq(connection, call.id) + 1))  # the journal may know more than the call's row
    data = {"uuid": request.uuid or request.call_id, "state": State.ENDED, "result": result(entry)}
    store.save(connection, journal, entry, [JournalEntry(request.call_id, request.account_id, entry.seq, at, "ended", data)])
    if request.plan.recording and entry.recording:
        settle(connection, request.plan.recording, Kept(), Outcome(entry.recording), call.talk_s, at)


def _gone(participant: Participant) -> Participant:
    return replace(participant, leg=Leg.GONE)
