"""A call on the scripted engine's stage: its legs, who hears whom, and who takes whom along when leaving."""

import asyncio
from dataclasses import dataclass, field

from intellicall.telephony.engine import Arrangement, CallPlan, Cause, Place, Role

TWO_PARTY = Arrangement(
    places={Role.AGENT: Place.TOGETHER, Role.CUSTOMER: Place.TOGETHER}, vital=frozenset({Role.AGENT, Role.CUSTOMER})
)
"""How a call stands before its first `arrange` (promises 5 and 6)."""


@dataclass(slots=True)
class PlayedLeg:
    """One leg. `task` plays its far end."""

    leg: str
    answered: bool = False
    task: "asyncio.Task[None] | None" = None

    @property
    def cause_when_we_end_it(self) -> Cause:
        return Cause.NORMAL if self.answered else Cause.CANCELED


@dataclass(slots=True)
class PlayedCall:
    """One call and the legs of it that live. `limit` keeps the maximum length from the customer's answer on."""

    plan: CallPlan
    legs: dict[str, PlayedLeg] = field(default_factory=dict)
    arrangement: Arrangement = TWO_PARTY
    customer_up_at: float | None = None
    limit: "asyncio.Task[None] | None" = None

    def place(self, leg: str) -> Place:
        """Where this leg is, or comes to when it answers; a leg that no arrangement has named yet is in silence."""
        return self.arrangement.places.get(leg, Place.SILENCE)

    def hears(self, leg: str) -> set[str] | Place:
        """Return whom this leg hears, or what. See `ScriptedEngine.hears`."""
        if leg not in self.legs or not self.legs[leg].answered:
            return set()
        if (place := self.place(leg)) is not Place.TOGETHER:
            return place
        silenced = self.arrangement.muted | {leg}
        return {other for other in self.legs if other not in silenced and self.place(other) is Place.TOGETHER}

    def unnamed(self) -> list[str]:
        """The legs that live without a place, in the order in which they were rung."""
        return [leg for leg in self.legs if leg not in self.arrangement.places]

    def taken_along_by(self, leg: str) -> list[str]:
        """The other legs, when this one is vital."""
        return [other for other in self.legs if other != leg] if leg in self.arrangement.vital else []

    def stop_playing(self) -> None:
        """Cancel whatever is still to come, but for the task that asks for it."""
        tasks = [self.limit, *(leg.task for leg in self.legs.values())]
        for task in tasks:
            if task is not None and task is not asyncio.current_task():
                task.cancel()
