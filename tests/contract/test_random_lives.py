"""Random lives of calls on the scripted engine: whatever is ordered and whoever hangs up, in whatever order, the promises hold.

The machine does not foresee what the engine does. It compares the legs that live before and after each step with what the port
promises for such a step, and what was told with the legs that came and went. Time is moved by hand.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.support.clock import HandClock
from tests.support.engines import plan

from intellicall.telephony.engine import (
    Arrangement,
    CallPlan,
    Cause,
    DigitPressed,
    EngineEvent,
    EngineUnavailable,
    LegAnswered,
    LegEnded,
    LegPlan,
    LegRinging,
    PhoneLine,
    Place,
    SoftphoneLine,
)
from intellicall.telephony.scripted.engine import BEHAVIOURS, ScriptedEngine

MAX_LENGTH_S = 30
RING_S = 10
LEGS = ("agent", "customer", "p1", "p2")
SCRIPT = {f"+1202555{place:04}": behaviour for place, behaviour in enumerate(BEHAVIOURS.values(), 1000)}
STAYS = f"+1202555{1000 + list(BEHAVIOURS).index('answers')}"

numbers = st.one_of(st.just(STAYS), st.sampled_from(list(SCRIPT)))
legs = st.sampled_from(LEGS)
arrangements = st.builds(
    Arrangement,
    places=st.one_of(
        st.just(dict.fromkeys(LEGS, Place.TOGETHER)),
        st.dictionaries(legs, st.sampled_from(Place), min_size=2),
    ),
    vital=st.one_of(st.just(frozenset({"customer"})), st.frozensets(legs)),
    muted=st.frozensets(legs),
    paused=st.booleans(),
)


@dataclass
class Life:
    """One call: what was ordered for it, what was told of it, and which legs were last seen alive."""

    plan: CallPlan
    arrangement: Arrangement | None = None
    rung: set[str] = field(default_factory=set)
    living: set[str] = field(default_factory=set)
    unheard: set[str] = field(default_factory=set)
    events: list[EngineEvent] = field(default_factory=list)
    up_since: float | None = None
    pressed: list[tuple[str, str]] = field(default_factory=list)

    @property
    def vital(self) -> frozenset[str]:
        return self.arrangement.vital if self.arrangement else frozenset({"agent", "customer"})

    def told(self, kind: type[LegRinging | LegAnswered | LegEnded], leg: str) -> int:
        return sum(isinstance(event, kind) and event.leg == leg for event in self.events)


class Lives(RuleBasedStateMachine):
    """One call after the other on one engine, and everything that can be ordered or can happen."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self.folder = tempfile.TemporaryDirectory()
        self.clock = HandClock()
        self.engine = ScriptedEngine(self.clock, SCRIPT, Path(self.folder.name))
        self.engine.listen(self.hear)
        self.failures: list[dict[str, Any]] = []
        self.runner.get_loop().set_exception_handler(lambda _, context: self.failures.append(context))
        self.lives: dict[str, Life] = {}
        self.runner.run(self.engine.start())
        self.begin(STAYS, STAYS)

    def teardown(self) -> None:
        try:
            self.come_back(restarted=False)
            for life in self.lives.values():
                self.step(lambda life=life: self.engine.hang_up(life.plan.call_id))  # type: ignore[misc]
                assert life.living == set()
            assert self.runner.run(self.engine.snapshot()) == []
            assert self.clock.sleeping() == [], "nothing of any call is left"
            assert self.failures == []
        finally:
            self.runner.run(self.engine.stop())
            self.runner.close()
            self.folder.cleanup()

    # -- what happens --------------------------------------------------------------------------------------------------

    @rule(agent=numbers, customer=numbers)
    def begin(self, agent: str, customer: str) -> None:
        """A call begins, when no other one lives."""
        if any(life.living for life in self.lives.values()) or not self.engine.ready:
            return
        made = plan(
            agent=PhoneLine(agent, ("t",)),
            customer_number=customer,
            agent_ring_s=RING_S,
            customer_ring_s=RING_S,
            max_length_s=MAX_LENGTH_S,
            recording=f"r{len(self.lives)}",
        )
        self.lives[made.call_id] = life = Life(made)
        self.ring_agent()
        if life.living:
            self.ring_customer()

    @rule()
    def ring_agent(self) -> None:
        self.ordered("agent", lambda life: self.engine.ring_agent(life.plan))

    @rule()
    def ring_customer(self) -> None:
        self.ordered("customer", lambda life: self.engine.ring_customer(life.plan))

    @rule(leg=st.sampled_from(("p1", "p2")), number=numbers, softphone=st.booleans())
    def ring(self, leg: str, number: str, softphone: bool) -> None:
        line = SoftphoneLine("s1", "token") if softphone else PhoneLine(number, ("t",))
        self.ordered(leg, lambda life: self.engine.ring(LegPlan(life.plan.call_id, leg, line, STAYS, STAYS, RING_S)))

    @rule(arrangement=arrangements)
    def arrange(self, arrangement: Arrangement) -> None:
        life, before = self.life, set(self.life.living)
        if not self.order(lambda: self.engine.arrange(life.plan.call_id, arrangement)):
            return
        if not before:
            assert life.plan.call_id not in self.engine.arranged or self.engine.arranged[life.plan.call_id] == life.arrangement
            return
        life.arrangement = arrangement
        assert life.living == before & arrangement.places.keys()
        ended = [event for event in life.events if isinstance(event, LegEnded) and event.leg in before - life.living]
        assert all(not event.by_far_end and event.cause in {Cause.NORMAL, Cause.CANCELED} for event in ended)
        said = list(life.events)
        self.order(lambda: self.engine.arrange(life.plan.call_id, arrangement))
        assert life.events == said, "the same arrangement again changes nothing"

    @rule(leg=legs)
    def far_end_hangs_up(self, leg: str) -> None:
        life, before = self.life, set(self.life.living)
        self.step(lambda: self.at_once(lambda: self.engine.far_end_hangs_up(life.plan.call_id, leg)))
        if leg not in before:
            assert life.living == before
        elif leg in life.vital:
            assert life.living == set(), "a vital leg takes all others along"
        else:
            assert life.living == before - {leg}, "any other takes nobody along"

    @rule(leg=legs)
    def far_end_answers(self, leg: str) -> None:
        before = set(self.life.living)
        self.step(lambda: self.at_once(lambda: self.engine.far_end_answers(self.life.plan.call_id, leg)))
        assert self.life.living == before

    @rule(leg=legs, key=st.sampled_from("0123456789*#ABCD"))
    def press(self, leg: str, key: str) -> None:
        life = self.life
        if self.engine.ready and self.engine.legs(life.plan.call_id).get(leg):
            life.pressed.append((leg, key))
        self.step(lambda: self.at_once(lambda: self.engine.press(life.plan.call_id, leg, key)))

    @rule(leg=legs, keys=st.text("0123456789*#ABCD", min_size=1, max_size=4))
    def send_digits(self, leg: str, keys: str) -> None:
        life, sent = self.life, len(self.engine.digits)
        if self.order(lambda: self.engine.send_digits(life.plan.call_id, leg, keys)):
            assert self.engine.digits[sent:] == ([(life.plan.call_id, leg, keys)] if leg in life.living else [])

    @rule()
    def hang_up(self) -> None:
        if self.order(lambda: self.engine.hang_up(self.life.plan.call_id)):
            assert self.life.living == set()

    @rule(seconds=st.sampled_from((0.5, 1.0, 4.0, 9.0, 21.0)))
    def pass_time(self, seconds: float) -> None:
        life, before = self.life, set(self.life.living)
        self.step(lambda: self.clock.advance(seconds))
        if (before - life.living) & life.vital:
            assert life.living == set(), "a vital leg takes all others along"

    @rule()
    def lose(self) -> None:
        assume(self.engine.ready)
        before = set(self.life.living)
        self.step(lambda: self.at_once(self.engine.lose))
        assert self.life.living == before

    @rule(restarted=st.booleans())
    def come_back(self, restarted: bool) -> None:
        if self.engine.ready:
            return
        before = set(self.life.living)
        self.life.unheard |= before if restarted else set()
        self.step(lambda: self.at_once(lambda: self.engine.come_back(restarted=restarted)))
        assert self.life.living == (set() if restarted else before)

    # -- what always holds ---------------------------------------------------------------------------------------------

    @invariant()
    def each_end_is_told_once(self) -> None:
        for life in self.lives.values():
            for leg in life.rung:
                expected = 0 if leg in life.living or leg in life.unheard else 1
                assert life.told(LegEnded, leg) == expected, leg
                assert life.told(LegAnswered, leg) <= 1
                assert life.told(LegRinging, leg) <= 1
            pressed = [(event.leg, event.digit) for event in life.events if isinstance(event, DigitPressed)]
            assert pressed == life.pressed

    @invariant()
    def no_leg_outlives_its_call(self) -> None:
        for life in self.lives.values():
            if life.up_since is not None and self.clock.monotonic() >= life.up_since + MAX_LENGTH_S:
                assert life.living == set()
            assert life.living <= life.rung

    @invariant()
    def the_snapshot_shows_the_legs_that_live(self) -> None:
        if self.engine.ready:
            seen = {(leg.call_id, leg.leg) for leg in self.runner.run(self.engine.snapshot())}
            assert seen == {(life.plan.call_id, leg) for life in self.lives.values() for leg in life.living}

    @invariant()
    def two_who_may_speak_hear_each_other_or_neither_does(self) -> None:
        life = self.life
        heard = {leg: self.engine.hears(life.plan.call_id, leg) for leg in LEGS}
        up = [leg for leg, answered in self.engine.legs(life.plan.call_id).items() if answered]
        muted = life.arrangement.muted if life.arrangement else frozenset()
        for leg in LEGS:
            others = heard[leg]
            if isinstance(others, set):
                assert others <= life.living - muted - {leg}
                assert all(other not in up or other in muted or _mutual(heard[other], leg, leg in muted) for other in others)

    # -- how it is done ------------------------------------------------------------------------------------------------

    @property
    def life(self) -> Life:
        """The last call."""
        return list(self.lives.values())[-1]

    async def at_once(self, do: Callable[[], None]) -> None:
        do()

    def step(self, do: Callable[[], Awaitable[None]]) -> None:
        """Do it, let all that is due happen, and see who is gone."""

        async def stepped() -> None:
            await do()
            await self.clock.advance(0)

        self.runner.run(stepped())
        for call_id, life in self.lives.items():
            now = self.engine.legs(call_id)
            gone, life.living = life.living - now.keys(), set(now)
            if not self.engine.ready:
                life.unheard |= gone
            if now.get("customer") and life.up_since is None:
                life.up_since = self.clock.monotonic()

    def order(self, do: Callable[[], Awaitable[None]]) -> bool:
        """Give an order; while the engine is away it must be refused and change nothing. Returns whether it was taken."""
        refused = False

        async def ordered() -> None:
            nonlocal refused
            try:
                await do()
            except EngineUnavailable:
                refused = True

        before, ready = (set(self.life.living), list(self.engine.dialed)), self.engine.ready
        self.step(ordered)
        assert refused is not ready
        assert ready or (self.life.living, self.engine.dialed) == before
        return not refused

    def ordered(self, leg: str, do: Callable[[Life], Awaitable[None]]) -> None:
        """Ring a leg: at most once in its life, and without disturbing anybody unless it is vital and fails at once."""
        life, before, dialed = self.life, set(self.life.living), len(self.engine.dialed)
        if not self.order(lambda: do(life)):
            return
        if leg in life.rung:
            assert (life.living, len(self.engine.dialed)) == (before, dialed)
            return
        if len(self.engine.dialed) > dialed or life.told(LegEnded, leg):
            life.rung.add(leg)
        assert before <= life.living or leg in life.vital

    def hear(self, event: EngineEvent) -> None:
        if isinstance(event, LegRinging | LegAnswered | LegEnded | DigitPressed):
            life = self.lives[event.call_id]
            assert not life.told(LegEnded, event.leg), "nothing is said of a leg after its end"
            life.events.append(event)
            if isinstance(event, LegEnded) and event.leg == "customer" and life.told(LegAnswered, "customer"):
                assert (Path(self.folder.name) / f"{life.plan.recording}.raw").exists()


def _mutual(heard: set[str] | Place, leg: str, muted: bool) -> bool:
    return isinstance(heard, set) and (muted or leg in heard)


Lives.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestLives = Lives.TestCase
