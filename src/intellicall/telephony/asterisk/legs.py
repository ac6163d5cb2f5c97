"""From the engine's channel events to the port's leg events: pure, one `CallLegs` per call, no clock and no I/O of its own.

The agent's channels are `CALL-agent-N`, N counting the trunks tried. Every other channel that carries the call's id in its
inherited variable is the customer's. Each event is observed once, in the order of the one socket.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from intellicall.telephony.asterisk.causes import cause_of, may_try_next
from intellicall.telephony.asterisk.dialplan import CALL_VARIABLE
from intellicall.telephony.engine import Cause, LegAnswered, LegEnded, LegEvent, LegRinging, Role

AGENT_MARK = "-agent-"
_LIMIT_SLACK = timedelta(milliseconds=700)


@dataclass(frozen=True, slots=True)
class AgentUp:
    """The agent's leg is answered and waits in Stasis; for a softphone its audio has still to be proven."""

    call_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AgentTrunkFailed:
    """The trunk to the agent's phone failed before ringing. Try the next one, or call `give_up_agent`."""

    call_id: str


Outcome = LegEvent | AgentUp | AgentTrunkFailed


@dataclass(slots=True)
class Leg:
    """What was seen of one leg, over all trunks tried for it. `up` is SIP's answer, `answered` what the listener was told."""

    role: Role
    channel: str | None = None
    channels: set[str] = field(default_factory=set)
    rang: bool = False
    early: bool = False
    up_at: datetime | None = None
    answered: bool = False
    far_end_hung_up: bool = False
    redirected: bool = False
    held: LegEnded | None = None
    ended: bool = False

    @property
    def attempts(self) -> int:
        """How many channels were made for it, one for each trunk tried."""
        return len(self.channels)

    def attempt(self, channel: str) -> None:
        """A channel was seen. A new one begins a new attempt; its first event may be any, even its hang-up."""
        if channel not in self.channels:
            self.channels.add(channel)
            self.channel = channel
            self.held = None
            self.far_end_hung_up = False


def channel_call(channel: dict[str, Any]) -> tuple[str, Role] | None:
    """Return whose leg a channel (as ARI shows it) is, or None when it is not one of ours."""
    call_id = (channel.get("channelvars") or {}).get(CALL_VARIABLE)
    if not call_id:
        return None
    return call_id, Role.AGENT if channel["id"].startswith(f"{call_id}{AGENT_MARK}") else Role.CUSTOMER


def agent_channel(call_id: str, attempt: int) -> str:
    """Return the id that we give to the agent's channel."""
    return f"{call_id}{AGENT_MARK}{attempt}"


class CallLegs:
    """The two legs of one call as the events show them."""

    def __init__(self, call_id: str, *, softphone: bool, max_length_s: int | None, recording: Path | None) -> None:
        self.call_id = call_id
        self.softphone = softphone
        self.max_length_s = max_length_s
        self.recording = recording
        self.agent = Leg(Role.AGENT)
        self.customer: Leg | None = None
        self.hanging_up = False
        self.no_audio = False
        self.agent_tries = 0
        self.ring_until = 0.0

    @property
    def over(self) -> bool:
        """Nothing more will be said of this call."""
        return self.agent.ended and (self.customer is None or self.customer.ended)

    def customer_ordered(self) -> Leg:
        """`ring_customer` was asked for: from now on there is a customer's leg that will end."""
        if self.customer is None:
            self.customer = Leg(Role.CUSTOMER)
        return self.customer

    def agent_answered(self, at: datetime) -> Iterator[LegEvent]:
        """Tell that the agent's leg is good (for a softphone: audio was received)."""
        if not self.agent.answered and not self.agent.ended:
            self.agent.answered = True
            yield LegAnswered(self.call_id, Role.AGENT, at)

    def observe(self, kind: str, channel: dict[str, Any], event: dict[str, Any], at: datetime) -> Iterator[Outcome]:
        """Take one event about one of this call's channels; yield what it means."""
        leg = self._leg_of(channel)
        if leg.ended:
            return
        if kind == "Dial":
            leg.redirected = leg.redirected or bool(event.get("forward"))
            yield from self._dialed(leg, event.get("dialstatus", ""), at)
        elif kind == "ChannelStateChange":
            yield from self._state(leg, channel.get("state", ""), at)
        elif kind == "StasisStart":
            if leg is self.agent and not leg.answered:
                yield AgentUp(self.call_id, leg.up_at or at)
        elif kind == "ChannelHangupRequest":
            self._hangup_request(leg, channel["id"], event)
        elif kind == "ChannelDestroyed" and channel["id"] == leg.channel:
            leg.channel = None
            yield from self._destroyed(leg, event, at)

    def adopt(self, role: Role, channel: dict[str, Any], since: datetime) -> None:
        """Take over a leg that a snapshot shows; nothing is told. `since` is when its channel was made."""
        leg = self.agent if role is Role.AGENT else self.customer_ordered()
        leg.attempt(channel["id"])
        state = channel.get("state")
        leg.rang = leg.rang or state in {"Ringing", "Up"}
        if state == "Up":
            leg.up_at = leg.up_at or since
            leg.answered = leg.answered or role is Role.CUSTOMER or not self.softphone or self.customer is not None

    def give_up_agent(self, at: datetime) -> Iterator[LegEvent]:
        """No further trunk to the agent: the ending that was held back is the ending."""
        cause = Cause.CANCELED if self.hanging_up else Cause.UNREACHABLE
        yield from self._end_agent(self.agent.held or self._ended(self.agent, at, cause), at)

    def _leg_of(self, channel: dict[str, Any]) -> Leg:
        agents = channel["id"].startswith(f"{self.call_id}{AGENT_MARK}")
        leg = self.agent if agents else self.customer_ordered()
        if not leg.ended:
            leg.attempt(channel["id"])
        return leg

    def _dialed(self, leg: Leg, status: str, at: datetime) -> Iterator[LegEvent]:
        if status == "RINGING":
            yield from self._rings(leg, at)
        elif status == "PROGRESS" and not leg.early and leg.up_at is None:
            leg.rang = leg.early = True
            yield LegRinging(self.call_id, leg.role, at, early_media=True)
        elif status == "ANSWER":
            yield from self._answers(leg, at)

    def _state(self, leg: Leg, state: str, at: datetime) -> Iterator[LegEvent]:
        if state == "Ringing":
            yield from self._rings(leg, at)
        elif state == "Up":
            yield from self._answers(leg, at)

    def _rings(self, leg: Leg, at: datetime) -> Iterator[LegEvent]:
        if not leg.rang and leg.up_at is None:
            leg.rang = True
            yield LegRinging(self.call_id, leg.role, at)

    def _answers(self, leg: Leg, at: datetime) -> Iterator[LegEvent]:
        if leg.up_at is not None:
            return
        leg.up_at = at
        if leg.role is Role.CUSTOMER:
            leg.answered = True
            yield LegAnswered(self.call_id, leg.role, at)

    def _hangup_request(self, leg: Leg, channel_id: str, event: dict[str, Any]) -> None:
        """Remember who asked first. `soft` marks what Asterisk does by itself or on our order."""
        other = self.customer if leg is self.agent else self.agent
        already = self.hanging_up or self.no_audio or (other is not None and other.far_end_hung_up and not other.held)
        if channel_id == leg.channel and not event.get("soft") and not already:
            leg.far_end_hung_up = True

    def _destroyed(self, leg: Leg, event: dict[str, Any], at: datetime) -> Iterator[Outcome]:
        if leg.redirected and leg.up_at is None and not self.hanging_up:
            leg.far_end_hung_up = True  # a 3xx, which is never followed
        code = 302 if leg.redirected else event.get("tech_cause")
        sip_code = code if isinstance(code, int) and 300 <= code <= 699 and leg.up_at is None and leg.far_end_hung_up else None
        ending = self._ended(leg, at, self._cause(leg, sip_code, event.get("cause"), at), sip_code)
        failed_early = leg.far_end_hung_up and leg.up_at is None and may_try_next(sip_code, rang=leg.rang)
        if leg is self.agent:
            if failed_early and not self.softphone and not self.hanging_up:
                leg.held = ending
                yield AgentTrunkFailed(self.call_id)
                return
            yield from self._end_agent(ending, at)
        elif (failed_early or self.agent.far_end_hung_up) and not self.agent.ended:
            leg.held = ending  # until the next trunk's channel, or the agent's own end, tells what it means
        else:
            yield from self._end(leg, ending)

    def _end_agent(self, ending: LegEnded, at: datetime) -> Iterator[LegEvent]:
        """Tell cause before effect: the agent's end first when the agent hung up, else the customer's."""
        first = self.agent.far_end_hung_up
        if first:
            yield from self._end(self.agent, ending)
        yield from self._end_customer_with_agent(at)
        if not first:
            yield from self._end(self.agent, ending)

    def _end_customer_with_agent(self, at: datetime) -> Iterator[LegEvent]:
        customer = self.customer
        if customer is None or customer.ended or customer.channel is not None:
            return
        cause = Cause.CANCELED if self.hanging_up or self.agent.far_end_hung_up else Cause.UNREACHABLE
        yield from self._end(customer, customer.held or self._ended(customer, at, cause))

    def _cause(self, leg: Leg, sip_code: int | None, q850: int | None, at: datetime) -> Cause:
        if leg.up_at is not None:
            return self._cause_after_answer(leg, at)
        if leg.far_end_hung_up:
            return cause_of(sip_code, q850)
        if self.hanging_up or (leg is self.customer and self.agent.far_end_hung_up):
            return Cause.CANCELED
        if leg.rang:
            return Cause.NO_ANSWER
        return Cause.UNREACHABLE if leg is self.agent and self.softphone else Cause.CARRIER_TIMEOUT

    def _cause_after_answer(self, leg: Leg, at: datetime) -> Cause:
        if leg is self.agent and not leg.answered:
            return Cause.CANCELED if self.hanging_up else Cause.NO_AUDIO
        return Cause.TIME_LIMIT if leg is self.customer and self._limit_reached(at) else Cause.NORMAL

    def _limit_reached(self, at: datetime) -> bool:
        customer = self.customer
        if customer is None or customer.up_at is None or self.max_length_s is None or self.hanging_up:
            return False
        nobody = not customer.far_end_hung_up and not self.agent.far_end_hung_up
        return nobody and at - customer.up_at >= timedelta(seconds=self.max_length_s) - _LIMIT_SLACK

    def _ended(self, leg: Leg, at: datetime, cause: Cause, sip_code: int | None = None) -> LegEnded:
        return LegEnded(self.call_id, leg.role, at, cause, leg.far_end_hung_up, sip_code)

    def _end(self, leg: Leg, ending: LegEnded) -> Iterator[LegEvent]:
        leg.ended = True
        leg.held = None
        yield ending
