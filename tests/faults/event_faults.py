"""What can happen to the engine's events and to the answers of its orders, for one play each."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.playing import Played, Venue
from tests.faults.scenarios import Scenario
from tests.faults.theatre import Stage

from intellicall.telephony.engine import EngineEvent, EngineUnavailable, LegAnswered, LegEnded, LegRinging

STREAMS = ("customer_busy", "agent_gave_up", "agent_no_answer", "recorded", "hung_up_on_hold", "warm_transfer", "transfer_failed")
GAP_S = 1.0
"""After so long a lost event is noticed, because the connection it was lost with is noticed."""
LATE_S = 30.0
DIALS = ("ring_agent", "ring_customer", "ring")
"""They say EngineUnavailable only when no phone rings or will ring (promise 2): whether one does is for the adapter to find out."""


def of_a_leg(event: EngineEvent) -> bool:
    return isinstance(event, LegRinging | LegAnswered | LegEnded)


@dataclass
class Fault:
    """Does something to the event number `at`, from 0 on, and to those after it. `stage` is set before the play."""

    at: int = -1
    stage: Stage | None = None
    seen: int = 0
    held: list[EngineEvent] = field(default_factory=list)
    gaps: list["asyncio.Task[None]"] = field(default_factory=list)
    releasing: bool = False

    def __call__(self, event: EngineEvent) -> Sequence[EngineEvent]:
        if self.releasing or not of_a_leg(event):
            return (event,)
        number, self.seen = self.seen, self.seen + 1
        return self.take(number, event)

    def take(self, number: int, event: EngineEvent) -> Sequence[EngineEvent]:
        return (event,)

    def gap(self) -> None:
        """What was held back comes after a while; then the connection is gone for a moment, and a snapshot is taken."""
        self.gaps.append(asyncio.get_running_loop().create_task(self._gap(), name="gap"))

    async def _gap(self) -> None:
        assert self.stage is not None
        await self.stage.clock.sleep(GAP_S)
        self.release()
        if self.stage.engine.ready:
            self.stage.engine.lose()
            self.stage.engine.come_back(restarted=False)

    def release(self) -> None:
        assert self.stage is not None
        held, self.held = self.held, []
        self.releasing = True
        for event in held:
            assert self.stage.engine._listener is not None
            self.stage.engine._listener(event)
        self.releasing = False


class Duplicated(Fault):
    def take(self, number: int, event: EngineEvent) -> Sequence[EngineEvent]:
        return (event, event) if number == self.at else (event,)


class AllDuplicated(Fault):
    def take(self, number: int, event: EngineEvent) -> Sequence[EngineEvent]:
        return (event, event)


class Dropped(Fault):
    def take(self, number: int, event: EngineEvent) -> Sequence[EngineEvent]:
        if number != self.at:
            return (event,)
        self.gap()
        return ()


class Swapped(Fault):
    """The event comes after the next one."""

    def take(self, number: int, event: EngineEvent) -> Sequence[EngineEvent]:
        if number == self.at:
            self.held.append(event)
            self.gap()
            return ()
        held, self.held = self.held, []
        return (event, *held)


@dataclass
class Shuffled(Fault):
    """Events come in any order within a window of ten, or of a second."""

    seed: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - a play, not a secret

    def take(self, number: int, event: EngineEvent) -> Sequence[EngineEvent]:
        if not self.held:
            self.gap()
        self.held.append(event)
        self._random.shuffle(self.held)
        if len(self.held) < 10:
            return ()
        window, self.held = self.held, []
        return window


@dataclass
class Mixed(Fault):
    """Of each event it is drawn whether it comes, comes twice, is lost with the connection, or comes after the next one."""

    seed: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - a play, not a secret

    def take(self, number: int, event: EngineEvent) -> Sequence[EngineEvent]:
        held, self.held = self.held, []
        match self._random.randrange(6):
            case 0:
                return (event, event, *held)
            case 1:
                self.gap()
                return held
            case 2:
                self.held.append(event)
                self.gap()
                return held
        return (event, *held)


@dataclass
class Order:
    """What becomes of the answer to the order number `at`: `late`, or lost with the connection."""

    at: int
    late: bool
    stage: Stage | None = None
    seen: list[str] = field(default_factory=list)

    async def __call__(self, name: str, carry_out: Callable[[], Any]) -> Any:
        number = len(self.seen)
        self.seen.append(name)
        answer = await carry_out()
        if number != self.at:
            return answer
        assert self.stage is not None
        if self.late:
            await self.stage.clock.sleep(LATE_S)
            return answer
        self.stage.engine.lose()
        await self.stage.clock.sleep(GAP_S)
        self.stage.engine.come_back(restarted=False)
        if name in DIALS:
            return answer
        raise EngineUnavailable


async def play(venue: Venue, scenario: Scenario, *faults: Any) -> Played:
    """Play with these faults, which have to know the stage."""

    def on_stage(stage: Stage) -> None:
        for fault in faults:
            fault.stage = stage

    hooks = {"twist" if isinstance(fault, Fault) else "around": fault for fault in faults}
    return await venue.run(scenario, before=on_stage, **hooks)
