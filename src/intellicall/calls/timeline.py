"""Everything that happened to one call, in order of time and in plain words. Pure but for `call_entries`, which reads.

Other rooms add their entries as further sources; app.py has the list, so this room knows none of them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from intellicall.calls import journal
from intellicall.calls.endings import ENDINGS
from intellicall.calls.journal import JournalEntry
from intellicall.calls.result import DEPARTURES, Entry, iso
from intellicall.calls.table import Move, Party, Reason, State
from intellicall.calls.traced_words import words_of
from intellicall.calls.traces import Source, Trace
from intellicall.recordings.outcome import Outcome

Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One thing that happened. `what` is a stable word, `text` its sentence, `data` what the sentence was made of."""

    at: datetime
    source: Source
    what: str
    text: str
    data: Data

    def as_json(self) -> dict[str, Any]:
        """Return its JSON members, in the documented order."""
        return {
            "at": iso(self.at, "milliseconds"),
            "source": self.source,
            "what": self.what,
            "text": self.text,
            "data": dict(self.data),
        }


TimelineSource = Callable[[Connection, str, str], list[TimelineEntry]]
"""Takes a connection, an account and one of its calls."""


def in_order(entries: Sequence[TimelineEntry]) -> list[TimelineEntry]:
    """Return the entries by time; what happened at the same moment stays in the order of the sources."""
    return sorted(entries, key=lambda entry: entry.at)


def call_entries(connection: Connection, _account_id: str, call_id: str) -> list[TimelineEntry]:
    """The call's own source: its journal."""
    return [made for stored in journal.read(connection, call_id) if (made := of_journal(stored)) is not None]


def trace_entries(seen: Sequence[Trace]) -> list[TimelineEntry]:
    """What was seen beside the journal, in words."""
    return [TimelineEntry(trace.at, trace.source, trace.what, words_of(trace), trace.data) for trace in seen]


def policy_entries(entry: Entry) -> list[TimelineEntry]:
    """What was decided before anything was dialed."""
    request, plan = entry.request, entry.request.plan
    trunks = list(plan.trunks)
    way = f"through {' then '.join(trunks)}" if trunks else "through no trunk: none is left for this caller ID"
    chosen = {"trunks": trunks, "customer_ring_s": plan.customer_ring_s, "agent_ring_s": plan.agent_ring_s}
    limits = f"The customer is called from the caller ID {request.from_number}, {way}."
    made = [TimelineEntry(request.created_at, Source.POLICY, "route", limits, chosen)]
    if (why := _UNRECORDED.get(entry.recording or Outcome.OFF)) and plan.recording is None:
        what = "recording_disk_full" if entry.recording is Outcome.DISK_FULL else "recording_off"
        made.append(TimelineEntry(request.created_at, Source.POLICY, what, why, {}))
    return made


_UNRECORDED = {
    Outcome.OFF: "The call is not recorded: the account has recording switched off.",
    Outcome.DISK_FULL: "The call is not recorded: the disk for recordings is full, and the account lets calls go on.",
}


def of_journal(stored: JournalEntry) -> TimelineEntry | None:
    """Return a journal entry in words; None for one that another entry tells better."""
    words = JOURNAL_WORDS.get(stored.kind)
    text = words(stored.data) if callable(words) else words
    if not text:
        return None
    source = Source.RECORDING if stored.kind in _OF_RECORDINGS else Source.CALL
    shown = {name: stored.data[name] for name in _SHOWN if stored.data.get(name) is not None}
    return TimelineEntry(stored.at, source, stored.kind, text, shown)


_SHOWN = ("state", "party", "participant_id", "reason", "to", "seconds", "bytes", "sha256", "call_type")
_OF_RECORDINGS = frozenset(
    {"recording_ready", "recording_failed", "recording_deleted", Move.SEALED, Move.PAUSE_RECORDING, Move.RESUME_RECORDING}
)

_BY = {
    Party.AGENT: "The agent",
    Party.CUSTOMER: "The customer",
    Party.GUEST: "The third party",
    Party.ACCOUNT: "The account's backend",
    Party.PLATFORM: "The platform",
}


def _by(what: str) -> Callable[[Data], str]:
    """Somebody's order, with who gave it."""

    def words(data: Data) -> str:
        party = data.get("party")
        return f"{_BY[Party(party)] if party in _BY else 'Somebody'} {what}."

    return words


def _why(data: Data, title: str) -> str:
    """A sentence, and the reason behind it where one is known."""
    reason = data.get("reason")
    if reason in set(Reason):
        return f"{title} {ENDINGS[Reason(reason)].title}"
    return f"{title} {DEPARTURES[reason]}" if reason in DEPARTURES else title


def _agent_rings(data: Data) -> str:
    return "The agent's softphone is rung again." if data.get("state") == State.AGENT_AWAY else "The agent's phone rings."


def _agent_answers(data: Data) -> str:
    return "The agent answered." if data.get("state") == State.AGENT_ANSWERED else "The agent is back in the call."


def _agent_lost(data: Data) -> str:
    if data.get("state") == State.AGENT_AWAY:
        return "The agent's softphone is gone; the customer hears music until it is back."
    return "The agent's softphone is gone; the others go on."


def _ended(data: Data) -> str:
    result = data.get("result") or {}
    reason = result.get("reason")
    title = ENDINGS[Reason(reason)].title if reason in set(Reason) else ""
    talk = f" after {result['duration']} s of talk" if result.get("status") == "ANSWER" else ""
    return f"The call ended{talk}. {title}".strip()


def _recording_failed(data: Data) -> str:
    return f"The recording is not whole ({data.get('reason')})." if data.get("reason") else "The recording could not be completed."


JOURNAL_WORDS: Mapping[str, str | Callable[[Data], str]] = {
    "initiated": "The call was accepted and stored.",
    Move.AGENT_RINGS: _agent_rings,
    Move.AGENT_ANSWERS: _agent_answers,
    Move.CUSTOMER_RINGS: "The customer's phone rings.",
    Move.CUSTOMER_ANSWERS: "The customer answered: the two talk.",
    Move.GUEST_RINGS: "The third party's phone rings.",
    Move.GUEST_ANSWERS: "The third party answered.",
    Move.TRANSFER_DONE: "The third party answered and took the call over.",
    Move.GUEST_LEAVES: lambda data: _why(data, "The third party is not in the call any more."),
    Move.AGENT_LEAVES: "The agent left; the others go on.",
    Move.AGENT_UNREACHED: "The agent's softphone was rung again in vain.",
    Move.LEG_ENDS: lambda data: _why(data, "One side is gone, and with it the call."),
    Move.DIAL_FAILS: lambda data: _why(data, "It could not be dialed."),
    Move.ALL_GONE: lambda data: _why(data, "Everybody is gone."),
    Move.ALL_GONE_RECORDED: lambda data: _why(data, "Everybody is gone; the recording is completed."),
    Move.SEALED: "",  # `recording_ready`, `recording_failed` and `ended` tell it
    Move.OVERDUE: lambda data: _why(data, "What should have happened by then had not."),
    Move.HANG_UP: _by("ended the call"),
    Move.HOLD: _by("put the customer on hold"),
    Move.RESUME: _by("took the customer off hold"),
    Move.MUTE: _by("muted somebody"),
    Move.UNMUTE: _by("unmuted somebody"),
    Move.SEND_DIGITS: _by("sent digits (which ones is never stored)"),
    Move.CONSULT: _by("calls a third party, while the customer hears music"),
    Move.ADD: _by("calls a third party into the call"),
    Move.SWAP: _by("swapped between the customer and the third party"),
    Move.MERGE: _by("brought all three together"),
    Move.TRANSFER: _by("transfers the customer"),
    Move.COMPLETE: _by("completed the transfer"),
    Move.COMPLETE_RINGING: _by("left the transfer to the third party's ringing phone"),
    Move.DROP_GUEST: _by("let the third party go"),
    Move.PAUSE_RECORDING: _by("paused the recording"),
    Move.RESUME_RECORDING: _by("resumed the recording"),
    Move.AGENT_LOST: _agent_lost,
    Move.AGENT_BACK: "The agent's softphone is back.",
    "updated": "Disposition or notes were changed after the end.",
    "ended": _ended,
    "recording_ready": lambda data: f"The recording is ready: {data.get('seconds') or 0:.1f} s.",
    "recording_failed": _recording_failed,
    "recording_deleted": lambda data: f"The recording was deleted ({data.get('reason') or 'deleted'}).",
}
"""Every kind of journal entry in words; an empty one is left out."""
