"""Softphone accounts: ring with the token, count as answered only when heard, reach nobody by themselves."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.asterisk.conftest import MakeCall
from tests.support.asterisk_engines import RealEngine
from tests.support.ports import find_free_port
from tests.support.sip_peer import always, sip_peer
from tests.support.sipp import Sipp, Uas
from tests.support.ws_phone import SILENT_SDP, WsPhone, ws_phone

from intellicall.telephony.asterisk.dialplan import trunk_endpoint
from intellicall.telephony.asterisk.furnishing import put
from intellicall.telephony.asterisk.provisioning import EngineObject, softphone_endpoint
from intellicall.telephony.engine import Cause, LegAnswered, Role, SipAccount, SoftphoneLine
from intellicall.telephony.testnet.network import TestNetwork

pytestmark = pytest.mark.asterisk


@pytest.fixture
async def phone(real: RealEngine) -> AsyncIterator[WsPhone]:
    """Return a registered softphone of session `s1`."""
    account = await real.engine.open_softphone("s1")
    async with ws_phone(account, real.engine.connection.url) as phone:
        assert (await phone.register()).status == 200
        yield phone
    await real.engine.close_softphone("s1")


LINE = SoftphoneLine("s1", "the-token")


async def test_the_invite_carries_the_token_and_an_answer_without_audio_is_none(call: MakeCall, phone: WsPhone) -> None:
    made = await call(agent=LINE).ring_agent()
    invite = await phone.expect(method="INVITE")
    assert invite.headers["x-intellicall-answer"] == "the-token"
    assert "UDP/TLS/RTP/SAVPF 8 0 " in invite.body
    await phone.answer(invite, "180 Ringing")
    await made.ringing(Role.AGENT)
    await phone.answer(invite, "200 OK", SILENT_SDP)
    ended = await made.ended(Role.AGENT)
    await phone.expect(method="BYE")
    assert (ended.cause, ended.by_far_end) == (Cause.NO_AUDIO, False)
    assert not any(isinstance(event, LegAnswered) for event in made.said())


async def test_answered_means_heard(real: RealEngine, call: MakeCall, sipp_command: tuple[str, ...], tmp_path: Path) -> None:
    """The account's endpoint is stood in for by a plain one, so that SIPp can be the softphone that speaks."""
    name = softphone_endpoint("plain")
    async with Sipp(sipp_command, tmp_path, Uas(tone=600), port=find_free_port()) as speaker:
        contact = EngineObject("res_pjsip", "aor", name, (("contact", f"sip:127.0.0.1:{speaker.port}"),))
        endpoint = EngineObject(
            "res_pjsip", "endpoint", name, (("aors", name), ("allow", "!all,alaw"), ("transport", "transport-udp"))
        )
        await put(real.engine.live_link(), [contact, endpoint])
        made = await call(agent=SoftphoneLine("plain", "t"), max_length_s=1).to_talk()
        agent, customer = await made.over()
    assert (agent.cause, customer.cause) == (Cause.NORMAL, Cause.TIME_LIMIT)


@pytest.mark.parametrize(("answer", "cause"), [("486 Busy Here", Cause.BUSY), ("403 Forbidden", Cause.NUMBER_REFUSED)])
async def test_a_softphone_that_refuses(call: MakeCall, phone: WsPhone, answer: str, cause: Cause) -> None:
    made = await call(agent=LINE).ring_agent()
    await phone.answer(await phone.expect(method="INVITE"), answer)
    ended = await made.ended(Role.AGENT)
    assert (ended.cause, ended.by_far_end) == (cause, True)


async def test_a_softphone_that_is_not_there(real: RealEngine, call: MakeCall) -> None:
    await real.engine.open_softphone("s2")
    for session in ("s2", "never-opened"):
        made = await call(agent=SoftphoneLine(session, "t")).ring_agent()
        assert (await made.ended(Role.AGENT)).cause is Cause.UNREACHABLE
    await real.engine.close_softphone("s2")


async def test_wrong_and_closed_accounts_do_not_register(real: RealEngine) -> None:
    account = await real.engine.open_softphone("s3")
    url = real.engine.connection.url
    wrong = SipAccount(account.session_id, account.username, "wrong", account.domain)
    async with ws_phone(wrong, url) as phone:
        assert (await phone.register()).status in {401, 403}
    await real.engine.close_softphone("s3")
    async with ws_phone(account, url) as phone:
        assert (await phone.register()).status in {401, 403, 404}


@pytest.mark.parametrize("method", ["INVITE", "REFER", "MESSAGE", "SUBSCRIBE", "PUBLISH"])
async def test_a_softphone_reaches_nobody_by_itself(
    real: RealEngine, test_network: TestNetwork, phone: WsPhone, method: str
) -> None:
    async with sip_peer(always("200 OK")) as carrier:
        await real.engine.set_trunks([test_network.trunk, carrier.trunk("a")])
        body = SILENT_SDP if method == "INVITE" else ""
        kind = ["Content-Type: application/sdp"] if body else []
        for target in ("+919876543210", "s", "agent-s1", "intellicall-agent"):
            more = [f"Refer-To: <sip:{target}@127.0.0.1:{carrier.port}>"] if method == "REFER" else ["Event: presence"]
            response = await phone.request(method, f"sip:{target}@{phone.account.domain}", *kind, *more, body=body)
            assert response.status is not None
            assert response.status >= 400
        assert carrier.requests == []
        assert await real.engine.snapshot() == []


async def test_strangers_are_all_answered_alike(real: RealEngine, phone: WsPhone, test_network: TestNetwork) -> None:
    """Whoever has no account cannot tell existing names from others."""
    answers = set()
    for name in (phone.account.username, "nobody", "intellicall-nobody", trunk_endpoint(test_network.trunk)):
        stranger = SipAccount("", name, "guess", "intellicall")
        async with ws_phone(stranger, real.engine.connection.url) as other:
            answers.add(
                (await other.request("INVITE", "sip:+1@intellicall", "Content-Type: application/sdp", body=SILENT_SDP)).status
            )
    assert answers == {401}
