"""Further legs: who is rung, as whom, in which order; what becomes of the answered ones when it fails; and digits in every lane."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.support.asterisk_engines import RealEngine
from tests.support.lifted import AGENT_TONE, CALLER_ID, TONES, Trio, trio
from tests.support.sip_peer import always, sip_peer
from tests.support.sip_phone import sip_phone
from tests.support.sipp import until
from tests.support.ws_phone import SILENT_SDP, ws_phone

from intellicall.telephony.asterisk.furnishing import put
from intellicall.telephony.asterisk.provisioning import EngineObject, softphone_endpoint
from intellicall.telephony.engine import Cause, DigitPressed, LegAnswered, LegPlan, LegRinging, Place, Role, SoftphoneLine

pytestmark = pytest.mark.asterisk

TOGETHER, MUSIC = Place.TOGETHER, Place.MUSIC
ALL: dict[str, Any] = {"customer": MUSIC, "agent": TOGETHER, "p1": TOGETHER}


@pytest.fixture
async def three(real: RealEngine) -> AsyncIterator[Trio]:
    async with trio(real) as three:
        yield three


async def test_a_further_phone_sees_the_caller_id_and_is_told_once(three: Trio) -> None:
    talk = await three.talk()
    await three.arrange(**ALL)
    for _ in range(2):
        await three.call_third()
    await three.third_answers()
    assert three.third.dialog.shown == CALLER_ID
    assert len(three.third.dialogs) == 1
    told = [type(event) for event in talk.said() if event.leg == "p1"]
    assert told == [LegRinging, LegAnswered]


@pytest.mark.parametrize(
    ("status", "cause"),
    [("486 Busy Here", Cause.BUSY), ("603 Decline", Cause.REJECTED), ("503 Service Unavailable", Cause.CARRIER_FAILURE)],
)
async def test_a_third_who_cannot_be_had_disturbs_nobody(three: Trio, status: str, cause: Cause) -> None:
    talk = await three.talk()
    await three.arrange(customer=TOGETHER, agent=TOGETHER, p1=TOGETHER, vital={Role.CUSTOMER})
    await three.call_third()
    three.third.refuse(status)
    ended = await three.ended("p1")
    assert (ended.cause, ended.by_far_end, ended.sip_code) == (cause, True, int(status[:3]))
    await three.hear_each_other(three.agent, three.customer)
    assert {event.leg for event in talk.said()} == {Role.AGENT, Role.CUSTOMER, "p1"}


async def test_a_third_who_does_not_answer(three: Trio) -> None:
    await three.talk()
    await three.arrange(**ALL)
    await three.call_third(ring_s=1)
    ended = await three.ended("p1")
    assert (ended.cause, ended.by_far_end) == (Cause.NO_ANSWER, False)
    await three.third.gone()
    await three.agent.until_quiet()
    await three.arrange(customer=TOGETHER, agent=TOGETHER)
    await three.hear_each_other(three.agent, three.customer)


async def test_the_next_trunk_is_tried_for_a_further_leg(three: Trio) -> None:
    async with sip_peer(always("503 Service Unavailable")) as broken:
        phones = (three.agent.trunk("agent"), three.customer.trunk("customer"), three.third.trunk("third"))
        await three.real.engine.set_trunks([*phones, broken.trunk("broken")])
        await three.talk()
        await three.arrange(**ALL)
        await three.call_third(trunks=("broken", "third"))
        await three.third_answers()
        await three.hear_each_other(three.agent, three.third)
        assert len(broken.of("INVITE")) == 1
        await three.call_third(trunks=("no such trunk",), leg="p2", rings=False)
        assert (await three.ended("p2")).cause is Cause.UNREACHABLE
        await three.hear_each_other(three.agent, three.third)


async def test_a_leg_that_is_no_longer_wanted_is_canceled(three: Trio) -> None:
    await three.talk()
    await three.arrange(**ALL)
    await three.call_third()
    await three.arrange(customer=TOGETHER, agent=TOGETHER)
    ended = await three.ended("p1")
    assert (ended.cause, ended.by_far_end) == (Cause.CANCELED, False)
    await three.third.gone()


async def test_the_agent_rings_off_while_a_third_is_rung(three: Trio) -> None:
    talk = await three.talk()
    await three.arrange(**ALL)
    await three.call_third()
    three.agent.hang_up()
    agent, customer = await talk.over()
    third = await three.ended("p1")
    assert (agent.by_far_end, customer.by_far_end, third.by_far_end) == (True, False, False)
    assert (customer.cause, third.cause) == (Cause.NORMAL, Cause.CANCELED)


async def test_an_agent_who_rings_off_while_being_let_go_disturbs_nobody(three: Trio) -> None:
    """As softphones do who leave: their BYE comes while the engine is being told."""
    talk = await three.talk()
    await three.arrange(customer=TOGETHER, agent=TOGETHER, p1=TOGETHER)
    await three.call_third()
    await three.third_answers()
    link = three.real.engine.live_link()
    ask = link.request

    async def crossed(method: str, uri: str, **more: Any) -> Any:
        if uri.endswith("/removeChannel") and not talk.ends(Role.AGENT):
            three.agent.hang_up()
            await three.ended(Role.AGENT)
        return await ask(method, uri, **more)

    link.request = crossed  # type: ignore[method-assign]
    await three.arrange(customer=TOGETHER, p1=TOGETHER, vital={Role.CUSTOMER, "p1"})
    assert talk.ends(Role.AGENT), "it crossed"
    await three.hear_each_other(three.customer, three.third)


async def test_another_agents_softphone_gets_the_token_and_has_to_be_heard(three: Trio) -> None:
    engine = three.real.engine
    account = await engine.open_softphone("other")
    async with ws_phone(account, engine.connection.url) as phone:
        await phone.register()
        await three.talk()
        await three.arrange(**ALL)
        await engine.ring(LegPlan(three.call_id, "p1", SoftphoneLine("other", "the-token"), CALLER_ID, "+911100000002", 20))
        invite = await phone.expect(method="INVITE")
        assert invite.headers["x-intellicall-answer"] == "the-token"
        assert "+911100000002" in invite.headers["from"]
        await phone.answer(invite, "200 OK", SILENT_SDP)
        ended = await three.ended("p1")
        assert (ended.cause, ended.by_far_end) == (Cause.NO_AUDIO, False)
        assert not any(isinstance(event, LegAnswered) and event.leg == "p1" for event in three.calls[-1].said())
    await engine.close_softphone("other")


async def test_a_softphone_that_is_heard_has_answered(three: Trio) -> None:
    """The account's endpoint is stood in for by a plain one, so that a phone with a tone can be the softphone that speaks."""
    name = softphone_endpoint("speaks")
    async with sip_phone(1300) as speaker:
        contact = EngineObject("res_pjsip", "aor", name, (("contact", f"sip:127.0.0.1:{speaker.port}"),))
        endpoint = EngineObject(
            "res_pjsip", "endpoint", name, (("aors", name), ("allow", "!all,alaw"), ("transport", "transport-udp"))
        )
        await put(three.real.engine.live_link(), [contact, endpoint])
        await three.talk()
        await three.arrange(**ALL)
        await three.real.engine.ring(LegPlan(three.call_id, "p1", SoftphoneLine("speaks", "t"), CALLER_ID, "+911100000002", 20))
        await three.real.heard.wait(LegAnswered, lambda event: event.leg == "p1" and event.call_id == three.call_id)
        await three.agent.hears(1300, of=TONES)
        await speaker.hears(AGENT_TONE, of=TONES)
        await three.real.engine.hang_up(three.call_id)
        await three.ended("p1")


@pytest.mark.parametrize("recording", [None, "crm_digits"])
async def test_digits_go_both_ways_in_every_lane(three: Trio, recording: str | None) -> None:
    await three.talk(recording=recording, settle=True)
    expected: list[tuple[str, str]] = []

    async def press(leg: str, digits: str) -> None:
        phone = {"agent": three.agent, "customer": three.customer, "p1": three.third}[leg]
        await phone.press(digits)
        expected.extend((leg, digit) for digit in digits)
        await until(lambda: _pressed(three) == expected, 3)

    async def send(leg: str, digits: str) -> None:
        phone = {"agent": three.agent, "customer": three.customer, "p1": three.third}[leg]
        await three.real.engine.send_digits(three.call_id, leg, digits)
        await until(lambda: phone.pressed().endswith(digits), 5)  # what others press is passed on to it before

    await press("customer", "1#")
    await press("agent", "*2")
    await send("customer", "12A*")
    await three.arrange(customer=MUSIC, agent=TOGETHER)
    await press("customer", "3")
    await press("agent", "4")
    await send("customer", "56")
    await three.arrange(customer=TOGETHER, agent=TOGETHER)
    await three.hear_each_other(three.agent, three.customer)
    await press("customer", "77")
    await send("agent", "89")
    await three.arrange(customer=TOGETHER, agent=TOGETHER, p1=TOGETHER, vital={Role.CUSTOMER})
    await three.call_third()
    await three.third_answers()
    await three.hear_each_other(three.agent, three.customer, three.third)
    await press("p1", "0D")
    await press("customer", "1")
    await send("p1", "42")


def _pressed(three: Trio) -> list[tuple[str, str]]:
    events = three.real.heard.events
    return [(e.leg, e.digit) for e in events if isinstance(e, DigitPressed) and e.call_id == three.call_id]


async def test_only_keys_can_be_sent(three: Trio) -> None:
    await three.talk()
    for wrong in ("x", "1 2", "12\r\nAction: Hangup", "a", "+"):
        with pytest.raises(ValueError, match="keys"):
            await three.real.engine.send_digits(three.call_id, Role.CUSTOMER, wrong)
    await three.real.engine.send_digits(three.call_id, "p7", "1")
    await three.real.engine.send_digits("nobody", Role.CUSTOMER, "1")
