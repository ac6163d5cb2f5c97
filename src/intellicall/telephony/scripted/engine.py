"""A telephone engine that plays a script: the port's promises without telephony, on a clock that can be moved by hand.

For development (`INTELLICALL_ENGINE=scripted`) and for tests. `tests/contract` runs the same suite on it and on the real engine.
What a number does is a `Behaviour`; who asks for a number with none gets `unknown`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from intellicall.clock import Clock
from intellicall.telephony.engine import (
    CallPlan,
    Cause,
    EngineEvent,
    EngineLost,
    EngineReady,
    EngineUnavailable,
    LegAnswered,
    LegEnded,
    LegRinging,
    LegSeen,
    Listener,
    PhoneLine,
    Role,
    SipAccount,
    Trunk,
)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a far end does when it is rung. Seconds count from the ring; `hangs_up_s` from the answer. None: never."""

    rings: bool = True
    early_media: bool = False
    answers_s: float | None = 0.0
    refuses_s: float = 0.0  # when it neither answers nor rings for ever: after this long, with `cause`
    cause: Cause | None = None
    sip_code: int | None = None
    hangs_up_s: float | None = None


BEHAVIOURS: dict[str, Behaviour] = {
    "answers": Behaviour(),
    "answers_after_3s": Behaviour(answers_s=3),
    "busy": Behaviour(rings=False, answers_s=None, cause=Cause.BUSY, sip_code=486),
    "reject": Behaviour(answers_s=None, cause=Cause.REJECTED, sip_code=603),
    "no_answer": Behaviour(answers_s=None),
    "unknown": Behaviour(rings=False, answers_s=None, cause=Cause.NUMBER_UNKNOWN, sip_code=404),
    "early_media": Behaviour(early_media=True, answers_s=None, refuses_s=4, cause=Cause.UNAVAILABLE, sip_code=480),
    "hangs_up": Behaviour(hangs_up_s=5),
    "carrier_failure": Behaviour(rings=False, answers_s=None, cause=Cause.CARRIER_FAILURE, sip_code=503),
    "no_audio": Behaviour(answers_s=None, cause=Cause.NO_AUDIO),
}


@dataclass(slots=True)
class _Leg:
    role: Role
    answered: bool = False
    task: "asyncio.Task[None] | None" = None


@dataclass(slots=True)
class _Call:
    plan: CallPlan
    legs: dict[Role, _Leg] = field(default_factory=dict)
    customer_up_at: float | None = None


class ScriptedEngine:
    """The port `telephony.engine.Engine`, played. `dialed` lists every number or session that was rung, in order."""

    def __init__(self, clock: Clock, script: Mapping[str, Behaviour], recordings_dir: Path) -> None:
        self._clock = clock
        self._script = script
        self._recordings_dir = recordings_dir
        self._listener: Listener | None = None
        self._calls: dict[str, _Call] = {}
        self._accounts: dict[str, SipAccount] = {}
        self._ready = False
        self.softphone = BEHAVIOURS["answers"]
        self.dialed: list[str] = []
        self.trunks: list[Trunk] = []

    # -- the port -----------------------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        return self._ready

    def listen(self, listener: Listener) -> None:
        self._listener = listener

    async def start(self) -> None:
        self._ready = True
        self._say(EngineReady(self._now(), restarted=False))

    async def stop(self) -> None:
        self._ready = False
        for call in list(self._calls.values()):
            for leg in call.legs.values():
                if leg.task:
                    leg.task.cancel()

    async def set_trunks(self, trunks: Sequence[Trunk]) -> None:
        self.trunks = list(trunks)

    async def open_softphone(self, session_id: str) -> SipAccount:
        self._check()
        account = SipAccount(session_id, f"sp-{session_id}", f"secret-{session_id}", "softphone.invalid")
        return self._accounts.setdefault(session_id, account)

    async def close_softphone(self, session_id: str) -> None:
        self._accounts.pop(session_id, None)

    async def ring_agent(self, plan: CallPlan) -> None:
        self._check()
        if plan.call_id in self._calls:
            return
        self._calls[plan.call_id] = _Call(plan)
        if isinstance(plan.agent, PhoneLine):
            self.dialed.append(plan.agent.number)
            behaviour = self._script.get(plan.agent.number, BEHAVIOURS["unknown"])
        else:
            self.dialed.append(plan.agent.session_id)
            behaviour = self.softphone
        self._play(plan.call_id, Role.AGENT, behaviour, plan.agent_ring_s)

    async def ring_customer(self, plan: CallPlan) -> None:
        self._check()
        call = self._calls.get(plan.call_id)
        if call is None or Role.CUSTOMER in call.legs:
            return
        self.dialed.append(plan.customer_number)
        behaviour = self._script.get(plan.customer_number, BEHAVIOURS["unknown"])
        self._play(plan.call_id, Role.CUSTOMER, behaviour, plan.customer_ring_s)

    async def hang_up(self, call_id: str) -> None:
        self._check()
        call = self._calls.get(call_id)
        if call is None:
            return
        for role in (Role.CUSTOMER, Role.AGENT):
            if leg := call.legs.get(role):
                self._end(call_id, role, Cause.NORMAL if leg.answered else Cause.CANCELED)

    async def snapshot(self) -> list[LegSeen]:
        self._check()
        return [LegSeen(call_id, leg.role, leg.answered) for call_id, call in self._calls.items() for leg in call.legs.values()]

    # -- what a test or a developer does with it ----------------------------------------------------------------------

    def far_end_hangs_up(self, call_id: str, role: Role) -> None:
        """The party on this leg hangs up (or, not having answered, refuses)."""
        self._end(call_id, role, Cause.NORMAL, by_far_end=True)

    def lose(self) -> None:
        """The connection to the engine breaks; calls go on, unheard."""
        self._ready = False
        self._say(EngineLost(self._now()))

    def come_back(self, *, restarted: bool) -> None:
        """The connection is back. `restarted`: the engine died meanwhile and every call with it."""
        if restarted:
            for call in self._calls.values():
                for leg in call.legs.values():
                    if leg.task:
                        leg.task.cancel()
            self._calls.clear()
        self._ready = True
        self._say(EngineReady(self._now(), restarted=restarted))

    # -- playing ------------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        if not self._ready:
            raise EngineUnavailable("the scripted engine is away")

    def _say(self, event: EngineEvent) -> None:
        """Events in a gap are lost, as they are with the real engine."""
        if self._listener and (self._ready or isinstance(event, EngineLost)):
            self._listener(event)

    def _now(self) -> datetime:
        return self._clock.now()

    def _play(self, call_id: str, role: Role, behaviour: Behaviour, limit_s: float) -> None:
        leg = _Leg(role)
        self._calls[call_id].legs[role] = leg
        leg.task = asyncio.get_running_loop().create_task(self._live(call_id, role, behaviour, limit_s), name=f"leg-{role}")

    async def _live(self, call_id: str, role: Role, behaviour: Behaviour, limit_s: float) -> None:
        if behaviour.rings:
            self._say(LegRinging(call_id, role, self._now(), early_media=behaviour.early_media))
        if behaviour.answers_s is None or behaviour.answers_s > limit_s:
            await self._refuse(call_id, role, behaviour, limit_s)
            return
        await self._clock.sleep(behaviour.answers_s)
        call = self._calls[call_id]
        call.legs[role].answered = True
        if role is Role.CUSTOMER:
            call.customer_up_at = self._clock.monotonic()
        self._say(LegAnswered(call_id, role, self._now()))
        lasts = behaviour.hangs_up_s
        longest = float(call.plan.max_length_s) if role is Role.CUSTOMER else None
        if lasts is not None and (longest is None or lasts <= longest):
            await self._clock.sleep(lasts)
            self._end(call_id, role, Cause.NORMAL, by_far_end=True)
        elif longest is not None:
            await self._clock.sleep(longest)
            self._end(call_id, role, Cause.TIME_LIMIT)

    async def _refuse(self, call_id: str, role: Role, behaviour: Behaviour, limit_s: float) -> None:
        if behaviour.cause is None or behaviour.refuses_s > limit_s:
            await self._clock.sleep(limit_s)
            self._end(call_id, role, Cause.NO_ANSWER)
            return
        await self._clock.sleep(behaviour.refuses_s)
        self._end(call_id, role, behaviour.cause, by_far_end=True, sip_code=behaviour.sip_code)

    def _end(self, call_id: str, role: Role, cause: Cause, *, by_far_end: bool = False, sip_code: int | None = None) -> None:
        call = self._calls.get(call_id)
        leg = call.legs.pop(role, None) if call else None
        if call is None or leg is None:
            return
        if leg.task and leg.task is not asyncio.current_task():
            leg.task.cancel()
        if role is Role.CUSTOMER:
            self._record(call)
        self._say(LegEnded(call_id, role, self._now(), cause, by_far_end=by_far_end, sip_code=sip_code))
        other = Role.AGENT if role is Role.CUSTOMER else Role.CUSTOMER
        if other in call.legs:
            self._end(call_id, other, Cause.NORMAL if call.legs[other].answered else Cause.CANCELED)
        if not call.legs:
            self._calls.pop(call_id, None)

    def _record(self, call: _Call) -> None:
        """A silent recording of the right length: there is no audio here."""
        if call.plan.recording is None or call.customer_up_at is None:
            return
        seconds = self._clock.monotonic() - call.customer_up_at
        size = int(seconds * 8000) * 4
        (self._recordings_dir / f"{call.plan.recording}.raw").write_bytes(bytes(size))
