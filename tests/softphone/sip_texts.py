"""SIP messages as JsSIP and Asterisk write them, for tests."""

from intellicall.telephony.engine import SipAccount

ACCOUNT = SipAccount("s1", "sp-s1", "secret", "intellicall")
ENGINE_VIA = "SIP/2.0/WS 127.0.0.1:8088;rport;branch=z9hG4bKPjengine1;alias"
SDP = (
    "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
    "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n"
)


def sip(start: str, *headers: str, body: str = "", length: int | None = None) -> str:
    """Return a message with a true Content-Length, or the one given."""
    size = len(body.encode()) if length is None else length
    return "\r\n".join([start, *headers, f"Content-Length: {size}", "", body])


def register(**changes: str) -> str:
    """Return JsSIP's REGISTER with some headers exchanged (underscores for dashes); "" takes one away; `start` and `more` too."""
    headers = {
        "Via": "SIP/2.0/WS k3e9d0qpsm1o.invalid;branch=z9hG4bK1234567",
        "Max-Forwards": "69",
        "To": "<sip:sp-s1@intellicall>",
        "From": "<sip:sp-s1@intellicall>;tag=a1b2c3",
        "Call-ID": "l9h7n3vvj1kbbm1h1t2a3b",
        "CSeq": "1 REGISTER",
        "Contact": "<sip:f0o9i8u7@k3e9d0qpsm1o.invalid;transport=ws>;+sip.ice;reg-id=1;"
        '+sip.instance="<urn:uuid:5c1c4d0c-7d8d-4a55-9f2c-2d8a1c1d0a77>";expires=300',
        "Expires": "300",
        "Allow": "INVITE,ACK,CANCEL,BYE,UPDATE,MESSAGE,OPTIONS,REFER,INFO,NOTIFY",
        "Supported": "path,gruu,outbound",
        "User-Agent": "Intellicall softphone",
    }
    start = changes.pop("start", "REGISTER sip:intellicall SIP/2.0")
    more = changes.pop("more", "")
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    lines = [f"{name}: {value}" for name, value in headers.items() if value]
    return sip(start, *lines, *([more] if more else []))


def request(method: str, *more: str, body: str = "", **changes: str) -> str:
    """Return a request that the page might try."""
    headers = {
        "Via": "SIP/2.0/WS k3e9d0qpsm1o.invalid;branch=z9hG4bKpage1",
        "Max-Forwards": "69",
        "To": "<sip:+919876543210@intellicall>",
        "From": "<sip:sp-s1@intellicall>;tag=page",
        "Call-ID": "page-call",
        "CSeq": f"1 {method}",
    }
    headers |= {name.replace("_", "-"): value for name, value in changes.items() if name != "uri"}
    uri = changes.get("uri", "sip:+919876543210@intellicall")
    return sip(f"{method} {uri} SIP/2.0", *[f"{name}: {value}" for name, value in headers.items()], *more, body=body)


def invite(method: str = "INVITE", *more: str, body: str = SDP, to_tag: str = "", cseq: int = 7, branch: str = "") -> str:
    """Return what the engine asks within the call `engine-call`."""
    via = ENGINE_VIA.replace("z9hG4bKPjengine1", branch) if branch else ENGINE_VIA
    return sip(
        f"{method} sip:sp-s1@127.0.0.1:40000;transport=ws SIP/2.0",
        f"Via: {via}",
        'From: "Customer" <sip:engine@intellicall>;tag=etag',
        "To: <sip:sp-s1@k3e9d0qpsm1o.invalid>" + (f";tag={to_tag}" if to_tag else ""),
        "Contact: <sip:asterisk@127.0.0.1:5060;transport=ws>",
        "Call-ID: engine-call",
        f"CSeq: {cseq} {method}",
        "Max-Forwards: 70",
        *more,
        *(["Content-Type: application/sdp"] if body else []),
        body=body,
    )


def response(
    status: str, method: str = "INVITE", *more: str, cseq: int = 7, tag: str = "ptag", body: str = "", branch: str = ""
) -> str:
    """Return the page's response to `invite(...)`."""
    via = ENGINE_VIA.replace("z9hG4bKPjengine1", branch) if branch else ENGINE_VIA
    return sip(
        f"SIP/2.0 {status}",
        f"Via: {via}",
        'From: "Customer" <sip:engine@intellicall>;tag=etag',
        "To: <sip:sp-s1@k3e9d0qpsm1o.invalid>" + (f";tag={tag}" if tag else ""),
        "Call-ID: engine-call",
        f"CSeq: {cseq} {method}",
        "Contact: <sip:f0o9i8u7@k3e9d0qpsm1o.invalid;transport=ws>",
        *more,
        *(["Content-Type: application/sdp"] if body else []),
        body=body,
    )


def bye(**changes: str) -> str:
    """Return the page's BYE in the call `engine-call`."""
    right = {
        "To": '"Customer" <sip:engine@intellicall>;tag=etag',
        "From": "<sip:sp-s1@k3e9d0qpsm1o.invalid>;tag=ptag",
        "Call_ID": "engine-call",
        "uri": "sip:asterisk@127.0.0.1:5060;transport=ws",
    }
    return request(changes.pop("method", "BYE"), **{**right, **changes})
