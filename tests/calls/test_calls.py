"""The calls room over the scripted engine and real SQL: from the request to the result, and back after a restart."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.calls.world import World, count_rows, open_world

from intellicall.calls import store
from intellicall.calls.call import Leg
from intellicall.calls.journal import Journal, JournalEntry
from intellicall.calls.table import Party, Reason, State
from intellicall.errors import Code, Refused
from intellicall.storage.database import Database
from intellicall.telephony.engine import CallPlan, Cause, LegAnswered, LegEnded, Role
from intellicall.telephony.scripted.engine import BEHAVIOURS
from intellicall.telephony.testnet.numbers import NUMBERS


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(database, tmp_path) as opened:
        yield opened
        await opened.engine.stop()


async def test_a_call_from_request_to_result(world: World) -> None:
    entry, new = await world.calls.start(world.request(uuid="crm-1"), limit=10)
    assert (new, entry.call.state) == (True, State.INITIATED)
    await world.until_state(entry.call.id, State.TALKING)
    await world.clock.advance(12.4)
    world.engine.far_end_hangs_up(entry.call.id, Role.CUSTOMER)
    done = await world.until_state(entry.call.id, State.ENDED)
    [ended] = world.ended
    result = ended.data["result"]
    assert list(result)[:13] == [
        "call_id", "uuid", "status", "duration", "customer_number", "agent_number", "crm_username", "call_type",
        "disposition", "direction", "start_time", "end_time", "recording_url",
    ]  # fmt: skip
    assert result | {"call_id": "", "recording_url": ""} == {
        "call_id": "",
        "uuid": "crm-1",
        "status": "ANSWER",
        "duration": 12,
        "customer_number": NUMBERS["tone_1000"].number,
        "agent_number": NUMBERS["tone_440"].number,
        "crm_username": None,
        "call_type": "server",
        "disposition": "CRM_CALL",
        "direction": "outbound",
        "start_time": "2026-07-03T10:00:00Z",
        "end_time": "2026-07-03T10:00:12Z",
        "recording_url": "",
        "answer_time": "2026-07-03T10:00:00Z",
        "reason": "customer_hung_up",
        "ended_by": "customer",
        "transferred_to": [],
        "notes": None,
        "recording": "ready",
    }
    assert result["recording_url"] == done.recording_url
    assert world.engine.dialed == [NUMBERS["tone_440"].number, NUMBERS["tone_1000"].number]
    journal = await world.journal_of(entry.call.id)
    assert [e.seq for e in journal] == list(range(1, len(journal) + 1))
    assert [e.kind for e in journal][-2:] == ["ended", "recording_ready"]


@pytest.mark.parametrize(
    ("customer", "wait_s", "status", "reason"),
    [
        ("busy", 0, "BUSY", "customer_busy"),
        ("reject", 0, "BUSY", "customer_rejected"),
        ("no_answer", 45, "NO_ANSWER", "customer_no_answer"),
        ("unknown", 0, "FAILED", "number_unknown"),
        ("early_media", 4, "NO_ANSWER", "customer_unavailable"),
        ("hangs_up", 5, "ANSWER", "customer_hung_up"),
    ],
)
async def test_each_far_end_gets_its_status_and_reason(
    world: World, customer: str, wait_s: float, status: str, reason: str
) -> None:
    entry, _ = await world.calls.start(world.request(customer), limit=10)
    if wait_s:
        await world.clock.until_asleep(wait_s)
        await world.clock.advance(wait_s)
    await world.until_state(entry.call.id, State.ENDED)
    result = world.ended[0].data["result"]
    assert (result["status"], result["reason"]) == (status, reason)
    assert (result["recording_url"] is None) == (status != "ANSWER")
    assert await world.live() == []


async def test_the_customer_is_not_rung_when_the_agent_does_not_answer(world: World) -> None:
    entry, _ = await world.calls.start(world.request(agent="no_answer"), limit=10)
    await world.clock.until_asleep(30)
    await world.clock.advance(30)
    await world.until_state(entry.call.id, State.ENDED)
    assert world.engine.dialed == [NUMBERS["no_answer"].number]
    assert (world.ended[0].data["result"]["status"], world.ended[0].data["result"]["reason"]) == ("FAILED", "agent_no_answer")


async def test_the_same_uuid_never_dials_twice_not_even_a_hundred_at_once(world: World) -> None:
    answers = await asyncio.gather(*[world.calls.start(world.request(uuid="same"), limit=500) for _ in range(100)])
    assert sum(new for _, new in answers) == 1
    assert len({entry.call.id for entry, _ in answers}) == 1
    await world.until_state(answers[0][0].call.id, State.TALKING)
    assert len(world.engine.dialed) == 2
    assert await count_rows(world.database) == 1


async def test_the_same_uuid_with_another_content_is_a_conflict(world: World) -> None:
    entry, _ = await world.calls.start(world.request(uuid="u"), limit=10)
    with pytest.raises(Refused) as refused:
        await world.calls.start(world.request("speech", uuid="u"), limit=10)
    assert (refused.value.code, refused.value.more["call_id"]) == (Code.UUID_CONFLICT, entry.call.id)


async def test_the_limit_of_simultaneous_calls_holds_under_a_rush(world: World) -> None:
    answers = await asyncio.gather(*[world.calls.start(world.request(), limit=3) for _ in range(20)], return_exceptions=True)
    refused = [a for a in answers if isinstance(a, Refused)]
    assert (len(answers) - len(refused), {r.code for r in refused}) == (3, {Code.CALL_LIMIT_REACHED})
    assert refused[0].retry_after is not None


async def test_a_second_click_for_the_same_customer_never_dials_again(world: World) -> None:
    first, _ = await world.calls.start(world.request(agent=None), limit=10)
    await world.until_state(first.call.id, State.TALKING)
    with pytest.raises(Refused) as same:
        await world.calls.start(world.request(agent=None), limit=10)
    with pytest.raises(Refused) as other:
        await world.calls.start(world.request("speech", agent=None), limit=10)
    assert (same.value.code, other.value.code) == (Code.ALREADY_CALLING, Code.AGENT_BUSY)
    assert len(world.engine.dialed) == 2


async def test_nothing_is_stored_or_dialed_while_the_engine_is_away(world: World) -> None:
    world.engine.lose()
    with pytest.raises(Refused) as refused:
        await world.calls.start(world.request(), limit=10)
    assert (refused.value.code, refused.value.kind.status, refused.value.retry_after) == (Code.ENGINE_UNAVAILABLE, 503, 3)
    assert (await count_rows(world.database), world.engine.dialed) == (0, [])


async def test_hanging_up_through_the_api(world: World) -> None:
    entry, _ = await world.calls.start(world.request("no_answer"), limit=10)
    await world.until_state(entry.call.id, State.CUSTOMER_RINGING)
    await world.calls.hang_up("a1", entry.call.id, Party.ACCOUNT)
    await world.until_state(entry.call.id, State.ENDED)
    assert world.ended[0].data["result"]["status"] == "CANCELED"
    with pytest.raises(Refused) as too_late:
        await world.calls.hang_up("a1", entry.call.id, Party.ACCOUNT)
    assert (too_late.value.code, too_late.value.more) == (Code.NOT_POSSIBLE_NOW, {"state": State.ENDED, "allowed": []})


async def test_another_accounts_call_is_unknown(world: World) -> None:
    entry, _ = await world.calls.start(world.request(), limit=10)
    for attempt in (world.calls.show("a2", entry.call.id), world.calls.hang_up("a2", entry.call.id, Party.ACCOUNT)):
        with pytest.raises(Refused) as refused:
            await attempt
        assert refused.value.code is Code.NOT_FOUND


async def test_a_call_that_hangs_is_ended_by_the_janitor(world: World) -> None:
    janitor = asyncio.create_task(world.calls.janitor())
    world.engine.softphone = BEHAVIOURS["no_answer"]
    entry, _ = await world.calls.start(world.request(agent=None, agent_ring_s=10_000), limit=10)
    await world.until_state(entry.call.id, State.AGENT_RINGING)
    await world.clock.until_asleep(1)
    await world.clock.advance(10_007)
    done = await world.until_state(entry.call.id, State.ENDED)
    assert done.call.reason is Reason.AGENT_NO_ANSWER
    janitor.cancel()


async def test_a_bug_in_one_call_ends_that_call_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = world.engine.ring_customer

    async def break_for_speech(plan: CallPlan) -> None:
        if plan.customer_number == NUMBERS["speech"].number:
            raise ZeroDivisionError
        await ring(plan)

    monkeypatch.setattr(world.engine, "ring_customer", break_for_speech)
    broken, _ = await world.calls.start(world.request("speech"), limit=10)
    sound, _ = await world.calls.start(world.request(), limit=10)
    done = await world.until_state(broken.call.id, State.ENDED)
    assert done.call.reason is Reason.PLATFORM_ERROR
    await world.until_state(sound.call.id, State.TALKING)


async def test_an_order_is_carried_out_although_its_asker_went_away(world: World) -> None:
    entry, _ = await world.calls.start(world.request("no_answer"), limit=10)
    await world.until_state(entry.call.id, State.CUSTOMER_RINGING)
    asking = asyncio.create_task(world.calls.hang_up("a1", entry.call.id, Party.AGENT))
    await asyncio.sleep(0)  # the order is in the mailbox
    asking.cancel()
    done = await world.until_state(entry.call.id, State.ENDED)
    assert done.call.reason is Reason.AGENT_GAVE_UP
    assert [e.kind for e in await world.journal_of(entry.call.id)].count("hang_up") == 1
    assert Reason.PLATFORM_ERROR not in [e.data.get("reason") for e in await world.journal_of(entry.call.id)]


async def test_who_orders_is_answered_though_the_order_meets_a_bug(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    entry, _ = await world.calls.start(world.request("no_answer"), limit=10)
    await world.until_state(entry.call.id, State.CUSTOMER_RINGING)
    save, broken = store.save, [True]

    def break_once(*stored: Any) -> None:
        if broken.pop() if broken else False:
            raise ZeroDivisionError
        save(*stored)

    monkeypatch.setattr(store, "save", break_once)
    with pytest.raises(Refused) as refused:
        await asyncio.wait_for(world.calls.hang_up("a1", entry.call.id, Party.ACCOUNT), 5)
    assert refused.value.code is Code.INTERNAL
    done = await world.until_state(entry.call.id, State.ENDED)
    assert done.call.reason is Reason.PLATFORM_ERROR


async def test_a_dead_engine_ends_its_calls_with_what_was_talked(world: World) -> None:
    talking, _ = await world.calls.start(world.request(), limit=10)
    ringing, _ = await world.calls.start(world.request("no_answer"), limit=10)
    await world.until_state(talking.call.id, State.TALKING)
    await world.until_state(ringing.call.id, State.CUSTOMER_RINGING)
    await world.clock.advance(7)
    world.engine.lose()
    world.engine.come_back(restarted=True)
    ended = {(await world.until_state(e.call.id, State.ENDED)).call.id for e in (talking, ringing)}
    results = {e.call_id: e.data["result"] for e in world.ended}
    assert ended == set(results)
    assert [results[talking.call.id][k] for k in ("status", "duration", "reason")] == ["ANSWER", 7, "engine_lost"]
    assert [results[ringing.call.id][k] for k in ("status", "duration", "reason")] == ["FAILED", 0, "engine_lost"]


async def test_an_event_that_lay_unread_counts_from_when_it_happened(world: World) -> None:
    """The platform was stopped for four seconds (SIGSTOP, a frozen machine) while the customer hung up."""
    entry, _ = await world.calls.start(world.request(recording=False), limit=10)
    await world.until_state(entry.call.id, State.TALKING)
    await world.clock.advance(10)
    hung_up = world.clock.now() - timedelta(seconds=4)
    world.calls.engine_event(LegEnded(entry.call.id, Role.CUSTOMER, hung_up, Cause.NORMAL, by_far_end=True))
    world.calls.engine_event(LegEnded(entry.call.id, Role.AGENT, hung_up, Cause.NORMAL))
    await world.until_state(entry.call.id, State.ENDED)
    [ended] = world.ended
    assert (ended.data["result"]["duration"], ended.data["result"]["end_time"]) == (6, "2026-07-03T10:00:06Z")


async def test_an_answer_that_lay_unread_for_long_rings_nobody(world: World) -> None:
    entry, _ = await world.calls.start(world.request(agent="no_answer"), limit=10)
    await world.until_state(entry.call.id, State.AGENT_RINGING)
    await world.clock.advance(20)
    world.calls.engine_event(LegAnswered(entry.call.id, Role.AGENT, world.clock.now() - timedelta(seconds=15)))
    done = await world.until_state(entry.call.id, State.ENDED)
    assert done.call.reason is Reason.DIALED_TOO_LATE
    assert Role.CUSTOMER not in [leg.leg for leg in await world.engine.snapshot()]


async def test_what_happened_in_a_gap_is_found_out(world: World) -> None:
    stays, _ = await world.calls.start(world.request(), limit=10)
    ends, _ = await world.calls.start(world.request("speech"), limit=10)
    await world.until_state(stays.call.id, State.TALKING)
    await world.until_state(ends.call.id, State.CUSTOMER_RINGING)
    world.engine.lose()
    world.engine.far_end_hangs_up(ends.call.id, Role.CUSTOMER)
    world.engine.come_back(restarted=False)
    await world.until_state(ends.call.id, State.ENDED)
    assert await world.live() == [stays.call.id]


async def test_a_restarted_platform_takes_up_its_calls_and_dials_nobody_again(database: Database, tmp_path: Path) -> None:
    async with open_world(database, tmp_path) as before:
        talking, _ = await before.calls.start(before.request(), limit=10)
        await before.until_state(talking.call.id, State.TALKING)
        engine = before.engine
    async with open_world(database, tmp_path, engine) as after:
        assert await after.live() == [talking.call.id]
        engine.far_end_hangs_up(talking.call.id, Role.AGENT)
        done = await after.until_state(talking.call.id, State.ENDED)
        assert (done.call.reason, len(engine.dialed)) == (Reason.AGENT_HUNG_UP, 2)
        await engine.stop()


async def test_a_call_that_was_ending_when_the_platform_died_ends_at_once_after_the_restart(
    database: Database, tmp_path: Path
) -> None:
    async with open_world(database, tmp_path) as before:
        entry, _ = await before.calls.start(before.request(), limit=10)
        talking = await before.until_state(entry.call.id, State.TALKING)
        await before.clock.advance(3)
        engine = before.engine
    # the platform died between the end of both legs and the end of the call
    gone = replace(
        talking.call,
        state=State.ENDING,
        agent=replace(talking.call.agent, leg=Leg.GONE),
        customer=replace(talking.call.customer, leg=Leg.GONE),
        ended_at=talking.call.created_at,
        talk_s=3.0,
    )
    left = JournalEntry(gone.id, "a1", talking.seq + 1, gone.created_at, "all_gone_recorded", {})
    ending = replace(talking, call=gone, seq=left.seq)
    await database.write(lambda connection: store.save(connection, Journal(), ending, [left]))
    engine.far_end_hangs_up(entry.call.id, Role.CUSTOMER)
    async with open_world(database, tmp_path, engine) as after:
        done = await after.until_state(entry.call.id, State.ENDED)
        result = after.ended[0].data["result"]
        assert (result["status"], result["duration"], result["recording_url"]) == ("ANSWER", 3, done.recording_url)
        assert done.recording_url is not None
        await engine.stop()


async def test_a_leg_that_no_call_owns_is_ended(world: World) -> None:
    await world.engine.ring_agent(world.request().plan)
    assert len(await world.engine.snapshot()) == 1
    world.engine.lose()
    world.engine.come_back(restarted=False)
    await world.clock.advance(0)
    assert await world.engine.snapshot() == []


async def test_what_ended_while_the_platform_was_dead_has_its_true_times(database: Database, tmp_path: Path) -> None:
    """Unrecorded calls: nothing but the engine's memory tells. One of them was even answered in the gap."""
    async with open_world(database, tmp_path) as before:
        talking, _ = await before.calls.start(before.request(recording=False), limit=10)
        await before.until_state(talking.call.id, State.TALKING)
        ringing, _ = await before.calls.start(before.request("no_answer", recording=False), limit=10)
        await before.until_state(ringing.call.id, State.CUSTOMER_RINGING)
        engine, clock = before.engine, before.clock
    await clock.advance(5)
    engine.far_end_answers(ringing.call.id, Role.CUSTOMER)
    await clock.advance(2)
    engine.far_end_hangs_up(talking.call.id, Role.AGENT)
    engine.far_end_hangs_up(ringing.call.id, Role.CUSTOMER)
    await clock.advance(300)
    async with open_world(database, tmp_path, engine, clock) as after:
        for call_id in (talking.call.id, ringing.call.id):
            await after.until_state(call_id, State.ENDED)
        results = {entry.call_id: entry.data["result"] for entry in after.ended}
        facts = ("status", "reason", "duration", "answer_time", "end_time")
        assert [results[talking.call.id][name] for name in facts] == [
            *("ANSWER", "agent_hung_up", 7, "2026-07-03T10:00:00Z", "2026-07-03T10:00:07Z")
        ]
        assert [results[ringing.call.id][name] for name in facts] == [
            *("ANSWER", "customer_hung_up", 2, "2026-07-03T10:00:05Z", "2026-07-03T10:00:07Z")
        ]
        await engine.stop()


async def test_that_an_end_is_an_estimate_survives_a_second_crash(database: Database, tmp_path: Path) -> None:
    async with open_world(database, tmp_path) as world:
        entry, _ = await world.calls.start(world.request(), limit=10)
        talking = await world.until_state(entry.call.id, State.TALKING)
        late = replace(talking, call=replace(talking.call, ended_late=True), seq=talking.seq + 1)
        note = JournalEntry(entry.call.id, "a1", late.seq, talking.call.created_at, "leg_ends", {})
        await database.write(lambda connection: store.save(connection, Journal(), late, [note]))
        [stored] = await database.read(store.live)
        assert stored.call.ended_late
        await world.engine.stop()


async def test_an_engine_that_dies_ends_its_calls_before_it_is_back(world: World) -> None:
    talking, _ = await world.calls.start(world.request(recording=False), limit=10)
    await world.until_state(talking.call.id, State.TALKING)
    ringing, _ = await world.calls.start(world.request("no_answer"), limit=10)
    await world.until_state(ringing.call.id, State.CUSTOMER_RINGING)
    await world.clock.advance(7)
    world.engine.die()
    for entry in (talking, ringing):
        await world.until_state(entry.call.id, State.ENDED)
    results = {entry.call_id: entry.data["result"] for entry in world.ended}
    assert [results[talking.call.id][name] for name in ("status", "duration", "reason")] == ["ANSWER", 7, "engine_lost"]
    assert [results[ringing.call.id][name] for name in ("status", "duration", "reason")] == ["FAILED", 0, "engine_lost"]
    assert await world.live() == []
