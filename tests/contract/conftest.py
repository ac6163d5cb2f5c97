"""Both engines under the same promises. Each test runs once for each."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest
from tests.contract.stage import RealStage, Room, ScriptedStage, Stage
from tests.support.asterisk_engines import EngineHome, RealEngine, engine_home
from tests.support.engines import Heard, TestCall, plan

from intellicall.clock import SystemClock
from intellicall.telephony.engine import Engine, EngineUnavailable, PhoneLine
from intellicall.telephony.scripted.engine import BEHAVIOURS, Behaviour, ScriptedEngine
from intellicall.telephony.testnet.network import TestNetwork
from intellicall.telephony.testnet.numbers import NUMBERS

__all__ = ["engine_home"]


class Harness(Protocol):
    """One engine with far ends. `number(behaviour)`: names are those of the test network's table."""

    heard: Heard
    recordings: Path

    @property
    def engine(self) -> Engine: ...

    async def lose(self) -> None:
        """Break the connection to the engine; calls go on."""
        ...

    async def come_back(self) -> None:
        """Let the connection come back to the same engine process."""
        ...


@dataclass
class ScriptedHarness:
    engine: ScriptedEngine
    recordings: Path
    script: dict[str, Behaviour]
    heard: Heard = field(default_factory=Heard)

    async def lose(self) -> None:
        self.engine.lose()

    async def come_back(self) -> None:
        self.engine.come_back(restarted=False)


# The names of the test network's numbers, with the scripted engine's words for what they do.
SCRIPTED = {
    "tone_1000": "answers",
    "tone_440": "answers",
    "busy": "busy",
    "reject": "reject",
    "no_answer": "no_answer",
    "unknown": "unknown",
    "early_media": "early_media",
    "hangs_up": "hangs_up",
}


@pytest.fixture
async def scripted(tmp_path: Path) -> AsyncIterator[ScriptedHarness]:
    script = {NUMBERS[name].number: BEHAVIOURS[behaviour] for name, behaviour in SCRIPTED.items()}
    harness = ScriptedHarness(ScriptedEngine(SystemClock(), script, tmp_path), tmp_path, script)
    harness.engine.listen(harness.heard)
    harness.engine.watch(harness.heard.notes.append)
    await harness.engine.start()
    yield harness
    await harness.engine.stop()


@pytest.fixture
async def asterisk(engine_home: EngineHome, test_network: TestNetwork) -> AsyncIterator[RealEngine]:
    async with engine_home.engine() as harness:
        await harness.engine.set_trunks([test_network.trunk])
        yield harness


@pytest.fixture(params=["scripted", pytest.param("asterisk", marks=pytest.mark.asterisk)])
def harness(request: pytest.FixtureRequest) -> Harness:
    """Return one engine that is ready, with the test network's numbers as far ends."""
    harness: Harness = request.getfixturevalue(request.param)
    return harness


class Calls:
    """Makes the calls of one test."""

    def __init__(self, harness: Harness) -> None:
        self._harness = harness

    def __call__(self, customer: str = "tone_1000", agent: str = "tone_440", **changes: object) -> TestCall:
        changes = {"agent": PhoneLine(NUMBERS[agent].number, ("sandbox",)), **changes}
        return TestCall(self._harness.engine, self._harness.heard, plan(customer_number=NUMBERS[customer].number, **changes))


@pytest.fixture
def call(harness: Harness) -> Calls:
    """Return a way to make a call: agent and customer by the names of the test network's numbers."""
    return Calls(harness)


@pytest.fixture
async def stage(harness: RealEngine | ScriptedHarness, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """Phones with people at them, in front of the engine."""
    if isinstance(harness, RealEngine):
        network: TestNetwork = request.getfixturevalue("test_network")
        async with RealStage(harness, network.trunk) as real:
            yield real
    else:
        assert isinstance(harness, ScriptedHarness)
        yield ScriptedStage(harness.engine, harness.script)


MakeRoom = Callable[..., Room]


@pytest.fixture
async def room(harness: Harness, stage: Stage) -> AsyncIterator[MakeRoom]:
    """Return a way to make a call among the stage's phones; changes are fields of the plan. Leaves no call behind."""
    rooms: list[Room] = []

    def make(**changes: object) -> Room:
        rooms.append(Room.of(harness.engine, harness.heard, stage, **changes))
        return rooms[-1]

    yield make
    for made in rooms:
        with contextlib.suppress(EngineUnavailable):
            await harness.engine.hang_up(made.id)
