"""What a page sends, strictly: one meaning, or `Rude` for what no page of ours says. Pure (docs/softphone-protocol.md)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
TICKET = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
REF = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
CALL_ID = re.compile(r"[A-Za-z0-9_-]{1,36}", re.ASCII)
CURSOR = re.compile(r"[A-Za-z0-9_-]{1,512}", re.ASCII)
_PARTICIPANT = re.compile(r"[a-z0-9]{1,8}", re.ASCII)
_DIGITS = re.compile(r"[0-9*#A-D]{1,32}", re.ASCII)
_OTHER_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LONGEST_QUERY = 128
_LONGEST_NOTES = 4_000


class Rude(Exception):  # noqa: N818 - what somebody sent
    """The page says what no page of ours says."""


class PageOrder(StrEnum):
    """What an agent can order by the page. `end` is for all, `leave` the agent's own hang-up."""

    HOLD = "hold"
    RESUME = "resume"
    MUTE = "mute"
    UNMUTE = "unmute"
    DTMF = "dtmf"
    CONSULT = "consult"
    ADD = "add"
    SWAP = "swap"
    MERGE = "merge"
    TRANSFER = "transfer"
    DROP = "drop"
    LEAVE = "leave"
    END = "end"
    PAUSE_RECORDING = "pause_recording"
    RESUME_RECORDING = "resume_recording"
    ANSWER = "answer"
    DECLINE = "decline"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whom to call in: exactly one of any phone, an agent's softphone, an agent's phone."""

    number: str | None = field(default=None, repr=False)
    crm_username: str | None = None
    phone_of: str | None = None


@dataclass(frozen=True, slots=True)
class OrderMessage:
    """One `order`. `participant_id`, `digits` and `to` are there where the order needs them, or may have them."""

    call_id: str
    order: PageOrder
    participant_id: str | None = None
    digits: str | None = field(default=None, repr=False)
    to: Wanted | None = None


@dataclass(frozen=True, slots=True)
class NoteMessage:
    """One `note`; None leaves what is there."""

    call_id: str
    disposition: str | None
    notes: str | None


class Reported(StrEnum):
    """What a page reports of its side of a call."""

    MICROPHONE_ENDED = "microphone_ended"
    ICE_CONNECTED = "ice_connected"
    ICE_DISCONNECTED = "ice_disconnected"
    ICE_FAILED = "ice_failed"
    QUALITY = "quality"


@dataclass(frozen=True, slots=True)
class Report:
    """One `report`. `data` has figures for `quality` and is empty else."""

    call_id: str
    what: Reported
    data: Mapping[str, float]


_FIGURES = {"packets": 1e9, "lost": 1e9, "jitter_ms": 60_000.0, "rtt_ms": 60_000.0}
"""What `quality` may have, and the most that each can be."""


def read_report(message: Mapping[str, Any]) -> Report:
    """Raises Rude."""
    try:
        what = Reported(message.get("what", ""))
    except ValueError:
        raise Rude from None
    figures = _FIGURES if what is Reported.QUALITY else {}
    data = {name: _figure(message[name], most) for name, most in figures.items() if message.get(name) is not None}
    return Report(member(message, "call_id", CALL_ID), what, data)


def _figure(value: object, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise Rude
    return round(value, 1)


def read_order(message: Mapping[str, Any]) -> OrderMessage:
    """Raises Rude."""
    try:
        order = PageOrder(message.get("order", ""))
    except ValueError:
        raise Rude from None
    to = _wanted(message["to"]) if message.get("to") is not None else None
    digits = optional(message, "digits", _DIGITS)
    if (order is PageOrder.DTMF) != (digits is not None):
        raise Rude
    calls_somebody = order in (PageOrder.CONSULT, PageOrder.ADD)
    if (calls_somebody and to is None) or (to is not None and not calls_somebody and order is not PageOrder.TRANSFER):
        raise Rude
    return OrderMessage(member(message, "call_id", CALL_ID), order, optional(message, "participant_id", _PARTICIPANT), digits, to)


def _wanted(value: object) -> Wanted:
    if not isinstance(value, dict) or len(value) != 1:
        raise Rude
    [(name, whom)] = value.items()
    if name not in ("number", "crm_username", "phone_of") or not isinstance(whom, str) or not 0 < len(whom) <= _LONGEST_QUERY:
        raise Rude
    return Wanted(**{name: whom})


def read_note(message: Mapping[str, Any]) -> NoteMessage:
    """Raises Rude. Lines of notes end with one LF, other control characters (pasted text has them) become spaces.

    Whether the account has the disposition is not asked here.
    """
    disposition, notes = text(message, "disposition", _LONGEST_QUERY), text(message, "notes", _LONGEST_NOTES)
    if notes is not None:
        notes = _OTHER_CONTROLS.sub(" ", notes.replace("\r\n", "\n").replace("\r", "\n"))
    return NoteMessage(member(message, "call_id", CALL_ID), disposition, notes)


def read_query(message: Mapping[str, Any]) -> str:
    """Return what is searched for. Raises Rude."""
    query = text(message, "query", _LONGEST_QUERY)
    if query is None:
        raise Rude
    return query.strip()


def member(message: Mapping[str, Any], name: str, form: re.Pattern[str]) -> str:
    """Return a member that must be there in this form. Raises Rude."""
    value = message.get(name)
    if not isinstance(value, str) or not form.fullmatch(value):
        raise Rude
    return value


def optional(message: Mapping[str, Any], name: str, form: re.Pattern[str]) -> str | None:
    """Return a member in this form, or None where it is absent or null. Raises Rude."""
    return None if message.get(name) is None else member(message, name, form)


def text(message: Mapping[str, Any], name: str, longest: int) -> str | None:
    """Return free text of a person, or None where it is absent or null. Raises Rude when it is too long for the page's field."""
    value = message.get(name)
    if value is not None and (not isinstance(value, str) or len(value) > longest):
        raise Rude
    return value
