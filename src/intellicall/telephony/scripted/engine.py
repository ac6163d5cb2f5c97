"""A telephone engine that plays a script: the port's promises without telephony, on a clock that can be moved by hand.

For development (`INTELLICALL_ENGINE=scripted`) and for tests. `tests/contract` runs the same suite on it and on the real engine.
What a number does is a `Behaviour`; who asks for a number with none gets `unknown`. A softphone does what `softphones` says of
its session, or else `softphone`. A trunk that is named in `failing` fails with that SIP code (promise 8).
"""

import asyncio
import re
from collections.abc import Collection, Coroutine, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from intellicall.clock import Clock
from intellicall.telephony.engine import (
    Arrangement,
    CallPlan,
    Cause,
    DigitPressed,
    EngineDied,
    EngineEvent,
    EngineLost,
    EngineReady,
    EngineUnavailable,
    LegAnswered,
    LegEnded,
    LegNote,
    LegPlan,
    LegRinging,
    LegSeen,
    LegTried,
    Listener,
    PhoneLine,
    Place,
    Role,
    SipAccount,
    SoftphoneLine,
    Trunk,
    TrunkState,
    TryFailed,
    Watcher,
)
from intellicall.telephony.scripted.behaviour import BEHAVIOURS, Behaviour
from intellicall.telephony.scripted.play import PlayedCall, PlayedLeg

_KEYS = re.compile(r"[0-9*#A-D]+")

__all__ = ["BEHAVIOURS", "Behaviour", "ScriptedEngine"]


class ScriptedEngine:
    """The port `telephony.engine.Engine`, played.

    For tests to read, all in order and kept after the calls' ends: `dialed` lists every number or session that was rung, `arranged`
    has the last arrangement of each call that had one, `digits` lists what `send_digits` let a leg hear (call, leg, digits).
    For tests to set: `deaf` names calls that `hang_up` does not reach.
    """

    def __init__(self, clock: Clock, script: Mapping[str, Behaviour], recordings_dir: Path) -> None:
        self._clock = clock
        self._script = script
        self._recordings_dir = recordings_dir
        self._listener: Listener | None = None
        self._watcher: Watcher | None = None
        self._calls: dict[str, PlayedCall] = {}
        self._rung: set[tuple[str, str]] = set()
        self._bygone: list[LegAnswered | LegEnded] = []
        self._accounts: dict[str, SipAccount] = {}
        self._ready = False
        self._lost_at: datetime | None = None
        self._died_at: datetime | None = None
        self.softphone = BEHAVIOURS["answers"]
        self.softphones: dict[str, Behaviour] = {}
        self.dialed: list[str] = []
        self.arranged: dict[str, Arrangement] = {}
        self.digits: list[tuple[str, str, str]] = []
        self.trunks: list[Trunk] = []
        self.failing: dict[str, int] = {}
        self.deaf: set[str] = set()

    # -- the port -----------------------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        return self._ready

    def listen(self, listener: Listener) -> None:
        self._listener = listener

    def watch(self, watcher: Watcher) -> None:
        self._watcher = watcher

    async def start(self) -> None:
        self._ready = True
        self._say(EngineReady(self._now(), restarted=False, before=self._died_at))

    async def stop(self) -> None:
        self._ready = False
        for call in self._calls.values():
            call.stop_playing()

    async def set_trunks(self, trunks: Sequence[Trunk]) -> None:
        self.trunks = list(trunks)

    async def trunk_states(self) -> dict[str, TrunkState]:
        self._check()
        return {trunk.name: TrunkState.REGISTERED if trunk.register else TrunkState.STATIC for trunk in self.trunks}

    async def open_softphone(self, session_id: str) -> SipAccount:
        self._check()
        account = SipAccount(session_id, f"sp-{session_id}", f"secret-{session_id}", "softphone.invalid")
        return self._accounts.setdefault(session_id, account)

    async def close_softphone(self, session_id: str) -> None:
        self._accounts.pop(session_id, None)

    async def ring_agent(self, plan: CallPlan) -> None:
        self._check()
        if plan.call_id not in self._calls and self._first_time(plan.call_id, Role.AGENT):
            self._calls[plan.call_id] = PlayedCall(plan)
            self._play(plan.call_id, Role.AGENT, plan.agent, plan.agent_ring_s)

    async def ring_customer(self, plan: CallPlan) -> None:
        self._check()
        if plan.call_id in self._calls and self._first_time(plan.call_id, Role.CUSTOMER):
            self._play(plan.call_id, Role.CUSTOMER, PhoneLine(plan.customer_number, plan.trunks), plan.customer_ring_s)

    async def ring(self, plan: LegPlan) -> None:
        """See the port. For a call that is over, nothing rings and the leg is told as CANCELED at once."""
        self._check()
        if not self._first_time(plan.call_id, plan.leg):
            return
        if plan.call_id in self._calls:
            self._play(plan.call_id, plan.leg, plan.line, plan.ring_s)
        else:
            self._say(LegEnded(plan.call_id, plan.leg, self._now(), Cause.CANCELED))

    async def arrange(self, call_id: str, arrangement: Arrangement) -> None:
        self._check()
        if call := self._calls.get(call_id):
            self.arranged[call_id] = call.arrangement = arrangement
            self._end_all(call_id, call.unnamed())

    async def send_digits(self, call_id: str, leg: str, digits: str) -> None:
        if not _KEYS.fullmatch(digits):
            raise ValueError("there are no such keys")
        self._check()
        if self._living(call_id, leg):
            self.digits.append((call_id, leg, digits))

    async def hang_up(self, call_id: str) -> None:
        self._check()
        call = self._calls.get(call_id)
        if call and call_id not in self.deaf:
            self._end_all(call_id, sorted(call.legs, key=lambda leg: leg != Role.CUSTOMER))

    async def snapshot(self) -> list[LegSeen]:
        self._check()
        return [LegSeen(call_id, leg.leg, leg.answered) for call_id, call in self._calls.items() for leg in call.legs.values()]

    async def missed(self, call_ids: Collection[str]) -> list[LegAnswered | LegEnded]:
        self._check()
        return [event for event in self._bygone if event.call_id in call_ids]

    # -- what a test or a developer does with it ----------------------------------------------------------------------

    def far_end_answers(self, call_id: str, leg: str) -> None:
        """The party on this leg picks up a ringing phone, and stays. Nothing happens unless it is rung."""
        if (living := self._living(call_id, leg)) and not living.answered:
            if living.task:
                living.task.cancel()
            self._go_on(living, self._talk(call_id, leg, None))

    def far_end_hangs_up(self, call_id: str, leg: str) -> None:
        """The party on this leg hangs up (or, not having answered, refuses)."""
        if living := self._living(call_id, leg):
            if living.answered:
                self._end(call_id, leg, Cause.NORMAL, by_far_end=True)
            else:
                self._end(call_id, leg, Cause.REJECTED, by_far_end=True, sip_code=603)

    def press(self, call_id: str, leg: str, digit: str) -> None:
        """The party on this leg presses one key. Nothing happens unless it has answered. Raises ValueError for no key."""
        if len(digit) != 1 or not _KEYS.fullmatch(digit):
            raise ValueError("there is no such key")
        if (living := self._living(call_id, leg)) and living.answered:
            self._say(DigitPressed(call_id, leg, self._now(), digit))

    def hears(self, call_id: str, leg: str) -> set[str] | Place:
        """Return what this leg hears: the legs whose voice reaches it, or music, ringback or silence.

        Together with nobody else it is the empty set, as it is for a leg that has not answered or is gone. A leg that is still
        rung is among those heard where its early media or ringback is (promise 12); a muted leg never is (promise 14).
        """
        call = self._calls.get(call_id)
        return call.hears(leg) if call else set()

    def legs(self, call_id: str) -> dict[str, bool]:
        """Return the legs that live now, each with whether it has answered: what a snapshot shows, in a gap too."""
        call = self._calls.get(call_id)
        return {leg.leg: leg.answered for leg in call.legs.values()} if call else {}

    def recorded(self, call_id: str) -> bool:
        """Tell whether talk goes into a recording now: the customer has answered, the call is recorded, and not paused."""
        call = self._calls.get(call_id)
        return (
            call is not None
            and call.plan.recording is not None
            and call.customer_up_at is not None
            and Role.CUSTOMER in call.legs
            and not call.arrangement.paused
        )

    def lose(self) -> None:
        """The connection to the engine breaks; calls go on, unheard."""
        self._ready = False
        self._lost_at = self._now()
        self._say(EngineLost(self._lost_at))

    def die(self) -> None:
        """The engine's process ends, and every call with it; `come_back(restarted=True)` is its next life."""
        self.lose()
        self._died_at = self._lost_at
        self._drop_calls()
        if self._listener:
            self._listener(EngineDied(self._now()))

    def _drop_calls(self) -> None:
        for call in self._calls.values():
            call.stop_playing()
        self._calls.clear()

    def come_back(self, *, restarted: bool) -> None:
        """The connection is back. `restarted`: the engine died meanwhile and every call with it, none of whose ends is told."""
        if restarted:
            self._died_at = self._lost_at
            self._drop_calls()
        self._ready = True
        self._say(EngineReady(self._now(), restarted=restarted, before=self._died_at))

    # -- playing ------------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        if not self._ready:
            raise EngineUnavailable("the scripted engine is away")

    def _say(self, event: EngineEvent) -> None:
        """Events in a gap are lost, as they are with the real engine; what they told is remembered."""
        if isinstance(event, LegEnded) or (isinstance(event, LegAnswered) and event.leg == Role.CUSTOMER):
            self._bygone.append(event)
        if self._listener and (self._ready or isinstance(event, EngineLost)):
            self._listener(event)

    def _now(self) -> datetime:
        return self._clock.now()

    def _living(self, call_id: str, leg: str) -> PlayedLeg | None:
        call = self._calls.get(call_id)
        return call.legs.get(leg) if call else None

    def _first_time(self, call_id: str, leg: str) -> bool:
        """A leg is rung once, also after its end; so nothing more is ever said of it."""
        first = (call_id, leg) not in self._rung
        self._rung.add((call_id, leg))
        return first

    def _dial(self, line: SoftphoneLine | PhoneLine) -> Behaviour:
        if isinstance(line, PhoneLine):
            self.dialed.append(line.number)
            return self._script.get(line.number, BEHAVIOURS["unknown"])
        self.dialed.append(line.session_id)
        return self.softphones.get(line.session_id, self.softphone)

    def _try(self, call_id: str, leg: str, line: SoftphoneLine | PhoneLine) -> Behaviour:
        """Go from trunk to trunk until one does not fail. The last one's failure is the leg's."""
        trunks: tuple[str | None, ...] = line.trunks if isinstance(line, PhoneLine) else ()
        for following, trunk in enumerate(trunks or (None,), 1):
            self._note(LegTried(call_id, leg, self._now(), trunk))
            code = self.failing.get(trunk or "")
            if code is None:
                break
            if following >= len(trunks):
                return Behaviour(rings=False, answers_s=None, cause=Cause.CARRIER_FAILURE, sip_code=code)
            self._note(TryFailed(call_id, leg, self._now(), trunk, Cause.CARRIER_FAILURE, code))
        return self._dial(line)

    def _note(self, note: LegNote) -> None:
        if self._watcher and self._ready:
            self._watcher(note)

    def _play(self, call_id: str, leg: str, line: SoftphoneLine | PhoneLine, limit_s: float) -> None:
        behaviour = self._try(call_id, leg, line)
        played = self._calls[call_id].legs[leg] = PlayedLeg(leg)
        self._go_on(played, self._live(call_id, leg, behaviour, limit_s))

    def _go_on(self, played: PlayedLeg, play: Coroutine[Any, Any, None]) -> None:
        played.task = asyncio.get_running_loop().create_task(play, name=f"leg-{played.leg}")

    async def _live(self, call_id: str, leg: str, behaviour: Behaviour, limit_s: float) -> None:
        if behaviour.rings:
            self._say(LegRinging(call_id, leg, self._now(), early_media=behaviour.early_media))
        if behaviour.answers_s is None or behaviour.answers_s > limit_s:
            await self._refuse(call_id, leg, behaviour, limit_s)
            return
        await self._clock.sleep(behaviour.answers_s)
        await self._talk(call_id, leg, behaviour.hangs_up_s)

    async def _talk(self, call_id: str, leg: str, hangs_up_s: float | None) -> None:
        call = self._calls[call_id]
        call.legs[leg].answered = True
        if leg == Role.CUSTOMER:
            call.customer_up_at = self._clock.monotonic()
            call.limit = asyncio.get_running_loop().create_task(self._keep_limit(call), name="maximum-length")
        self._say(LegAnswered(call_id, leg, self._now()))
        if hangs_up_s is not None:
            await self._clock.sleep(hangs_up_s)
            self._end(call_id, leg, Cause.NORMAL, by_far_end=True)

    async def _refuse(self, call_id: str, leg: str, behaviour: Behaviour, limit_s: float) -> None:
        if behaviour.cause is None or behaviour.refuses_s > limit_s:
            await self._clock.sleep(limit_s)
            self._end(call_id, leg, Cause.NO_ANSWER)
            return
        await self._clock.sleep(behaviour.refuses_s)
        self._end(call_id, leg, behaviour.cause, by_far_end=True, sip_code=behaviour.sip_code)

    async def _keep_limit(self, call: PlayedCall) -> None:
        """End everybody at the maximum length, however they are arranged and whether or not the customer is still there."""
        await self._clock.sleep(call.plan.max_length_s)
        first = Role.CUSTOMER if Role.CUSTOMER in call.legs else next(iter(call.legs))
        self._end(call.plan.call_id, first, Cause.TIME_LIMIT)
        self._end_all(call.plan.call_id, list(call.legs))

    def _end_all(self, call_id: str, legs: Sequence[str]) -> None:
        """End these legs by our own hand; none of them takes others along."""
        for leg in legs:
            self._leave(call_id, leg)

    def _end(self, call_id: str, leg: str, cause: Cause, *, by_far_end: bool = False, sip_code: int | None = None) -> None:
        """End this leg and, when it is vital, all others with it (promise 5)."""
        call = self._calls.get(call_id)
        if call is not None and leg in call.legs:
            along = call.taken_along_by(leg)
            self._leave(call_id, leg, cause, by_far_end=by_far_end, sip_code=sip_code)
            self._end_all(call_id, along)

    def _leave(
        self, call_id: str, leg: str, cause: Cause | None = None, *, by_far_end: bool = False, sip_code: int | None = None
    ) -> None:
        call = self._calls.get(call_id)
        if call is None or (left := call.legs.pop(leg, None)) is None:
            return
        if left.task and left.task is not asyncio.current_task():
            left.task.cancel()
        if leg == Role.CUSTOMER:
            self._record(call)
        if not call.legs:
            call.stop_playing()
            self._calls.pop(call_id, None)
        cause = cause or left.cause_when_we_end_it
        self._say(LegEnded(call_id, leg, self._now(), cause, by_far_end=by_far_end, sip_code=sip_code))

    def _record(self, call: PlayedCall) -> None:
        """A silent recording of the right length: there is no audio here."""
        if call.plan.recording is None or call.customer_up_at is None:
            return
        seconds = self._clock.monotonic() - call.customer_up_at
        size = int(seconds * 8000) * 4
        (self._recordings_dir / f"{call.plan.recording}.raw").write_bytes(bytes(size))
