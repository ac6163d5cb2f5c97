"""The gate: an agent who speaks SIP by hand gets nothing through but the softphone's own business (faults F5, N4)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.softphone.sip_texts import ACCOUNT, ENGINE_VIA, SDP, bye, invite, register, request, response, sip

from intellicall.softphone.sip_gate import Passed, SipGate
from intellicall.softphone.sip_message import BadSip, SipMessage, parse

HARMLESS = {"REGISTER", "BYE", "ACK"}
FORGED = {
    "P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID", "Route", "Record-Route", "Path", "Diversion", "Replaces",
    "X-Intellicall-Answer", "Refer-To", "Identity", "Require", "History-Info", "Join", "Event", "Privacy", "Security-Client",
}  # fmt: skip


def page(gate: SipGate, text: str) -> Passed:
    return gate.from_page(parse(text))


def engine(gate: SipGate, text: str) -> Passed:
    return gate.from_engine(parse(text))


def forwarded(passed: Passed) -> SipMessage:
    assert passed.forward is not None, passed
    return parse(passed.forward)


def in_call() -> SipGate:
    gate = SipGate(ACCOUNT)
    engine(gate, invite())
    assert page(gate, response("200 OK", body=SDP)).forward
    engine(gate, invite("ACK", body="", to_tag="ptag"))
    return gate


def test_register_of_the_own_account_passes_in_our_writing() -> None:
    gate = SipGate(ACCOUNT)
    message = forwarded(page(gate, register()))
    assert message.uri == "sip:intellicall"
    assert message.need("From") == "<sip:sp-s1@intellicall>;tag=a1b2c3"
    assert message.need("To") == "<sip:sp-s1@intellicall>"
    contact = message.need("Contact")
    assert contact.startswith("<sip:sp-s1@k3e9d0qpsm1o.invalid;transport=ws>;+sip.instance=")
    assert message.need("Expires") == "300"
    answer = sip(
        "SIP/2.0 200 OK",
        "Via: SIP/2.0/WS k3e9d0qpsm1o.invalid;branch=z9hG4bK1234567;rport=1;received=127.0.0.1",
        "From: <sip:sp-s1@intellicall>;tag=a1b2c3",
        "To: <sip:sp-s1@intellicall>;tag=e",
        "Call-ID: l9h7n3vvj1kbbm1h1t2a3b",
        "CSeq: 1 REGISTER",
        "Contact: <sip:sp-s1@127.0.0.1:4711;transport=ws>;expires=299",
    )
    passed = engine(gate, answer)
    assert passed.registered is True
    assert forwarded(passed).need("Contact").startswith("<sip:f0o9i8u7@")
    assert engine(gate, answer).forward is None  # said twice


def test_authorization_passes_and_a_challenge_is_not_a_registration() -> None:
    gate = SipGate(ACCOUNT)
    message = forwarded(page(gate, register(Authorization='Digest username="sp-s1"')))
    assert message.get("Authorization") == 'Digest username="sp-s1"'
    challenge = sip(
        "SIP/2.0 401 Unauthorized",
        "Via: SIP/2.0/WS k3e9d0qpsm1o.invalid;branch=z9hG4bK1234567",
        "From: <sip:sp-s1@intellicall>;tag=a1b2c3",
        "To: <sip:sp-s1@intellicall>;tag=e",
        "Call-ID: l9h7n3vvj1kbbm1h1t2a3b",
        "CSeq: 1 REGISTER",
        'WWW-Authenticate: Digest realm="asterisk",nonce="1",qop="auth"',
    )
    passed = engine(gate, challenge)
    assert passed.registered is None
    assert forwarded(passed).get("WWW-Authenticate")


@pytest.mark.parametrize("changes", [{"Expires": "0", "Contact": "*"}, {"Contact": "<sip:f0o9@x.invalid;transport=ws>;expires=0"}])
def test_taking_a_registration_back(changes: dict[str, str]) -> None:
    message = forwarded(page(SipGate(ACCOUNT), register(**changes)))
    assert message.need("Expires") == "0"


def test_expires_is_capped() -> None:
    text = register(Contact="<sip:f0o9@x.invalid;transport=ws>", Expires="999999999")
    assert forwarded(page(SipGate(ACCOUNT), text)).need("Expires") == "3600"


@pytest.mark.parametrize(
    "changes",
    [
        {"To": "<sip:sp-s2@intellicall>"},
        {"From": "<sip:sp-s2@intellicall>;tag=1"},
        {"From": "<sip:sp-s1@elsewhere>;tag=1"},
        {"To": "<sip:sp-s1@intellicall:5060>"},
        {"start": "REGISTER sip:elsewhere SIP/2.0"},
        {"start": "REGISTER sip:sp-s2@intellicall SIP/2.0"},
        {"Contact": "<sip:sp-s1@203.0.113.5:5060>"},
        {"Contact": "<sip:sp-s1@carrier.example>"},
        {"Contact": "<sip:x.invalid>"},
        {"Contact": "<sip:+919876543210@x.invalid>"},
        {"Contact": "<sip:a@x.invalid>", "more": "Contact: <sip:b@203.0.113.5>"},
        {"Contact": ""},
        {"Via": "SIP/2.0/UDP 203.0.113.5;branch=z9hG4bK1"},
        {"more": "Via: SIP/2.0/WS y.invalid;branch=z9hG4bK2"},
        {"To": "<sip:sp-s1@intellicall>;tag=x"},
    ],
)
def test_register_of_anything_else_is_answered_403(changes: dict[str, str]) -> None:
    gate = SipGate(ACCOUNT)
    passed = page(gate, register(**changes))
    assert passed.forward is None
    assert passed.answer is not None
    assert parse(passed.answer).status == 403
    assert sum(gate.counts.values()) == 1


def test_forged_identities_and_routes_do_not_reach_the_engine() -> None:
    forged = "\r\n".join(f"{name}: <sip:ceo@203.0.113.5>" for name in FORGED)
    message = forwarded(page(SipGate(ACCOUNT), register(more=forged)))
    assert not FORGED & {name for name, _ in message.headers}
    gate = SipGate(ACCOUNT)
    engine(gate, invite())
    message = forwarded(page(gate, response("200 OK", "INVITE", *forged.split("\r\n"), body=SDP)))
    assert not FORGED & {name for name, _ in message.headers}


@pytest.mark.parametrize(
    "method",
    ["INVITE", "MESSAGE", "REFER", "SUBSCRIBE", "NOTIFY", "INFO", "OPTIONS", "PUBLISH", "UPDATE", "PRACK", "CANCEL", "FOO"],
)
def test_every_other_method_is_answered_405(method: str) -> None:
    for gate in (SipGate(ACCOUNT), in_call()):
        for text in (request(method), bye(method=method, CSeq=f"9 {method}")):
            passed = page(gate, text)
            assert passed.forward is None
            assert passed.answer is not None
            answer = parse(passed.answer)
            assert answer.status == 405
            assert answer.to.tag
            assert answer.need("CSeq").endswith(method)


def test_answering_a_call() -> None:
    gate = SipGate(ACCOUNT)
    message = forwarded(engine(gate, invite("INVITE", "X-Intellicall-Answer: token")))
    assert message.get("X-Intellicall-Answer") == "token"
    trying = forwarded(page(gate, response("100 Trying", tag="")))
    assert trying.status == 100
    ok = forwarded(page(gate, response("200 OK", body=SDP)))
    assert ok.all("Via") == [ENGINE_VIA]
    assert ok.need("From") == 'From: "Customer" <sip:engine@intellicall>;tag=etag'.removeprefix("From: ")
    assert ok.need("To") == "<sip:sp-s1@k3e9d0qpsm1o.invalid>;tag=ptag"
    assert ok.need("Contact") == "<sip:sp-s1@softphone.invalid;transport=ws>"
    assert ok.body == SDP.encode()
    assert forwarded(engine(gate, invite("ACK", body="", to_tag="ptag"))).method == "ACK"


def test_the_identity_in_an_answer_is_the_engines() -> None:
    gate = SipGate(ACCOUNT)
    engine(gate, invite())
    forged = (
        response("200 OK", body=SDP)
        .replace("<sip:engine@intellicall>", "<sip:evil@intellicall>")
        .replace("<sip:sp-s1@k3", "<sip:evil@k3")
    )
    message = forwarded(page(gate, forged))
    assert "evil" not in message.text()


@pytest.mark.parametrize(
    "text",
    [
        response("200 OK", cseq=8),
        response("200 OK", "BYE"),
        response("200 OK", branch="z9hG4bKother"),
        response("200 OK").replace("engine-call", "other-call"),
        response("200 OK", tag=""),
        response("200 OK", body="v=0\r\na=ice-ufrag:" + "a" * 300 + "\r\n"),
        response("200 OK", body="v=0\r\na=" + "a" * 2_000 + "\r\n"),
        response("200 OK", body="v=0\r\n\x80\r\n"),
        response("200 OK", body="multipart").replace("application/sdp", "multipart/mixed;boundary=x"),
    ],
)
def test_an_answer_to_nothing_or_with_odd_content_is_dropped(text: str) -> None:
    gate = SipGate(ACCOUNT)
    engine(gate, invite())
    passed = page(gate, text)
    assert (passed.forward, passed.answer) == (None, None)
    assert sum(gate.counts.values()) == 1


def test_bye_ends_the_engines_call_and_is_written_anew() -> None:
    gate = in_call()
    message = forwarded(
        page(gate, bye(uri="sip:evil@203.0.113.5", To='"Evil" <sip:evil@x>;tag=etag', From="<sip:evil@x>;tag=ptag"))
    )
    assert message.uri == "sip:asterisk@127.0.0.1:5060;transport=ws"
    assert "evil" not in message.text().lower()
    done = sip(
        "SIP/2.0 200 OK",
        "Via: SIP/2.0/WS k3e9d0qpsm1o.invalid;branch=z9hG4bKpage1",
        "From: <sip:sp-s1@k3e9d0qpsm1o.invalid>;tag=ptag",
        "To: <sip:engine@intellicall>;tag=etag",
        "Call-ID: engine-call",
        "CSeq: 1 BYE",
    )
    assert forwarded(engine(gate, done)).status == 200
    assert page(gate, bye(CSeq="2 BYE")).forward is None


@pytest.mark.parametrize(
    "changes", [{"Call_ID": "other"}, {"To": "<sip:e@x>;tag=wrong"}, {"From": "<sip:e@x>;tag=wrong"}, {"To": "<sip:e@x>"}]
)
def test_bye_for_another_call_is_answered_403(changes: dict[str, str]) -> None:
    passed = page(in_call(), bye(**changes))
    assert passed.forward is None
    assert passed.answer is not None
    assert parse(passed.answer).status == 403


def test_bye_before_an_answer_and_after_the_end_is_refused() -> None:
    gate = SipGate(ACCOUNT)
    engine(gate, invite())
    assert page(gate, bye()).forward is None
    gate = SipGate(ACCOUNT)
    engine(gate, invite())
    page(gate, response("486 Busy Here"))
    assert page(gate, bye()).forward is None
    gate = in_call()
    assert engine(gate, invite("BYE", body="", to_tag="ptag", cseq=8, branch="z9hG4bKb")).forward
    assert page(gate, response("200 OK", "BYE", cseq=8, branch="z9hG4bKb")).forward
    assert page(gate, bye()).forward is None


def test_ack_passes_within_a_call_only_and_is_never_answered() -> None:
    assert forwarded(page(in_call(), bye(method="ACK", CSeq="7 ACK"))).uri == "sip:asterisk@127.0.0.1:5060;transport=ws"
    passed = page(SipGate(ACCOUNT), bye(method="ACK", CSeq="7 ACK"))
    assert (passed.forward, passed.answer) == (None, None)


def test_cancel_of_the_engine_and_its_answers_pass() -> None:
    gate = SipGate(ACCOUNT)
    engine(gate, invite())
    assert engine(gate, invite("CANCEL", body="")).forward
    assert page(gate, response("200 OK", "CANCEL")).forward
    assert page(gate, response("487 Request Terminated")).forward
    assert page(gate, bye()).forward is None


@pytest.mark.parametrize("status", ["603 Decline", "486 Busy Here", "480 No microphone", "403 Forbidden"])
def test_a_page_that_asks_rings_and_then_refuses(status: str) -> None:
    gate = SipGate(ACCOUNT)
    engine(gate, invite("INVITE", "X-Intellicall-Answer: token"))
    assert forwarded(page(gate, response("180 Ringing"))).status == 180
    assert forwarded(page(gate, response(status))).status == int(status[:3])
    assert engine(gate, invite("ACK", body="", to_tag="ptag")).forward, "the engine's ACK of a refusal (RFC 3261 section 17.1.1.3)"
    assert not gate.counts
    assert page(gate, bye()).forward is None


def test_a_page_that_asks_is_rung_no_longer() -> None:
    gate = SipGate(ACCOUNT)
    engine(gate, invite())
    page(gate, response("180 Ringing"))
    assert engine(gate, invite("CANCEL", body="")).forward
    assert forwarded(page(gate, response("200 OK", "CANCEL"))).need("CSeq").endswith("CANCEL")
    assert forwarded(page(gate, response("487 Request Terminated"))).status == 487
    assert not gate.counts
    assert page(gate, bye()).forward is None


def test_a_softphone_that_came_back_is_rung_beside_what_is_left_of_its_call() -> None:
    gate = in_call()
    second = invite("INVITE", "X-Intellicall-Answer: new", cseq=1, branch="z9hG4bKback").replace("engine-call", "back-call")
    assert engine(gate, second).forward
    answer = response("200 OK", cseq=1, branch="z9hG4bKback", body=SDP).replace("engine-call", "back-call")
    assert page(gate, answer).forward
    assert page(gate, bye()).forward, "the old call's own dialog is known still"


def test_no_page_renews_its_invite() -> None:
    passed = page(in_call(), bye(method="INVITE", CSeq="8 INVITE"))
    assert passed.forward is None
    assert passed.answer is not None
    assert parse(passed.answer).status == 405


def test_a_renewed_invite_keeps_the_call() -> None:
    gate = in_call()
    assert engine(gate, invite(to_tag="ptag", cseq=8, branch="z9hG4bKre")).forward
    assert page(gate, response("488 Not Acceptable Here", cseq=8, branch="z9hG4bKre")).forward
    assert page(gate, bye()).forward


@pytest.mark.parametrize("method", ["MESSAGE", "NOTIFY", "REFER", "SUBSCRIBE", "INFO", "UPDATE", "REGISTER", "PUBLISH"])
def test_other_methods_of_the_engine_are_answered_for_the_page(method: str) -> None:
    passed = engine(SipGate(ACCOUNT), invite(method, body=""))
    assert passed.forward is None
    assert passed.answer is not None
    assert parse(passed.answer).status == 405


def test_what_is_remembered_is_bounded() -> None:
    gate = SipGate(ACCOUNT)
    for number in range(1_000):
        engine(gate, invite(branch=f"z9hG4bK{number}").replace("engine-call", f"call-{number}"))
        page(gate, register(Via=f"SIP/2.0/WS x.invalid;branch=z9hG4bK{number}"))
    assert len(gate._asked_by_engine) <= 64
    assert len(gate._asked_by_page) <= 64
    assert len(gate._dialogs) <= 16


TEXTS = [
    register(),
    register(To="<sip:sp-s2@intellicall>"),
    bye(),
    bye(method="ACK", CSeq="7 ACK"),
    response("200 OK", body=SDP),
    response("486 Busy Here"),
    *(request(method) for method in ("INVITE", "MESSAGE", "REFER", "SUBSCRIBE", "OPTIONS")),
]
PIECES = [
    "\r\n",
    " ",
    ";",
    "<",
    ">",
    "sp-s2",
    "INVITE",
    "REFER",
    "@203.0.113.5",
    "sip:",
    ",",
    '"',
    "tag=etag",
    "\0",
    "Contact: ",
    "BYE",
    "200",
]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_is_sent_only_listed_things_get_through(data: st.DataObject) -> None:
    gate = in_call() if data.draw(st.booleans()) else SipGate(ACCOUNT)
    if data.draw(st.booleans()):
        engine(gate, invite(cseq=9, branch="z9hG4bKnine").replace("engine-call", "second-call"))
    for _ in range(data.draw(st.integers(1, 3))):
        text = data.draw(st.sampled_from(TEXTS))
        for _ in range(data.draw(st.integers(0, 3))):
            at = data.draw(st.integers(0, len(text)))
            end = min(len(text), at + data.draw(st.integers(0, 10)))
            text = text[:at] + data.draw(st.one_of(st.sampled_from(PIECES), st.text(max_size=4))) + text[end:]
        try:
            passed = page(gate, text)
        except BadSip:
            continue
        if passed.forward is not None:
            _check_harmless(parse(passed.forward))


def _check_harmless(message: SipMessage) -> None:
    names = {name.lower() for name, _ in message.headers}
    assert not names & {
        "route",
        "record-route",
        "p-asserted-identity",
        "remote-party-id",
        "refer-to",
        "replaces",
        "path",
        "identity",
    }
    if not message.is_request:
        assert message.from_.uri.user == "engine"
        return
    assert message.method in HARMLESS
    if message.method == "REGISTER":
        assert message.uri == "sip:intellicall"
        assert (message.from_.uri.user, message.to.uri.user) == ("sp-s1", "sp-s1")
        contact = message.need("Contact")
        assert contact == "*" or contact.startswith("<sip:sp-s1@")
        assert ".invalid" in contact or contact == "*"
    else:
        assert message.uri == "sip:asterisk@127.0.0.1:5060;transport=ws"
        assert message.call_id == "engine-call"
