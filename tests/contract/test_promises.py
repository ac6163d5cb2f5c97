"""The promises of `telephony.engine`, kept by every engine."""

import pytest
from tests.contract.conftest import Calls, Harness

from intellicall.telephony.engine import (
    Cause,
    EngineLost,
    EngineUnavailable,
    LegAnswered,
    LegEnded,
    LegRinging,
    LegSeen,
    Role,
)
from intellicall.telephony.testnet.numbers import NUMBERS


async def test_a_call_that_we_end_is_told_leg_by_leg_and_once(call: Calls, harness: Harness) -> None:
    talk = await call().to_talk()
    await harness.engine.hang_up(talk.id)
    agent, customer = await talk.over()
    assert (agent.cause, agent.by_far_end, agent.sip_code) == (Cause.NORMAL, False, None)
    assert (customer.cause, customer.by_far_end, customer.sip_code) == (Cause.NORMAL, False, None)
    told = [(type(event), event.leg) for event in talk.said() if not isinstance(event, LegRinging)]
    assert told[:2] == [(LegAnswered, Role.AGENT), (LegAnswered, Role.CUSTOMER)]
    assert sorted(told[2:], key=str) == [(LegEnded, Role.AGENT), (LegEnded, Role.CUSTOMER)]
    assert [event.at for event in talk.said()] == sorted(event.at for event in talk.said())


async def test_the_snapshot_shows_the_legs_that_live(call: Calls, harness: Harness) -> None:
    talk = await call().to_talk()
    mine = [leg for leg in await harness.engine.snapshot() if leg.call_id == talk.id]
    assert sorted(mine, key=lambda leg: leg.leg) == [LegSeen(talk.id, Role.AGENT, True), LegSeen(talk.id, Role.CUSTOMER, True)]
    await harness.engine.hang_up(talk.id)
    await talk.over()
    assert [leg for leg in await harness.engine.snapshot() if leg.call_id == talk.id] == []


@pytest.mark.parametrize(
    ("number", "cause"),
    [("busy", Cause.BUSY), ("reject", Cause.REJECTED), ("unknown", Cause.NUMBER_UNKNOWN), ("early_media", Cause.UNAVAILABLE)],
)
async def test_a_refusal_has_its_cause_and_ends_the_agents_leg(call: Calls, number: str, cause: Cause) -> None:
    refused = await call(number).to_customer()
    agent, customer = await refused.over()
    assert (customer.cause, customer.by_far_end, customer.sip_code) == (cause, True, NUMBERS[number].sip_code)
    assert (agent.cause, agent.by_far_end) == (Cause.NORMAL, False)
    assert not any(isinstance(event, LegAnswered) and event.leg == Role.CUSTOMER for event in refused.said())


async def test_early_media_is_told(call: Calls, harness: Harness) -> None:
    ringing = await call("early_media").to_customer()
    assert (await ringing.ringing(Role.CUSTOMER)).early_media
    await harness.engine.hang_up(ringing.id)
    await ringing.over()


async def test_the_ring_limit_is_no_answer(call: Calls) -> None:
    unanswered = await call("no_answer", customer_ring_s=1).to_customer()
    ringing = await unanswered.ringing(Role.CUSTOMER)
    agent, customer = await unanswered.over()
    assert (customer.cause, customer.by_far_end) == (Cause.NO_ANSWER, False)
    assert 0.8 < (customer.at - ringing.at).total_seconds() < 1.6
    assert agent.by_far_end is False


async def test_the_maximum_length_is_kept(call: Calls) -> None:
    talk = await call(max_length_s=1).to_talk()
    answered = await talk.answered(Role.CUSTOMER)
    agent, customer = await talk.over()
    assert (customer.cause, customer.by_far_end, agent.by_far_end) == (Cause.TIME_LIMIT, False, False)
    assert 0.8 < (customer.at - answered.at).total_seconds() < 1.6


async def test_the_customer_hanging_up_ends_the_agents_leg(call: Calls) -> None:
    talk = await call("hangs_up").to_talk()
    agent, customer = await talk.over()
    assert (customer.cause, customer.by_far_end) == (Cause.NORMAL, True)
    assert (agent.cause, agent.by_far_end) == (Cause.NORMAL, False)
    assert abs((agent.at - customer.at).total_seconds()) < 0.2


async def test_the_agent_hanging_up_ends_the_customers_leg(call: Calls) -> None:
    talk = await call(agent="hangs_up").to_talk()
    agent, customer = await talk.over()
    assert (agent.cause, agent.by_far_end) == (Cause.NORMAL, True)
    assert (customer.cause, customer.by_far_end) == (Cause.NORMAL, False)
    assert talk.said().index(agent) < talk.said().index(customer)
    assert abs((agent.at - customer.at).total_seconds()) < 0.2


async def test_hanging_up_while_the_customer_rings_cancels(call: Calls, harness: Harness) -> None:
    ringing = await call("no_answer").to_customer()
    await ringing.ringing(Role.CUSTOMER)
    await harness.engine.hang_up(ringing.id)
    agent, customer = await ringing.over()
    assert (customer.cause, customer.by_far_end) == (Cause.CANCELED, False)
    assert (agent.cause, agent.by_far_end) == (Cause.NORMAL, False)


async def test_hanging_up_while_the_agent_rings_cancels(call: Calls, harness: Harness) -> None:
    ringing = await call(agent="no_answer").ring_agent()
    await ringing.ringing(Role.AGENT)
    await harness.engine.hang_up(ringing.id)
    ended = await ringing.ended(Role.AGENT)
    assert (ended.cause, ended.by_far_end) == (Cause.CANCELED, False)


@pytest.mark.parametrize(("number", "cause"), [("busy", Cause.BUSY), ("reject", Cause.REJECTED), ("unknown", Cause.NUMBER_UNKNOWN)])
async def test_an_agent_who_cannot_be_reached_is_the_end_of_it(call: Calls, number: str, cause: Cause) -> None:
    refused = await call(agent=number).ring_agent()
    ended = await refused.ended(Role.AGENT)
    assert (ended.cause, ended.by_far_end, ended.sip_code) == (cause, True, NUMBERS[number].sip_code)
    assert {event.leg for event in refused.said()} == {Role.AGENT}


async def test_an_agent_who_does_not_answer(call: Calls) -> None:
    ringing = await call(agent="no_answer", agent_ring_s=1).ring_agent()
    ended = await ringing.ended(Role.AGENT)
    assert (ended.cause, ended.by_far_end) == (Cause.NO_ANSWER, False)


async def test_the_same_order_twice_rings_once(call: Calls, harness: Harness) -> None:
    twice = call(agent="no_answer")
    await twice.ring_agent()
    await twice.ring_agent()
    await twice.ringing(Role.AGENT)
    assert len([leg for leg in await harness.engine.snapshot() if leg.call_id == twice.id]) == 1
    await harness.engine.hang_up(twice.id)
    await twice.ended(Role.AGENT)
    assert len([event for event in twice.said() if isinstance(event, LegEnded)]) == 1


async def test_hanging_up_what_is_unknown_or_over_does_nothing(call: Calls, harness: Harness) -> None:
    await harness.engine.hang_up("no-such-call")
    busy = await call("busy").to_customer()
    await busy.over()
    said = list(busy.said())
    await harness.engine.hang_up(busy.id)
    assert busy.said() == said


async def test_the_recording_is_whole_when_the_customers_end_is_told(call: Calls, harness: Harness) -> None:
    talk = call(recording="crm_0123456789", max_length_s=1)
    raw = harness.recordings / "crm_0123456789.raw"
    raw.unlink(missing_ok=True)
    sizes: list[int] = []
    heard = harness.heard

    def measure(event: object) -> None:
        if isinstance(event, LegEnded) and event.leg == Role.CUSTOMER:
            sizes.append(raw.stat().st_size)
        heard(event)  # type: ignore[arg-type]

    harness.engine.listen(measure)
    await talk.to_talk()
    answered = await talk.answered(Role.CUSTOMER)
    _, customer = await talk.over()
    seconds = (customer.at - answered.at).total_seconds()
    assert sizes == [raw.stat().st_size]
    assert sizes[0] % 4 == 0
    assert sizes[0] / 32_000 == pytest.approx(seconds, abs=0.3)


async def test_a_lost_engine_takes_no_orders_and_its_calls_go_on(call: Calls, harness: Harness) -> None:
    talk = await call().to_talk()
    await harness.lose()
    await harness.heard.wait(EngineLost)
    assert not harness.engine.ready
    for order in (harness.engine.ring_agent(call().plan), harness.engine.hang_up(talk.id), harness.engine.snapshot()):
        with pytest.raises(EngineUnavailable):
            await order
    await harness.come_back()
    assert {leg.leg for leg in await harness.engine.snapshot() if leg.call_id == talk.id} == {Role.AGENT, Role.CUSTOMER}
    await harness.engine.hang_up(talk.id)
    agent, customer = await talk.over()
    assert (agent.cause, customer.cause) == (Cause.NORMAL, Cause.NORMAL)


async def test_a_softphone_keeps_its_account(harness: Harness) -> None:
    first = await harness.engine.open_softphone("session1")
    assert await harness.engine.open_softphone("session1") == first
    other = await harness.engine.open_softphone("session2")
    assert other.username != first.username
    assert other.password != first.password
    await harness.engine.close_softphone("session1")
    await harness.engine.close_softphone("session1")
    await harness.engine.close_softphone("session2")
