"""A call survives a reload and a lost tab: the customer hears music until the softphone, whichever tab it is, is rung again."""

import aiohttp
import pytest
from tests.softphone.live_room import ECHO, RINGS, SLOW, LiveRoom
from tests.softphone.room import Page
from tests.web.serving import until

from intellicall.calls.table import Reason, State
from intellicall.errors import Code, Refused
from intellicall.telephony.engine import Cause, Place
from intellicall.telephony.scripted.engine import BEHAVIOURS, Behaviour

UNREACHABLE = Behaviour(rings=False, answers_s=None, cause=Cause.UNREACHABLE)


async def back(page: Page) -> dict[str, object]:
    """Get ready and return the call as it is when the agent talks again."""
    await page.say("ready")
    rung = (await page.wait("call", lambda m: m["call"]["participants"][0]["state"] == "dialing"))["call"]
    assert (rung["state"], rung["answer"], rung["seat"]) == ("agent_away", "auto", "agent")
    talking: dict[str, object] = (await page.wait("call", lambda m: m["call"]["state"] == "talking"))["call"]
    assert talking["answer_token"] == rung["answer_token"]
    return talking


async def test_a_reload_in_a_call(live: LiveRoom) -> None:
    browser = live.room.browser()
    async with live.talking(browser=browser) as (_, call_id):
        token = live.entry(call_id).person("agent").softphone
        async with live.page_of(browser, "tab-1", page="load-2") as (page, welcome):
            assert welcome["call"]["call_id"] == call_id
            away = (await page.hear("call"))["call"]
            assert (away["state"], away["seat"], away["end"]) == ("agent_away", "agent", None)
            assert {"end", "leave"} <= set(away["allowed"])
            await live.until_hears(call_id, "customer", Place.MUSIC)
            await until(lambda: live.room.engine.legs(call_id) == {"customer": True})
            call = await back(page)
            assert token is not None
            assert call["answer_token"] != token.answer_token
            await live.until_hears(call_id, "customer", {"p1"})
            assert live.entry(call_id).transferred_to == ()


async def test_a_connection_that_blinks_keeps_the_voice(live: LiveRoom) -> None:
    browser = live.room.browser()
    async with live.talking(browser=browser) as (_, call_id), live.page_of(browser, "tab-1", page="load-1") as (page, _welcome):
        await page.say("ready")
        await page.settled()
        assert live.entry(call_id).call.state is State.TALKING
        assert live.room.engine.legs(call_id) == {"agent": True, "customer": True}


async def lose_tab(live: LiveRoom, browser: aiohttp.ClientSession) -> str:
    async with live.talking(browser=browser) as (page, call_id):
        await page.leave()
    await live.room.clock.until_asleep(5)
    await live.advance(5)
    await live.until_state(call_id, State.AGENT_AWAY)
    return call_id


async def test_a_closed_tab_and_a_new_one(live: LiveRoom) -> None:
    browser = live.room.browser()
    call_id = await lose_tab(live, browser)
    assert live.room.sessions.active(live.room.agent.id) is None
    assert live.room.sessions.presence(live.room.agent.id) == "busy"
    await live.advance(10)
    async with live.page_of(browser, "tab-9") as (page, welcome):
        assert (welcome["call"]["state"], welcome["call"]["seat"]) == ("agent_away", "agent")
        await back(page)
        await live.order(page, call_id, "end")
        await live.until_state(call_id, State.ENDED)


async def test_an_agent_who_is_waited_for_has_no_second_call(live: LiveRoom) -> None:
    browser = live.room.browser()
    call_id = await lose_tab(live, browser)
    async with live.at_work("agent.018") as second:
        other = await live.dial(second, await live.room.click(live.room.browser(), crm_username="agent.018", to_number=ECHO))
        async with live.room.page(browser) as page:
            await page.hello("tab-9", await live.room.click(browser, to_number=ECHO))
            welcome = await page.hear("welcome")
            live.room.engine.softphone = UNREACHABLE
            await page.say("ready")
            await page.wait("call", lambda m: m["call"]["participants"][0]["state"] == "dialing")
            await page.wait("call", lambda m: m["call"]["participants"][0]["state"] == "left")
            await page.say("dial", ticket=welcome["launch"]["ticket"])
            refused = await page.wait("refused")
            assert (refused["code"], refused["call"]["call_id"]) == ("agent_busy", call_id)
            assert (await live.consult(second, other, crm_username="agent.017"))["code"] == "agent_busy"


async def test_a_page_that_is_loaded_twice_is_rung_twice(live: LiveRoom) -> None:
    """The first of the two pages is gone before it has answered: its ring fails, and the customer goes on waiting."""
    browser = live.room.browser()
    async with live.talking(browser=browser) as (_, call_id):
        live.softphone_of(live.room.agent.id, UNREACHABLE)
        async with live.page_of(browser, "tab-1", page="load-2") as (page, _welcome):
            await page.say("ready")
            await until(lambda: live.room.engine.dialed.count(live.entry(call_id).person("agent").softphone.session_id) == 2)  # type: ignore[union-attr]  # it has one
            await until(lambda: not live.entry(call_id).call.agent.here)
            assert live.entry(call_id).call.state is State.AGENT_AWAY
            await live.until_hears(call_id, "customer", Place.MUSIC)
        live.softphone_of(live.room.agent.id, BEHAVIOURS["answers"])
        async with live.page_of(browser, "tab-1", page="load-3") as (page, _welcome):
            await back(page)
            await live.until_hears(call_id, "customer", {"p2"})
            live.room.engine.far_end_hangs_up(call_id, "p2")  # who is back is as vital as before
            await live.until_state(call_id, State.ENDED)


async def test_a_softphone_that_is_rung_already_is_not_rung_again(live: LiveRoom) -> None:
    browser = live.room.browser()
    async with live.talking(browser=browser) as (_, call_id):
        live.softphone_of(live.room.agent.id, RINGS)
        async with live.page_of(browser, "tab-1", page="load-2") as (page, _welcome):
            await page.say("ready")
            await page.wait("call", lambda m: m["call"]["participants"][0]["state"] == "ringing")
            session = live.room.sessions.active(live.room.agent.id)
            assert session is not None
            await live.room.sessions.desk.softphone_ready(live.room.agent.id, session.session_id)
            assert live.entry(call_id).call.agent.line == "p1"
            assert live.room.engine.dialed.count(session.session_id) == 2


async def test_who_does_not_come_back_in_time_ends_the_call(live: LiveRoom) -> None:
    call_id = await lose_tab(live, live.room.browser())
    await live.advance(19)
    assert live.entry(call_id).call.state is State.AGENT_AWAY
    conductor = live.calls._conductors[call_id]
    await live.advance(2)
    await live.until_state(call_id, State.ENDED)
    assert conductor.entry.call.reason is Reason.AGENT_LEFT


async def test_before_the_customer_has_answered_a_reload_ends_the_call(live: LiveRoom) -> None:
    browser = live.room.browser()
    ticket = await live.room.click(browser, to_number=SLOW)
    async with live.page_of(browser, "tab-1", ticket=ticket, page="load-1") as (page, _):
        await page.say("ready")
        await page.say("dial", ticket=ticket)
        call_id = (await page.wait("call", lambda m: m["call"]["state"] == "customer_ringing"))["call"]["call_id"]
        conductor = live.calls._conductors[call_id]
        async with live.page_of(browser, "tab-1", page="load-2"):
            await live.until_state(call_id, State.ENDED)
    assert conductor.entry.call.reason is Reason.AGENT_LEFT


async def test_a_guest_who_reloads_is_let_go(live: LiveRoom) -> None:
    theirs = live.room.browser()
    async with live.talking() as (page, call_id), live.at_work("agent.018", browser=theirs, page="load-1"):
        await live.consult(page, call_id)
        await live.until_state(call_id, State.CONSULTING)
        async with live.page_of(theirs, "tab-1", page="load-2") as (second, welcome):
            assert welcome["call"]["seat"] == "guest"
            left = (await second.wait("call", lambda m: m["call"]["end"]))["call"]
            assert left["end"]["reason"] == "left"
            call = (await page.wait("call", lambda m: m["call"]["state"] == "talking"))["call"]
            assert call["participants"][2]["reason"] == "softphone_lost"


async def test_an_agent_who_is_lost_in_a_three_way_call_leaves_the_others_talking(live: LiveRoom) -> None:
    browser = live.room.browser()
    async with live.talking(browser=browser) as (page, call_id), live.at_work("agent.018") as second:
        await live.consult(page, call_id, "add")
        await live.until_state(call_id, State.THREE_WAY)
        async with live.page_of(browser, "tab-1", page="load-2") as (again, _):
            assert (await again.wait("call", lambda m: m["call"]["end"]))["call"]["state"] == "ended"
            await second.wait("call", lambda m: m["call"]["seat"] == "agent" and m["call"]["state"] == "talking")
            await live.until_hears(call_id, "customer", {"p1"})
            assert live.calls.live_of_agent(live.room.agent.id) is None


async def test_a_transfer_that_rings_goes_on_without_its_guest_by_failing(live: LiveRoom) -> None:
    theirs = live.room.browser()
    async with live.talking() as (page, call_id), live.at_work("agent.018", browser=theirs, page="load-1"):
        live.softphone_of(live.room.other.id, RINGS)
        await live.consult(page, call_id, "transfer")
        await live.order(page, call_id, "leave")
        conductor = live.calls._conductors[call_id]
        async with live.page_of(theirs, "tab-1", page="load-2"):
            await live.until_state(call_id, State.ENDED)
    assert conductor.entry.call.reason is Reason.TRANSFER_FAILED


async def test_an_agent_on_a_promoted_seat_comes_back_too(live: LiveRoom) -> None:
    theirs = live.room.browser()
    async with live.talking() as (page, call_id), live.at_work("agent.018", browser=theirs, page="load-1"):
        await live.consult(page, call_id)
        await live.until_state(call_id, State.CONSULTING)
        await live.order(page, call_id, "transfer")
        async with live.page_of(theirs, "tab-1", page="load-2") as (second, welcome):
            assert welcome["call"]["seat"] == "agent"
            await second.wait("call", lambda m: m["call"]["state"] == "agent_away")
            await second.say("ready")
            call = (await second.wait("call", lambda m: m["call"]["state"] == "talking"))["call"]
            assert (call["participant_id"], call["answer"], call["seat"]) == ("p1", "auto", "agent")
            await live.until_hears(call_id, "customer", {"p2"})


async def test_the_call_is_continued_in_another_tab(live: LiveRoom) -> None:
    browser = live.room.browser()
    async with live.talking(browser=browser) as (page, call_id), live.room.page(browser) as other:
        await other.hello("tab-2")
        assert (await other.hear("elsewhere"))["call"]["call_id"] == call_id
        await other.say("take_over")
        assert (await other.hear("welcome"))["call"]["state"] == "agent_away"
        await page.wait("replaced")
        await back(other)
        assert live.entry(call_id).call.state is State.TALKING


@pytest.mark.parametrize("order", ["consult", "add"])
async def test_a_call_with_a_guest_is_not_torn_out_of_its_tab(live: LiveRoom, order: str) -> None:
    browser = live.room.browser()
    async with live.talking(browser=browser) as (page, call_id), live.room.page(browser) as other:
        await live.consult(page, call_id, order, number=ECHO)
        await other.hello("tab-2")
        await other.hear("elsewhere")
        await other.say("take_over")
        assert (await other.hear("refused"))["code"] == "agent_busy"
        assert len(live.room.engine.legs(call_id)) == 3


async def test_a_call_that_nobody_has_answered_is_not_torn_out_of_its_tab(live: LiveRoom) -> None:
    browser = live.room.browser()
    ticket = await live.room.click(browser, to_number=SLOW)
    async with live.page_of(browser, "tab-1", ticket=ticket) as (page, _), live.room.page(browser) as other:
        await page.say("ready")
        await page.say("dial", ticket=ticket)
        await page.wait("call", lambda m: m["call"]["state"] == "customer_ringing")
        await other.hello("tab-2")
        await other.hear("elsewhere")
        await other.say("take_over")
        assert (await other.hear("refused"))["code"] == "agent_busy"


async def test_a_tab_lost_while_the_engine_is_away_is_told_when_it_is_back(live: LiveRoom) -> None:
    browser = live.room.browser()
    async with live.talking(browser=browser) as (page, call_id):
        live.room.engine.lose()
        await page.wait("engine")
        async with live.page_of(browser, "tab-1", page="load-2") as (again, _):
            await again.settled()
            assert live.entry(call_id).call.state is State.TALKING
            live.room.engine.come_back(restarted=False)
            await live.until_state(call_id, State.AGENT_AWAY)
            await again.wait("call", lambda m: m["call"]["state"] == "agent_away")
            await back(again)


async def test_a_softphone_that_is_ready_when_its_loss_is_told_is_rung_at_once(live: LiveRoom) -> None:
    browser = live.room.browser()
    async with live.talking(browser=browser) as _talking:
        live.room.engine.lose()
        async with live.page_of(browser, "tab-1", page="load-2") as (again, _):
            await again.say("ready")
            await again.settled()
            live.room.engine.come_back(restarted=False)
            await again.wait("call", lambda m: m["call"]["state"] == "agent_away")
            await again.wait("call", lambda m: m["call"]["state"] == "talking")


async def test_a_page_that_is_ready_before_it_is_registered_is_rung_when_it_is(live: LiveRoom) -> None:
    browser = live.room.browser()
    async with live.talking(browser=browser) as (_, call_id):
        live.room.sessions.sip_url = lambda: "ws://engine.example"
        async with live.page_of(browser, "tab-1", page="load-2") as (again, _):
            await again.say("ready")
            await again.wait("call", lambda m: m["call"]["state"] == "agent_away")
            await again.settled()
            assert not live.entry(call_id).call.agent.here
            session = live.room.sessions.active(live.room.agent.id)
            assert session is not None
            session.set_registered(True)
            await live.until_state(call_id, State.TALKING)


async def test_a_softphone_of_before_a_restart_is_lost_with_its_new_session(live: LiveRoom) -> None:
    """After a restart of the platform the same page has a new session, while the call still names the old one."""
    browser = live.room.browser()
    async with live.talking(browser=browser) as (page, call_id):
        live.room.sessions._sessions.clear()
        live.room.sessions._agents.clear()
        await page.leave()
        async with live.page_of(browser, "tab-1", page="load-1") as (again, _):
            await again.leave()
        await live.room.clock.until_asleep(5)
        await live.advance(5)
        await live.until_state(call_id, State.AGENT_AWAY)


@pytest.mark.parametrize(("voice", "state"), [(False, State.AGENT_AWAY), (True, State.TALKING), (None, State.TALKING)])
async def test_a_page_that_was_loaded_anew_during_a_restart_says_that_it_has_no_voice(
    live: LiveRoom, voice: bool | None, state: State
) -> None:
    browser = live.room.browser()
    async with live.talking(browser=browser) as (_, call_id):
        live.room.sessions._sessions.clear()
        live.room.sessions._agents.clear()
        async with live.page_of(browser, "tab-1", page="load-2", voice=voice) as (again, welcome):
            assert welcome["call"]["state"] == "talking"
            await again.settled() if state is State.TALKING else await live.until_state(call_id, state)
            assert live.entry(call_id).call.state is state
            if state is State.AGENT_AWAY:
                await again.wait("call", lambda m: m["call"]["state"] == "agent_away")
                await back(again)


async def test_a_call_for_a_softphone_is_refused_while_its_agent_is_called_in(live: LiveRoom) -> None:
    claims = live.calls._claims
    with claims.inviting("a", busy=False):
        for again in (claims.inviting("a", busy=False), claims.starting("a")):
            with pytest.raises(Refused) as refused, again:
                pass
            assert refused.value.code is Code.AGENT_BUSY
        with claims.starting("b"), claims.starting("b"), claims.starting(None), claims.inviting(None, busy=True):
            refusing = claims.inviting("b", busy=False)
            with pytest.raises(Refused), refusing:
                pass
    with claims.inviting("b", busy=False), claims.starting("a"):
        pass
    with pytest.raises(Refused), claims.inviting("a", busy=True):
        pass
