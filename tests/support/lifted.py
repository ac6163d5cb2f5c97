"""Three phones with a tone each on one real engine: a call between two of them, and a third who is called in."""

import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.asterisk_engines import RealEngine
from tests.support.engines import TestCall, plan
from tests.support.sip_phone import SipPhone, sip_phone

from intellicall.telephony.asterisk.furnishing import BRIDGE_MARK
from intellicall.telephony.engine import Arrangement, LegAnswered, LegEnded, LegPlan, PhoneLine, Place, Role

AGENT_TONE, CUSTOMER_TONE, THIRD_TONE = 540, 900, 1300
TONES = (AGENT_TONE, CUSTOMER_TONE, THIRD_TONE)
CALLER_ID = "+911140000000"


@dataclass
class Trio:
    """The phones, their trunks and the one call."""

    real: RealEngine
    agent: SipPhone
    customer: SipPhone
    third: SipPhone
    calls: list[TestCall] = field(default_factory=list)

    @property
    def call_id(self) -> str:
        return self.calls[-1].id

    async def talk(self, *, settle: bool = False, **changes: object) -> TestCall:
        """Let agent and customer talk; `settle`: until they hear each other."""
        order = {
            "agent": PhoneLine("+911100000001", ("agent",)),
            "customer_number": "+911100000002",
            "trunks": ("customer",),
            "caller_id": CALLER_ID,
            **changes,
        }
        self.calls.append(TestCall(self.real.engine, self.real.heard, plan(**order)))
        await self.calls[-1].to_talk()
        if settle:
            await self.hear_each_other(self.agent, self.customer)
        return self.calls[-1]

    async def arrange(
        self,
        *,
        vital: Iterable[str] = (Role.AGENT, Role.CUSTOMER),
        muted: Iterable[str] = (),
        paused: bool = False,
        **places: Place,
    ) -> None:
        arrangement = Arrangement(places, frozenset(vital), frozenset(muted), paused)
        await self.real.engine.arrange(self.call_id, arrangement)

    async def call_third(
        self, *, trunks: tuple[str, ...] = ("third",), ring_s: int = 20, leg: str = "p1", rings: bool = True
    ) -> None:
        """Ring the third phone; `rings`: until it does."""
        line = PhoneLine("+911100000003", trunks)
        await self.real.engine.ring(LegPlan(self.call_id, leg, line, CALLER_ID, "+911100000002", ring_s))
        if rings:
            await self.third.rung()

    async def third_answers(self, leg: str = "p1") -> LegAnswered:
        self.third.answer()
        return await self.real.heard.wait(LegAnswered, lambda event: event.call_id == self.call_id and event.leg == leg)

    async def ended(self, leg: str, deadline_s: float = 15.0) -> LegEnded:
        return await self.real.heard.wait(
            LegEnded, lambda event: event.call_id == self.call_id and event.leg == leg, deadline_s=deadline_s
        )

    async def hear_each_other(self, *phones: SipPhone, seconds: float = 0.5) -> None:
        """Wait until each of them hears all the others of them, and nobody else."""
        for phone in phones:
            await phone.hears(*(other.tone for other in phones if other is not phone), of=TONES, seconds=seconds)

    async def bridges(self) -> list[str]:
        """Return the bridges of calls on the engine, once those of calls that are over had time to go."""
        found: list[str] = []
        for _ in range(200):
            all_bridges: list[dict[str, Any]] = await self.real.engine.live_link().request("GET", "bridges")
            found = [bridge["id"] for bridge in all_bridges if bridge["id"].endswith(BRIDGE_MARK)]
            if not found:
                break
        return found

    async def bridge_technology(self) -> str:
        bridge = await self.real.engine.live_link().request("GET", f"bridges/{self.call_id}{BRIDGE_MARK}")
        return str(bridge["technology"])

    def count_requests(self) -> Callable[[], int]:
        """Return how many requests the engine got since, beside the pings."""
        link = self.real.engine.live_link()
        seen: list[str] = []
        ask = link.request

        async def request(method: str, uri: str, **more: Any) -> Any:
            if uri != "asterisk/ping":
                seen.append(uri)
            return await ask(method, uri, **more)

        link.request = request  # type: ignore[method-assign]
        return lambda: len(seen)

    def now(self) -> float:
        return time.monotonic()


@asynccontextmanager
async def trio(real: RealEngine) -> AsyncIterator[Trio]:
    """Bring three phones, each behind a trunk of its own; the third rings until it is told to answer."""
    async with sip_phone(AGENT_TONE) as agent, sip_phone(CUSTOMER_TONE) as customer, sip_phone(THIRD_TONE, answers=False) as third:
        await real.engine.set_trunks([agent.trunk("agent"), customer.trunk("customer"), third.trunk("third")])
        three = Trio(real, agent, customer, third)
        try:
            yield three
        finally:
            if real.engine.ready:
                for call in three.calls:
                    await real.engine.hang_up(call.id)


__all__ = ["AGENT_TONE", "CUSTOMER_TONE", "THIRD_TONE", "TONES", "Trio", "trio"]
