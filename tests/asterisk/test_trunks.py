"""Trunks on the wire: who is called, from whom, in which order, and when never again."""

import asyncio
import itertools
import time

import pytest
from tests.asterisk.conftest import MakeCall
from tests.support.asterisk_engines import RealEngine
from tests.support.sip_peer import Request, always, sip_peer
from tests.support.sipp import until

from intellicall.telephony.engine import CallerIdStyle, Cause, LegRinging, PhoneLine, Role, Transport
from intellicall.telephony.testnet.network import TestNetwork

pytestmark = pytest.mark.asterisk

CUSTOMER = "+919876543210"
CALLER_ID = "+911140000000"


@pytest.mark.parametrize("strip", [False, True])
@pytest.mark.parametrize("style", list(CallerIdStyle))
async def test_numbers_are_where_the_carrier_wants_them(
    real: RealEngine, test_network: TestNetwork, call: MakeCall, style: CallerIdStyle, strip: bool
) -> None:
    async with sip_peer(always("486 Busy Here")) as carrier:
        trunk = carrier.trunk("first carrier", username="acme", password="s", caller_id_style=style, strip_plus=strip)
        await real.engine.set_trunks([test_network.trunk, trunk])
        made = await call(customer_number=CUSTOMER, caller_id=CALLER_ID, trunks=("first carrier",)).to_customer()
        assert (await made.ended(Role.CUSTOMER)).cause is Cause.BUSY
        (invite,) = carrier.of("INVITE")
    shown = CALLER_ID.lstrip("+") if strip else CALLER_ID
    assert invite.dialed == (CUSTOMER.lstrip("+") if strip else CUSTOMER)
    assert invite.user("from") == (shown if style is CallerIdStyle.FROM else "acme")
    named = {"pai": "p-asserted-identity", "rpid": "remote-party-id"}
    assert {s for s, header in named.items() if header in invite.headers} == {style.value} - {"from"}
    if style.value in named:
        assert invite.user(named[style.value]) == shown
    assert invite.headers["user-agent"] == "Intellicall"
    assert "diversion" not in invite.headers


@pytest.mark.parametrize("refusal", ["500 Server Error", "503 Service Unavailable", "408 Request Timeout"])
async def test_the_next_trunk_is_tried_when_the_first_fails(
    real: RealEngine, test_network: TestNetwork, call: MakeCall, refusal: str
) -> None:
    async with sip_peer(always(refusal)) as first, sip_peer(always("486 Busy Here")) as second:
        await real.engine.set_trunks([test_network.trunk, first.trunk("a"), second.trunk("b", strip_plus=True)])
        made = await call(customer_number=CUSTOMER, trunks=("a", "b")).to_customer()
        agent, customer = await made.over()
        assert (customer.cause, customer.sip_code) == (Cause.BUSY, 486)
        assert (len(first.of("INVITE")), len(second.of("INVITE"))) == (1, 1)
        assert second.of("INVITE")[0].dialed == CUSTOMER.lstrip("+")
    assert agent.by_far_end is False


@pytest.mark.parametrize(
    "refusal",
    [
        *("400 Bad", "401 Unauthorized", "403 Forbidden", "404 Not Found", "480 Unavailable", "484 Incomplete", "486 Busy Here"),
        *("488 Not Acceptable", "600 Busy Everywhere", "603 Decline", "604 Nowhere", "302 Moved\nContact: <sip:+4420@127.0.0.1:9>"),
    ],
)
async def test_a_refusal_is_final(real: RealEngine, test_network: TestNetwork, call: MakeCall, refusal: str) -> None:
    async with sip_peer(always(refusal)) as first, sip_peer(always("503 Service Unavailable")) as second:
        await real.engine.set_trunks([test_network.trunk, first.trunk("a"), second.trunk("b")])
        made = await call(customer_number=CUSTOMER, trunks=("a", "b")).to_customer()
        _, customer = await made.over()
        assert len(first.of("INVITE")) == 1
        assert second.requests == []
    assert customer.by_far_end
    assert customer.cause not in {Cause.NORMAL, Cause.CARRIER_FAILURE, Cause.CARRIER_TIMEOUT, Cause.UNREACHABLE}


async def test_no_refusal_of_many_is_mistaken_for_a_failure(real: RealEngine, test_network: TestNetwork, call: MakeCall) -> None:
    """Under load the engine's own threads race; a person who said no must not be rung through another trunk."""
    refusals = itertools.cycle(["404 Not Found", "486 Busy Here", "603 Decline", "480 Unavailable", "403 Forbidden"])
    async with sip_peer(lambda _: [next(refusals)]) as first, sip_peer(always("486 Busy Here")) as second:
        await real.engine.set_trunks([test_network.trunk, first.trunk("a"), second.trunk("b")])
        calls = [await call(customer_number=CUSTOMER, trunks=("a", "b")).ring_agent() for _ in range(60)]
        for made in calls:
            await made.answered(Role.AGENT)
        await asyncio.gather(*(real.engine.ring_customer(made.plan) for made in calls))
        endings = [(await made.over())[1] for made in calls]
        assert second.requests == []
        assert len(first.of("INVITE")) == len(calls)
    assert all(ending.by_far_end and ending.sip_code is not None for ending in endings)


async def test_after_ringing_nobody_else_is_tried(real: RealEngine, test_network: TestNetwork, call: MakeCall) -> None:
    async with (
        sip_peer(always("180 Ringing", "503 Service Unavailable")) as first,
        sip_peer(always("486 Busy Here")) as second,
    ):
        await real.engine.set_trunks([test_network.trunk, first.trunk("a"), second.trunk("b")])
        made = await call(customer_number=CUSTOMER, trunks=("a", "b")).to_customer()
        _, customer = await made.over()
        assert second.requests == []
    assert (customer.cause, customer.sip_code) == (Cause.CARRIER_FAILURE, 503)


async def test_a_dead_trunk_is_left_within_seconds(real: RealEngine, test_network: TestNetwork, call: MakeCall) -> None:
    async with sip_peer(always()) as dead, sip_peer(always("486 Busy Here")) as second:
        await real.engine.set_trunks([test_network.trunk, dead.trunk("a"), second.trunk("b")])
        made = await call(customer_number=CUSTOMER, trunks=("a", "b"), customer_ring_s=20).to_customer()
        answered = await made.answered(Role.AGENT)
        _, customer = await made.over()
        assert customer.cause is Cause.BUSY
        assert (customer.at - answered.at).total_seconds() < 7
        assert len(dead.of("INVITE")) == 1


async def test_trying_alone_is_not_ringing_and_the_ring_limit_counts_over_all_trunks(
    real: RealEngine, test_network: TestNetwork, call: MakeCall
) -> None:
    async with sip_peer(always()) as dead, sip_peer(always("100 Trying")) as second:
        await real.engine.set_trunks([test_network.trunk, dead.trunk("a"), second.trunk("b")])
        made = await call(customer_number=CUSTOMER, trunks=("a", "b"), customer_ring_s=8).to_customer()
        answered = await made.answered(Role.AGENT)
        _, customer = await made.over()
        assert 6.9 < (customer.at - answered.at).total_seconds() < 8.5  # the engine's dialplan counts whole seconds
        assert [request.method for request in second.requests] == ["INVITE", "CANCEL"]
    assert (customer.cause, customer.by_far_end) == (Cause.CARRIER_TIMEOUT, False)


async def test_no_trunk_is_tried_when_the_ring_limit_is_over(real: RealEngine, test_network: TestNetwork, call: MakeCall) -> None:
    """The engine counts the limit in whole seconds of its clock: the last one may have begun. To dial for none has no limit."""
    async with sip_peer(always("100 Trying")) as first, sip_peer(always("180 Ringing")) as second:
        await real.engine.set_trunks([test_network.trunk, first.trunk("a"), second.trunk("b")])
        made = await call(customer_number=CUSTOMER, trunks=("a", "b"), customer_ring_s=3).to_agent()
        await until(lambda: 0.4 < time.time() % 1 < 0.5)
        began = int(time.time())
        await real.engine.ring_customer(made.plan)
        await until(lambda: len(first.requests) == 1)
        await until(lambda: time.time() > began + 3.02)
        first.answer(first.requests[0], "503 Service Unavailable")
        _, customer = await made.over()
        assert second.requests == []
    assert (customer.cause, customer.sip_code) == (Cause.CARRIER_FAILURE, 503)


async def test_all_trunks_failing_is_the_carriers_failure(real: RealEngine, test_network: TestNetwork, call: MakeCall) -> None:
    async with sip_peer(always("503 Service Unavailable")) as first, sip_peer(always("500 Server Error")) as second:
        await real.engine.set_trunks([test_network.trunk, first.trunk("a"), second.trunk("b")])
        made = await call(customer_number=CUSTOMER, trunks=("a", "b")).to_customer()
        agent, customer = await made.over()
    assert (customer.cause, customer.sip_code, customer.by_far_end) == (Cause.CARRIER_FAILURE, 500, True)
    assert (agent.cause, agent.by_far_end) == (Cause.NORMAL, False)
    assert len(made.said()) == 3


async def test_no_trunk_at_all(call: MakeCall) -> None:
    made = await call(customer_number=CUSTOMER, trunks=("no such trunk",)).to_customer()
    agent, customer = await made.over()
    assert (customer.cause, agent.cause) == (Cause.UNREACHABLE, Cause.NORMAL)
    lonely = await call(agent=PhoneLine(CUSTOMER, ("no such trunk",))).ring_agent()
    assert (await lonely.ended(Role.AGENT)).cause is Cause.UNREACHABLE


async def test_the_agents_phone_fails_over_by_the_same_rule(real: RealEngine, test_network: TestNetwork, call: MakeCall) -> None:
    async with sip_peer(always("503 Service Unavailable")) as first, sip_peer(always("486 Busy Here")) as second:
        await real.engine.set_trunks([first.trunk("a"), second.trunk("b"), test_network.trunk])
        through = await call(agent=PhoneLine(_agent_number(), ("a", "sandbox"))).to_agent()
        await real.engine.hang_up(through.id)
        await through.ended(Role.AGENT)
        refused = await call(agent=PhoneLine(CUSTOMER, ("b", "a"))).ring_agent()
        assert (await refused.ended(Role.AGENT)).cause is Cause.BUSY
        failed = await call(agent=PhoneLine(CUSTOMER, ("a",))).ring_agent()
        ended = await failed.ended(Role.AGENT)
        assert (ended.cause, ended.sip_code) == (Cause.CARRIER_FAILURE, 503)
        assert (len(first.of("INVITE")), len(second.of("INVITE"))) == (2, 1)


def _agent_number() -> str:
    return "+12025550101"


async def test_a_redirected_agent_is_not_followed(real: RealEngine, call: MakeCall) -> None:
    async with sip_peer(always("486 Busy Here")) as elsewhere:
        moved = f"302 Moved\nContact: <sip:+4420@127.0.0.1:{elsewhere.port}>"
        async with sip_peer(always(moved)) as carrier:
            await real.engine.set_trunks([carrier.trunk("a"), elsewhere.trunk("b")])
            made = await call(agent=PhoneLine(CUSTOMER, ("a",))).ring_agent()
            ended = await made.ended(Role.AGENT)
        assert elsewhere.requests == []
    assert ended.by_far_end


async def test_a_trunk_registers_with_its_credentials(real: RealEngine) -> None:
    challenge = '401 Unauthorized\nWWW-Authenticate: Digest realm="carrier", nonce="n1", algorithm=MD5, qop="auth"'

    def registrar(request: Request) -> list[str]:
        if "authorization" not in request.headers:
            return [challenge]
        return [f"200 OK\nContact: {request.headers['contact']}\nExpires: 600"]

    async with sip_peer(registrar) as carrier:
        trunk = carrier.trunk("registered", register=True, username="acme", password="secret")
        await real.engine.set_trunks([trunk])
        await until(lambda: any("authorization" in request.headers for request in carrier.of("REGISTER")))
        registered = carrier.of("REGISTER")[-1]
        assert registered.user("from") == "acme"
        assert 'username="acme"' in registered.headers["authorization"]
        await real.engine.set_trunks([])
        await until(lambda: len(carrier.of("REGISTER")) > 2)
        assert (
            "expires=0" in carrier.of("REGISTER")[-1].headers.get("contact", "")
            or carrier.of("REGISTER")[-1].headers["expires"] == "0"
        )


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
async def test_transports(real: RealEngine, test_network: TestNetwork, call: MakeCall, transport: Transport) -> None:
    async with sip_peer(always("486 Busy Here"), transport) as carrier:
        await real.engine.set_trunks([test_network.trunk, carrier.trunk("a")])
        made = await call(customer_number=CUSTOMER, trunks=("a",)).to_customer()
        assert (await made.ended(Role.CUSTOMER)).cause is Cause.BUSY
        assert f"SIP/2.0/{transport.value.upper()} " in carrier.of("INVITE")[0].headers["via"]


async def test_media_is_encrypted_where_the_trunk_says_so(real: RealEngine, test_network: TestNetwork, call: MakeCall) -> None:
    async with sip_peer(always("488 Not Acceptable Here")) as carrier:
        await real.engine.set_trunks([test_network.trunk, carrier.trunk("a", srtp=True, codecs=("ulaw", "alaw"))])
        made = await call(customer_number=CUSTOMER, trunks=("a",)).to_customer()
        assert (await made.ended(Role.CUSTOMER)).cause is Cause.NUMBER_REFUSED
        body = carrier.of("INVITE")[0].body
    assert "RTP/SAVP 8 0 " in body  # the agent speaks A-law: offered first, nothing is transcoded
    assert "a=crypto:" in body


async def test_changing_trunks_leaves_live_calls_alone(real: RealEngine, test_network: TestNetwork, call: MakeCall) -> None:
    made = await call().to_talk()
    await real.engine.set_trunks([])
    assert len([leg for leg in await real.engine.snapshot() if leg.call_id == made.id]) == 2
    await real.engine.set_trunks([test_network.trunk])
    await real.engine.hang_up(made.id)
    agent, customer = await made.over()
    assert (agent.cause, customer.cause) == (Cause.NORMAL, Cause.NORMAL)
    assert not any(isinstance(event, LegRinging) for event in made.said())
