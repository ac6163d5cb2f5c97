"""After the call: wrap-up, what is written down, the agent's own history, redial; and who can be called."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.softphone.live_room import CALLER_ID, ECHO, RINGS, THIRD, TONE, LiveRoom
from tests.softphone.room import Page
from tests.web.serving import until

from intellicall.accounts import changes
from intellicall.calls import store
from intellicall.calls.attendance import seated
from intellicall.calls.call import Leg
from intellicall.calls.table import State


async def end(live: LiveRoom, page: Page, call_id: str) -> None:
    await page.say("order", call_id=call_id, order="end", ref="end")
    await page.wait("call", lambda m: m["call"]["state"] == "ended")
    await live.until_state(call_id, State.ENDED)


async def test_wrap_up_begins_and_ends_with_its_time(live: LiveRoom) -> None:
    await live.set_account(wrap_up_s=30)
    browser = live.room.browser()
    async with live.talking(browser=browser) as (page, call_id):
        await end(live, page, call_id)
        wrap_up = await page.wait("wrap_up")
        assert wrap_up == {
            "type": "wrap_up",
            "call_id": call_id,
            "until": "2026-07-03T10:00:30.000Z",
            "disposition": "CRM_CALL",
            "notes": None,
        }
        assert live.room.sessions.presence(live.room.agent.id) == "wrap_up"
        noted = await live.ask(page, "note", call_id=call_id, disposition="SALE", notes="wants two\r\nand \x0bmore")
        assert (noted["type"], noted["disposition"], noted["notes"]) == ("noted", "SALE", "wants two\nand  more")
        async with live.page_of(browser, "tab-1", page="load-2") as (again, welcome):
            assert welcome["wrap_up"] == {
                **{k: wrap_up[k] for k in ("call_id", "until")},
                "disposition": "SALE",
                "notes": noted["notes"],
            }
            await live.room.clock.advance(30)
            assert (await again.wait("wrap_up"))["until"] is None
        assert live.room.sessions.wrap_ups.of(live.room.agent.id) is None


async def test_nobody_is_called_in_during_wrap_up_and_its_end_is_the_agents_to_say(live: LiveRoom) -> None:
    await live.set_account(wrap_up_s=30)
    async with live.talking() as (page, call_id), live.at_work("agent.018") as second:
        await end(live, page, call_id)
        await page.wait("wrap_up")
        other = await live.dial(second, await live.room.click(live.room.browser(), crm_username="agent.018", to_number=ECHO))
        assert (await live.consult(second, other, crm_username="agent.017"))["code"] == "agent_busy"
        await page.say("wrap_up_done")
        assert (await page.wait("wrap_up"))["until"] is None
        assert (await live.consult(second, other, crm_username="agent.017"))["type"] == "done"


async def test_a_dial_ends_the_wrap_up_and_an_old_timer_does_not_end_a_new_one(live: LiveRoom) -> None:
    await live.set_account(wrap_up_s=30)
    async with live.talking() as (page, call_id):
        await end(live, page, call_id)
        await page.wait("wrap_up")
        await live.room.clock.advance(20)
        await page.say("dial", ticket=await live.room.click(live.room.browser(), to_number=ECHO))
        assert (await page.wait("wrap_up"))["until"] is None
        again = (await page.wait("call", lambda m: m["call"]["state"] == "talking"))["call"]["call_id"]
        await end(live, page, again)
        assert (await page.wait("wrap_up"))["call_id"] == again
        await live.room.clock.advance(15)
        assert live.room.sessions.presence(live.room.agent.id) == "wrap_up"


async def test_who_leaves_by_a_transfer_wraps_up_and_so_does_who_took_over(live: LiveRoom) -> None:
    await live.set_account(wrap_up_s=30)
    async with live.talking() as (page, call_id), live.at_work("agent.018") as second:
        await live.consult(page, call_id)
        await live.until_state(call_id, State.CONSULTING)
        await page.say("order", call_id=call_id, order="transfer", ref="t")
        assert (await page.wait("wrap_up"))["call_id"] == call_id
        noted = await live.ask(page, "note", call_id=call_id, disposition="SALE")
        assert noted["type"] == "noted"
        assert live.room.sessions.wrap_ups.of(live.room.other.id) is None
        await end(live, second, call_id)
        assert (await second.wait("wrap_up"))["disposition"] == "SALE"
        assert (await live.ask(second, "note", call_id=call_id, notes="mine too"))["notes"] == "mine too"


async def test_a_guest_and_one_who_never_talked_have_nothing_to_write_down(live: LiveRoom) -> None:
    await live.set_account(wrap_up_s=30)
    async with live.talking() as (page, call_id), live.at_work("agent.018") as second:
        await live.consult(page, call_id)
        await live.until_state(call_id, State.CONSULTING)
        await live.order(second, call_id, "leave")
        await second.settled()
        assert live.room.sessions.wrap_ups.of(live.room.other.id) is None
        live.softphone_of(live.room.other.id, RINGS)
        await second.say("dial", ticket=await live.room.click(live.room.browser(), crm_username="agent.018"))
        rung = (await second.wait("call", lambda m: m["call"]["state"] == "agent_ringing"))["call"]["call_id"]
        await second.say("hang_up", call_id=rung)
        await second.wait("call", lambda m: m["call"]["state"] == "ended")
        await second.settled()
        assert live.room.sessions.wrap_ups.of(live.room.other.id) is None


async def test_nobody_leaves_a_call_that_is_ending_before_it_has_ended(live: LiveRoom) -> None:
    async with live.talking() as (_, call_id):
        entry, agent_id = live.entry(call_id), live.room.agent.id
        assert seated(entry, {}) == {agent_id: True}
        gone = replace(entry.call, agent=replace(entry.call.agent, leg=Leg.GONE))
        assert seated(replace(entry, call=gone), {agent_id: True}) == {}
        assert seated(replace(entry, call=replace(gone, state=State.ENDING)), {agent_id: True}) == {agent_id: True}
        assert seated(replace(entry, call=replace(gone, state=State.ENDED)), {agent_id: True}) == {}
        away = replace(entry, call=replace(gone, state=State.AGENT_AWAY))
        assert seated(away, {agent_id: True}) == {agent_id: True}


async def test_no_time_no_wrap_up(live: LiveRoom) -> None:
    async with live.talking() as (page, call_id):
        await end(live, page, call_id)
        await page.settled()
        assert live.room.sessions.wrap_ups.of(live.room.agent.id) is None


async def test_only_the_accounts_dispositions(live: LiveRoom) -> None:
    await live.set_account(dispositions=["SALE", "NO_SALE"], default_disposition="NO_SALE")
    async with live.talking() as (page, call_id):
        refused = await live.ask(page, "note", call_id=call_id, disposition="MAYBE")
        assert (refused["code"], refused["type"]) == ("invalid_field", "refused")
        assert (await live.ask(page, "note", call_id=call_id, disposition="SALE"))["disposition"] == "SALE"
        assert (await live.ask(page, "note", call_id=call_id, notes="later"))["disposition"] == "SALE"
        assert (await live.ask(page, "note", call_id="c-unknown", notes="x"))["code"] == "not_found"
    async with live.page_of(live.room._clients[0], "tab-1", page="load-1") as (_, welcome):
        assert (welcome["dispositions"], welcome["default_disposition"]) == (["SALE", "NO_SALE"], "NO_SALE")


async def _past(live: LiveRoom, page: Page) -> list[dict[str, Any]]:
    """Return the whole history, page by page."""
    calls: list[dict[str, Any]] = []
    before = None
    while True:
        answer = await live.ask(page, "history", before=before)
        calls += answer["calls"]
        before = answer["next"]
        if before is None:
            return calls


async def test_the_agents_own_history_and_redial(live: LiveRoom) -> None:
    async with live.talking() as (page, call_id), live.at_work("agent.018") as second:
        assert await _past(live, page) == []  # a call that lives is no past
        await live.ask(page, "note", call_id=call_id, notes="first")
        await live.room.clock.advance(7)
        busy = await live.ask(page, "redial", call_id=call_id)
        assert (busy["code"], busy["call"]["call_id"]) == ("agent_busy", call_id)
        await end(live, page, call_id)
        [past] = await _past(live, page)
        assert past["recording_url"].startswith("https://calls.example/recordings/")
        assert {**past, "recording_url": None} == {
            "call_id": call_id,
            "customer_display": "+1 202-555-0100",
            "from_display": "+91 11 4000 0001",
            "started_at": "2026-07-03T10:00:00.000Z",
            "duration": 7,
            "status": "ANSWER",
            "reason": "agent_hung_up",
            "title": past["title"],
            "disposition": "CRM_CALL",
            "notes": "first",
            "recording_url": None,
        }
        assert await _past(live, second) == []
        assert (await live.ask(second, "redial", call_id=call_id))["code"] == "not_found"
        assert (await live.ask(page, "redial", call_id="c-unknown"))["code"] == "not_found"
        assert (await live.ask(page, "redial", call_id=call_id))["type"] == "done"
        again = live.calls.live_of_agent(live.room.agent.id)
        assert again is not None
        plan = again.request.plan
        assert (plan.customer_number, plan.caller_id, again.request.uuid) == (TONE, CALLER_ID, None)
        assert again.call.id != call_id
        await live.until_state(again.call.id, State.TALKING)


async def test_a_long_history_comes_in_pages(live: LiveRoom) -> None:
    async with live.talking() as (page, call_id):
        await end(live, page, call_id)
        row = await live.room.database.read(lambda connection: dict(connection.execute(store.calls.select()).one()._mapping))
        rows = [{**row, "id": f"call-{number}", "uuid": None} for number in range(44)]
        await live.room.database.write(lambda connection: connection.execute(store.calls.insert(), rows))
        assert len((await live.ask(page, "history", before=None))["calls"]) == 20
        calls = await _past(live, page)
        assert len(calls) == len({one["call_id"] for one in calls}) == 45
        assert (await live.ask(page, "history", before="bm9wZQ"))["code"] == "invalid_field"


async def test_redial_takes_a_ready_softphone(live: LiveRoom) -> None:
    browser = live.room.browser()
    async with live.talking(browser=browser) as (page, call_id):
        await end(live, page, call_id)
        async with live.room.page(browser) as other:
            await other.hello("tab-2")
            await other.hear("elsewhere")
            assert (await live.ask(other, "redial", call_id=call_id))["code"] == "agent_offline"
        await live.room.engine.stop()
        assert (await live.ask(page, "redial", call_id=call_id))["code"] == "engine_unavailable"


async def test_finding_agents_shows_the_callable_ones_first(live: LiveRoom) -> None:
    room = live.room
    now = room.clock.now()
    names = [f"agent.1{number:02}" for number in range(12)]
    await room.database.write(lambda c: [changes.add_agent(c, room.account, name, None, now) for name in names])
    async with live.talking() as (page, _), live.at_work("agent.111"), live.at_work(THIRD) as third:
        await until(lambda: room.sessions.online(room.other.id) is None)
        await third.settled()
        answer = await live.ask(page, "find_agents", query="AGENT")
        agents = answer["agents"]
        assert len(agents) == 10
        assert [one["presence"] for one in agents[:3]] == ["ready", "ready", "offline"]
        assert {one["crm_username"] for one in agents[:2]} == {"agent.111", THIRD}
        assert {one["crm_username"]: one["has_phone"] for one in agents[:2]} == {"agent.111": False, THIRD: True}
        assert "agent.017" not in {one["crm_username"] for one in agents}
        assert (await live.ask(page, "find_agents", query="%"))["agents"] == []
        other = await live.dial(third, await room.click(room.browser(), crm_username=THIRD, to_number=ECHO))
        [busy] = (await live.ask(page, "find_agents", query="019"))["agents"]
        assert (busy["presence"], other) == ("busy", other)
        await live.room.clock.advance(46)
        await page.settled()
        [asleep] = (await live.ask(page, "find_agents", query="agent.111"))["agents"]
        assert asleep["presence"] == "asleep"


async def test_a_page_that_says_anything_is_awake(live: LiveRoom) -> None:
    async with live.at_work("agent.018") as second:
        await live.room.clock.advance(46)
        assert live.room.sessions.presence(live.room.other.id) == "asleep"
        await second.settled()
        assert live.room.sessions.presence(live.room.other.id) == "ready"
    await until(lambda: live.room.sessions.presence(live.room.other.id) == "asleep")
    await live.room.clock.until_asleep(5)
    await live.room.clock.advance(5)
    await until(lambda: live.room.sessions.presence(live.room.other.id) == "offline")


async def test_a_removed_agent_is_signed_out_before_the_history_is_shown(live: LiveRoom) -> None:
    async with live.at_work("agent.018") as second:
        await live.room.database.write(lambda c: changes.remove_agent(c, live.room.account.id, "agent.018"))
        await second.say("history", ref="h", before=None)
        assert (await second.hear("signed_out"))["code"] == "unknown_agent"


@pytest.mark.parametrize("errand", ["order", "note", "history"])
async def test_an_errand_of_a_tab_that_went_away_breaks_nothing(live: LiveRoom, errand: str) -> None:
    async with live.talking() as (page, call_id):
        await page.say(errand, ref="r", call_id=call_id, order="hold", notes="gone")
        await page.leave()
    await asyncio.sleep(0)
    assert live.entry(call_id).call.live
