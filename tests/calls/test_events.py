"""Which journal entry is which public event, and that the described schemas are what is made."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intellicall.calls import events
from intellicall.calls.events import PRIVATE, cursor_of, event_of, position_of
from intellicall.calls.journal import JournalEntry
from intellicall.calls.table import Move
from intellicall.calls.webhooks import DATA, EventPush
from intellicall.event_types import EventType

AT = datetime(2026, 7, 3, 10, 0, 0, 123456, tzinfo=UTC)
BESIDE = {"initiated", "updated", "ended", "recording_ready", "recording_failed", "recording_deleted"}
RESULT = {
    "call_id": "c", "uuid": "u", "status": "ANSWER", "duration": 5, "customer_number": "1", "agent_number": None,
    "crm_username": None, "call_type": "server", "disposition": "CRM_CALL", "direction": "outbound",
    "start_time": "2026-07-03T10:00:00Z", "end_time": "2026-07-03T10:00:05Z", "recording_url": None,
    "answer_time": None, "reason": "agent_hung_up", "ended_by": "agent", "transferred_to": [], "notes": None,
    "recording": "none",
}  # fmt: skip


def entry(kind: str, **data: Any) -> JournalEntry:
    return JournalEntry("c", "a", 7, AT, kind, {"uuid": "your-own-call-id", **data}, 0x1A3)


def told(kind: str, **data: Any) -> tuple[str, dict[str, Any]] | None:
    """Return the type and data of the event that such an entry is, held against its schema."""
    event = event_of(entry(kind, **data))
    if event is None:
        return None
    DATA[event.type].model_validate(event.data)
    EventPush.model_validate(event.as_json())
    return event.type, dict(event.data)


def test_every_move_is_an_event_or_private_and_not_both() -> None:
    mapped = set(events._EVENTS)
    assert mapped | PRIVATE == set(Move) | BESIDE
    assert mapped & PRIVATE == set()


@pytest.mark.parametrize("kind", sorted(PRIVATE))
def test_what_is_private_is_no_event(kind: str) -> None:
    assert told(kind, state="talking", participant_id="p1") is None


def test_an_event_has_the_documented_members_in_their_order() -> None:
    event = event_of(entry(Move.HOLD, state="held", party="agent", participant_id="customer"))
    assert event is not None
    assert list(event.as_json().items()) == [
        ("event_id", "00000000000001a3"),
        ("type", "held"),
        ("call_id", "c"),
        ("uuid", "your-own-call-id"),
        ("sequence", 7),
        ("at", "2026-07-03T10:00:00.123Z"),
        ("state", "held"),
        ("data", {"participant_id": "customer"}),
    ]


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("initiated", {"call_type": "server", "crm_username": None}, ("initiated", {"call_type": "server", "crm_username": None})),
        ("agent_rings", {"state": "agent_ringing"}, ("agent_ringing", {})),
        ("agent_rings", {"state": "agent_away"}, None),
        ("agent_answers", {"state": "agent_answered"}, ("agent_answered", {})),
        ("agent_answers", {"state": "talking"}, ("resumed", {"participant_id": "customer"})),
        ("customer_rings", {"state": "customer_ringing"}, ("customer_ringing", {})),
        ("customer_answers", {"state": "talking"}, ("answered", {})),
        ("hold", {"state": "consulting", "participant_id": "customer"}, ("held", {"participant_id": "customer"})),
        ("resume", {"state": "talking", "participant_id": "customer"}, ("resumed", {"participant_id": "customer"})),
        (
            "consult",
            {"state": "consult_ringing", "was": "talking", "participant_id": "p1"},
            ("held", {"participant_id": "customer"}),
        ),
        ("consult", {"state": "consult_ringing", "was": "held", "participant_id": "p1"}, None),
        ("swap", {"state": "consult_held", "on_hold": "p1"}, ("resumed", {"participant_id": "customer"})),
        ("swap", {"state": "consulting", "on_hold": "customer"}, ("held", {"participant_id": "customer"})),
        ("mute", {"state": "held", "participant_id": "agent"}, ("muted", {"participant_id": "agent"})),
        ("unmute", {"state": "held", "participant_id": "p1"}, ("unmuted", {"participant_id": "p1"})),
        (
            "guest_rings",
            {"state": "adding", "participant_id": "p1", "number": "123", "crm_username": None},
            ("participant_ringing", {"participant_id": "p1", "number": "123"}),
        ),
        (
            "guest_rings",
            {"state": "adding", "participant_id": "p1", "number": None, "crm_username": "agent.2"},
            ("participant_ringing", {"participant_id": "p1", "crm_username": "agent.2"}),
        ),
        ("guest_answers", {"state": "consulting", "participant_id": "p1"}, ("participant_joined", {"participant_id": "p1"})),
        ("merge", {"state": "three_way", "participant_id": "p1"}, ("participant_joined", {"participant_id": "p1"})),
        (
            "guest_leaves",
            {"state": "talking", "participant_id": "p1", "reason": "customer_busy"},
            ("participant_left", {"participant_id": "p1", "reason": "customer_busy"}),
        ),
        (
            "guest_leaves",
            {"state": "talking", "participant_id": "p1", "reason": None},
            ("participant_left", {"participant_id": "p1", "reason": "hung_up"}),
        ),
        (
            "drop_guest",
            {"state": "talking", "participant_id": "p1"},
            ("participant_left", {"participant_id": "p1", "reason": "dropped"}),
        ),
        (
            "complete",
            {"state": "talking", "participant_id": "agent", "to": "p1"},
            ("transferred", {"participant_id": "agent", "to": "p1"}),
        ),
        (
            "transfer_done",
            {"state": "talking", "participant_id": "agent", "to": "p1"},
            ("transferred", {"participant_id": "agent", "to": "p1"}),
        ),
        (
            "agent_leaves",
            {"state": "talking", "participant_id": "agent", "to": "p1"},
            ("transferred", {"participant_id": "agent", "to": "p1"}),
        ),
        (
            "agent_leaves",
            {"state": "transferring", "participant_id": "agent"},
            ("participant_left", {"participant_id": "agent", "reason": "hung_up"}),
        ),
        (
            "complete_ringing",
            {"state": "transferring", "participant_id": "agent"},
            ("participant_left", {"participant_id": "agent", "reason": "transferring"}),
        ),
        ("agent_lost", {"state": "agent_away", "was": "talking", "participant_id": "agent"}, ("agent_away", {})),
        ("agent_lost", {"state": "agent_away", "was": "agent_away", "participant_id": "agent"}, None),
        (
            "agent_lost",
            {"state": "talking", "was": "three_way", "participant_id": "agent", "to": "p1"},
            ("transferred", {"participant_id": "agent", "to": "p1"}),
        ),
        (
            "agent_lost",
            {"state": "transferring", "was": "transferring", "participant_id": "agent"},
            ("participant_left", {"participant_id": "agent", "reason": "hung_up"}),
        ),
        ("pause_recording", {"state": "talking"}, ("recording_paused", {})),
        ("resume_recording", {"state": "talking"}, ("recording_resumed", {})),
        ("updated", {"state": "ended", "disposition": "SALE", "notes": None}, ("updated", {"disposition": "SALE", "notes": None})),
        ("ended", {"state": "ended", "result": RESULT}, ("ended", {"result": RESULT})),
        (
            "recording_ready",
            {"state": "ended", "recording_url": "https://x/y.wav", "seconds": 1.5, "bytes": 9, "sha256": "ab"},
            ("recording_ready", {"recording_url": "https://x/y.wav", "seconds": 1.5, "bytes": 9, "sha256": "ab"}),
        ),
        ("recording_failed", {"state": "ended", "reason": "disk_full"}, ("recording_failed", {"reason": "disk_full"})),
        ("recording_deleted", {"state": "ended", "reason": "retention"}, ("recording_deleted", {"reason": "retention"})),
    ],
)
def test_each_entry_is_its_event(kind: str, data: dict[str, Any], expected: tuple[str, dict[str, Any]] | None) -> None:
    assert told(kind, **data) == expected


def test_every_type_has_a_schema() -> None:
    assert set(DATA) == set(EventType)


def test_entries_that_say_little_are_events_all_the_same() -> None:
    """An entry of an earlier version must not break a stream."""
    for kind in events._EVENTS:
        event_of(JournalEntry("c", "a", 1, AT, kind, {}, 1))
    begun = event_of(JournalEntry("c", "a", 1, AT, "initiated", {}, 1))
    assert begun is not None
    assert (begun.uuid, begun.state) == ("c", "initiated")


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_cursors_come_back_and_grow_as_text(one: int, other: int) -> None:
    assert position_of(cursor_of(one)) == one
    assert (cursor_of(one) < cursor_of(other)) == (one < other)


@pytest.mark.parametrize(
    "text", ["", "1", "00000000000001A3", "0x00000000000001", "000000000000001g", "٠" * 16, "0" * 17, "0" * 15 + "\n"]
)
def test_what_is_no_cursor(text: str) -> None:
    assert position_of(text) is None
