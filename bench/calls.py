"""The calls of a measurement: what was seen of each, on one clock, and the numbers by which its legs are known."""

import asyncio
from dataclasses import dataclass, field

CUSTOMER_PREFIX = "+442079460"  # 020 7946 0xxx and 0117 496 0xxx are kept free for fiction by Ofcom: nobody's numbers
AGENT_PREFIX = "+441174960"
CALLER_ID = "+442079460999"
SLOTS = 900


@dataclass(slots=True, eq=False)
class Seen:
    """One call as the outside sees it. Times are seconds of the wall clock (the kernel's, where it stamps packets); 0: not seen."""

    slot: int
    talk_s: float
    planned: float = 0.0  # when the load's rhythm wanted it
    offered: float = 0.0  # when the request was sent
    agent_invited: float = 0.0
    agent_answered: float = 0.0
    customer_invited: float = 0.0
    customer_answered: float = 0.0
    hung_up: float = 0.0
    legs_over: int = 0
    result_at: float = 0.0
    status: str = ""
    failure: str = ""
    over: asyncio.Event = field(default_factory=asyncio.Event)  # both legs have ended
    delivered: asyncio.Event = field(default_factory=asyncio.Event)  # its result was received

    @property
    def agent_number(self) -> str:
        return f"{AGENT_PREFIX}{self.slot:03}"

    @property
    def customer_number(self) -> str:
        return f"{CUSTOMER_PREFIX}{self.slot:03}"

    def fail(self, why: str) -> None:
        """Note that it did not go as it should, once."""
        self.failure = self.failure or why
        self.over.set()
        self.delivered.set()


class Ledger:
    """Finds the call that a number belongs to. Numbers are used again after `SLOTS` calls."""

    def __init__(self) -> None:
        self._slots: dict[int, Seen] = {}
        self._next = 0

    def new(self, talk_s: float) -> Seen:
        """Return a new call with numbers of its own."""
        seen = Seen(self._next % SLOTS, talk_s)
        self._next += 1
        self._slots[seen.slot] = seen
        return seen

    def find(self, number: str) -> tuple[Seen, bool] | None:
        """Return the call, and whether the number is its customer's; None for a number that is not ours."""
        for prefix in (CUSTOMER_PREFIX, AGENT_PREFIX):
            if number.startswith(prefix) and (seen := self._slots.get(int(number[len(prefix) :]))):
                return seen, prefix == CUSTOMER_PREFIX
        return None

    def by_slot(self, slot: int) -> Seen | None:
        return self._slots.get(slot)
