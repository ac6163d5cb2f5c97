"""Phones with people at them, in front of either engine, and a call among them: what the promises about live calls are tried on."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Protocol, Self

from tests.support.asterisk_engines import RealEngine
from tests.support.engines import Heard, TestCall, plan
from tests.support.sip_phone import SipPhone, sip_phone
from tests.support.sipp import until

from intellicall.telephony.engine import Arrangement, Cause, Engine, LegPlan, PhoneLine, Place, Role, Trunk
from intellicall.telephony.scripted.engine import BEHAVIOURS, Behaviour, ScriptedEngine
from intellicall.telephony.testnet.numbers import NUMBERS

TOGETHER, MUSIC, RINGBACK, SILENCE = Place.TOGETHER, Place.MUSIC, Place.RINGBACK, Place.SILENCE

PHONES = {Role.AGENT: "+12025550191", Role.CUSTOMER: "+12025550192", "p1": "+12025550193", "p2": "+12025550194"}
"""The legs' phones, each behind a trunk of its own, named like the leg."""


class Stage(Protocol):
    """The phones of `PHONES` with people at them. They pick up at once, unless `waits`."""

    def waits(self, leg: str) -> None:
        """Let this phone ring until `pick_up`."""
        ...

    async def pick_up(self, call_id: str, leg: str) -> None:
        """Answer the phone once it rings."""
        ...

    def hang_up(self, call_id: str, leg: str) -> None:
        """Put the phone down."""
        ...

    async def press(self, call_id: str, leg: str, keys: str) -> None:
        """Press keys, one after the other."""
        ...

    async def hears_keys(self, call_id: str, leg: str, keys: str) -> None:
        """Wait until this phone has heard exactly these keys since it was picked up. Raises TimeoutError."""
        ...

    def keys_heard(self, call_id: str, leg: str) -> str:
        """Return what keys this phone has heard by now."""
        ...

    async def gone(self, call_id: str, leg: str) -> None:
        """Wait until this phone's call is over at its own end, whatever the platform hears of it."""
        ...


@dataclass
class ScriptedStage:
    """People who are played. `script` is the engine's own."""

    engine: ScriptedEngine
    script: dict[str, Behaviour]

    def __post_init__(self) -> None:
        self.script.update(dict.fromkeys(PHONES.values(), BEHAVIOURS["answers"]))

    def waits(self, leg: str) -> None:
        self.script[PHONES[leg]] = BEHAVIOURS["no_answer"]

    async def pick_up(self, call_id: str, leg: str) -> None:
        self.engine.far_end_answers(call_id, leg)

    def hang_up(self, call_id: str, leg: str) -> None:
        self.engine.far_end_hangs_up(call_id, leg)

    async def press(self, call_id: str, leg: str, keys: str) -> None:
        for key in keys:
            self.engine.press(call_id, leg, key)

    async def hears_keys(self, call_id: str, leg: str, keys: str) -> None:
        assert self.keys_heard(call_id, leg) == keys

    def keys_heard(self, call_id: str, leg: str) -> str:
        return "".join(digits for call, to, digits in self.engine.digits if (call, to) == (call_id, leg))

    async def gone(self, call_id: str, leg: str) -> None:
        await until(lambda: leg not in self.engine.legs(call_id))


@dataclass
class RealStage:
    """SIP phones on loopback, one a leg. Use as an async context manager."""

    real: RealEngine
    test_network: Trunk
    phones: dict[str, SipPhone] = field(default_factory=dict)
    _open: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def __aenter__(self) -> Self:
        for place, leg in enumerate(PHONES):
            self.phones[leg] = await self._open.enter_async_context(sip_phone(400 + 200 * place))
        trunks = [phone.trunk(f"phone-{leg}") for leg, phone in self.phones.items()]
        await self.real.engine.set_trunks([self.test_network, *trunks])
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    def waits(self, leg: str) -> None:
        self.phones[leg].answers = False

    async def pick_up(self, call_id: str, leg: str) -> None:
        await self.phones[leg].rung()
        self.phones[leg].answer()
        await self.phones[leg].until(lambda: self.phones[leg].dialog.confirmed)

    def hang_up(self, call_id: str, leg: str) -> None:
        self.phones[leg].hang_up()

    async def press(self, call_id: str, leg: str, keys: str) -> None:
        await self.phones[leg].press(keys)

    async def hears_keys(self, call_id: str, leg: str, keys: str) -> None:
        await until(lambda: self.phones[leg].pressed() == keys)

    def keys_heard(self, call_id: str, leg: str) -> str:
        return self.phones[leg].pressed()

    async def gone(self, call_id: str, leg: str) -> None:
        await self.phones[leg].gone(deadline_s=15)


def line(leg: str) -> PhoneLine:
    """Return the line of one of the stage's phones."""
    return PhoneLine(PHONES[leg], (f"phone-{leg}",))


@dataclass
class Room:
    """One call among the stage's phones."""

    call: TestCall
    stage: Stage

    @classmethod
    def of(cls, engine: Engine, heard: Heard, stage: Stage, **changes: object) -> Self:
        """Return the room for a call whose agent and customer are phones of the stage; `changes` are fields of the plan."""
        customer = {"customer_number": PHONES[Role.CUSTOMER], "trunks": (f"phone-{Role.CUSTOMER}",)}
        return cls(TestCall(engine, heard, plan(**{"agent": line(Role.AGENT), **customer, **changes})), stage)

    @property
    def id(self) -> str:
        return self.call.id

    @property
    def engine(self) -> Engine:
        return self.call.engine

    async def arrange(self, vital: str, places: Mapping[str, Place], *, muted: str = "", paused: bool = False) -> None:
        """Arrange the call. `vital` and `muted` name legs with blanks between."""
        now = Arrangement(places, frozenset(vital.split()), frozenset(muted.split()), paused)
        await self.engine.arrange(self.id, now)

    async def ring(self, leg: str = "p1", far_end: str | None = None, *, ring_s: int = 10) -> None:
        """Ring the leg's own phone, or a number of the test network by its name."""
        to = PhoneLine(NUMBERS[far_end].number, ("sandbox",)) if far_end else line(leg)
        await self.engine.ring(LegPlan(self.id, leg, to, self.call.plan.caller_id, self.call.plan.customer_number, ring_s))

    async def to_three_way(self) -> None:
        """Go as far as agent, customer and `p1` all talking; the customer alone is vital."""
        await self.call.to_talk()
        await self.arrange("customer", {"agent": TOGETHER, "customer": TOGETHER, "p1": TOGETHER})
        await self.ring()
        await self.call.answered("p1")

    def hang_up(self, leg: str) -> None:
        self.stage.hang_up(self.id, leg)

    async def lives(self, *legs: str) -> None:
        """Check that these legs and no others are up, by a key that each presses and by the snapshot, and that no end was told."""
        for leg in legs:
            keys = self.call.pressed(leg) + "9"
            await self.stage.press(self.id, leg, "9")
            await self.call.told_keys(leg, keys)
        assert await self.call.seen() == dict.fromkeys(legs, True)
        assert [self.call.ends(leg) for leg in legs] == [[] for _ in legs]

    async def ended(self, leg: str) -> tuple[Cause, bool]:
        """Wait for the leg's end; return its cause and whether the far end did it."""
        end = await self.call.ended(leg)
        return end.cause, end.by_far_end
