# ruff: noqa: INP001
"""Development only: a call with orders, as the mock platform plays it. No telephony; docs/live-calls.md is what it imitates."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

CUSTOMER, CALLER_ID = "+12025550143", "+912240001234"
CUSTOMER_DISPLAY, CALLER_ID_DISPLAY = "+1 202-555-0143", "+91 22 4000 1234"
AGENT, OTHER = "agent.017", "meera.krishnan"

ALWAYS = ("mute", "unmute", "pause_recording", "resume_recording", "leave", "end")
ORDERS: Mapping[str, tuple[str, ...]] = {
    "talking": ("hold", "dtmf", "consult", "add", "transfer"),
    "held": ("resume", "consult", "transfer"),
    "consult_ringing": ("drop", "transfer"),
    "consulting": ("dtmf", "swap", "merge", "transfer", "drop"),
    "consult_held": ("dtmf", "swap", "merge", "transfer", "drop"),
    "adding": ("dtmf", "drop"),
    "three_way": ("hold", "dtmf", "transfer", "drop"),
    "transferring": ("drop",),
    "agent_away": (),
}
ANSWERED = tuple(ORDERS)
NEXT: Mapping[tuple[str, str], str] = {
    ("talking", "hold"): "held",
    ("held", "resume"): "talking",
    ("talking", "consult"): "consult_ringing",
    ("held", "consult"): "consult_ringing",
    ("talking", "add"): "adding",
    ("consulting", "swap"): "consult_held",
    ("consult_held", "swap"): "consulting",
    ("consulting", "merge"): "three_way",
    ("consult_held", "merge"): "three_way",
    ("three_way", "hold"): "consulting",
    ("talking", "transfer"): "transferring",
    ("held", "transfer"): "transferring",
    ("consult_ringing", "transfer"): "transferring",
    **{
        (state, "drop"): "talking"
        for state in ("consult_ringing", "consulting", "consult_held", "adding", "three_way", "transferring")
    },
}
ANSWERS = {"consult_ringing": "consulting", "adding": "three_way"}
RINGING = ("consult_ringing", "adding", "transferring")
ON_HOLD = {"held": "customer", "consult_ringing": "customer", "consulting": "customer", "consult_held": "p1"}

Tell = Callable[[], Awaitable[None]]


def now(seconds: float = 0) -> str:
    """UTC, `seconds` from now."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


class LiveCall:
    """One call in some state; `fields` is what the page is told."""

    def __init__(self, state: str = "initiated", *, seat: str = "agent", ask: bool = False, talked_s: float = 0) -> None:
        self.state, self.seat, self.ask = state, seat, ask
        self.answered_at = now(-talked_s) if state in ANSWERED else None
        self.muted = self.paused = False
        self.target: dict[str, str] = {"crm_username": OTHER}
        self.end: dict[str, Any] | None = None
        self.later: asyncio.Task[None] | None = None

    @property
    def fields(self) -> dict[str, Any]:
        live = self.state in ANSWERED
        guest = self.seat == "guest"
        own = ("answer", "decline") if self.ask else (("mute", "unmute", "leave") if guest else ALWAYS)
        return {
            "call_id": "5deb67aa-d54d-4536-9a25-a29813b3bddd",
            "uuid": "dev",
            "state": self.state,
            "customer_number": CUSTOMER,
            "customer_display": CUSTOMER_DISPLAY,
            "from_number": CALLER_ID,
            "from_display": CALLER_ID_DISPLAY,
            "started_at": now(),
            "answered_at": self.answered_at,
            "answer_token": "dev",
            "recording": True,
            "end": self.end,
            "seat": self.seat,
            "participant_id": "p1" if guest else "agent",
            "answer": "ask" if self.ask else "auto",
            "called_by": OTHER if guest else None,
            "allowed": [*own, *(() if guest else ORDERS[self.state])] if live else [],
            "participants": self._participants(),
            "recording_paused": self.paused,
            "disposition": "CRM_CALL",
            "notes": None,
        }

    def _participants(self) -> list[dict[str, Any]]:
        agent, guest_name = (OTHER, AGENT) if self.seat == "guest" else (AGENT, self.target.get("crm_username"))
        here = [self._one("agent", "agent", crm_username=agent), self._one("customer", "customer", number=CUSTOMER)]
        if (self.state in ON_HOLD and self.state != "held") or self.state in (*RINGING, "three_way"):
            state = "ringing" if self.state in RINGING else "connected"
            here.append(self._one("p1", "guest", crm_username=guest_name, number=self.target.get("number"), state=state))
        return here

    def _one(
        self, name: str, role: str, *, crm_username: str | None = None, number: str | None = None, state: str = "connected"
    ) -> dict[str, Any]:
        mine = role == self.seat
        return {
            "id": name,
            "role": role,
            "number": number,
            "display": CUSTOMER_DISPLAY if role == "customer" else number,
            "crm_username": crm_username,
            "state": state if self.state in ANSWERED or mine else "dialing",
            "muted": mine and self.muted,
            "on_hold": ON_HOLD.get(self.state) == name,
        }

    async def order(self, message: Mapping[str, Any], tell: Tell) -> None:
        """Carry out what the page ordered; `tell` sends the call as it is then."""
        order = message["order"]
        match order:
            case "mute" | "unmute":
                self.muted = order == "mute"
            case "pause_recording" | "resume_recording":
                self.paused = order == "pause_recording"
            case "leave" | "end":
                self.finish(*(("left", "You left the call") if order == "leave" else ("agent_hung_up", "The agent hung up.")))
            case "transfer" if self.state in ("consulting", "consult_held", "three_way"):
                self.finish("transferred", "The agent transferred the call.")
            case _ if (self.state, order) in NEXT:
                self.target = message.get("to") or self.target
                self.state = NEXT[self.state, order]
        await tell()
        self._answer_later(tell)

    def finish(self, reason: str, title: str, status: str = "ANSWER", remedy: str = "") -> None:
        talked = datetime.now(UTC) - datetime.fromisoformat(self.answered_at) if self.answered_at else timedelta()
        self.state = "ended"
        self.end = {
            "status": status,
            "reason": reason,
            "ended_by": "agent",
            "title": title,
            "remedy": remedy,
            "duration": int(talked.total_seconds()),
        }

    def _answer_later(self, tell: Tell) -> None:
        if self.later is not None:
            self.later.cancel()
        if self.state in ANSWERS:
            self.later = asyncio.create_task(self._answer(ANSWERS[self.state], tell))

    async def _answer(self, state: str, tell: Tell) -> None:
        await asyncio.sleep(2)
        self.state = state
        await tell()
