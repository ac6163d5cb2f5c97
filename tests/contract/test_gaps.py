"""What an engine remembers of a gap in which nobody listened (promise 19), and when its own process ends (promise 20)."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from tests.contract.conftest import Harness, MakeRoom
from tests.contract.stage import MUSIC, SILENCE, Stage

from intellicall.telephony.engine import Cause, LegAnswered, LegEnded, Role

TRUE_TO = timedelta(seconds=0.1)


async def missed(harness: Harness, call_id: str, count: int) -> list[LegAnswered | LegEnded]:
    """Return what is remembered once it is so much; an engine may take a moment to write it down."""
    async with asyncio.timeout(2):
        while len(events := await harness.engine.missed({call_id, "never-heard-of"})) < count:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0)  # the scripted engine never waits
    return events


def told(events: list[LegAnswered | LegEnded]) -> list[tuple[type[object], str, bool]]:
    return [(type(event), event.leg, isinstance(event, LegEnded) and event.by_far_end) for event in events]


@pytest.mark.parametrize(("who", "other"), [(Role.CUSTOMER, Role.AGENT), (Role.AGENT, Role.CUSTOMER)])
async def test_who_hung_up_in_a_gap_and_when_is_remembered(
    room: MakeRoom, stage: Stage, harness: Harness, who: Role, other: Role
) -> None:
    here = room()
    await here.call.to_talk()
    await harness.lose()
    before = datetime.now(UTC)
    here.hang_up(who)
    await stage.gone(here.id, other)
    after = datetime.now(UTC)
    await harness.come_back()
    events = await missed(harness, here.id, 3)
    assert told(events) == [(LegAnswered, Role.CUSTOMER, False), (LegEnded, who, True), (LegEnded, other, False)]
    assert [event.cause for event in events if isinstance(event, LegEnded)] == [Cause.NORMAL, Cause.NORMAL]
    assert all(before - TRUE_TO <= event.at <= after + TRUE_TO for event in events if isinstance(event, LegEnded))
    assert here.call.ends(who) == []


async def test_an_answer_in_a_gap_is_remembered_and_no_end_of_a_leg_that_lives(
    room: MakeRoom, stage: Stage, harness: Harness
) -> None:
    here = room()
    stage.waits(Role.CUSTOMER)
    await here.call.to_customer()
    await here.call.ringing(Role.CUSTOMER)
    await harness.lose()
    before = datetime.now(UTC)
    await stage.pick_up(here.id, Role.CUSTOMER)
    await harness.come_back()
    events = await missed(harness, here.id, 1)
    assert told(events) == [(LegAnswered, Role.CUSTOMER, False)]
    assert before - TRUE_TO <= events[0].at <= datetime.now(UTC)


async def test_an_arranged_call_is_remembered_as_well(room: MakeRoom, stage: Stage, harness: Harness) -> None:
    here = room()
    await here.call.to_talk()
    await here.arrange("agent customer", {"agent": SILENCE, "customer": MUSIC})
    await harness.lose()
    here.hang_up(Role.CUSTOMER)
    await stage.gone(here.id, Role.AGENT)
    await harness.come_back()
    assert told(await missed(harness, here.id, 3))[1:] == [(LegEnded, Role.CUSTOMER, True), (LegEnded, Role.AGENT, False)]


async def test_what_was_heard_is_remembered_too(room: MakeRoom, harness: Harness) -> None:
    """For a platform that was not there: it has heard nothing."""
    here = room()
    await here.call.to_talk()
    await harness.engine.hang_up(here.id)
    await here.call.over()
    assert {event.leg for event in await missed(harness, here.id, 3)} == {Role.AGENT, Role.CUSTOMER}
    assert await harness.engine.missed(set()) == []


async def test_an_agent_who_answers_in_a_gap_is_kept_and_reaches_the_customer(
    room: MakeRoom, stage: Stage, harness: Harness
) -> None:
    here = room()
    stage.waits(Role.AGENT)
    await here.call.ring_agent()
    await here.call.ringing(Role.AGENT)
    await harness.lose()
    await stage.pick_up(here.id, Role.AGENT)
    await harness.come_back()
    async with asyncio.timeout(5):
        while not (await here.call.seen()).get(Role.AGENT):  # noqa: ASYNC110 - told to the platform, or seen by it
            await asyncio.sleep(0)
    await harness.engine.ring_customer(here.call.plan)
    await here.call.answered(Role.CUSTOMER)
    assert here.call.ends(Role.AGENT) == []
