"""Orders of the page on a live call: carried out and answered, or refused with a word why; a guest decides about itself only."""

import asyncio
from typing import Any

import pytest
from tests.softphone.live_room import CALLER_ID, DECLINES, ECHO, RINGS, SLOW, THIRD, TONE, LiveRoom
from tests.softphone.room import Room
from tests.web.serving import until

from intellicall.calls.call import Order
from intellicall.calls.orders import Ask
from intellicall.calls.people import Person
from intellicall.calls.table import Move, Party, State
from intellicall.errors import Code, Refused
from intellicall.telephony.engine import LegPlan, Place, SoftphoneLine


async def test_hold_resume_mute_digits_and_pause(live: LiveRoom) -> None:
    engine = live.room.engine
    async with live.talking() as (page, call_id):
        assert (await live.order(page, call_id, "hold"))["type"] == "done"
        assert engine.hears(call_id, "customer") is Place.MUSIC
        again = await live.order(page, call_id, "hold")
        assert (again["type"], again["code"]) == ("refused", "not_possible_now")
        await live.order(page, call_id, "resume")
        await page.say("order", call_id=call_id, order="mute", ref="m")
        call = (await page.wait("call", lambda m: m["call"]["participants"][0]["muted"]))["call"]
        assert {"unmute", "consult", "add", "transfer", "dtmf", "leave", "end"} <= set(call["allowed"])
        await page.wait("done")
        assert engine.hears(call_id, "customer") == set()
        await live.order(page, call_id, "unmute")
        await live.order(page, call_id, "mute", participant_id="customer")
        assert engine.hears(call_id, "agent") == set()
        assert (await live.order(page, call_id, "dtmf", digits="42#"))["type"] == "done"
        assert engine.digits == [(call_id, "customer", "42#")]
        await live.order(page, call_id, "pause_recording")
        assert not engine.recorded(call_id)
        await live.order(page, call_id, "resume_recording")
        assert engine.recorded(call_id)


async def test_the_call_is_shown_before_the_order_is_done(live: LiveRoom) -> None:
    async with live.talking() as (page, call_id):
        await page.say("order", call_id=call_id, order="hold", ref="r1")
        assert (await page.hear("call"))["call"]["state"] == "held"
        assert await page.hear("done") == {"type": "done", "ref": "r1"}


@pytest.mark.parametrize(("order", "reason"), [("end", "agent_hung_up"), ("leave", "agent_hung_up")])
async def test_ending_and_leaving_a_call_between_two(live: LiveRoom, order: str, reason: str) -> None:
    async with live.talking() as (page, call_id):
        await page.say("order", call_id=call_id, order=order, ref="r")
        assert (await page.wait("call", lambda m: m["call"]["end"]))["call"]["end"]["reason"] == reason


async def test_a_consultation_to_its_warm_transfer(live: LiveRoom) -> None:
    engine = live.room.engine
    async with live.talking() as (page, call_id), live.at_work("agent.018") as second:
        await page.say("order", call_id=call_id, order="consult", to={"crm_username": "agent.018"}, ref="c")
        rung = (await second.wait("call"))["call"]
        assert (rung["seat"], rung["answer"], rung["called_by"], rung["participant_id"]) == ("guest", "ask", "agent.017", "p1")
        assert rung["answer_token"]
        await page.wait("done")
        both = (await page.wait("call", lambda m: m["call"]["state"] == "consulting"))["call"]
        assert [(one["display"], one["state"]) for one in both["participants"]] == [
            ("agent.017", "connected"),
            ("+1 202-555-0100", "connected"),
            ("agent.018", "connected"),
        ]
        await live.until_hears(call_id, "agent", {"p1"})
        await live.order(page, call_id, "swap")
        assert engine.hears(call_id, "agent") == {"customer"}
        await live.order(page, call_id, "merge")
        await page.say("order", call_id=call_id, order="transfer", ref="t")
        left = (await page.wait("call", lambda m: m["call"]["end"]))["call"]
        assert (left["state"], left["end"]["reason"], left["allowed"]) == ("ended", "transferred", [])
        call = (await second.wait("call", lambda m: m["call"]["seat"] == "agent"))["call"]
        assert (call["state"], call["answer"], "hold" in call["allowed"]) == ("talking", "auto", True)
        await page.wait("done")
        assert engine.hears(call_id, "customer") == {"p1"}
        # Who has left is told so once, and is free for the next call at once.
        assert (await live.order(page, call_id, "hold"))["code"] == "not_found"
        await live.order(second, call_id, "hold")
        await page.settled()
        other = await live.dial(page, await live.room.click(live.room.browser(), to_number=ECHO))
        assert other != call_id
        await live.order(second, call_id, "end")
        await page.settled()


async def test_any_phone_and_an_agents_phone_are_called_in(live: LiveRoom) -> None:
    async with live.talking() as (page, call_id):
        assert (await live.consult(page, call_id, "add", number=SLOW))["type"] == "done"
        assert live.entry(call_id).call.state is State.ADDING
        assert (await live.order(page, call_id, "drop", participant_id="p1"))["type"] == "done"
        assert (await live.consult(page, call_id, "add", phone_of=THIRD))["type"] == "done"
        await live.until_state(call_id, State.THREE_WAY)
        assert live.room.engine.dialed[-1] == ECHO
        assert live.entry(call_id).person("p2").crm_username == THIRD
        await live.order(page, call_id, "drop", participant_id="customer")
        await live.until_state(call_id, State.ENDED)


async def test_a_blind_transfer(live: LiveRoom) -> None:
    async with live.talking() as (page, call_id), live.at_work("agent.018") as second:
        live.softphone_of(live.room.other.id, RINGS)
        assert (await live.consult(page, call_id, "transfer"))["type"] == "done"
        assert live.room.engine.hears(call_id, "customer") is Place.RINGBACK
        await live.order(page, call_id, "transfer")  # the agent leaves while it rings
        assert (await second.wait("call"))["call"]["allowed"] == ["answer", "decline"]
        live.room.engine.far_end_answers(call_id, "p1")
        await second.wait("call", lambda m: m["call"]["seat"] == "agent" and m["call"]["state"] == "talking")


@pytest.mark.parametrize(
    ("to", "code"),
    [
        ({"crm_username": "agent.019"}, "agent_offline"),
        ({"crm_username": "agent.999"}, "unknown_agent"),
        ({"crm_username": "agent.017"}, "invalid_field"),
        ({"phone_of": "agent.018"}, "invalid_field"),
        ({"number": "+919876543210"}, "destination_not_allowed"),
        ({"number": "call me"}, "invalid_number"),
    ],
)
async def test_whom_one_cannot_call_in(live: LiveRoom, to: dict[str, str], code: str) -> None:
    async with live.talking() as (page, call_id):
        answer = await live.consult(page, call_id, **to)
        assert (answer["type"], answer["code"]) == ("refused", code)
        assert live.entry(call_id).call.state is State.TALKING


async def test_an_agent_in_a_call_cannot_be_called_in_by_two_at_once_either(live: LiveRoom) -> None:
    async with live.talking() as (page, call_id), live.at_work("agent.018") as second, live.at_work(THIRD) as third:
        other = await live.dial(second, await live.room.click(live.room.browser(), crm_username="agent.018", to_number=ECHO))
        assert (await live.consult(page, call_id))["code"] == "agent_busy"
        await page.say("order", call_id=call_id, order="consult", to={"crm_username": THIRD}, ref="one")
        await second.say("order", call_id=other, order="consult", to={"crm_username": THIRD}, ref="two")
        await until(lambda: {live.entry(one).call.guest is not None for one in (call_id, other)} == {True, False})
        await third.wait("call")


async def test_who_was_free_when_asked_for_is_looked_at_again_when_called_in(live: LiveRoom) -> None:
    other = live.room.other
    async with live.talking() as (_, call_id), live.at_work("agent.018") as second:
        session = live.room.sessions.active(other.id)
        assert session is not None
        line = SoftphoneLine(session.session_id, "token")
        person = Person("", "", crm_username=other.crm_username, agent_id=other.id, softphone=line)
        ask = Ask(Order(Move.CONSULT, Party.AGENT), person, LegPlan(call_id, "", line, CALLER_ID, TONE, 45))
        await live.dial(second, await live.room.click(live.room.browser(), crm_username="agent.018", to_number=ECHO))
        with pytest.raises(Refused) as refused:
            await live.calls.order(live.room.account.id, call_id, ask)
        assert refused.value.code is Code.AGENT_BUSY
        assert live.entry(call_id).call.state is State.TALKING


@pytest.mark.parametrize(
    ("behaviour", "reason", "title"),
    [(DECLINES, "rejected", "They declined the call."), (RINGS, "no_answer", "They did not answer.")],
)
async def test_the_agent_sees_why_nobody_came(live: LiveRoom, behaviour: object, reason: str, title: str) -> None:
    async with live.talking() as (page, call_id), live.at_work("agent.018") as second:
        live.softphone_of(live.room.other.id, behaviour)  # type: ignore[arg-type]  # one of the two above
        await live.consult(page, call_id)
        await second.wait("call", lambda m: m["call"]["allowed"] == ["answer", "decline"])
        await live.room.clock.advance(45)
        call = (await page.wait("call", lambda m: m["call"]["state"] == "talking"))["call"]
        assert call["participants"][2] == {
            **call["participants"][2],
            "state": "left",
            "reason": reason,
            "reason_title": title,
        }
        assert (await second.wait("call", lambda m: m["call"]["end"]))["call"]["end"]["reason"] == "left"


async def test_a_guest_declines_before_its_phone_rings(live: LiveRoom) -> None:
    async with live.talking() as (page, call_id), live.at_work("agent.018") as second:
        live.softphone_of(live.room.other.id, RINGS)
        await live.consult(page, call_id)
        assert (await live.order(second, call_id, "answer"))["type"] == "done"
        assert (await live.order(second, call_id, "leave"))["code"] == "not_possible_now"
        assert (await live.order(second, call_id, "decline"))["type"] == "done"
        call = (await page.wait("call", lambda m: m["call"]["state"] == "talking"))["call"]
        assert call["participants"][2]["reason"] == "rejected"


GUEST_MAY_NOT: list[tuple[str, dict[str, Any]]] = [
    ("hold", {}),
    ("swap", {}),
    ("merge", {}),
    ("end", {}),
    ("pause_recording", {}),
    ("transfer", {}),
    ("consult", {"to": {"number": ECHO}}),
    ("add", {"to": {"number": ECHO}}),
    ("transfer", {"to": {"number": ECHO}}),
    ("dtmf", {"digits": "1"}),
    ("drop", {"participant_id": "agent"}),
    ("drop", {"participant_id": "customer"}),
    ("drop", {}),
    ("mute", {"participant_id": "customer"}),
    ("unmute", {"participant_id": "agent"}),
    ("leave", {"participant_id": "customer"}),
    ("answer", {}),
    ("decline", {}),
]


async def test_a_guest_decides_about_itself_only(live: LiveRoom) -> None:
    async with live.talking() as (page, call_id), live.at_work("agent.018") as second:
        await live.consult(page, call_id)
        await second.wait("call", lambda m: m["call"]["state"] == "consulting")
        await live.order(page, call_id, "merge")
        before = live.entry(call_id)
        for order, more in GUEST_MAY_NOT:
            answer = await live.order(second, call_id, order, **more)
            assert (answer["type"], answer["code"]) == ("refused", "not_possible_now"), (order, more)
        assert live.entry(call_id) is before
        note = await live.ask(second, "note", call_id=call_id, notes="mine")
        assert note["code"] == "not_found"
        assert (await live.order(second, call_id, "mute"))["type"] == "done"
        guest = live.entry(call_id).call.guest
        assert guest is not None
        assert guest.muted
        assert (await live.order(second, call_id, "unmute", participant_id="p1"))["type"] == "done"
        await second.say("hang_up", call_id=call_id)  # the old word, from a guest: it leaves
        await live.until_state(call_id, State.TALKING)
        left = (await page.wait("call", lambda m: m["call"]["state"] == "talking"))["call"]["participants"][2]
        assert left["reason"] == "left"


async def test_there_is_nothing_to_answer_or_decline_for_the_agent_whose_call_it_is(live: LiveRoom) -> None:
    async with live.talking() as (page, call_id):
        for order in ("answer", "decline"):
            assert (await live.order(page, call_id, order))["code"] == "not_possible_now"
        assert live.entry(call_id).call.state is State.TALKING


async def test_orders_on_another_agents_call_are_refused(live: LiveRoom) -> None:
    async with live.talking() as (_, call_id), live.at_work("agent.018") as second:
        for order in ("end", "leave", "hold", "mute"):
            assert (await live.order(second, call_id, order))["code"] == "not_found"
        assert (await live.ask(second, "note", call_id=call_id, notes="x"))["code"] == "not_found"
        await second.say("hang_up", call_id=call_id)
        assert (await second.wait("refused"))["code"] == "not_found"
        assert live.entry(call_id).call.state is State.TALKING


async def test_an_order_while_the_engine_is_away_is_refused_and_answered(live: LiveRoom) -> None:
    async with live.talking() as (page, call_id):
        live.room.engine.lose()
        assert (await live.order(page, call_id, "hold"))["code"] == "engine_unavailable"


async def test_keys_are_shown_on_every_page_but_the_pressers(live: LiveRoom) -> None:
    async with live.talking() as (page, call_id), live.at_work("agent.018") as second:
        live.room.engine.press(call_id, "customer", "5")
        digit = await page.wait("digit")
        assert digit == {"type": "digit", "call_id": call_id, "participant_id": "customer", "digit": "5"}
        live.softphone_of(live.room.other.id, RINGS)
        await live.consult(page, call_id)
        live.room.engine.press(call_id, "customer", "6")  # not for one who is only rung
        live.room.engine.far_end_answers(call_id, "p1")
        await live.until_state(call_id, State.CONSULTING)
        live.room.engine.press(call_id, "p1", "7")
        assert (await page.wait("digit"))["digit"] == "6"
        assert (await page.wait("digit"))["participant_id"] == "p1"
        live.room.engine.press(call_id, "customer", "8")
        assert (await second.wait("digit"))["digit"] == "8"


# what no page of ours says


@pytest.mark.parametrize(
    "message",
    [
        {"type": "order", "call_id": "c", "order": "hold"},
        {"type": "order", "call_id": "c", "order": "hold", "ref": ""},
        {"type": "order", "call_id": "c", "order": "hold", "ref": "a b"},
        {"type": "order", "call_id": "c", "order": "fly", "ref": "r"},
        {"type": "order", "call_id": "c", "ref": "r"},
        {"type": "order", "call_id": "c" * 37, "order": "hold", "ref": "r"},
        {"type": "order", "call_id": 7, "order": "hold", "ref": "r"},
        {"type": "order", "call_id": "c", "order": ["hold"], "ref": "r"},
        {"type": "order", "call_id": "c", "order": "dtmf", "ref": "r"},
        {"type": "order", "call_id": "c", "order": "dtmf", "digits": "12x", "ref": "r"},
        {"type": "order", "call_id": "c", "order": "dtmf", "digits": "1" * 33, "ref": "r"},
        {"type": "order", "call_id": "c", "order": "hold", "digits": "1", "ref": "r"},
        {"type": "order", "call_id": "c", "order": "mute", "participant_id": "P1", "ref": "r"},
        {"type": "order", "call_id": "c", "order": "consult", "ref": "r"},
        {"type": "order", "call_id": "c", "order": "hold", "to": {"number": TONE}, "ref": "r"},
        {"type": "order", "call_id": "c", "order": "consult", "to": {"number": TONE, "phone_of": "a"}, "ref": "r"},
        {"type": "order", "call_id": "c", "order": "consult", "to": {"session": "s"}, "ref": "r"},
        {"type": "order", "call_id": "c", "order": "consult", "to": {"number": 5}, "ref": "r"},
        {"type": "order", "call_id": "c", "order": "consult", "to": {"number": ""}, "ref": "r"},
        {"type": "order", "call_id": "c", "order": "consult", "to": TONE, "ref": "r"},
        {"type": "note", "call_id": "c", "notes": "x" * 4_001, "ref": "r"},
        {"type": "note", "call_id": "c", "disposition": 1, "ref": "r"},
        {"type": "find_agents", "ref": "r"},
        {"type": "find_agents", "query": "x" * 129, "ref": "r"},
        {"type": "history", "before": "+", "ref": "r"},
        {"type": "redial", "ref": "r"},
        {"type": "hang_up", "call_id": "../../etc"},
    ],
)
async def test_a_malformed_errand_closes_the_connection(room: Room, message: dict[str, object]) -> None:
    browser = room.browser()
    await room.click(browser)
    async with room.softphone(browser) as page:
        await page.socket.send_json(message)
        assert await page.closed() == 1008
    assert room.desk.orders == []


async def test_too_many_errands_at_once_are_refused_one_by_one(room: Room) -> None:
    browser = room.browser()
    await room.click(browser)
    async with room.softphone(browser) as page:
        room.desk.gate = gate = asyncio.Event()
        for number in range(17):
            await page.say("order", call_id="c", order="hold", ref=f"r{number}")
        refused = await page.hear("refused")
        assert (refused["code"], refused["ref"]) == ("too_many_requests", "r16")
        gate.set()
        assert sorted([(await page.hear("done"))["ref"] for _ in range(16)]) == sorted(f"r{n}" for n in range(16))
        await page.say("order", call_id="c", order="hold", ref="again")
        assert (await page.hear("done"))["ref"] == "again"
