"""Hands on a live call: every state, who hears whom in it, and what becomes of the call when somebody leaves or fails."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.calls.world import AGENT, World, open_world

from intellicall.calls.call import Order
from intellicall.calls.orders import Ask, Note
from intellicall.calls.people import Person
from intellicall.calls.result import Entry, api_view, softphone_view
from intellicall.calls.table import Move, Party, Reason, State
from intellicall.errors import Code, Refused
from intellicall.storage.database import Database
from intellicall.telephony.engine import LegPlan, PhoneLine, Place, SoftphoneLine
from intellicall.telephony.testnet.numbers import NUMBERS


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(database, tmp_path) as opened:
        yield opened
        await opened.engine.stop()


async def talking(world: World, agent: str | None = "tone_440", **changes: Any) -> Entry:
    entry, _ = await world.calls.start(world.request(agent=agent, **changes), limit=10)
    return await world.until_state(entry.call.id, State.TALKING)


async def order(world: World, entry: Entry, move: Move, by: Party = Party.ACCOUNT, **more: str) -> Entry:
    after, _ = await world.calls.order(
        "a1", entry.call.id, Ask(Order(move, by, more.get("participant")), digits=more.get("digits"))
    )
    return after


def invitation(world: World, entry: Entry, move: Move, whom: str = "tone_1000", key: str | None = None) -> Ask:
    number = NUMBERS[whom].number
    leg = LegPlan(entry.call.id, "", PhoneLine(number, ("sandbox",)), "+12025550190", number, 45)
    return Ask(Order(move, Party.ACCOUNT), Person("", "", number, number), leg, key=key)


async def invite(world: World, entry: Entry, move: Move, whom: str = "tone_1000") -> Entry:
    after, _ = await world.calls.order("a1", entry.call.id, invitation(world, entry, move, whom))
    return after


def heard(world: World, entry: Entry) -> dict[str, set[str] | Place]:
    """What everybody who is there hears."""
    return {leg: world.engine.hears(entry.call.id, leg) for leg, up in world.engine.legs(entry.call.id).items() if up}


BOTH = {"agent": {"customer"}, "customer": {"agent"}}


async def kinds(world: World, entry: Entry) -> list[str]:
    return [entry.kind for entry in await world.journal_of(entry.call.id)]


async def test_a_plain_call_is_never_arranged(world: World) -> None:
    entry = await talking(world)
    await world.calls.hang_up("a1", entry.call.id, Party.ACCOUNT)
    await world.until_state(entry.call.id, State.ENDED)
    assert world.engine.arranged == {}


async def test_hold_and_resume(world: World) -> None:
    entry = await talking(world)
    held = await order(world, entry, Move.HOLD)
    assert (held.call.state, heard(world, entry)) == (State.HELD, {"agent": Place.SILENCE, "customer": Place.MUSIC})
    assert [p["on_hold"] for p in api_view(held)["participants"]] == [False, True]
    with pytest.raises(Refused) as twice:
        await order(world, entry, Move.HOLD)
    assert twice.value.code is Code.NOT_POSSIBLE_NOW
    assert "resume" in twice.value.more["allowed"]  # type: ignore[operator]  # a list
    resumed = await order(world, entry, Move.RESUME)
    assert (resumed.call.state, heard(world, entry)) == (State.TALKING, BOTH)


async def test_a_muted_party_is_heard_by_nobody_and_muting_twice_changes_nothing(world: World) -> None:
    entry = await talking(world)
    for _ in range(2):
        muted = await order(world, entry, Move.MUTE)
        assert (muted.call.agent.muted, heard(world, entry)["customer"]) == (True, set())
    assert heard(world, entry)["agent"] == {"customer"}
    await order(world, entry, Move.MUTE, participant="customer")
    assert heard(world, entry)["agent"] == set()
    await order(world, entry, Move.UNMUTE)
    await order(world, entry, Move.UNMUTE, participant="customer")
    assert heard(world, entry) == BOTH


async def test_digits_reach_whom_the_agent_talks_to_and_stand_nowhere(world: World) -> None:
    entry = await talking(world)
    await order(world, entry, Move.SEND_DIGITS, digits="42#")
    await invite(world, entry, Move.CONSULT)
    await world.until_state(entry.call.id, State.CONSULTING)
    await order(world, entry, Move.SEND_DIGITS, digits="9")
    await order(world, entry, Move.SEND_DIGITS, digits="8", participant="customer")
    assert [(leg, digits) for _, leg, digits in world.engine.digits] == [("customer", "42#"), ("p1", "9"), ("customer", "8")]
    assert "42#" not in repr([e.data for e in await world.journal_of(entry.call.id)])


async def test_consultation_swap_merge_and_warm_transfer(world: World) -> None:
    entry = await talking(world)
    ringing = await invite(world, entry, Move.CONSULT, "speech")  # answers after 3 s
    assert (ringing.call.state, heard(world, entry)["customer"]) == (State.CONSULT_RINGING, Place.MUSIC)
    await world.clock.advance(3)
    consulting = await world.until_state(entry.call.id, State.CONSULTING)
    assert heard(world, entry) == {"agent": {"p1"}, "p1": {"agent"}, "customer": Place.MUSIC}
    assert [p["state"] for p in api_view(consulting)["participants"]] == ["connected"] * 3
    await order(world, entry, Move.SWAP)
    assert heard(world, entry) == {**BOTH, "p1": Place.MUSIC}
    await order(world, entry, Move.MERGE)
    assert heard(world, entry) == {"agent": {"customer", "p1"}, "customer": {"agent", "p1"}, "p1": {"agent", "customer"}}
    await order(world, entry, Move.HOLD)
    assert heard(world, entry)["customer"] is Place.MUSIC
    done = await order(world, entry, Move.COMPLETE)
    assert (done.call.state, done.call.agent.id) == (State.TALKING, "p1")
    assert heard(world, entry) == {"customer": {"p1"}, "p1": {"customer"}}
    await world.clock.advance(10)
    world.engine.far_end_hangs_up(entry.call.id, "p1")
    ended = await world.until_state(entry.call.id, State.ENDED)
    assert (ended.call.reason, ended.call.talk_s) == (Reason.GUEST_HUNG_UP, 13)
    [result] = [entry.data["result"] for entry in world.ended]
    assert (result["transferred_to"], result["agent_number"], result["status"]) == (
        [NUMBERS["speech"].number],
        NUMBERS["tone_440"].number,
        "ANSWER",
    )


@pytest.mark.parametrize("leaver", ["agent", "p1"])
async def test_who_leaves_a_three_way_call_leaves_the_others_together(world: World, leaver: str) -> None:
    entry = await talking(world)
    await invite(world, entry, Move.ADD)
    await world.until_state(entry.call.id, State.THREE_WAY)
    world.engine.far_end_hangs_up(entry.call.id, leaver)
    await world.until(lambda: world.seen[-1].call.state is State.TALKING)
    stays = "p1" if leaver == "agent" else "agent"
    assert heard(world, entry) == {stays: {"customer"}, "customer": {stays}}
    world.engine.far_end_hangs_up(entry.call.id, "customer")
    ended = await world.until_state(entry.call.id, State.ENDED)
    assert ended.call.reason is Reason.CUSTOMER_HUNG_UP
    assert world.engine.legs(entry.call.id) == {}


@pytest.mark.parametrize("move", [Move.CONSULT, Move.ADD])
async def test_the_customer_ends_every_call(world: World, move: Move) -> None:
    entry = await talking(world)
    await invite(world, entry, move)
    await world.until(lambda: world.seen[-1].call.guest is not None and world.seen[-1].call.guest.up)
    world.engine.far_end_hangs_up(entry.call.id, "customer")
    ended = await world.until_state(entry.call.id, State.ENDED)
    assert (ended.call.reason, world.engine.legs(entry.call.id)) == (Reason.CUSTOMER_HUNG_UP, {})


@pytest.mark.parametrize("move", [Move.CONSULT, Move.ADD, Move.TRANSFER])
@pytest.mark.parametrize("whom", ["busy", "reject", "unknown", "no_answer"])
async def test_a_guest_who_cannot_be_reached_brings_the_two_together_again(world: World, move: Move, whom: str) -> None:
    entry = await talking(world)
    await invite(world, entry, move, whom)
    if whom == "no_answer":
        await world.clock.advance(46)
    await world.until(lambda: world.seen[-1].call.dialed == 1 and world.seen[-1].call.state is State.TALKING)
    assert heard(world, entry) == BOTH
    [left] = [e for e in await world.journal_of(entry.call.id) if e.kind == "guest_leaves"]
    assert left.data["reason"] in {"busy", "rejected", "number_unknown", "no_answer"}
    assert left.data["participant_id"] == "p1"
    assert api_view(world.seen[-1])["participants"][2]["state"] == "left"


async def test_a_blind_transfer_lets_the_customer_hear_ringback_and_the_agent_go(world: World) -> None:
    entry = await talking(world)
    begun = await invite(world, entry, Move.TRANSFER, "speech")
    assert (begun.call.state, heard(world, entry)["customer"]) == (State.TRANSFERRING, Place.RINGBACK)
    world.engine.far_end_hangs_up(entry.call.id, "agent")
    await world.until(lambda: not world.seen[-1].call.agent.here)
    assert world.seen[-1].call.state is State.TRANSFERRING
    await world.clock.advance(3)
    await world.until(lambda: world.seen[-1].call.agent.id == "p1")
    assert heard(world, entry) == {"customer": {"p1"}, "p1": {"customer"}}
    assert (await kinds(world, entry))[-2:] == ["agent_leaves", "transfer_done"]


async def test_a_blind_transfer_that_fails_after_the_agent_left_ends_with_a_reason(world: World) -> None:
    entry = await talking(world)
    await invite(world, entry, Move.TRANSFER, "no_answer")
    await order(world, entry, Move.DROP_GUEST, Party.AGENT, participant="agent")
    assert world.engine.legs(entry.call.id) == {"customer": True, "p1": False}
    await world.clock.advance(46)
    ended = await world.until_state(entry.call.id, State.ENDED)
    assert (ended.call.reason, world.engine.legs(entry.call.id)) == (Reason.TRANSFER_FAILED, {})


async def test_a_consultation_can_be_completed_while_it_rings(world: World) -> None:
    entry = await talking(world)
    await invite(world, entry, Move.CONSULT, "speech")
    done = await order(world, entry, Move.COMPLETE)
    assert (done.call.state, heard(world, entry)) == (State.TRANSFERRING, {"customer": Place.RINGBACK})
    await world.clock.advance(3)
    await world.until(lambda: world.seen[-1].call.state is State.TALKING)
    assert heard(world, entry) == {"customer": {"p1"}, "p1": {"customer"}}


async def test_transfers_can_be_chained_and_everybody_gets_an_id_of_their_own(world: World) -> None:
    done = entry = await talking(world)
    for expected in ("p1", "p2", "p3"):
        await invite(world, entry, Move.CONSULT)
        await world.until(lambda: world.seen[-1].call.state is State.CONSULTING)
        done = await order(world, entry, Move.COMPLETE)
        assert done.call.agent.id == expected
    assert [p["id"] for p in api_view(done)["participants"]] == ["agent", "customer", "p1", "p2", "p3"]
    assert [p["state"] for p in api_view(done)["participants"]] == ["left", "connected", "left", "left", "connected"]


async def test_the_recording_pauses_and_its_end_is_told(world: World) -> None:
    entry = await talking(world)
    paused = await order(world, entry, Move.PAUSE_RECORDING)
    assert (api_view(paused)["recording_paused"], world.engine.arranged[entry.call.id].paused) == (True, True)
    await order(world, entry, Move.RESUME_RECORDING)
    assert not world.engine.arranged[entry.call.id].paused
    await world.clock.advance(3)
    await world.calls.hang_up("a1", entry.call.id, Party.ACCOUNT)
    await world.until_state(entry.call.id, State.ENDED)
    told = [kind for kind in await kinds(world, entry) if "recording" in kind]
    assert told == ["pause_recording", "resume_recording", "recording_ready"]


async def test_the_same_key_is_carried_out_once_also_after_a_restart(database: Database, tmp_path: Path) -> None:
    async with open_world(database, tmp_path) as before:
        entry = await talking(before)
        ask = invitation(before, entry, Move.CONSULT, key="k1")
        _, now = await before.calls.order("a1", entry.call.id, ask)
        again, once_more = await before.calls.order("a1", entry.call.id, ask)
        assert (now, once_more, len(again.people)) == (True, False, 1)
        with pytest.raises(Refused) as conflict:
            await before.calls.order("a1", entry.call.id, Ask(Order(Move.HOLD, Party.ACCOUNT), key="k1"))
        assert conflict.value.code is Code.IDEMPOTENCY_CONFLICT
        engine = before.engine
    async with open_world(database, tmp_path, engine) as after:
        _, now = await after.calls.order("a1", entry.call.id, ask)
        assert not now
        assert engine.dialed.count(NUMBERS["tone_1000"].number) == 2  # the customer, and the guest once
        await engine.stop()


async def test_a_restart_of_the_platform_takes_a_live_call_up_where_it_stands(database: Database, tmp_path: Path) -> None:
    async with open_world(database, tmp_path) as before:
        entry = await talking(before)
        await invite(before, entry, Move.CONSULT)
        await before.until_state(entry.call.id, State.CONSULTING)
        await order(before, entry, Move.MUTE)
        engine = before.engine
    async with open_world(database, tmp_path, engine) as after:
        merged = await order(after, entry, Move.MERGE)
        assert (merged.call.state, merged.call.agent.muted) == (State.THREE_WAY, True)
        assert heard(after, entry)["customer"] == {"p1"}
        done = await order(after, entry, Move.COMPLETE)
        assert done.transferred_to == ("p1",)
        await engine.stop()


async def test_a_guest_who_left_while_the_platform_was_down_is_noticed(database: Database, tmp_path: Path) -> None:
    async with open_world(database, tmp_path) as before:
        entry = await talking(before)
        await invite(before, entry, Move.CONSULT)
        await before.until_state(entry.call.id, State.CONSULTING)
        engine = before.engine
    engine.far_end_hangs_up(entry.call.id, "p1")
    async with open_world(database, tmp_path, engine) as after:
        await after.until(lambda: bool(after.seen) and after.seen[-1].call.state is State.TALKING)
        assert heard(after, entry) == BOTH
        await engine.stop()


async def test_no_order_is_taken_while_the_engine_is_away_and_the_call_stays_as_it_is(world: World) -> None:
    entry = await talking(world)
    world.engine.lose()
    with pytest.raises(Refused) as away:
        await order(world, entry, Move.HOLD)
    assert away.value.code is Code.ENGINE_UNAVAILABLE
    world.engine.come_back(restarted=False)
    held = await order(world, entry, Move.HOLD)
    assert held.call.state is State.HELD


async def test_what_the_engine_did_not_hear_of_it_hears_when_it_is_back(world: World) -> None:
    entry = await talking(world)
    world.meanwhile = lambda _: world.engine.lose()
    held = await order(world, entry, Move.HOLD)
    assert (held.call.state, world.engine.arranged) == (State.HELD, {})
    world.meanwhile = None
    world.engine.come_back(restarted=False)
    async with asyncio.timeout(5):
        while not world.engine.arranged:  # noqa: ASYNC110 - the engine tells nobody that it was arranged
            await asyncio.sleep(0.01)
    assert heard(world, entry)["customer"] is Place.MUSIC


async def test_a_guest_who_could_not_be_rung_for_want_of_an_engine_is_gone(world: World) -> None:
    entry = await talking(world)
    world.meanwhile = lambda entry: world.engine.lose() if entry.call.guest else None
    await invite(world, entry, Move.CONSULT)
    world.meanwhile = None
    world.engine.come_back(restarted=False)
    await world.until(lambda: world.seen[-1].call.state is State.TALKING)
    async with asyncio.timeout(5):
        while world.engine.arranged and heard(world, entry) != BOTH:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
    assert world.engine.dialed.count(NUMBERS["tone_1000"].number) == 1


async def test_nobody_gives_orders_on_another_accounts_call_or_about_somebody_who_is_not_there(world: World) -> None:
    entry = await talking(world)
    for account, participant, code in (("a2", None, Code.NOT_FOUND), ("a1", "p7", Code.NOT_FOUND)):
        with pytest.raises(Refused) as refused:
            await world.calls.order(account, entry.call.id, Ask(Order(Move.MUTE, Party.ACCOUNT, participant)))
        assert refused.value.code is code
    assert heard(world, entry) == BOTH


async def test_what_is_noted_before_the_end_is_in_the_result_and_later_it_is_an_update(world: World) -> None:
    entry = await talking(world)
    await world.calls.annotate("a1", entry.call.id, Note("SALE", "wants two"))
    await world.calls.hang_up("a1", entry.call.id, Party.ACCOUNT)
    await world.until_state(entry.call.id, State.ENDED)
    [result] = [e.data["result"] for e in world.ended]
    assert (result["disposition"], result["notes"]) == ("SALE", "wants two")
    later = await world.calls.annotate("a1", entry.call.id, Note(notes="wants three"))
    assert (later.disposition, later.notes) == ("SALE", "wants three")
    last = (await world.journal_of(entry.call.id))[-1]
    assert (last.kind, last.data["disposition"], last.data["notes"]) == ("updated", "SALE", "wants three")
    assert len(world.ended) == 1
    shown = await world.calls.show("a1", entry.call.id)
    assert shown.notes == "wants three"


def softphone_ask(entry: Entry, move: Move, agent_id: str, name: str) -> Ask:
    line = SoftphoneLine(f"session-{agent_id}", f"token-{agent_id}")
    leg = LegPlan(entry.call.id, "", line, "+12025550190", entry.request.plan.customer_number, 15)
    person = Person("", "", crm_username=name, agent_id=agent_id, softphone=line, called_by="agent.017")
    return Ask(Order(move, Party.AGENT), person, leg)


async def test_each_agents_page_sees_the_call_from_its_own_seat(world: World) -> None:
    entry = await talking(world, agent=None)
    assert AGENT.id == (world.calls.live_of_agent("g1") or entry).request.agent_id
    await world.calls.order("a1", entry.call.id, softphone_ask(entry, Move.CONSULT, "g2", "agent.018"))
    consulting = await world.until_state(entry.call.id, State.CONSULTING)
    first, second = (softphone_view(consulting, agent_id) for agent_id in ("g1", "g2"))
    assert (first["seat"], first["answer"], first["participant_id"]) == ("agent", "auto", "agent")
    assert (second["seat"], second["answer"], second["participant_id"]) == ("guest", "ask", "p1")
    assert (second["called_by"], second["answer_token"]) == ("agent.017", "token-g2")
    assert {"swap", "merge", "transfer", "leave", "end"} <= set(first["allowed"])
    assert set(second["allowed"]) == {"mute", "unmute", "leave"}
    assert world.calls.live_of_agent("g2") is not None
    done = await order(world, entry, Move.COMPLETE, Party.AGENT)
    first, second = (softphone_view(done, agent_id) for agent_id in ("g1", "g2"))
    assert (first["state"], first["end"]["reason"], first["allowed"]) == ("ended", "transferred", [])
    assert (second["state"], second["seat"], "hold" in second["allowed"]) == ("talking", "agent", True)
    assert world.calls.live_of_agent("g1") is None
    again, _ = await world.calls.start(world.request(agent=None, customer="speech"), limit=10)
    assert again.call.id != entry.call.id, "the agent who has transferred is free for the next call"
    with pytest.raises(Refused) as busy:
        await world.calls.start(world.request(agent=None, customer="no_answer"), limit=10)
    assert busy.value.code is Code.AGENT_BUSY


async def test_a_lost_softphone_is_rung_again_and_the_customer_hears_music_meanwhile(world: World) -> None:
    entry = await talking(world, agent=None)
    away = await order(world, entry, Move.AGENT_LOST, Party.PLATFORM)
    assert (away.call.state, heard(world, entry)) == (State.AGENT_AWAY, {"customer": Place.MUSIC})
    assert world.calls.live_of_agent("g1") is not None
    await world.calls.order("a1", entry.call.id, softphone_ask(entry, Move.AGENT_BACK, "g1", "agent.017"))
    await world.until(lambda: world.seen[-1].call.state is State.TALKING)
    assert heard(world, entry) == {"customer": {"p1"}, "p1": {"customer"}}
    view = softphone_view(world.seen[-1], "g1")
    assert (view["participant_id"], view["answer"], view["answer_token"]) == ("agent", "auto", "token-g1")
    world.engine.far_end_hangs_up(entry.call.id, "p1")
    ended = await world.until_state(entry.call.id, State.ENDED)
    assert (ended.call.reason, ended.transferred_to) == (Reason.AGENT_HUNG_UP, ())


async def test_an_agent_who_does_not_come_back_ends_the_call_after_a_while(world: World) -> None:
    entry = await talking(world, agent=None)
    await order(world, entry, Move.AGENT_LOST, Party.PLATFORM)
    conductor = world.calls._conductors[entry.call.id]
    assert conductor.overdue(world.clock.monotonic() + 19) is None
    await world.clock.advance(21)
    overdue = conductor.overdue(world.clock.monotonic())
    assert overdue is not None
    conductor.post(overdue)
    ended = await world.until_state(entry.call.id, State.ENDED)
    assert (ended.call.reason, world.engine.legs(entry.call.id)) == (Reason.AGENT_LEFT, {})


async def test_the_longest_time_holds_in_every_state(world: World) -> None:
    entry = await talking(world, max_length_s=600)  # four hours would be 460 MB to complete
    await order(world, entry, Move.HOLD)
    await world.clock.advance(entry.request.plan.max_length_s + 1)
    ended = await world.until_state(entry.call.id, State.ENDED)
    assert ended.call.reason is Reason.MAX_LENGTH
