"""The kinds of things that happen to a call and are told outside: live (`GET /events`) and, opt-in, to the callback URL.

Their meaning and data: docs/live-calls.md. Known below all rooms, because accounts choose among them, calls make them, callbacks
push them.
"""

from enum import StrEnum

ALL_EVENTS = "all"  # in an account's list: every type, also those that a later version adds


class EventType(StrEnum):
    """Stable names. Renaming one breaks integrations."""

    INITIATED = "initiated"
    AGENT_RINGING = "agent_ringing"
    AGENT_ANSWERED = "agent_answered"
    CUSTOMER_RINGING = "customer_ringing"
    ANSWERED = "answered"
    HELD = "held"
    RESUMED = "resumed"
    MUTED = "muted"
    UNMUTED = "unmuted"
    PARTICIPANT_RINGING = "participant_ringing"
    PARTICIPANT_JOINED = "participant_joined"
    PARTICIPANT_LEFT = "participant_left"
    TRANSFERRED = "transferred"
    RECORDING_PAUSED = "recording_paused"
    RECORDING_RESUMED = "recording_resumed"
    AGENT_AWAY = "agent_away"
    UPDATED = "updated"
    ENDED = "ended"
    RECORDING_READY = "recording_ready"
    RECORDING_FAILED = "recording_failed"
    RECORDING_DELETED = "recording_deleted"
