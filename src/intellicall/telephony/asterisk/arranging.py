"""Making it so: who hears whom in a call that is no longer just two people talking (promises 12 to 17).

A call stays in the plain lane for as long as agent and customer are together and end each other: muting and pausing need no
more. Anything else lifts it: both legs leave `Dial` at once into Stasis (AMI's Redirect with ExtraChannel, measured 3 ms), where
those who are together share one bridge and the others hear what they are to hear. What the engine has been told of each leg is
remembered, so the same arrangement again costs nothing, and forgotten with the connection, so that it repairs.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import structlog

from intellicall.telephony.asterisk.connection import ConnectionGone, RequestRefused
from intellicall.telephony.asterisk.dialplan import ENDS_VARIABLE, LIFTED_CONTEXT, TAKE_CONTEXT
from intellicall.telephony.asterisk.furnishing import bridge_uri, channel_uri, unless_gone
from intellicall.telephony.asterisk.keeper import Links
from intellicall.telephony.asterisk.legs import CallLegs, Leg
from intellicall.telephony.asterisk.mending import LETTING_GO_S, MISSED_S, Hearing, fill
from intellicall.telephony.asterisk.ringing import Ground
from intellicall.telephony.engine import Arrangement, EngineUnavailable, Place, Role

LIFT_DEADLINE_S = 2.0
LIFT_AGAIN_S = 0.03
SETTLED_S = 0.2
"""How long a customer has to be connected before the legs can be taken out of `Dial`: it may still be preparing the talk."""
PAUSE_TRIES = 20
PAUSE_AGAIN_S = 0.02

log = structlog.get_logger()


class Spot(StrEnum):
    """Where a leg is in Stasis, and the part of its ARI address that starts and stops it."""

    BRIDGE = "bridge"
    MUSIC = "moh"
    RINGBACK = "ring"
    QUIET = "silence"
    """Alone, hearing silence as RTP: a carrier that hears nothing at all for long ends the call."""
    NOWHERE = "nowhere"


_SOUNDS = frozenset({Spot.MUSIC, Spot.RINGBACK, Spot.QUIET})


@dataclass(slots=True)
class Stage:
    """One call's arrangement, and what the engine has been told of each channel; None: nobody knows."""

    wanted: Arrangement | None = None
    spots: dict[str, Spot | None] = field(default_factory=dict)
    muted: dict[str, bool | None] = field(default_factory=dict)
    ends: dict[str, str | None] = field(default_factory=dict)
    paused: bool | None = False
    bridged: bool = False
    hearing: Hearing = field(default_factory=Hearing)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    seen: asyncio.Event = field(default_factory=asyncio.Event)

    def unknown(self, call: CallLegs) -> None:
        """The connection is new: what was told may not be so any more."""
        channels = [leg.channel for leg in call.legs.values() if leg.channel is not None]
        self.spots = dict.fromkeys(channels, None)
        self.muted = dict.fromkeys(channels, None)
        self.ends = dict.fromkeys(channels, None)
        self.paused = None
        self.bridged = False
        self.hearing = Hearing()


class Arranger:
    """Arranges calls, one order of a call at a time; the last arrangement that was asked for is the one that counts."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._stages: dict[str, Stage] = {}

    async def arrange(self, call: CallLegs, arrangement: Arrangement) -> None:
        """See the port. Raises EngineUnavailable."""
        stage = self._stages.setdefault(call.call_id, Stage())
        stage.wanted = arrangement
        call.binding = arrangement.vital
        await self.settle(call)

    async def settle(self, call: CallLegs) -> None:
        """Make it so, as far as the legs are there; nothing where nothing was ever arranged. Raises EngineUnavailable."""
        stage = self._stages.get(call.call_id)
        if stage is None:
            return
        async with stage.turn:
            links = self._ground.keeper.live()
            try:
                await self._settle(links, call, stage)
            except (ConnectionGone, RequestRefused) as error:
                stage.unknown(call)
                raise EngineUnavailable("the engine did not do it") from error

    async def place(self, call: CallLegs, leg: Leg) -> None:
        """Put a leg that is about to be dialed where it belongs. Raises EngineUnavailable."""
        await self._in_stasis(self._stages.setdefault(call.call_id, Stage()), leg)
        await self.settle(call)

    def happened(self, call: CallLegs, *, changed: bool) -> None:
        """Something was heard of the call; `changed`: a leg answered or ended, so others may have to move."""
        stage = self._stages.get(call.call_id)
        if stage is None:
            return
        stage.seen.set()
        if not changed or stage.wanted is None or call.over or call.hanging_up:
            return
        if not any(leg.ended for leg in call.legs.values() if leg.id in stage.wanted.vital):  # else everybody is on his way out
            self._ground.beside(self._settle_later(call), "arrangement")

    def forget(self, call: CallLegs) -> None:
        """The call is over: take its bridge away."""
        self._stages.pop(call.call_id, None)
        if call.lifted and self._ground.keeper.links is not None:
            self._ground.beside(self._remove_bridge(call.call_id), "bridge-removal")

    def unknown(self, call: CallLegs) -> None:
        """What the engine was told of this call is not known (any more): the connection, or this process, is new."""
        self._stages.setdefault(call.call_id, Stage()).unknown(call)

    async def _settle_later(self, call: CallLegs) -> None:
        with contextlib.suppress(EngineUnavailable):
            await self.settle(call)

    async def _remove_bridge(self, call_id: str) -> None:
        links = self._ground.keeper.links
        if links is not None:
            with contextlib.suppress(ConnectionGone, RequestRefused):
                await links.ari.request("DELETE", bridge_uri(call_id))

    async def _settle(self, links: Links, call: CallLegs, stage: Stage) -> None:
        wanted = stage.wanted
        if wanted is None or call.over or call.hanging_up:
            return
        lift = not call.lifted and _needs_lift(call, wanted)
        if lift and not await self._lift(links, call, stage):
            lift = False
        await asyncio.gather(
            *(self._mute(links, leg, stage, leg.id in wanted.muted) for leg in call.legs.values()),
            self._pause(links, call, stage, wanted.paused),
        )
        if call.lifted:
            await self._guard(links, call, stage, wanted)
            await self._drop(links, call, stage, wanted)
            await self._listen(links, call, stage, wanted)
            await self._move(links, call, stage, wanted)

    # -- lifting -------------------------------------------------------------------------------------------------------

    async def _lift(self, links: Links, call: CallLegs, stage: Stage) -> bool:
        """Take both legs out of the plain lane. Returns False when there is nothing to lift (yet)."""
        agent, customer = call.agent, call.customer
        if customer is None or customer.up_at is None:
            return False
        clock = self._ground.clock
        await clock.sleep(SETTLED_S - (clock.now() - customer.up_at).total_seconds())
        deadline = clock.monotonic() + LIFT_DEADLINE_S
        while agent.lives and customer.lives and not call.hanging_up:
            with contextlib.suppress(RequestRefused):
                await self._redirect(links, agent, customer)
                if await self._in_stasis(stage, agent, customer):
                    call.lifted = True
                    stage.hearing.hears(agent.channel or "")
                    return True
            if clock.monotonic() >= deadline:
                log.warning("call could not be lifted", call_id=call.call_id)
                raise EngineUnavailable("the engine did not do it")
            await clock.sleep(LIFT_AGAIN_S)
        return False

    async def _redirect(self, links: Links, agent: Leg, customer: Leg) -> None:
        legs = {"Channel": agent.name or "", "ExtraChannel": customer.name or ""}
        where = {"Context": LIFTED_CONTEXT, "Exten": "s", "Priority": "1"}
        await links.ami.action("Redirect", legs | where | {f"Extra{key}": value for key, value in where.items()})

    async def _in_stasis(self, stage: Stage, *legs: Leg) -> bool:
        """Wait until the legs have come to Stasis; False when one ended on its way, or the time is up."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LIFT_DEADLINE_S):
                while not all(leg.in_stasis for leg in legs) and all(leg.lives for leg in legs):
                    stage.seen.clear()
                    await stage.seen.wait()
        return all(leg.in_stasis for leg in legs)

    # -- what works in every lane --------------------------------------------------------------------------------------

    async def _mute(self, links: Links, leg: Leg, stage: Stage, muted: bool) -> None:  # noqa: FBT001 - the truth is the argument
        channel = leg.channel
        if channel is not None and leg.lives and leg.name and stage.muted.get(channel, False) is not muted:
            await self._set(links, leg, "MUTEAUDIO(in)", "on" if muted else "off")
            stage.muted[channel] = muted

    async def _pause(self, links: Links, call: CallLegs, stage: Stage, paused: bool) -> None:  # noqa: FBT001 - as above
        """Let the recording take silence, or what is said. It begins a moment after the answer: then once more."""
        customer = call.customer
        if call.recording is None or customer is None or customer.up_at is None or stage.paused is paused:
            return
        for _ in range(PAUSE_TRIES):
            if not customer.lives:
                return
            with contextlib.suppress(RequestRefused):
                state = {"Channel": customer.name or "", "Direction": "both", "State": "1" if paused else "0"}
                await links.ami.action("MixMonitorMute", state)
                stage.paused = paused
                return
            await self._ground.clock.sleep(PAUSE_AGAIN_S)

    async def _set(self, links: Links, leg: Leg, variable: str, value: str) -> None:
        with contextlib.suppress(RequestRefused):  # the leg is gone
            await links.ami.action("Setvar", {"Channel": leg.name or "", "Variable": variable, "Value": value})

    # -- the recording's ear (see mending.py) ---------------------------------------------------------------------------

    async def _listen(self, links: Links, call: CallLegs, stage: Stage, wanted: Arrangement) -> None:
        """Begin the recording anew when the customer is about to hear somebody new alone. While it is paused, later."""
        customer = call.customer
        if call.recording is None or customer is None or customer.channel is None or not customer.in_stasis or wanted.paused:
            return
        goals = _goals(call, wanted.places)
        partners = [channel for channel, goal in goals.items() if goal is Spot.BRIDGE and channel != customer.channel]
        now = self._ground.clock.monotonic()
        if goals.get(customer.channel) is not Spot.BRIDGE or len(partners) != 1:
            stage.hearing.parts(now, mixed=goals.get(customer.channel) is Spot.BRIDGE)
        elif stage.hearing.stale(partners[0], now):
            stage.hearing.hears(partners[0])
            await self._begin_anew(links, call, stage, call.recording, customer)
        else:
            stage.hearing.hears(partners[0])

    async def _begin_anew(self, links: Links, call: CallLegs, stage: Stage, recording: Path, customer: Leg) -> None:
        channel = customer.channel or ""
        await self._leave(links, call, channel, stage.spots.get(channel, Spot.NOWHERE))
        stage.spots[channel] = Spot.NOWHERE
        take = {"context": TAKE_CONTEXT, "extension": "s", "priority": "1"}
        customer.in_stasis = False
        if not await _unless_refused(links.ari.request("POST", f"{channel_uri(channel)}/continue", query=take)):
            return
        await self._ground.clock.sleep(LETTING_GO_S / 2)
        with contextlib.suppress(OSError):
            await asyncio.to_thread(fill, recording, MISSED_S)
        if await self._in_stasis(stage, customer):
            call.takes += 1

    # -- the lifted lane -----------------------------------------------------------------------------------------------

    async def _guard(self, links: Links, call: CallLegs, stage: Stage, wanted: Arrangement) -> None:
        """Write onto each leg which channels the engine is to end with it, should nobody listen then."""
        live = [leg for leg in call.legs.values() if leg.lives and leg.name]
        todo = []
        for leg in live:
            others = "&".join(other.name or "" for other in live if other is not leg) if leg.id in wanted.vital else ""
            if leg.channel is not None and stage.ends.get(leg.channel, "") != others:
                stage.ends[leg.channel] = others
                todo.append(self._set(links, leg, ENDS_VARIABLE, others))
        await asyncio.gather(*todo)

    async def _drop(self, links: Links, call: CallLegs, stage: Stage, wanted: Arrangement) -> None:
        """End the legs that are not named: out of the bridge at once, so that nobody is mixed with one who is going."""
        for leg in call.legs.values():
            if leg.id not in wanted.places and not leg.ended and not leg.dropped:
                leg.dropped, channel = True, leg.channel
                if channel is not None:  # meanwhile it may end by itself, too
                    await self._leave(links, call, channel, stage.spots.get(channel, Spot.NOWHERE))
                    await unless_gone(links.ari.request("DELETE", channel_uri(channel)))

    async def _move(self, links: Links, call: CallLegs, stage: Stage, wanted: Arrangement) -> None:
        """Move the legs: first everybody out of where he is not to be, then everybody to where he is to be."""
        goals = _goals(call, wanted.places)
        moves = {channel: goal for channel, goal in goals.items() if stage.spots.get(channel, Spot.NOWHERE) is not goal}
        if Spot.BRIDGE in moves.values() and not stage.bridged:
            with contextlib.suppress(RequestRefused):  # it is there already
                await links.ari.request("POST", bridge_uri(call.call_id), query={"type": "mixing"})
            stage.bridged = True
        spots = {channel: stage.spots.get(channel, Spot.NOWHERE) for channel in moves}
        await asyncio.gather(*(self._leave(links, call, channel, spot) for channel, spot in spots.items()))
        entered = await asyncio.gather(*(self._enter(links, call, channel, spot) for channel, spot in moves.items()))
        stage.spots |= {channel: spot if done else None for (channel, spot), done in zip(moves.items(), entered, strict=True)}

    async def _leave(self, links: Links, call: CallLegs, channel: str, spot: Spot | None) -> None:
        if spot in {Spot.BRIDGE, None}:
            leave = links.ari.request("POST", f"{bridge_uri(call.call_id)}/removeChannel", query={"channel": channel})
            await _unless_refused(leave)
        for sound in _SOUNDS if spot is None else _SOUNDS & {spot}:
            await _unless_refused(links.ari.request("DELETE", f"{channel_uri(channel)}/{sound}"))

    async def _enter(self, links: Links, call: CallLegs, channel: str, spot: Spot) -> bool:
        if spot is Spot.NOWHERE:
            return True
        if spot is Spot.BRIDGE:
            into = {"channel": channel, "inhibitConnectedLineUpdates": "true"}
            return await _unless_refused(links.ari.request("POST", f"{bridge_uri(call.call_id)}/addChannel", query=into))
        return await _unless_refused(links.ari.request("POST", f"{channel_uri(channel)}/{spot}"))


def _needs_lift(call: CallLegs, wanted: Arrangement) -> bool:
    """Return whether the plain lane cannot do it: two people together who end each other, and nobody else."""
    both = {Role.AGENT, Role.CUSTOMER}
    named = {leg_id for leg_id in wanted.places if leg_id in call.legs and not call.legs[leg_id].ended}
    together = all(wanted.places.get(leg) is Place.TOGETHER for leg in both)
    return not (together and named <= both and both <= wanted.vital)


def _goals(call: CallLegs, places: Mapping[str, Place]) -> dict[str, Spot]:
    """Return where each channel that lives belongs now. Who is together with nobody hears silence, as RTP."""
    live = {leg.channel: leg for leg in call.legs.values() if leg.id in places and leg.lives and leg.in_stasis and not leg.dropped}
    company = sum(places[leg.id] is Place.TOGETHER for leg in live.values()) > 1
    return {channel: _goal(leg, places[leg.id], company=company) for channel, leg in live.items() if channel is not None}


def _goal(leg: Leg, place: Place, *, company: bool) -> Spot:
    if place is Place.TOGETHER and company:
        return Spot.BRIDGE
    if leg.up_at is None:
        return Spot.NOWHERE
    return {Place.MUSIC: Spot.MUSIC, Place.RINGBACK: Spot.RINGBACK}.get(place, Spot.QUIET)


async def _unless_refused(request: Awaitable[object]) -> bool:
    """Do it, unless the leg is gone or going; return whether it was done."""
    try:
        await request
    except RequestRefused:
        return False
    return True
