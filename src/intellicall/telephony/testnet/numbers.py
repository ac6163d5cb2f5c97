"""The magic numbers of the test network: what each does, and how a call with it ends.

The numbers are +1 202 555 01xx, which the North American Numbering Plan keeps free for fiction, so none can ever be a person's.
docs/test-network.md is generated from this table: `python -m intellicall.telephony.testnet.numbers > docs/test-network.md`.
"""

import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the call's result reads: the guide's status, and the reason (None: depends on who hangs up first)."""

    status: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class MagicNumber:
    """One number of the test network, E.164 with its plus.

    `sip_code` is the final SIP response of a number that never answers, None of one that does (or that rings for ever).
    `as_agent` holds for a call whose customer is a number that answers and stays.
    """

    name: str
    number: str
    does: str
    as_customer: Outcome
    as_agent: Outcome
    answers: bool = True
    sip_code: int | None = None


_TALKS = Outcome("ANSWER")

_TABLE = (
    MagicNumber("tone_1000", "+12025550100", "Answers at once and plays a 1000 Hz tone", _TALKS, _TALKS),
    MagicNumber("tone_440", "+12025550101", "Answers at once and plays a 440 Hz tone", _TALKS, _TALKS),
    MagicNumber("speech", "+12025550102", "Rings, answers after 3 seconds and speaks English", _TALKS, _TALKS),
    MagicNumber("echo", "+12025550103", "Answers at once and sends back whatever it hears", _TALKS, _TALKS),
    MagicNumber(
        "busy",
        "+12025550104",
        "Is busy (SIP 486)",
        Outcome("BUSY", "customer_busy"),
        Outcome("FAILED", "agent_busy"),
        answers=False,
        sip_code=486,
    ),
    MagicNumber(
        "reject",
        "+12025550105",
        "Declines the call (SIP 603)",
        Outcome("BUSY", "customer_rejected"),
        Outcome("FAILED", "agent_rejected"),
        answers=False,
        sip_code=603,
    ),
    MagicNumber(
        "no_answer",
        "+12025550106",
        "Rings and never answers",
        Outcome("NO_ANSWER", "customer_no_answer"),
        Outcome("FAILED", "agent_no_answer"),
        answers=False,
    ),
    MagicNumber(
        "unknown",
        "+12025550107",
        "Does not exist (SIP 404), as every number that is not in this table",
        Outcome("FAILED", "number_unknown"),
        Outcome("FAILED", "agent_unreachable"),
        answers=False,
        sip_code=404,
    ),
    MagicNumber(
        "early_media",
        "+12025550108",
        "Plays the three information tones (950, 1400, 1800 Hz) and an announcement without answering (SIP 183), "
        "then is unavailable (SIP 480)",
        Outcome("NO_ANSWER", "customer_unavailable"),
        Outcome("FAILED", "agent_unreachable"),
        answers=False,
        sip_code=480,
    ),
    MagicNumber(
        "hangs_up",
        "+12025550109",
        "Answers at once, plays a 440 Hz tone and hangs up after 5 seconds",
        Outcome("ANSWER", "customer_hung_up"),
        Outcome("ANSWER", "agent_hung_up"),
    ),
    MagicNumber("tone_700", "+12025550111", "Answers at once and plays a 700 Hz tone", _TALKS, _TALKS),
    MagicNumber("silent", "+12025550110", "Answers at once and sends silence", _TALKS, _TALKS),
)

NUMBERS: dict[str, MagicNumber] = {row.name: row for row in _TABLE}
"""Every magic number by its name."""


def is_test_number(number: str) -> bool:
    """Tell whether an E.164 number belongs to the test network: the only ones that a sandbox account may reach."""
    return any(row.number == number for row in _TABLE)


def to_markdown() -> str:
    """Return docs/test-network.md."""

    def outcome(of: Outcome) -> str:
        return f"{of.status}, `{of.reason}`" if of.reason else of.status

    rows = (
        f"| `{row.name}` | {row.number} | {row.does}. | {outcome(row.as_customer)} | {outcome(row.as_agent)} |" for row in _TABLE
    )
    return _PAGE.format(rows="\n".join(rows))


_PAGE = """\
# The test network

*Generated from `src/intellicall/telephony/testnet/numbers.py`; change it there.*

A carrier of our own that runs on this machine: a second telephone engine behind a real SIP trunk on the loopback interface, with
real SIP and real audio (G.711 A-law). Calls to it never leave the machine and cost nothing. An account marked `sandbox` can reach
these numbers and nothing else. Every number works as customer (`to_number`) and as an agent's phone (`agent_number`).

| Name | Number | What it does | Result as customer | Result as agent's phone |
|---|---|---|---|---|
{rows}

A result without a reason depends on who hangs up first. The results as agent's phone are those of calls to a customer who answers
and stays. Tones and silence go on until somebody hangs up; after six hours the network hangs up itself. Every other number does
not exist (SIP 404). The numbers are reserved for fiction, so a mistaken call over a real trunk reaches nobody.
"""

if __name__ == "__main__":
    sys.stdout.write(to_markdown())
