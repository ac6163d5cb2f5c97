"""The platform dies before and after each of its operations, at every one of them in turn, and is started again on what is left.

Rows A1 (floor 2), H2 and invariants I1 to I5, I15 and I16 of docs/faults.md. Here are the scenarios that together have every
kind of operation; all of them, also with a long outage, are played by `python -m tests.faults`, part of `make soak`.
"""

import sys

import pytest
from tests.faults.oracle import as_line
from tests.faults.playing import every_point, postgres_venue, sqlite_venue
from tests.faults.scenarios import ALL, Scenario
from tests.support.databases import PostgresServer

CORE = (
    "customer_busy",
    "same_click_twice",
    "canceled_by_account",
    "recorded",
    "warm_transfer",
    "agent_back",
    "failing_then_taken",
    "note_after_the_end",
    "events_pushed",
)
ON_POSTGRES = ("canceled_by_account", "recorded")
BY_NAME = {scenario.name: scenario for scenario in ALL}


@pytest.mark.parametrize("name", CORE)
async def test_the_platform_may_die_at_every_point(name: str) -> None:
    async with sqlite_venue() as venue:
        tally = await every_point(venue, BY_NAME[name])
    sys.stdout.write(f"{name}: {tally.points.total()} points; {as_line(tally.counts)}\n")
    assert tally.breaches == []
    assert tally.points.total() >= 30


@pytest.mark.postgres
@pytest.mark.parametrize("name", ON_POSTGRES)
async def test_it_may_on_postgresql_at_every_seventh_point(name: str, postgres_server: PostgresServer) -> None:
    async with postgres_venue(postgres_server, f"points_{name}") as venue:
        tally = await every_point(venue, BY_NAME[name], points=range(3, 45, 7))
    assert tally.breaches == []
    assert tally.points.total() >= 5


async def test_it_may_die_again_while_it_recovers() -> None:
    """At the twentieth point a call is ringing; the second life dies at each of its own first points."""
    breaches = []
    async with sqlite_venue() as venue:
        for second in range(1, 16):
            played = await venue.run(BY_NAME["recorded"], die_at=(20, second))
            assert len(played.stage.lives) == 3
            breaches += played.verdict.breaches
    assert breaches == []


@pytest.mark.parametrize("name", ["recorded", "agent_gave_up", "blind_transfer"])
async def test_a_long_outage_loses_nothing_that_happened_in_it(name: str) -> None:
    """Everybody goes on while the platform is away for longer than anybody rings."""
    async with sqlite_venue() as venue:
        tally = await every_point(venue, BY_NAME[name], points=range(6, 40, 6), outage_s=60.0)
    assert tally.breaches == []


async def test_every_scenario_ends_as_it_should_when_nothing_breaks() -> None:
    async with sqlite_venue() as venue:
        for scenario in ALL:
            played = await venue.run(scenario)
            assert played.verdict.breaches == []
            (call,) = venue.books.rows("SELECT reason FROM calls")
            assert call["reason"] == scenario.reason, scenario.name
            states = {row["state"] for row in venue.books.rows("SELECT state FROM deliveries")}
            assert states == {"undelivered" if scenario.undelivered else "delivered"}


def test_the_scenarios_have_names_of_their_own() -> None:
    assert len(BY_NAME) == len(ALL)
    assert set(CORE) | set(ON_POSTGRES) <= set(BY_NAME)
    assert all(isinstance(scenario, Scenario) for scenario in ALL)
