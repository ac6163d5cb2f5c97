"""How a call is shown: to the account's backend, to the softphones in it, and, once, as the result of the guide's section 5."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from intellicall.accounts.numbers import display
from intellicall.calls.arrangement import on_hold
from intellicall.calls.call import Call, Leg, Participant, allowed
from intellicall.calls.endings import ENDINGS, duration_of, ended_by, status_of
from intellicall.calls.people import Person
from intellicall.calls.request import Request
from intellicall.calls.table import Party, State
from intellicall.recordings.outcome import Outcome
from intellicall.telephony.engine import SoftphoneLine


@dataclass(frozen=True, slots=True)
class Entry:
    """A call, whole: what was asked for, where it stands, the number of its last journal entry, and what people said of it.

    `people` are those who were called in later, in order; `transferred_to` the ids of those who took over the agent's seat.
    """

    request: Request
    call: Call
    seq: int
    recording_url: str | None = None
    disposition: str | None = None  # None: the account's default, which the request holds
    notes: str | None = None
    people: tuple[Person, ...] = ()
    transferred_to: tuple[str, ...] = ()
    recording: Outcome | None = None  # None: not known before the end

    def person(self, participant_id: str) -> Person:
        """Return who has, or last had, this participant id."""
        for person in reversed(self.people):
            if person.id == participant_id:
                return person
        request = self.request
        if participant_id == "customer":
            return Person("customer", "customer", request.customer_number, request.plan.customer_number)
        return Person(
            "agent",
            "agent",
            request.agent_number,
            None,
            request.crm_username,
            request.agent_id,
            request.softphone,
            request.crm_username,
        )

    def seat_of_agent(self, agent_id: str) -> tuple[Party, Participant] | None:
        """Return where an agent sits with a softphone now, also one who is waited for; None for one who is not, or not any more, in
        the call.
        """
        for seat, participant in self.call.seats.items():
            person = self.person(participant.id)
            waited_for = seat is Party.AGENT and self.call.state is State.AGENT_AWAY
            if (participant.here or waited_for) and person.agent_id == agent_id and person.softphone:
                return seat, participant
        return None

    def softphone_of(self, agent_id: str) -> SoftphoneLine | None:
        """Return the softphone on which the agent is in the call."""
        found = self.seat_of_agent(agent_id)
        return self.person(found[1].id).softphone if found else None


def result(entry: Entry) -> dict[str, Any]:
    """Return the record that is pushed, in the guide's order, then our additions; what is not known before the end is None."""
    request, call = entry.request, entry.call
    over = not call.live
    return {
        "call_id": request.call_id,
        "uuid": request.uuid or request.call_id,
        "status": status_of(call) if over else None,
        "duration": duration_of(call) if over else None,
        "customer_number": request.customer_number,
        "agent_number": request.agent_number,
        "crm_username": request.crm_username,
        "call_type": request.call_type,
        "disposition": entry.disposition or request.disposition,
        "direction": "outbound",
        "start_time": iso(call.created_at),
        "end_time": iso(call.ended_at) if over else None,
        "recording_url": entry.recording_url,
        "answer_time": iso(call.answered_at),
        "reason": call.reason if over else None,
        "ended_by": ended_by(call) if over else None,
        "transferred_to": [entry.person(participant_id).name for participant_id in entry.transferred_to],
        "notes": entry.notes,
        "recording": entry.recording,
    }


def api_view(entry: Entry) -> dict[str, Any]:
    """Return the call for `GET /calls/{call_id}`: the result as far as it is known, where it stands and who is in it."""
    call = entry.call
    return result(entry) | {
        "state": call.state,
        "from_number": entry.request.from_number,
        "recording_paused": call.paused,
        "allowed": list(allowed(call)),
        "participants": participants(entry),
    }


_LEG_WORDS = {Leg.NONE: "dialing", Leg.DIALING: "dialing", Leg.RINGING: "ringing", Leg.UP: "connected", Leg.GONE: "left"}


def participants(entry: Entry) -> list[dict[str, Any]]:
    """Return everybody who is or was in the call, agent and customer first, as docs/live-calls.md shows them."""
    ids = dict.fromkeys(["agent", "customer", *(person.id for person in entry.people)])
    return [_participant(entry, participant_id) for participant_id in ids]


def _participant(entry: Entry, participant_id: str) -> dict[str, Any]:
    call, person = entry.call, entry.person(participant_id)
    seat, participant = call.participant(participant_id) or (None, Participant(participant_id, Leg.GONE))
    waits = participant.leg is Leg.NONE and call.state in (State.ENDING, State.ENDED)
    return {
        "id": participant_id,
        "role": seat or (Party.AGENT if participant_id in ("agent", *entry.transferred_to) else Party.GUEST),
        "number": person.number,
        "crm_username": person.crm_username,
        "state": "left" if waits else _LEG_WORDS[participant.leg],
        "muted": participant.muted,
        "on_hold": seat is not None and on_hold(call, seat),
    }


def softphone_agents(entry: Entry) -> list[str]:
    """Return the agents who are, or were, in the call with a softphone."""
    first = [entry.request.agent_id] if entry.request.softphone else []
    later = [person.agent_id for person in entry.people if person.softphone]
    return list(dict.fromkeys(agent_id for agent_id in (*first, *later) if agent_id))


_GUESTS_OWN = ("mute", "unmute")


def softphone_view(entry: Entry, agent_id: str | None) -> dict[str, Any]:
    """Return the call for the page of one agent in it (docs/softphone-protocol.md, `call`)."""
    request, call = entry.request, entry.call
    found = entry.seat_of_agent(agent_id) if agent_id else None
    seat, participant = found or (None, _was(entry, agent_id))
    person = entry.person(participant.id)
    gone = call.live and call.answered and seat is None and participant.leg is Leg.GONE and call.state is not State.ENDING
    return {
        "call_id": request.call_id,
        "uuid": request.uuid or request.call_id,
        "state": State.ENDED if gone else call.state,
        "seat": seat or Party.AGENT,
        "participant_id": participant.id,
        "customer_number": display(request.plan.customer_number),
        "from_number": display(request.plan.caller_id),
        "started_at": iso(call.created_at, "milliseconds"),
        "answered_at": iso(call.answered_at, "milliseconds"),
        "answer_token": person.softphone.answer_token if person.softphone else None,
        "answer": "ask" if seat is Party.GUEST else "auto",
        "called_by": person.called_by if participant.id != "agent" else None,
        "recording": call.recorded,
        "recording_paused": call.paused,
        "disposition": entry.disposition or request.disposition,
        "notes": entry.notes,
        "allowed": [] if gone else _page_orders(call, seat, participant),
        "participants": [shown | _for_people(entry, shown["id"]) for shown in participants(entry)],
        "end": _left_end(entry, participant.id) if gone else (None if call.live else _end(call)),
    }


def history_view(entry: Entry) -> dict[str, Any]:
    """Return a call that has ended for the history of a page (docs/softphone-protocol.md, `calls`)."""
    request, end = entry.request, _end(entry.call)
    return {
        "call_id": request.call_id,
        "customer_display": display(request.plan.customer_number),
        "from_display": display(request.plan.caller_id),
        "started_at": iso(entry.call.created_at, "milliseconds"),
        "duration": end["duration"],
        "status": end["status"],
        "reason": end["reason"],
        "title": end["title"],
        "disposition": entry.disposition or request.disposition,
        "notes": entry.notes,
        "recording_url": entry.recording_url,
    }


def _page_orders(call: Call, seat: Party | None, participant: Participant) -> list[str]:
    names = allowed(call)
    if seat is Party.GUEST and not participant.up:
        return ["answer", "decline"]
    if seat is Party.GUEST:
        return [*(name for name in names if name in _GUESTS_OWN), "leave"]
    return [*(name for name in names if name != "hangup"), *(["end", "leave"] if "hangup" in names else [])]


def _was(entry: Entry, agent_id: str | None) -> Participant:
    """Where an agent who has no leg now is, or was."""
    ids = [person.id for person in entry.people if person.agent_id == agent_id]
    participant_id = ids[-1] if ids else "agent"
    found = entry.call.participant(participant_id)
    return found[1] if found else Participant(participant_id, Leg.GONE)


DEPARTURES: dict[str, str] = {
    "left": "They left the call.",
    "dropped": "They were taken out of the call.",
    "softphone_lost": "Their softphone was closed or lost its connection.",
    "no_answer": "They did not answer.",
    "rejected": "They declined the call.",
    "busy": "They are in another call.",
    "unavailable": "Their phone is switched off or out of reach.",
    "unreachable": "Their phone could not be reached.",
    "number_unknown": "There is no such number.",
    "number_refused": "The call to them was not let through.",
    "no_audio": "No sound came from their softphone.",
    "carrier_failure": "The carrier could not connect the call.",
    "carrier_timeout": "The carrier did not react.",
    "canceled": "The call to them was taken back.",
    "time_limit": "The maximum length of a call was reached.",
    "engine_lost": "The telephone engine failed.",
    "engine_unavailable": "The telephone engine was not available.",
}
"""Why somebody who was called in is not, or not any more, in the call: `Person.left`, in plain words."""


def _for_people(entry: Entry, participant_id: str) -> dict[str, str | None]:
    """What a page shows of a participant beside the API's fields: a name, and why somebody who was called in is not there."""
    person = entry.person(participant_id)
    name = person.crm_username or (display(person.e164) if person.e164 else person.number) or participant_id
    return {"display": name, "reason": person.left, "reason_title": DEPARTURES[person.left] if person.left else None}


def _left_end(entry: Entry, participant_id: str) -> dict[str, Any]:
    """What an agent is told who has left a call that goes on: by a transfer whoever had the agent's seat, else as a guest."""
    transferred = participant_id in ("agent", *entry.transferred_to)
    title = "You transferred the call." if transferred else "You left the call."
    reason = "transferred" if transferred else "left"
    return {"status": "ANSWER", "reason": reason, "ended_by": "agent", "title": title, "remedy": "", "duration": None}


def _end(call: Call) -> dict[str, Any]:
    assert call.reason is not None  # noqa: S101 - calls.call gives every end a reason
    ending = ENDINGS[call.reason]
    return {
        "status": status_of(call),
        "reason": call.reason,
        "ended_by": ended_by(call),
        "title": ending.title,
        "remedy": ending.remedy,
        "duration": duration_of(call),
    }


def iso(at: datetime | None, timespec: str = "seconds") -> str | None:
    """Return ISO 8601 in UTC, by default in whole seconds as the guide writes it: 2026-07-03T10:00:00Z."""
    return at.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z") if at else None
