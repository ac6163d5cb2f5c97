"""The page's socket: who may talk, one click one call, which tab is the softphone, and what happens when it goes away."""

import asyncio

import aiohttp
import pytest
from sqlalchemy import update
from tests.softphone.room import ECHO, TONE, Room
from tests.web.serving import until

from intellicall.accounts import changes
from intellicall.accounts.tables import accounts
from intellicall.errors import Code, Refused
from intellicall.softphone import store

LIVING = {"call_id": "c-1", "state": "talking", "customer_number": TONE}


async def test_click_to_call(room: Room) -> None:
    browser = room.browser()
    ticket = await room.click(browser, uuid="crm-77")
    async with room.page(browser) as page:
        await page.hello("tab-1", ticket)
        welcome = await page.hear("welcome")
        assert welcome["agent"] == {"crm_username": "agent.017"}
        assert welcome["launch"] == {"ticket": ticket, "to_number": TONE, "to_display": "+1 202-555-0100"}
        assert welcome["call"] is None
        assert welcome["engine_ready"] is True
        assert welcome["server_time"] == "2026-07-03T10:00:00.000Z"
        session = room.sessions.active(room.agent.id)
        assert session is not None
        assert welcome["sip"]["path"] == f"/softphone/sip/{session.session_id}"
        assert room.sessions.online(room.agent.id) is None
        await page.say("ready")
        await page.say("dial", ticket=ticket)
        call = (await page.hear("call"))["call"]
        assert room.sessions.online(room.agent.id) is session
        [(launch, session_id)] = room.desk.dialed
        assert (launch.uuid, launch.to_number, launch.agent_id, launch.crm_username) == ("crm-77", TONE, room.agent.id, "agent.017")
        assert session_id == session.session_id
        await until(lambda: room.kept_launch().call_id == call["call_id"])
        await page.say("hang_up", call_id=call["call_id"])
        await page.settled()
        assert room.desk.hung_up == [call["call_id"]]


async def test_one_click_makes_one_call_whatever_is_repeated(room: Room) -> None:
    browser = room.browser()
    ticket = await room.click(browser)
    async with room.softphone(browser, ticket=ticket) as page:
        for _ in range(3):
            await page.say("dial", ticket=ticket)
        answers = [await page.socket.receive_json() for _ in range(3)]
        assert sorted(answer.get("code", "called") for answer in answers) == ["called", "launch_spent", "launch_spent"]
        room.desk.living.clear()
    async with room.page(browser) as page:  # reload and back: the page still knows its ticket
        await page.hello("tab-1", ticket)
        assert (await page.hear("welcome"))["launch"] is None
        assert (await page.hear("refused"))["code"] == "launch_spent"
    assert len(room.desk.dialed) == 1


async def test_spending_is_atomic(room: Room) -> None:
    browser = room.browser()
    ticket = await room.click(browser)
    assert ticket is not None
    now = room.clock.now()

    async def spend() -> object:
        return await room.database.write(lambda connection: store.spend(connection, ticket, room.agent.id, now))

    results = await asyncio.gather(*(spend() for _ in range(50)), return_exceptions=True)
    refused = [result.code for result in results if isinstance(result, Refused)]
    assert refused == [Code.LAUNCH_SPENT] * 49


async def test_a_reload_during_the_call_gets_the_call_and_no_refusal(room: Room) -> None:
    browser = room.browser()
    ticket = await room.click(browser)
    async with room.softphone(browser, ticket=ticket) as page:
        await page.say("dial", ticket=ticket)
        call = (await page.hear("call"))["call"]
    async with room.page(browser) as page:
        await page.hello("tab-1", ticket)
        assert (await page.hear("welcome"))["call"] == call
        await page.settled()
    assert len(room.desk.dialed) == 1


async def test_an_interrupted_click_is_brought_again_by_a_reload(room: Room) -> None:
    browser = room.browser()
    ticket = await room.click(browser)
    async with room.page(browser) as page:
        await page.hello("tab-1", ticket)
        await page.hear("welcome")
    async with room.softphone(browser, ticket=ticket) as page:
        await page.say("dial", ticket=ticket)
        await page.hear("call")


async def test_a_click_that_nobody_looked_at_in_time_is_over(room: Room) -> None:
    browser = room.browser()
    ticket = await room.click(browser)
    await room.clock.advance(61)
    async with room.softphone(browser) as page:
        await page.say("dial", ticket=ticket)
        assert (await page.hear("refused"))["code"] == "launch_expired"
    async with room.page(browser) as page:
        await page.hello("tab-1", ticket)
        assert (await page.hear("welcome"))["launch"] is None
        assert (await page.hear("refused"))["code"] == "launch_expired"
    assert room.desk.dialed == []


async def test_a_person_has_minutes_to_allow_the_microphone_but_not_more(room: Room) -> None:
    browser = room.browser()
    first, second = await room.click(browser), await room.click(browser)
    async with room.page(browser) as page:
        await page.hello("tab-1", first)
        await page.hear("welcome")
        await room.clock.advance(299)
        await page.say("ready")
        await page.say("dial", ticket=first)
        await page.hear("call")
        await page.say("dial", ticket=second)
        assert (await page.hear("refused"))["code"] == "launch_expired"


async def test_a_page_that_is_not_visible_claims_no_click(room: Room) -> None:
    browser = room.browser()
    ticket = await room.click(browser)
    async with room.page(browser) as page:
        await page.hello("tab-1", ticket, visible=False)
        assert (await page.hear("welcome"))["launch"] is None


async def test_a_ticket_is_good_for_its_own_agent_only(room: Room) -> None:
    mine, theirs = room.browser(), room.browser()
    ticket = await room.click(mine)
    await room.click(theirs, crm_username="agent.018")
    async with room.softphone(theirs) as page:
        await page.say("dial", ticket=ticket)
        assert (await page.hear("refused"))["code"] == "launch_expired"
    assert room.desk.dialed == []


async def test_no_dial_before_the_softphone_is_ready_and_the_click_stays_good(room: Room) -> None:
    browser = room.browser()
    ticket = await room.click(browser)
    async with room.page(browser) as page:
        await page.hello("tab-1", ticket)
        await page.hear("welcome")
        await page.say("dial", ticket=ticket)
        assert (await page.hear("refused"))["code"] == "agent_offline"
        await page.say("ready")
        await page.say("dial", ticket=ticket)
        await page.hear("call")


async def test_a_refusal_of_the_desk_is_told_with_the_living_call(room: Room) -> None:
    browser = room.browser()
    ticket = await room.click(browser)
    room.desk.refuses = Refused(Code.ALREADY_CALLING, call=LIVING)
    async with room.softphone(browser, ticket=ticket) as page:
        await page.say("dial", ticket=ticket)
        refused = await page.hear("refused")
    assert (refused["code"], refused["call"]) == ("already_calling", LIVING)
    assert refused["title"]
    assert refused["detail"]
    assert refused["remedy"]


async def test_hang_up_of_a_call_that_is_not_there_is_refused(room: Room) -> None:
    browser = room.browser()
    await room.click(browser)
    async with room.softphone(browser) as page:
        await page.say("hang_up", call_id="c-404")
        assert (await page.hear("refused"))["code"] == "not_found"


async def test_a_tab_that_goes_away_does_not_cut_a_dial_in_two(room: Room) -> None:
    browser = room.browser()
    ticket = await room.click(browser)
    room.desk.gate = asyncio.Event()
    async with room.softphone(browser, ticket=ticket) as page:
        await page.say("dial", ticket=ticket)
    await until(lambda: room.sessions.online(room.agent.id) is None)
    room.desk.gate.set()
    await until(lambda: len(room.desk.dialed) == 1)


# who may talk


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost", "https://localhost:{port}", "http://localhost.evil:{port}"]
)
async def test_a_page_of_another_site_is_closed_with_4403(room: Room, origin: str) -> None:
    browser = room.browser()
    await room.click(browser)
    async with room.page(browser, origin.format(port=room.port)) as page:
        assert await page.closed() == 4403


async def test_no_origin_is_no_page_of_ours(room: Room) -> None:
    browser = room.browser()
    await room.click(browser)
    async with browser.ws_connect("/softphone/socket", autoclose=False) as socket:
        assert (await socket.receive()).data == 4403


async def test_other_names_of_this_machine_are_as_good(room: Room) -> None:
    browser = room.browser()
    await room.click(browser)
    async with room.page(browser, f"http://127.0.0.1:{room.port}") as page:
        await page.hello("tab-1")
        await page.hear("welcome")


async def test_no_cookie_is_signed_out(room: Room) -> None:
    async with room.page(room.browser()) as page:
        assert (await page.hear("signed_out"))["code"] == "session_expired"
        assert await page.closed() == 4401


async def test_an_old_cookie_is_signed_out_and_one_in_use_lives_on(room: Room) -> None:
    used, unused = room.browser(), room.browser()
    await room.click(used)
    await room.click(unused)
    await room.clock.advance(20 * 86_400)
    async with used.get("/softphone/") as answer:
        assert "Max-Age=2592000" in answer.headers["Set-Cookie"]
    async with unused.get("/softphone/x") as answer:
        assert answer.status == 404
    await room.clock.advance(20 * 86_400)
    async with room.page(used) as page:
        await page.hello("tab-1")
        await page.hear("welcome")
    async with room.page(unused) as page:
        await page.hear("signed_out")
        assert await page.closed() == 4401


async def test_a_removed_agent_is_signed_out_at_the_next_word(room: Room) -> None:
    browser = room.browser()
    ticket = await room.click(browser)
    async with room.softphone(browser, ticket=ticket) as page:
        await room.database.write(lambda connection: changes.remove_agent(connection, room.account.id, "agent.017"))
        await page.say("dial", ticket=ticket)
        assert (await page.hear("signed_out"))["code"] == "unknown_agent"
        assert await page.closed() == 4401
    assert room.desk.dialed == []
    assert room.sessions.active(room.agent.id) is None
    async with room.page(browser) as page:
        assert (await page.hear("signed_out"))["code"] == "unknown_agent"


async def test_a_disabled_account_is_signed_out_after_the_living_call(room: Room) -> None:
    browser = room.browser()
    await room.click(browser)
    async with room.softphone(browser) as page:
        room.desk.living[room.agent.id] = LIVING
        await room.database.write(lambda connection: connection.execute(update(accounts).values(enabled=False)))
        await page.settled()
        room.desk.living.clear()
        await page.say("ping")
        assert (await page.hear("signed_out"))["code"] == "account_disabled"


async def test_no_hello_is_closed_with_4408(room: Room) -> None:
    browser = room.browser()
    await room.click(browser)
    async with room.page(browser) as page:
        assert await page.closed() == 4408


@pytest.mark.parametrize(
    "frame",
    [
        "not json",
        "[]",
        '{"type":"hello"}',
        '{"type":"hello","tab":"a","tab":"b"}',
        '{"type":"hello","tab":"' + "x" * 65 + '"}',
        '{"type":"hello","tab":"' + "x" * 60_000 + '"}',
        '{"type":"ready"}',
        '{"type":"hello","tab":1}',
        '{"type":"hello","tab":"tab-1","ticket":"<script>"}',
        '{"type":"hello","tab":"tab-1","ticket":' + "[" * 30_000 + "]" * 30_000 + "}",
        b"binary",
    ],
)
async def test_what_no_page_of_ours_says_is_closed_with_1008(room: Room, frame: str | bytes) -> None:
    browser = room.browser()
    await room.click(browser)
    async with room.page(browser) as page:
        await (page.socket.send_bytes(frame) if isinstance(frame, bytes) else page.socket.send_str(frame))
        while (received := await page.socket.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
        assert received.data == 1008


async def test_messages_of_a_newer_page_are_passed_over_and_floods_are_not(room: Room) -> None:
    browser = room.browser()
    await room.click(browser)
    async with room.softphone(browser) as page:
        await page.say("wave", at="everybody")
        await page.settled()
        for _ in range(80):
            await page.say("wave")
        assert await page.closed() == 1008


# which tab is the softphone


async def test_a_second_click_goes_to_the_open_softphone(room: Room) -> None:
    browser = room.browser()
    await room.click(browser)
    async with room.softphone(browser, "tab-1") as first, room.page(browser) as second:
        ticket = await room.click(browser, to_number=ECHO)
        await second.hello("tab-2", ticket)
        elsewhere = await second.hear("elsewhere")
        assert elsewhere["launch"]["to_number"] == ECHO
        launch = await first.hear("launch")
        assert (launch["ticket"], launch["to_number"]) == (ticket, ECHO)
        await first.say("dial", ticket=ticket)
        await first.hear("call")
        await room.clock.advance(2)
        await first.settled()
        await second.settled()
        await second.say("dial", ticket=ticket)  # a tab that is not the softphone dials nothing
        assert (await second.hear("refused"))["code"] == "agent_offline"
    assert len(room.desk.dialed) == 1


async def test_a_softphone_that_does_not_dial_is_replaced(room: Room) -> None:
    browser = room.browser()
    await room.click(browser)
    async with room.softphone(browser, "tab-1") as first, room.page(browser) as second:
        before = room.sessions.active(room.agent.id)
        ticket = await room.click(browser, to_number=ECHO)
        await second.hello("tab-2", ticket)
        await second.hear("elsewhere")
        await first.hear("launch")
        await room.clock.until_asleep(1.5)
        await room.clock.advance(1.5)
        welcome = await second.hear("welcome")
        assert welcome["launch"]["ticket"] == ticket
        await first.hear("replaced")
        assert await first.closed() == 4409
        assert before is not None
        assert before.ended
        assert room.sessions.find(before.session_id) is None
        await second.say("ready")
        await second.say("dial", ticket=ticket)
        await second.hear("call")


async def test_a_softphone_in_a_call_is_not_replaced(room: Room) -> None:
    browser = room.browser()
    await room.click(browser)
    async with room.softphone(browser, "tab-1") as first, room.page(browser) as second:
        room.desk.living[room.agent.id] = LIVING
        await second.hello("tab-2", await room.click(browser, to_number=ECHO))
        assert (await second.hear("elsewhere"))["call"] == LIVING
        await first.hear("launch")
        await room.clock.until_asleep(1.5)
        await room.clock.advance(1.5)
        await first.settled()
        await second.say("take_over")
        assert (await second.hear("refused"))["code"] == "agent_busy"
        await first.settled()


async def test_a_softphone_in_trouble_gives_way_to_a_click(room: Room) -> None:
    browser = room.browser()
    await room.click(browser)
    async with room.softphone(browser, "tab-1") as first, room.page(browser) as second:
        await first.say("trouble", code="microphone_denied", detail="NotAllowedError")
        await first.settled()
        assert room.sessions.online(room.agent.id) is None
        session = room.sessions.active(room.agent.id)
        assert session is not None
        assert session.trouble == "microphone_denied"
        ticket = await room.click(browser)
        await second.hello("tab-2", ticket)
        assert (await second.hear("welcome"))["launch"]["ticket"] == ticket
        await first.hear("replaced")


async def test_taking_over(room: Room) -> None:
    browser = room.browser()
    await room.click(browser)
    async with room.softphone(browser, "tab-1") as first, room.page(browser) as second:
        await second.hello("tab-2")
        assert (await second.hear("elsewhere"))["launch"] is None
        await second.say("take_over")
        await second.hear("welcome")
        await first.hear("replaced")
        assert await first.closed() == 4409
        await second.say("ready")
        await second.settled()
        assert room.sessions.online(room.agent.id) is not None


async def test_two_tabs_at_once_make_one_softphone(room: Room) -> None:
    browser = room.browser()
    await room.click(browser)
    for turn in range(20):
        async with room.page(browser) as one, room.page(browser) as two:
            await asyncio.gather(one.hello(f"a-{turn}"), two.hello(f"b-{turn}"))
            heard = [(await page.socket.receive_json())["type"] for page in (one, two)]
            assert sorted(heard) == ["elsewhere", "welcome"]
        await until(lambda: room.sessions._agents[room.agent.id].standby == [])
        await room.clock.until_asleep(5)
        await room.clock.advance(5)
        await until(lambda: room.sessions.active(room.agent.id) is None)
    assert room.sessions._agents == {}
    assert room.engine._accounts == {}


async def test_agents_do_not_share_a_softphone(room: Room) -> None:
    mine, theirs = room.browser(), room.browser()
    await room.click(mine)
    await room.click(theirs, crm_username="agent.018")
    async with room.softphone(mine) as one, room.softphone(theirs) as two:
        room.sessions.notify(room.other.id, {"type": "call", "call": LIVING})
        await two.hear("call")
        await one.settled()


# when it goes away


async def test_the_same_tab_comes_back_in_time(room: Room) -> None:
    browser = room.browser()
    await room.click(browser)
    async with room.softphone(browser) as page:
        room.desk.living[room.agent.id] = LIVING
        session = room.sessions.active(room.agent.id)
        await page.leave()
    await room.clock.until_asleep(5)
    assert room.sessions.online(room.agent.id) is None
    await room.clock.advance(4.9)
    async with room.page(browser) as page:
        await page.hello("tab-1")
        assert (await page.hear("welcome"))["call"] == LIVING
        await room.clock.advance(1)
        await page.settled()
        assert room.sessions.active(room.agent.id) is session
    assert room.desk.lost == []


async def test_a_softphone_that_does_not_come_back_is_lost_to_its_call(room: Room) -> None:
    browser = room.browser()
    await room.click(browser)
    async with room.softphone(browser) as page:
        room.desk.living[room.agent.id] = LIVING
        session = room.sessions.active(room.agent.id)
        assert session is not None
        await page.leave()
    await room.clock.until_asleep(5)
    await room.clock.advance(5)
    await until(lambda: room.desk.lost == [(room.agent.id, session.session_id)])
    assert room.sessions.active(room.agent.id) is None
    assert room.engine._accounts == {}


async def test_a_reload_of_the_page_loses_the_voice_of_its_call(room: Room) -> None:
    browser = room.browser()
    await room.click(browser)
    async with room.page(browser) as page:
        await page.hello("tab-1", page="load-1")
        await page.hear("welcome")
        room.desk.living[room.agent.id] = LIVING
    async with room.page(browser) as page:
        await page.hello("tab-1", page="load-1")  # the network blinked
        await page.hear("welcome")
        await page.settled()
        assert room.desk.lost == []
    async with room.page(browser) as page:
        await page.hello("tab-1", page="load-2")
        await page.hear("welcome")
        await page.settled()
        assert len(room.desk.lost) == 1


async def test_another_tab_waits_while_a_lost_one_may_return_to_its_call_and_then_inherits(room: Room) -> None:
    browser = room.browser()
    await room.click(browser)
    async with room.softphone(browser, "tab-1") as page:
        room.desk.living[room.agent.id] = LIVING
        await page.leave()
    await room.clock.until_asleep(5)
    async with room.page(browser) as second:
        await second.hello("tab-2")
        await second.hear("elsewhere")
        await room.clock.advance(5)
        await second.hear("welcome")
        assert len(room.desk.lost) == 1


async def test_the_old_connection_of_a_tab_that_came_back_is_closed(room: Room) -> None:
    browser = room.browser()
    await room.click(browser)
    async with room.softphone(browser) as old, room.softphone(browser):
        await old.hear("replaced")
        assert await old.closed() == 4409
        assert room.sessions.online(room.agent.id) is not None


# the engine


async def test_the_engine_goes_away_and_comes_back(room: Room) -> None:
    browser = room.browser()
    await room.click(browser)
    async with room.softphone(browser) as page:
        room.engine._accounts.clear()  # it was a new engine
        room.sessions.engine_changed(ready=False)
        assert (await page.hear("engine"))["ready"] is False
        room.sessions.engine_changed(ready=True)
        assert (await page.hear("engine"))["ready"] is True
        assert len(room.engine._accounts) == 1


async def test_no_dial_while_the_engine_is_away_and_the_click_stays_good(room: Room) -> None:
    browser = room.browser()
    ticket = await room.click(browser)
    async with room.softphone(browser, ticket=ticket) as page:
        await room.engine.stop()
        assert room.sessions.online(room.agent.id) is None
        await page.say("dial", ticket=ticket)
        assert (await page.hear("refused"))["code"] == "engine_unavailable"
        await room.engine.start()
        await page.say("dial", ticket=ticket)
        await page.hear("call")


async def test_a_page_that_comes_while_the_engine_is_away_gets_its_account_later(room: Room) -> None:
    browser = room.browser()
    ticket = await room.click(browser)
    await room.engine.stop()
    async with room.page(browser) as page:
        await page.hello("tab-1", ticket)
        welcome = await page.hear("welcome")
        assert (welcome["sip"], welcome["engine_ready"]) == (None, False)
        await room.engine.start()
        room.sessions.engine_changed(ready=True)
        welcome = await page.hear("welcome")
        assert welcome["sip"]["username"]
        assert welcome["launch"]["ticket"] == ticket
        assert (await page.hear("engine"))["ready"] is True
