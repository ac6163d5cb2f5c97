"""A telephone engine as tests see it: what it said, in order, and ways to wait for what it will say."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from intellicall.ids import new_call_id
from intellicall.telephony.engine import (
    CallPlan,
    DigitPressed,
    Engine,
    EngineEvent,
    LegAnswered,
    LegEnded,
    LegEvent,
    LegNote,
    LegRinging,
    PhoneLine,
    Role,
    SoftphoneLine,
)

E = TypeVar("E", bound=EngineEvent)


class Heard:
    """Every event of one engine, and every note of those who `watch` it."""

    def __init__(self) -> None:
        self.events: list[EngineEvent] = []
        self.notes: list[LegNote] = []
        self._more = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, event: EngineEvent) -> None:
        self.events.append(event)
        task = asyncio.ensure_future(self._wake())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _wake(self) -> None:
        async with self._more:
            self._more.notify_all()

    def of_call(self, call_id: str) -> list[LegEvent]:
        """Return what was said of one call."""
        return [e for e in self.events if isinstance(e, LegRinging | LegAnswered | LegEnded) and e.call_id == call_id]

    async def wait(self, kind: type[E], suits: Callable[[E], bool] = lambda _: True, deadline_s: float = 15.0) -> E:
        """Return the first event of this kind that suits, past or to come. Raises TimeoutError."""

        def found() -> E | None:
            return next((e for e in self.events if isinstance(e, kind) and suits(e)), None)

        async with asyncio.timeout(deadline_s), self._more:
            await self._more.wait_for(lambda: found() is not None)
        event = found()
        assert event is not None
        return event

    async def until(self, holds: Callable[[], bool], deadline_s: float = 15.0) -> None:
        """Return once `holds()`; looked at after each event. Raises TimeoutError."""
        async with asyncio.timeout(deadline_s), self._more:
            await self._more.wait_for(holds)

    def forget(self) -> None:
        """Begin anew."""
        self.events.clear()


@dataclass
class TestCall:
    """One call of a test on one engine: places it and waits for its turns."""

    __test__ = False

    engine: Engine
    heard: Heard
    plan: CallPlan

    @property
    def id(self) -> str:
        return self.plan.call_id

    async def ring_agent(self) -> "TestCall":
        await self.engine.ring_agent(self.plan)
        return self

    async def to_agent(self) -> "TestCall":
        """Ring the agent and wait for the answer."""
        await self.ring_agent()
        await self.answered(Role.AGENT)
        return self

    async def to_customer(self) -> "TestCall":
        """Go as far as the customer being rung."""
        await self.to_agent()
        await self.engine.ring_customer(self.plan)
        return self

    async def to_talk(self) -> "TestCall":
        """Go as far as both talking."""
        await self.to_customer()
        await self.answered(Role.CUSTOMER)
        return self

    async def answered(self, leg: str) -> LegAnswered:
        return await self.heard.wait(LegAnswered, lambda e: e.call_id == self.id and e.leg == leg)

    async def ringing(self, leg: str) -> LegRinging:
        return await self.heard.wait(LegRinging, lambda e: e.call_id == self.id and e.leg == leg)

    async def ended(self, leg: str, deadline_s: float = 15.0) -> LegEnded:
        return await self.heard.wait(LegEnded, lambda e: e.call_id == self.id and e.leg == leg, deadline_s)

    async def over(self) -> tuple[LegEnded, LegEnded]:
        """Wait for both legs' ends; return the agent's and the customer's."""
        return await self.ended(Role.AGENT), await self.ended(Role.CUSTOMER)

    def ends(self, leg: str) -> list[LegEnded]:
        """Return every end that was told of this leg."""
        return [event for event in self.said() if isinstance(event, LegEnded) and event.leg == leg]

    def pressed(self, leg: str) -> str:
        """Return the keys that the party on this leg is told to have pressed, in order."""
        events = [event for event in self.heard.events if isinstance(event, DigitPressed)]
        return "".join(event.digit for event in events if event.call_id == self.id and event.leg == leg)

    async def told_keys(self, leg: str, keys: str) -> None:
        """Wait until as many keys of this leg were told, past or to come, and check that it is these. Raises TimeoutError."""
        await self.heard.until(lambda: len(self.pressed(leg)) >= len(keys))
        assert self.pressed(leg) == keys

    async def seen(self) -> dict[str, bool]:
        """Return the legs of this call that live now, each with whether it has answered."""
        return {leg.leg: leg.answered for leg in await self.engine.snapshot() if leg.call_id == self.id}

    def said(self) -> list[LegEvent]:
        return self.heard.of_call(self.id)


PLAN = CallPlan(
    call_id="",
    agent=PhoneLine("+12025550101", ("sandbox",)),
    customer_number="+12025550100",
    caller_id="+911140000000",
    trunks=("sandbox",),
    agent_ring_s=10,
    customer_ring_s=10,
    max_length_s=60,
    recording=None,
)


def plan(**changes: object) -> CallPlan:
    """Return a plan with a fresh call id: agent's phone and customer on the test network, unless told otherwise."""
    return replace(PLAN, **{"call_id": new_call_id(), **changes})  # type: ignore[arg-type]


__all__ = ["Heard", "SoftphoneLine", "TestCall", "plan"]
