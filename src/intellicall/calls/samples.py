"""Calls that never were, for the API's description: their JSON is made by the same functions as that of real calls."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from intellicall.calls.call import Call, Fact, Order, What, step
from intellicall.calls.entries import journal_data
from intellicall.calls.events import Event, event_of
from intellicall.calls.journal import JournalEntry
from intellicall.calls.people import Person
from intellicall.calls.request import CallType, Request
from intellicall.calls.result import Entry, api_view, result
from intellicall.calls.table import Move, Party, Reason
from intellicall.event_types import EventType
from intellicall.recordings.outcome import Outcome
from intellicall.telephony.engine import CallPlan, PhoneLine, SoftphoneLine

CALL_ID = "5deb67aa-d54d-4536-9a25-a29813b3bddd"
BEGAN = datetime(2026, 7, 3, 10, 0, 0, tzinfo=UTC)
ANSWERED = BEGAN + timedelta(seconds=9)
ENDED = ANSWERED + timedelta(seconds=150)
RECORDING_URL = "https://voice.example.com/recordings/crm_mXk2vQ9Tn4RcJ7pLzW5hYd8sBgA1eUfK3oNi6qVt.wav"
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
FIRST_CONSULTED = "+12025550102"

ACCEPTED = Fact(What.RINGING, BEGAN, 0.0, Party.AGENT)
_TALK = (
    Fact(What.ANSWERED, BEGAN + timedelta(seconds=4), 4.0, Party.AGENT),
    Fact(What.RINGING, BEGAN + timedelta(seconds=5), 5.0, Party.CUSTOMER),
    Fact(What.ANSWERED, ANSWERED, 9.0, Party.CUSTOMER),
)
_CONSULT = (Order(Move.CONSULT, Party.ACCOUNT),)
_GUEST_RINGS = (Fact(What.RINGING, ANSWERED + timedelta(seconds=30), 39.0, Party.GUEST),)
_GUEST_ANSWERS = (Fact(What.ANSWERED, ANSWERED + timedelta(seconds=35), 44.0, Party.GUEST),)
_END = (
    Fact(What.LEG_ENDED, ENDED, 159.0, Party.CUSTOMER, Reason.CUSTOMER_HUNG_UP),
    Fact(What.LEG_ENDED, ENDED, 159.0, Party.AGENT),
    Fact(What.SEALED, ENDED, 159.0, seconds=150.0),
)

_WAYS: dict[str, tuple[Fact | Order, ...]] = {
    "initiated": (),
    "customer_ringing": (ACCEPTED, *_TALK[:2]),
    "talking": _TALK,
    "muted": (*_TALK, Order(Move.MUTE, Party.ACCOUNT)),
    "recording_paused": (*_TALK, Order(Move.PAUSE_RECORDING, Party.ACCOUNT)),
    "held": (*_TALK, Order(Move.HOLD, Party.ACCOUNT)),
    "consult_ringing": (*_TALK, *_CONSULT, *_GUEST_RINGS),
    "consulting": (*_TALK, *_CONSULT, *_GUEST_ANSWERS),
    "consult_held": (*_TALK, *_CONSULT, *_GUEST_ANSWERS, Order(Move.SWAP, Party.ACCOUNT)),
    "three_way": (*_TALK, *_CONSULT, *_GUEST_ANSWERS, Order(Move.MERGE, Party.ACCOUNT)),
    "blind": (*_TALK, Order(Move.TRANSFER, Party.ACCOUNT), *_GUEST_RINGS, Fact(What.LEG_ENDED, ENDED, 100.0, Party.GUEST)),
    "transferring": (*_TALK, Order(Move.TRANSFER, Party.ACCOUNT)),
    "transferred": (*_TALK, *_CONSULT, *_GUEST_ANSWERS, Order(Move.COMPLETE, Party.ACCOUNT)),
    "ending": (*_TALK, Order(Move.HANG_UP, Party.ACCOUNT)),
    "ended": (*_TALK, *_END),
}


def shown(name: str, **changes: Any) -> dict[str, Any]:
    """Return a call as the API shows it, at this point of its life; `changes` are fields of its Entry."""
    return api_view(entry(name, **changes))


def results() -> Mapping[str, dict[str, Any]]:
    """Return results as they are pushed: of an answered call, of a transferred one, and of one that nobody took."""
    return {
        "answered": result(entry("ended", disposition="INTERESTED", notes="Wants a quote by Friday.")),
        "transferred": result(
            replace(entry("transferred"), call=entry("ended").call, recording_url=RECORDING_URL, recording=Outcome.READY)
        ),
        "no_answer": result(_unanswered()),
    }


def events() -> list[Event]:
    """Return one public event of each type that the sample calls yield, in the order of what happened."""
    made: dict[EventType, Event] = {}
    for way in ("recording_paused", "three_way", "transferred", "blind", "ended"):
        for journaled in _journal(way):
            event = event_of(journaled)
            if event is not None:
                made.setdefault(event.type, event)
    return list(made.values())


def _journal(name: str) -> list[JournalEntry]:
    """What the journal would have of the sample call: its moves, and the entries that begin and end it."""
    before = entry("initiated")
    began = {"call_type": before.request.call_type, "crm_username": before.request.crm_username}
    kept = [_journaled(1, BEGAN, "initiated", began)]
    call = before.call
    for number, happening in enumerate(_WAYS[name], 2):
        taken = step(call, happening)
        if taken.move is not None:
            at = happening.at if isinstance(happening, Fact) else ANSWERED + timedelta(seconds=20 + number)
            after = replace(entry(name), call=taken.call)
            kept.append(_journaled(number, at, taken.move, journal_data(call, after, taken.move, happening)))
        call = taken.call
    if not call.live:
        last = len(kept)
        ready = {"recording_url": RECORDING_URL, "seconds": 150.0, "bytes": 4_800_044, "sha256": SHA256}
        kept.append(_journaled(last + 1, ENDED, "updated", {"disposition": "INTERESTED", "notes": None}))
        kept.append(_journaled(last + 2, ENDED, "ended", {"result": result(entry(name))}))
        kept.append(_journaled(last + 3, ENDED, "recording_ready", ready))
        kept.append(_journaled(last + 4, ENDED, "recording_failed", {"reason": Outcome.DISK_FULL}))
        kept.append(_journaled(last + 5, ENDED + timedelta(days=90), "recording_deleted", {"reason": "retention"}))
    return kept


def _journaled(number: int, at: datetime, kind: str, data: Mapping[str, Any]) -> JournalEntry:
    return JournalEntry(CALL_ID, "account", number, at, kind, {"uuid": "your-own-call-id", **data}, 1040 + number)


def entry(name: str, **changes: Any) -> Entry:
    """Return the sample call at this point of its life."""
    call = _lived(_WAYS[name])
    people = (Person("p1", "p1", FIRST_CONSULTED, FIRST_CONSULTED),) if call.dialed else ()
    transferred = (call.agent.id,) if call.agent.id != "agent" else ()
    url = RECORDING_URL if not call.live else None
    outcome = Outcome.READY if not call.live else None
    return replace(Entry(_request(), call, 8, url, None, None, people, transferred, outcome), **changes)


def _lived(happenings: tuple[Fact | Order, ...]) -> Call:
    call = _request().fresh()
    for happening in happenings:
        call = step(call, happening).call
    return call


def _unanswered() -> Entry:
    rung = (
        *_TALK[:2],
        Fact(What.LEG_ENDED, BEGAN + timedelta(seconds=50), 50.0, Party.CUSTOMER, Reason.CUSTOMER_NO_ANSWER),
        Fact(What.LEG_ENDED, BEGAN + timedelta(seconds=50), 50.0, Party.AGENT),
    )
    agent = SoftphoneLine("0b9d2a7c-3f0e-4d5b-8f57-2f4f1f6f0c11", "")
    request = _request()
    plan = replace(request.plan, agent=agent)
    other = replace(
        request, plan=plan, call_type=CallType.BROWSER, agent_id="a", crm_username="agent.017", agent_number=None, uuid="lead-4711"
    )
    return Entry(other, _lived(rung), 6, recording=Outcome.NONE)


def _request() -> Request:
    plan = CallPlan(
        call_id=CALL_ID,
        agent=PhoneLine("+12025550101", ()),
        customer_number="+12025550100",
        caller_id="+12025550190",
        trunks=(),
        agent_ring_s=30,
        customer_ring_s=45,
        max_length_s=14_400,
        recording="crm_mXk2vQ9Tn4RcJ7pLzW5hYd8sBgA1eUfK3oNi6qVt",
    )
    return Request(
        call_id=CALL_ID,
        account_id="account",
        uuid="your-own-call-id",
        call_type=CallType.SERVER,
        agent_id=None,
        crm_username="agent.017",
        agent_number="2025550101",
        customer_number="2025550100",
        from_number="+12025550190",
        disposition="CRM_CALL",
        created_at=BEGAN,
        plan=plan,
    )
