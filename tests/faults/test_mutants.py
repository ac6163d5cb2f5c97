"""Every guard that is taken away is missed: which invariant then fails, in which play."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.faults import mutants
from tests.faults.event_faults import Fault
from tests.faults.mutants import Mutant, mutated
from tests.faults.playing import Venue, every_point, sqlite_venue
from tests.faults.scenarios import ALL

from intellicall.telephony.engine import EngineEvent, LegEnded

BY_NAME = {scenario.name: scenario for scenario in ALL}


class Deaf(Fault):
    """The last word of every leg is lost, and nobody notices: no gap, no snapshot."""

    def take(self, number: int, event: EngineEvent) -> tuple[EngineEvent, ...]:
        return () if isinstance(event, LegEnded) else (event,)


@dataclass(frozen=True)
class Case:
    """A mutant, the play that shows it and the invariant that it breaks. `dies`: at each point, one after another; else nowhere."""

    mutant: Mutant
    scenario: str
    breaks: str
    dies: bool = True
    more: dict[str, Any] = field(default_factory=dict)


CASES = (
    Case(mutants.acts_before_it_stores, "customer_busy", "I1"),
    Case(mutants.dials_again_after_a_restart, "agent_busy", "I1"),
    Case(mutants.takes_a_uuid_twice, "same_click_twice", "I1", dies=False),
    Case(mutants.delivers_in_a_transaction_of_its_own, "customer_busy", "I4"),
    Case(mutants.changes_the_body_of_a_retry, "failing_then_taken", "I4", dies=False),
    Case(mutants.records_before_it_sends, "customer_busy", "I4"),
    Case(mutants.does_not_compare_at_the_start, "customer_hung_up", "I2", more={"outage_s": 60.0}),
    Case(mutants.has_no_janitor, "agent_no_answer", "I2", False, {"twist": Deaf}),
)


async def breaches_of(venue: Venue, case: Case) -> list[str]:
    more: Any = {name: Deaf() if value is Deaf else value for name, value in case.more.items()}
    if not case.dies:
        return (await venue.run(BY_NAME[case.scenario], **more)).verdict.breaches
    return (await every_point(venue, BY_NAME[case.scenario], **more)).breaches


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.mutant.__name__)
async def test_a_missing_guard_is_noticed(case: Case) -> None:
    async with sqlite_venue() as venue:
        assert await breaches_of(venue, case) == [], "with the guard in its place"
        with mutated(case.mutant, venue):
            breaches = await breaches_of(venue, case)
    assert any(f"{case.breaks}:" in breach for breach in breaches), breaches
