"""From the engine's channel events to the port's leg events: pure, one `CallLegs` per call, no clock and no I/O of its own.

Channels that we make are `CALL-LEG-N`, N counting the trunks tried. Every other channel that carries the call's id in its
inherited variable is the customer's. Events of channels in Stasis come twice; all but digits mean nothing the second time.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from intellicall.telephony.asterisk.causes import NOTHING_RECEIVED, SOFTHANGUP_DEV, cause_of, may_try_next
from intellicall.telephony.asterisk.dialplan import AGENT_CONTEXT, CALL_VARIABLE
from intellicall.telephony.asterisk.provisioning import SOFTPHONE_PREFIX
from intellicall.telephony.asterisk.quality import heard
from intellicall.telephony.engine import (
    Cause,
    DigitPressed,
    LegAnswered,
    LegEnded,
    LegEvent,
    LegNote,
    LegRinging,
    LegTried,
    Role,
    TryFailed,
)

_LIMIT_SLACK = timedelta(milliseconds=700)


@dataclass(frozen=True, slots=True)
class LegUp:
    """The far end of a leg that we rang has answered; for a softphone its audio has still to be proven."""

    call_id: str
    leg: str
    at: datetime


@dataclass(frozen=True, slots=True)
class TrunkFailed:
    """The trunk to a phone that we ring failed before ringing. Try the next one, or call `give_up`."""

    call_id: str
    leg: str


Outcome = LegEvent | DigitPressed | LegNote | LegUp | TrunkFailed


@dataclass(slots=True)
class Leg:
    """What was seen of one leg, over all trunks tried for it. `up_at` is SIP's answer, `answered` what the listener was told.

    `channel` and `name` are the engine's id and name of the channel that lives. `dropped`: we end this leg alone. `held`: an
    ending that is none if another trunk is tried; `behind`: one that is told after the end that caused it. `unsaid`: attempts that
    were not noted yet, each with the ending of the one before it, or None; `endpoint`: of the last one that was noted.
    """

    id: str
    softphone: bool = False
    channel: str | None = None
    name: str | None = None
    channels: set[str] = field(default_factory=set)
    tries: int = 0
    ring_until: float = 0.0
    in_stasis: bool = False
    rang: bool = False
    early: bool = False
    up_at: datetime | None = None
    answered: bool = False
    far_end_hung_up: bool = False
    redirected: bool = False
    no_audio: bool = False
    vanished: bool = False
    dropped: bool = False
    held: LegEnded | None = None
    behind: LegEnded | None = None
    ended: bool = False
    unsaid: list[LegEnded | None] = field(default_factory=list)
    endpoint: str | None = None
    last_digit: tuple[str, str] | None = field(default=None, repr=False)

    @property
    def attempts(self) -> int:
        """How many channels were made for it, one for each trunk tried."""
        return len(self.channels)

    @property
    def lives(self) -> bool:
        """Return whether there is a channel that can be told something."""
        return self.channel is not None and not self.ended

    def attempt(self, channel: str, name: str | None = None) -> None:
        """A channel was seen. A new one begins a new attempt; its first event may be any, even its hang-up."""
        if channel not in self.channels:
            self.channels.add(channel)
            self.channel = channel
            self.unsaid.append(self.held)
            self.held = None
            self.far_end_hung_up = self.in_stasis = False
        if channel == self.channel and name:
            self.name = name


def leg_channel(call_id: str, leg: str, attempt: int) -> str:
    """Return the id that we give to a leg's channel."""
    return f"{call_id}-{leg}-{attempt}"


def endpoint_of(channel_name: str | None) -> str | None:
    """Return the endpoint that a channel's name tells: `PJSIP/ENDPOINT-0000002a`."""
    return channel_name.removeprefix("PJSIP/").rpartition("-")[0] if channel_name else None


def channel_call(channel: dict[str, Any]) -> tuple[str, str] | None:
    """Return whose leg a channel (as ARI shows it) is: call and leg. None when it is not one of ours."""
    call_id = (channel.get("channelvars") or {}).get(CALL_VARIABLE)
    return (call_id, _leg_id(call_id, channel["id"])) if call_id else None


def _leg_id(call_id: str, channel_id: str) -> str:
    if channel_id.startswith(f"{call_id}-"):
        return channel_id[len(call_id) + 1 :].rpartition("-")[0]
    return Role.CUSTOMER


class CallLegs:
    """The legs of one call as the events show them. `binding`: those whose end ends the others."""

    def __init__(self, call_id: str, *, softphone: bool, max_length_s: int | None, recording: Path | None) -> None:
        self.call_id = call_id
        self.max_length_s = max_length_s
        self.recording = recording
        self.agent = Leg(Role.AGENT, softphone=softphone)
        self.legs: dict[str, Leg] = {Role.AGENT: self.agent}
        self.binding: frozenset[str] = frozenset({Role.AGENT, Role.CUSTOMER})
        self.lifted = False
        self.takes = 1  # how often the recording was begun, each time in the same file
        self.hanging_up = False
        self.recalled = False  # found on the engine by a platform that did not make it: what came before was missed

    @property
    def customer(self) -> Leg | None:
        return self.legs.get(Role.CUSTOMER)

    @property
    def over(self) -> bool:
        """Nothing more will be said of this call."""
        return all(leg.ended for leg in self.legs.values())

    def customer_ordered(self) -> Leg:
        """`ring_customer` was asked for: from now on there is a customer's leg that will end."""
        return self.legs.setdefault(Role.CUSTOMER, Leg(Role.CUSTOMER))

    def further(self, leg_id: str, *, softphone: bool) -> Leg:
        """`ring` was asked for: from now on there is this leg, and it will end."""
        return self.legs.setdefault(leg_id, Leg(leg_id, softphone=softphone))

    def answer(self, leg: Leg, at: datetime) -> Iterator[LegEvent]:
        """Tell that a leg is good (for a softphone: audio was received)."""
        if not leg.answered and not leg.ended:
            leg.answered = True
            yield LegAnswered(self.call_id, leg.id, at)

    def observe(self, kind: str, channel: dict[str, Any], event: dict[str, Any], at: datetime) -> Iterator[Outcome]:
        """Take one event about one of this call's channels; yield what it means."""
        leg = self._leg_of(channel)
        if leg.ended:
            return
        yield from self._attempted(leg, at)
        if kind == "Dial":
            leg.redirected = leg.redirected or bool(event.get("forward"))
            yield from self._dialed(leg, event.get("dialstatus", ""), at)
        elif kind == "ChannelStateChange":
            yield from self._state(leg, channel.get("state", ""), at)
        elif kind == "StasisStart":
            leg.in_stasis = True
            if leg is self.agent and not leg.answered:
                yield LegUp(self.call_id, leg.id, leg.up_at or at)
        elif kind == "ChannelHangupRequest":
            self._hangup_request(leg, channel["id"], event)
        elif kind == "ChannelDtmfReceived":
            yield from self._pressed(leg, event, at)
        elif kind == "ChannelDestroyed" and channel["id"] == leg.channel:
            leg.channel = None
            if leg.up_at is not None:
                yield from heard(self.call_id, leg.id, at, channel)
            yield from self._destroyed(leg, event, at)

    def adopt(self, leg_id: str, channel: dict[str, Any], since: datetime) -> Leg:
        """Take over a leg that a snapshot shows; nothing is told. `since` is when its channel was made."""
        leg = self._leg(leg_id, channel)
        leg.attempt(channel["id"], channel.get("name"))
        leg.unsaid.clear()
        state = channel.get("state")
        leg.in_stasis = channel.get("dialplan", {}).get("app_name") == "Stasis"
        leg.rang = leg.rang or state in {"Ringing", "Up"}
        if state == "Up":
            leg.up_at = leg.up_at or since
            proven = leg_id == Role.CUSTOMER or not leg.softphone or (leg is self.agent and self.customer is not None)
            on_its_way = not leg.in_stasis and channel.get("dialplan", {}).get("context") == AGENT_CONTEXT  # to Stasis; told later
            leg.answered = leg.answered or (proven and not on_its_way)
        if leg_id == Role.CUSTOMER and leg.in_stasis:
            self.lifted = True
        return leg

    def lose(self, alive: set[str]) -> None:
        """What a snapshot does not show ended while nobody listened; nothing is told."""
        for leg in self.legs.values():
            if leg.id not in alive and (leg.id != Role.CUSTOMER or leg.attempts > 0):
                leg.ended, leg.channel = True, None

    def give_up(self, leg: Leg, at: datetime) -> Iterator[LegEvent]:
        """No further trunk for this leg: the ending that was held back is the ending."""
        cause = Cause.CANCELED if self.hanging_up or leg.dropped else Cause.UNREACHABLE
        yield from self._finish(leg, leg.held or self._ended(leg, at, cause), at)

    def _attempted(self, leg: Leg, at: datetime) -> Iterator[LegNote]:
        """Note each attempt, and why there had to be another one. Trunks are named by their endpoints here."""
        for failed in leg.unsaid:
            if failed is not None:
                yield TryFailed(self.call_id, leg.id, failed.at, leg.endpoint, failed.cause, failed.sip_code)
            leg.endpoint = endpoint_of(leg.name)
            yield LegTried(self.call_id, leg.id, at, leg.endpoint)
        leg.unsaid.clear()

    def _leg_of(self, channel: dict[str, Any]) -> Leg:
        leg = self._leg(_leg_id(self.call_id, channel["id"]), channel)
        if not leg.ended:
            leg.attempt(channel["id"], channel.get("name"))
        return leg

    def _leg(self, leg_id: str, channel: dict[str, Any]) -> Leg:
        softphone = leg_id != Role.CUSTOMER and str(channel.get("name", "")).startswith(f"PJSIP/{SOFTPHONE_PREFIX}")
        return self.legs.setdefault(leg_id, Leg(leg_id, softphone=softphone))

    def _dialed(self, leg: Leg, status: str, at: datetime) -> Iterator[Outcome]:
        if status == "RINGING":
            yield from self._rings(leg, at)
        elif status == "PROGRESS" and not leg.early and leg.up_at is None:
            leg.rang = leg.early = True
            yield LegRinging(self.call_id, leg.id, at, early_media=True)
        elif status == "ANSWER":
            yield from self._answers(leg, at)

    def _state(self, leg: Leg, state: str, at: datetime) -> Iterator[Outcome]:
        if state == "Ringing":
            yield from self._rings(leg, at)
        elif state == "Up":
            yield from self._answers(leg, at)

    def _rings(self, leg: Leg, at: datetime) -> Iterator[LegEvent]:
        if not leg.rang and leg.up_at is None:
            leg.rang = True
            yield LegRinging(self.call_id, leg.id, at)

    def _answers(self, leg: Leg, at: datetime) -> Iterator[Outcome]:
        if leg.up_at is not None:
            return
        leg.up_at = at
        if leg.id == Role.CUSTOMER:
            yield from self.answer(leg, at)
        elif leg is not self.agent:
            yield LegUp(self.call_id, leg.id, at)

    def _pressed(self, leg: Leg, event: dict[str, Any], at: datetime) -> Iterator[DigitPressed]:
        digit = str(event.get("digit", ""))
        seen = (str(event.get("timestamp")), digit)
        if digit and seen != leg.last_digit:
            leg.last_digit = seen
            yield DigitPressed(self.call_id, leg.id, at, digit)

    def _hangup_request(self, leg: Leg, channel_id: str, event: dict[str, Any]) -> None:
        """Remember who asked first. `soft` marks what Asterisk does by itself or on our order."""
        already = self.hanging_up or leg.no_audio or leg.dropped or self._ended_by(leg) is not None
        if channel_id != leg.channel or already:
            return
        if not event.get("soft"):
            leg.far_end_hung_up = True
        elif event.get("cause") == SOFTHANGUP_DEV:
            leg.vanished = True

    def _ended_by(self, leg: Leg) -> Leg | None:
        """Return the other leg whose hang-up ends this one."""
        others = (other for other in self.legs.values() if other is not leg and other.id in self.binding)
        return next((other for other in others if other.far_end_hung_up and other.held is None), None)

    def _destroyed(self, leg: Leg, event: dict[str, Any], at: datetime) -> Iterator[Outcome]:
        if leg.redirected and leg.up_at is None and not self.hanging_up:
            leg.far_end_hung_up = True  # a 3xx, which is never followed
        code = 302 if leg.redirected else event.get("tech_cause")
        sip_code = code if isinstance(code, int) and 300 <= code <= 699 and leg.up_at is None and leg.far_end_hung_up else None
        ending = self._ended(leg, at, self._cause(leg, sip_code, event.get("cause"), at), sip_code)
        failed_early = leg.far_end_hung_up and leg.up_at is None and may_try_next(sip_code, rang=leg.rang)
        cause = self._ended_by(leg)
        if leg.id != Role.CUSTOMER and failed_early and not leg.softphone and not self.hanging_up and not leg.dropped:
            leg.held = ending
            yield TrunkFailed(self.call_id, leg.id)
        elif leg.id == Role.CUSTOMER and failed_early and not self.agent.ended and self.agent.behind is None:
            leg.held = ending  # until the next trunk's channel, or the agent's own end, tells what it means
        elif cause is not None and not cause.ended:
            leg.behind = ending
        else:
            yield from self._finish(leg, ending, at)

    def _finish(self, leg: Leg, ending: LegEnded, at: datetime) -> Iterator[LegEvent]:
        """Tell cause before effect: a customer who was never reached before the agent, unless the agent hung up."""
        waiting = leg is self.agent and not leg.far_end_hung_up
        if waiting:
            yield from self._end_unreached_customer(at)
        yield from self._end(leg, ending)
        if leg is self.agent and not waiting:
            yield from self._end_unreached_customer(at)
        for other in self.legs.values():
            if other.behind is not None:
                yield from self._end(other, other.behind)

    def _end_unreached_customer(self, at: datetime) -> Iterator[LegEvent]:
        customer = self.customer
        if customer is None or customer.ended or customer.channel is not None or customer.behind is not None:
            return
        cause = Cause.CANCELED if self.hanging_up or self.agent.far_end_hung_up else Cause.UNREACHABLE
        yield from self._end(customer, customer.held or self._ended(customer, at, cause))

    def _cause(self, leg: Leg, sip_code: int | None, q850: int | None, at: datetime) -> Cause:
        if leg.up_at is not None:
            vanished = leg.vanished and leg.answered and q850 == NOTHING_RECEIVED
            return Cause.VANISHED if vanished else self._cause_after_answer(leg, at)
        if leg.far_end_hung_up:
            return cause_of(sip_code, q850)
        if self._is_canceled(leg):
            return Cause.CANCELED
        if leg.rang:
            return Cause.NO_ANSWER
        return Cause.UNREACHABLE if leg.softphone else Cause.CARRIER_TIMEOUT

    def _is_canceled(self, leg: Leg) -> bool:
        """Return whether a leg that was not answered was ended by us, or by the end of a leg that ends it too."""
        left_alone = leg.id not in {Role.AGENT, Role.CUSTOMER} and any(
            other.ended for other in self.legs.values() if other.id in self.binding
        )
        return self.hanging_up or leg.dropped or left_alone or (leg is not self.agent and self._ended_by(leg) is not None)

    def _cause_after_answer(self, leg: Leg, at: datetime) -> Cause:
        if leg.id != Role.CUSTOMER and not leg.answered:
            return Cause.CANCELED if self._is_canceled(leg) else Cause.NO_AUDIO
        return Cause.TIME_LIMIT if leg.id == Role.CUSTOMER and not leg.dropped and self._limit_reached(at) else Cause.NORMAL

    def _limit_reached(self, at: datetime) -> bool:
        customer = self.customer
        if customer is None or customer.up_at is None or self.max_length_s is None or self.hanging_up:
            return False
        nobody = not any(leg.far_end_hung_up for leg in self.legs.values() if leg.id in {*self.binding, Role.CUSTOMER})
        return nobody and at - customer.up_at >= timedelta(seconds=self.max_length_s) - _LIMIT_SLACK

    def _ended(self, leg: Leg, at: datetime, cause: Cause, sip_code: int | None = None) -> LegEnded:
        return LegEnded(self.call_id, leg.id, at, cause, leg.far_end_hung_up, sip_code)

    def _end(self, leg: Leg, ending: LegEnded) -> Iterator[LegEvent]:
        leg.ended = True
        leg.held = leg.behind = None
        leg.in_stasis = False
        yield ending
