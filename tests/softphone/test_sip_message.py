"""The SIP parser: what it takes has one meaning; everything else is BadSip and nothing else (fault F6)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.softphone.sip_texts import SDP, invite, register, response

from intellicall.softphone.sip_message import LONGEST, BadSip, parse, parse_address, parse_uri

GOOD = [
    register(),
    invite(),
    invite("BYE", body=""),
    response("200 OK", body=SDP),
    response("100 Trying", tag=""),
    invite("OPTIONS", body=""),
]


@pytest.mark.parametrize("text", GOOD)
def test_a_good_message_is_written_as_it_was_meant(text: str) -> None:
    message = parse(text)
    again = parse(message.text())
    assert again == parse(again.text())
    assert sorted(again.headers) == sorted(message.headers)
    assert again.body == message.body
    assert (again.method, again.uri, again.status, again.reason) == (message.method, message.uri, message.status, message.reason)


def test_compact_names_and_spaces_are_written_out() -> None:
    text = (
        "BYE sip:a@b SIP/2.0\r\nv : SIP/2.0/WS x.invalid;branch=z9\r\nf:<sip:a@b>;tag=1\r\nt: <sip:c@d>\r\n"
        "i: 1\r\nCSEQ:  2   BYE\r\nl: 0\r\n\r\n"
    )
    written = parse(text).text()
    assert "\r\nVia: SIP/2.0/WS x.invalid;branch=z9\r\n" in written
    assert "\r\nCall-ID: 1\r\n" in written
    assert "\r\nCSeq: 2   BYE\r\n" in written
    assert parse(written).cseq == (2, "BYE")


BAD = {
    "folded header": register(User_Agent="a\r\n b"),
    "header twice": register(more="From: <sip:evil@intellicall>;tag=2"),
    "compact header twice": register(more="f: <sip:evil@intellicall>;tag=2"),
    "two messages": register() + register(),
    "Content-Length too short": register().replace("Content-Length: 0", "Content-Length: 0\r\nl: 4"),
    "lying Content-Length": invite().replace("Content-Length: ", "Content-Length: 1"),
    "negative Content-Length": register().replace("Content-Length: 0", "Content-Length: -1"),
    "NUL": register(User_Agent="a\0b"),
    "NUL in the body": invite(body=SDP + "a=\0\r\n"),
    "bare CR": register(User_Agent="a\rX-Evil: b"),
    "bare LF": register(User_Agent="a\nX-Evil: b"),
    "only LF": register().replace("\r\n", "\n"),
    "no end": register().rstrip("\r\n"),
    "empty": "",
    "no To": register(To=""),
    "no tag": register(From="<sip:sp-s1@intellicall>"),
    "no branch": register(Via="SIP/2.0/WS x.invalid"),
    "CSeq of another method": register(CSeq="1 INVITE"),
    "CSeq too large": register(CSeq="99999999999 REGISTER"),
    "control character": register(User_Agent="a\x1bb"),
    "no version": register(start="REGISTER sip:intellicall"),
    "other version": register(start="REGISTER sip:intellicall SIP/3.0"),
    "lower method": register(start="register sip:intellicall SIP/2.0", CSeq="1 register"),
    "tel URI": register(start="REGISTER tel:+919876543210 SIP/2.0"),
    "URI headers": register(start="REGISTER sip:intellicall?Replaces=x SIP/2.0"),
    "space in URI": register(start="REGISTER sip:a b@intellicall SIP/2.0"),
    "two addresses": register(To="<sip:sp-s1@intellicall>, <sip:evil@intellicall>"),
    "header without colon": register(more="Evil"),
    "header name with a space": register(more="X Y: z"),
    "long line": register(User_Agent="a" * 5_000),
    "too many headers": register(more="\r\n".join(f"X-{n}: 1" for n in range(80))),
    "status out of range": response("999 Odd"),
    "status is no number": response("2OO OK"),
    "body without type": invite().replace("Content-Type: application/sdp\r\n", ""),
    "lone surrogate": register(User_Agent="a\ud800b"),
    "too long": invite(body=SDP + "a=x\r\n" * 8_000),
    "unicode digits in CSeq": register(CSeq="١ REGISTER"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_two_parsers_could_read_differently_is_not_taken(name: str) -> None:
    with pytest.raises(BadSip):
        parse(BAD[name])


@pytest.mark.parametrize("frame", [b"\xff\xfe", b"REGISTER sip:x SIP/2.0\r\n\xc3\x28: x\r\n\r\n", b"\x00" * 100])
def test_bytes_that_are_no_text_are_not_taken(frame: bytes) -> None:
    with pytest.raises(BadSip):
        parse(frame)


def test_the_limit_is_32_kib() -> None:
    padding = LONGEST - len(invite(body=SDP + "a=").encode())
    # Content-Length grows by a digit or two with the body
    parse(invite(body=SDP + "a=" + "x" * (padding - 4)))
    with pytest.raises(BadSip):
        parse(invite(body=SDP + "a=" + "x" * padding + "x"))


def test_addresses() -> None:
    assert parse_address('"A \\"B\\"" <sip:u@h:5060;transport=ws>;tag=t').tag == "t"
    assert parse_address('"Name" <sip:u@h;x=y>;tag=t;z').tag == "t"
    assert parse_address("sip:u@h;tag=t").tag == "t"
    assert parse_address("<sip:u@h>").tag is None
    assert parse_address("<sip:u@h;tag=inside>").tag is None
    assert parse_uri("sip:[::1]:5060;transport=ws").port == 5060
    for bad in (
        "<sip:u@h",
        "sip:u@h>",
        "<<sip:u@h>>",
        "<sip:u@h> x",
        "<sip:u@h:0>",
        "<sip:u@h:99999>",
        '"<sip:a@b>"',
        "<sip:u:pw@h>",
    ):
        with pytest.raises(BadSip):
            parse_address(bad)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=300), st.binary(max_size=300)))
def test_noise_raises_nothing_but_bad_sip(frame: str | bytes) -> None:
    _parse_quietly(frame)


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_mutations_raise_nothing_but_bad_sip_and_what_passes_is_stable(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(GOOD + list(BAD.values())[:20]))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        end = min(len(text), at + data.draw(st.integers(0, 12)))
        piece = data.draw(
            st.one_of(st.text(max_size=6), st.sampled_from(["\r\n", "\0", " ", ";", "<", ">", "\r\n ", ": ", ",", "%00", '"']))
        )
        text = text[:at] + piece + text[end:]
    _parse_quietly(text)


def _parse_quietly(frame: str | bytes) -> None:
    try:
        message = parse(frame)
    except BadSip:
        return
    written = message.text()
    assert parse(written).text() == written
    assert "\0" not in written
    head = written.partition("\r\n\r\n")[0]
    assert all(line.isprintable() and not line.startswith((" ", "\t")) for line in head.split("\r\n"))
