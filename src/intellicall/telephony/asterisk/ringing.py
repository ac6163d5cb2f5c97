"""Ringing the legs that we ring ourselves: the agent's, and the further ones. One trunk after the other, audio proven first."""

import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from intellicall.clock import Clock
from intellicall.telephony.asterisk.connection import AriLink, ConnectionGone, RequestRefused
from intellicall.telephony.asterisk.furnishing import channel_uri, unless_gone
from intellicall.telephony.asterisk.keeper import Keeper
from intellicall.telephony.asterisk.legs import CallLegs, Leg, Outcome, leg_channel
from intellicall.telephony.asterisk.placing import agent_request, leg_request
from intellicall.telephony.engine import CallPlan, EngineUnavailable, LegPlan, Trunk

AUDIO_POLL_S = 0.02
AUDIO_DEADLINE_S = 5.0
LONGEST_S = 4 * 3600
"""How long a further leg may live when the call's own limit is not known."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What those who act on calls share: the links, time, a way to tell what happened, and a way to do things beside."""

    keeper: Keeper
    clock: Clock
    tell: Callable[[CallLegs, Iterable[Outcome]], None]
    beside: Callable[[Coroutine[Any, Any, None], str], None]


class Ringer:
    """Rings legs and sees them through to their answer. `place` puts a further leg where it belongs before it is dialed."""

    def __init__(
        self,
        ground: Ground,
        trunks: Callable[[], Mapping[str, Trunk]],
        recordings_dir: Path,
        place: Callable[[CallLegs, Leg], Awaitable[None]],
    ) -> None:
        self._ground = ground
        self._trunks = trunks
        self._recordings_dir = recordings_dir
        self._place = place
        self._plans: dict[tuple[str, str], CallPlan | LegPlan] = {}
        self._doubtful: dict[str, bool] = {}
        """Channels of which we told that they do not ring: whether they came all the same, and are being ended."""

    async def ring(self, call: CallLegs, leg: Leg, plan: CallPlan | LegPlan, ring_s: int) -> None:
        """Ring a leg that was not rung yet. Raises EngineUnavailable and ValueError: nothing rings then."""
        ari = self._ground.keeper.live().ari
        self._plans[call.call_id, leg.id] = plan
        leg.ring_until = self._ground.clock.monotonic() + ring_s
        try:
            await self._next(ari, call, leg, plan)
        except (ConnectionGone, EngineUnavailable) as gone:
            self._doubtful[leg_channel(call.call_id, leg.id, leg.tries)] = False
            raise EngineUnavailable("the engine did not answer") from gone

    def forget(self, call: CallLegs) -> None:
        for leg in call.legs:
            self._plans.pop((call.call_id, leg), None)

    def try_next_trunk(self, call: CallLegs, leg: Leg) -> None:
        """The trunk failed before ringing: take the next one, or tell that there is none."""
        plan = self._plans.get((call.call_id, leg.id))
        links = self._ground.keeper.links
        if plan is None or links is None:
            self._ground.tell(call, call.give_up(leg, self._ground.clock.now()))
        else:
            self._ground.beside(self._retry(links.ari, call, leg, plan), "next-trunk")

    def up(self, call: CallLegs, leg: Leg, at: datetime) -> None:
        """The far end answered: tell it, of a softphone only when its audio was received."""
        if leg.softphone:
            self.prove_audio(call, leg)
        else:
            self._ground.tell(call, call.answer(leg, at))

    def prove_audio(self, call: CallLegs, leg: Leg) -> None:
        """Tell `LegAnswered` once RTP came from the softphone; hang up when none does."""
        self._ground.beside(self._prove_audio(call, leg), "softphone-audio")

    async def end_doubtful(self, ari: AriLink, *, restarted: bool) -> None:
        """End what may ring although we told that it does not. What is not there yet is ended when it comes: see `is_late`."""
        if restarted:
            self._doubtful.clear()
        for channel in tuple(self._doubtful):
            await self._end(ari, channel)

    def is_late(self, channel: str, *, gone: bool = False) -> bool:
        """Whether we told of this channel that it will not ring; then it is ended, once. `gone`: it is over.

        An engine that thaws reads what lies in its old connection when it likes, also after it has heard from the new one.
        """
        if channel not in self._doubtful:
            return False
        links = self._ground.keeper.links
        if gone:
            del self._doubtful[channel]
        elif not self._doubtful[channel] and links is not None:
            self._doubtful[channel] = True
            self._ground.beside(self._end(links.ari, channel), "late-leg")
        return True

    async def _end(self, ari: AriLink, channel: str) -> None:
        try:
            await unless_gone(ari.request("DELETE", channel_uri(channel)))
        except ConnectionGone:  # the next one begins with what is doubtful
            if channel in self._doubtful:
                self._doubtful[channel] = False

    async def _retry(self, ari: AriLink, call: CallLegs, leg: Leg, plan: CallPlan | LegPlan) -> None:
        try:
            await self._next(ari, call, leg, plan)
        except (ConnectionGone, EngineUnavailable):
            self._doubtful[leg_channel(call.call_id, leg.id, leg.tries)] = False

    async def _next(self, ari: AriLink, call: CallLegs, leg: Leg, plan: CallPlan | LegPlan) -> None:
        """Ring a softphone, or a phone through the next trunk. Raises ConnectionGone, EngineUnavailable, ValueError."""
        left = leg.ring_until - self._ground.clock.monotonic()
        body = self._request(call, leg, plan, left)
        if body is None or call.hanging_up or leg.dropped:
            self._ground.tell(call, call.give_up(leg, self._ground.clock.now()))
            return
        leg.tries += 1
        leg.channel = channel = leg_channel(plan.call_id, leg.id, leg.tries)
        self._doubtful.pop(channel, None)
        try:
            if isinstance(plan, CallPlan):
                await ari.request("POST", channel_uri(channel), body=body)
                return
            made = await ari.request("POST", "channels/create", body={**body, "channelId": channel})
        except RequestRefused:  # no such endpoint, or nobody is registered there
            if leg.attempts < leg.tries and not leg.ended:
                leg.channel = None
                self._ground.tell(call, call.give_up(leg, self._ground.clock.now()))
            return
        leg.attempt(channel, made["name"])
        try:
            await self._place(call, leg)
        except EngineUnavailable:  # it is not dialed, so it must not stay
            with contextlib.suppress(ConnectionGone, RequestRefused):
                await ari.request("DELETE", channel_uri(channel))
            raise
        await self._dial(ari, channel, left)

    async def _dial(self, ari: AriLink, channel: str, left: float) -> None:
        try:
            await ari.request("POST", f"{channel_uri(channel)}/dial", query={"timeout": str(max(1, round(left)))})
        except RequestRefused:  # ended meanwhile; else nothing will ever become of it
            with contextlib.suppress(RequestRefused):
                await ari.request("DELETE", channel_uri(channel))

    def _request(self, call: CallLegs, leg: Leg, plan: CallPlan | LegPlan, left: float) -> dict[str, Any] | None:
        if isinstance(plan, CallPlan):
            return agent_request(plan, leg.tries, left, self._trunks(), self._recordings_dir)
        longest = plan.ring_s + (call.max_length_s or LONGEST_S)
        return leg_request(plan, leg.tries, left, self._trunks(), longest)

    async def _prove_audio(self, call: CallLegs, leg: Leg) -> None:
        clock = self._ground.clock
        deadline = clock.monotonic() + AUDIO_DEADLINE_S
        while (channel := leg.channel) is not None and (links := self._ground.keeper.links) is not None and not call.hanging_up:
            try:
                statistics = await links.ari.request("GET", f"{channel_uri(channel)}/rtp_statistics")
                if statistics and statistics.get("rxcount", 0) > 0:
                    self._ground.tell(call, call.answer(leg, clock.now()))
                    return
                if clock.monotonic() >= deadline:
                    leg.no_audio = True
                    await links.ari.request("DELETE", channel_uri(channel))
                    return
            except RequestRefused:
                pass  # not there yet, or gone: the next round tells
            except ConnectionGone:
                return
            await clock.sleep(AUDIO_POLL_S)
