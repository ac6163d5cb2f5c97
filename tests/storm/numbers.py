"""The storm's calls are known by their numbers: who is called, what they do, how they sound. Shared by load, phones and verdict.

Every number is kept free for fiction (555-0100 to 555-0199 of many area codes; Ofcom's numbers for drama) and used once, so a
number that is rung twice is a call dialed twice. Tones are multiples of 50 Hz: whole periods in a packet of 20 ms, which can
tell them apart.
"""

import os
import re
import zlib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

import phonenumbers

STALL_S = 0.06
"""A phone that hears nothing for longer shares a machine that stalls: packets then come in bursts."""
CALLER_ID = "+442079460999"
CALLS_AT_MOST = 13_900
CUSTOMER_TONES = range(700, 1500, 100)
AGENT_TONES = range(300, 500, 50)
_AGENTS = (
    *(f"+44{area}4960" for area in (113, 114, 116, 117, 118, 121, 131, 141, 151, 161)),
    *("+441914980", "+442896496", "+442920180", "+442079460"),
)
NUMBER = re.compile("|".join([r"1[2-9]\d\d55501\d\d", *(agents.removeprefix("+") + r"\d\d" for agents in _AGENTS)]))
"""Any number of the storm, with or without its plus."""


class Fate(StrEnum):
    """What the far ends do with a call."""

    CUSTOMER_ENDS = "customer_ends"
    AGENT_ENDS = "agent_ends"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    CARRIER_FAILS = "carrier_fails"
    AGENT_BUSY = "agent_busy"


TRAFFIC = "STORM_TRAFFIC"
"""The environment variable that names who is called: all processes of a storm must know."""
ODDS = {
    "people": (
        (60, Fate.CUSTOMER_ENDS),
        (75, Fate.AGENT_ENDS),
        (85, Fate.BUSY),
        (90, Fate.NO_ANSWER),
        (95, Fate.CARRIER_FAILS),
        (100, Fate.AGENT_BUSY),
    ),
    # What crashed Asterisk 22.10.1 elsewhere (its issue 1985): CANCEL at no answer, a failing carrier with another one behind it.
    "refusals": ((45, Fate.NO_ANSWER), (90, Fate.CARRIER_FAILS), (95, Fate.BUSY), (100, Fate.CUSTOMER_ENDS)),
}
TRUNKS = 2
"""A carrier that fails is followed by the next one: so many trunks lead to the phones."""


@dataclass(frozen=True, slots=True)
class Part:
    """One number's part: `talk_s` from its answer to its hanging up, if that is its fate; tones in Hz."""

    index: int
    customer: bool
    fate: Fate
    talk_s: float
    says: int
    hears: int


def customer_number(index: int) -> str:
    """Return the number of the `index`-th call's customer."""
    return f"+1{_areas()[index // 100]}55501{index % 100:02}"


def agent_number(index: int) -> str:
    """Return the number of the `index`-th call's agent."""
    return f"{_AGENTS[index // 1000]}{index % 1000:03}"


def part_of(number: str) -> Part | None:
    """Return the part that this number plays; None for a number that is not the storm's."""
    if number[:10] in _AGENTS:
        return _part(_AGENTS.index(number[:10]) * 1000 + int(number[10:]), customer=False)
    if number.startswith("+1") and number[2:5] in _areas() and number[5:10] == "55501":
        return _part(_areas().index(number[2:5]) * 100 + int(number[10:]), customer=True)
    return None


def fate_of(index: int) -> tuple[Fate, float]:
    """Return what becomes of the call when nothing disturbs it, and how long the two talk, in seconds."""
    dice = zlib.crc32(f"storm-{index}".encode())
    fate = next(fate for bound, fate in ODDS[os.environ.get(TRAFFIC, "people")] if dice % 100 < bound)
    return fate, 1 + dice // 100 % 50 / 10


def tones_of(index: int) -> tuple[int, int]:
    """Return what the call's customer and its agent sound like, in Hz."""
    customers, agents = len(CUSTOMER_TONES), len(AGENT_TONES)
    return CUSTOMER_TONES[index % customers], AGENT_TONES[index // customers % agents]


def _part(index: int, *, customer: bool) -> Part:
    fate, talk_s = fate_of(index)
    says, hears = tones_of(index) if customer else tones_of(index)[::-1]
    return Part(index, customer, fate, talk_s, says, hears)


@cache
def _areas() -> tuple[str, ...]:
    codes = (f"{code}" for code in range(201, 1000) if code != 202)  # 202 is the test network's
    return tuple(code for code in codes if phonenumbers.is_valid_number(phonenumbers.parse(f"+1{code}5550100")))
