"""One SIP message (RFC 3261) as it travels in one WebSocket frame (RFC 7118): strict parsing, canonical writing. Pure.

What this parser takes has one meaning only. Header folding, compact names, unknown line ends, NUL, repeated single headers, a
Content-Length that is not true, a second message behind the first: all of these make two parsers disagree, and the one behind us
is the telephone engine's.
"""

import re
from dataclasses import dataclass, field, replace

LONGEST = 32_768
LONGEST_LINE = 4_096
MOST_HEADERS = 64

_COMPACT = {
    "a": "Accept-Contact", "b": "Referred-By", "c": "Content-Type", "d": "Request-Disposition", "e": "Content-Encoding",
    "f": "From", "i": "Call-ID", "j": "Reject-Contact", "k": "Supported", "l": "Content-Length", "m": "Contact",
    "n": "Identity-Info", "o": "Event", "r": "Refer-To", "s": "Subject", "t": "To", "u": "Allow-Events", "v": "Via",
    "x": "Session-Expires", "y": "Identity",
}  # fmt: skip
_PROPER = {
    name.lower(): name
    for name in (
        "Accept", "Allow", "Authorization", "Call-ID", "Contact", "Content-Length", "Content-Type", "CSeq", "Date", "Expires",
        "From", "Max-Forwards", "Min-Expires", "Path", "Proxy-Authenticate", "Reason", "Record-Route", "Require", "Retry-After",
        "Route", "Server", "Session-Expires", "Supported", "To", "Unsupported", "User-Agent", "Via", "Warning", "WWW-Authenticate",
    )
}  # fmt: skip
_SINGLE = {"from", "to", "call-id", "cseq", "content-length", "content-type", "max-forwards", "expires", "authorization"}

_METHOD = re.compile(r"[A-Z]{1,16}", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9!%*_+`'~.-]{1,64}", re.ASCII)
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\U0010ffff]*")
_HOST = r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.-]{1,255})(?::([0-9]{1,5}))?"
_URI_PARAMETERS = r"((?:;[A-Za-z0-9_.!~*'()\[\]/:&+$%=-]{1,256}){0,16})"
_URI = re.compile(rf"sips?:(?:([A-Za-z0-9_.!~*'()&=+$,;?/%-]{{1,128}})@)?{_HOST}{_URI_PARAMETERS}", re.ASCII)
_CALL_ID = re.compile(r"[A-Za-z0-9\-.!%*_+`'~()<>:\\\"/\[\]?{}@]{1,256}", re.ASCII)
_CSEQ = re.compile(r"([0-9]{1,10})[ \t]+([A-Z]{1,16})", re.ASCII)
_WORD = r"[A-Za-z0-9\-.!%*_+`'~]{1,256}"
_TAG = re.compile(rf";\s*tag\s*=\s*({_WORD})\s*(?=;|$)", re.ASCII | re.IGNORECASE)
_BRANCH = re.compile(rf";\s*branch\s*=\s*({_WORD})\s*(?=[;,]|$)", re.ASCII | re.IGNORECASE)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_ADDRESS = re.compile(r'[ \t]*(?:"(?:[^"\\<>]|\\[^<>])*"[ \t]*|[^"<>]*)<([^<>\s]+)>(.*)', re.DOTALL)


class BadSip(Exception):  # noqa: N818 - what somebody sent, not a defect
    """This is no SIP message that we take. The text says why, without any of its content."""


@dataclass(frozen=True, slots=True)
class Uri:
    """A SIP URI: `user` and `port` may be missing; `rest` are its parameters as written, with their semicolons."""

    user: str | None
    host: str
    port: int | None
    rest: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """From, To or Contact: the URI and, behind it, the header's parameters as written."""

    uri: Uri
    parameters: str

    @property
    def tag(self) -> str | None:
        found = _TAG.search(self.parameters)
        return found[1] if found else None


@dataclass(frozen=True, slots=True)
class SipMessage:
    """A request (`method`, `uri`) or a response (`status`, `reason`); headers in order, names in their proper form."""

    method: str | None
    uri: str | None
    status: int | None
    reason: str | None
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(default=b"", repr=False)

    @property
    def is_request(self) -> bool:
        return self.method is not None

    def get(self, name: str) -> str | None:
        """Return the first header of this name, whatever its case."""
        lowered = name.lower()
        return next((value for key, value in self.headers if key.lower() == lowered), None)

    def all(self, name: str) -> list[str]:
        lowered = name.lower()
        return [value for key, value in self.headers if key.lower() == lowered]

    def need(self, name: str) -> str:
        """Return the header. Raises BadSip when it is missing."""
        value = self.get(name)
        if value is None:
            raise BadSip(f"no {name}")
        return value

    @property
    def call_id(self) -> str:
        return self.need("Call-ID")

    @property
    def cseq(self) -> tuple[int, str]:
        """Return number and method of CSeq."""
        found = _CSEQ.fullmatch(self.need("CSeq"))
        if found is None or int(found[1]) >= 2**31:
            raise BadSip("bad CSeq")
        return int(found[1]), found[2]

    @property
    def from_(self) -> Address:
        return parse_address(self.need("From"))

    @property
    def to(self) -> Address:
        return parse_address(self.need("To"))

    @property
    def branch(self) -> str:
        """Return the branch of the topmost Via. Raises BadSip."""
        found = _BRANCH.search(self.need("Via"))
        if found is None:
            raise BadSip("no branch")
        return found[1]

    def with_headers(self, headers: list[tuple[str, str]]) -> "SipMessage":
        return replace(self, headers=tuple(headers))

    def setting(self, name: str, value: str) -> "SipMessage":
        """Return the message with this header's value exchanged, in its place."""
        return replace(self, headers=tuple((key, value if key.lower() == name.lower() else old) for key, old in self.headers))

    def text(self) -> str:
        """Return the message as it is written to a frame, with a Content-Length that is true."""
        start = f"{self.method} {self.uri} SIP/2.0" if self.is_request else f"SIP/2.0 {self.status} {self.reason or ''}"
        lines = [start.rstrip() if self.is_request else start]
        lines += [f"{name}: {value}" for name, value in self.headers if name != "Content-Length"]
        lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join(lines) + "\r\n\r\n" + self.body.decode("utf-8")


def parse_uri(text: str) -> Uri:
    """Raises BadSip for anything but a plain sip: or sips: URI; a password or URI headers (`?`) are not taken."""
    found = _URI.fullmatch(text)
    if found is None or (found[3] and not 0 < int(found[3]) < 65_536):
        raise BadSip("bad URI")
    return Uri(found[1], found[2], int(found[3]) if found[3] else None, found[4] or "")


def parse_address(value: str) -> Address:
    """Read the value of From, To or Contact (one address). Raises BadSip."""
    found = _ADDRESS.fullmatch(value)
    if found is not None:
        parameters = found[2].strip()
        bare = _QUOTED.sub("", parameters)  # +sip.instance="<urn:uuid:...>" (RFC 5626) is no second address
        if "<" in bare or "," in bare or (parameters and not parameters.startswith(";")):
            raise BadSip("more than one address")
        return Address(parse_uri(found[1]), parameters)
    uri, semicolon, parameters = value.strip().partition(";")
    if any(character in uri for character in '<>", \t'):
        raise BadSip("bad address")
    return Address(parse_uri(uri), semicolon + parameters)


def parse(frame: str | bytes) -> SipMessage:
    """Read one message. Raises BadSip, and nothing else whatever the frame holds."""
    text = _as_text(frame)
    head, separator, body_text = text.partition("\r\n\r\n")
    if not separator:
        raise BadSip("no end of headers")
    start, *lines = head.split("\r\n")
    headers = tuple(_header(line) for line in lines)
    if len(headers) > MOST_HEADERS:
        raise BadSip("too many headers")
    names = [name.lower() for name, _ in headers]
    if any(names.count(name) > 1 for name in _SINGLE):
        raise BadSip("a header twice")
    body = body_text.encode("utf-8")
    message = replace(_start(start), headers=headers, body=body)
    _check(message)
    return message


def _as_text(frame: str | bytes) -> str:
    try:
        text = frame.decode("utf-8") if isinstance(frame, bytes) else frame
        size = len(text.encode("utf-8"))
    except UnicodeError:
        raise BadSip("not UTF-8") from None
    if size > LONGEST:
        raise BadSip("too long")
    if "\0" in text:
        raise BadSip("NUL")
    return text


def _start(line: str) -> SipMessage:
    if len(line) > LONGEST_LINE or not line.isascii() or not line.isprintable():
        raise BadSip("bad start line")
    parts = line.split(" ", 2)
    if len(parts) < 2:
        raise BadSip("bad start line")
    if parts[0] == "SIP/2.0":
        if not re.fullmatch(r"[1-6][0-9]{2}", parts[1], re.ASCII):
            raise BadSip("bad status")
        return SipMessage(None, None, int(parts[1]), parts[2] if len(parts) > 2 else "", ())
    if len(parts) != 3 or parts[2] != "SIP/2.0" or not _METHOD.fullmatch(parts[0]):
        raise BadSip("bad request line")
    parse_uri(parts[1])
    return SipMessage(parts[0], parts[1], None, None, ())


def _header(line: str) -> tuple[str, str]:
    """Split one line. A folded one (RFC 3261 section 7.3.1) begins with a space, which no name does."""
    name, colon, value = line.partition(":")
    name = name.rstrip(" \t")
    value = value.strip(" \t")
    if not colon or len(line) > LONGEST_LINE or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value) or not value.isprintable():
        raise BadSip("bad header")
    lowered = name.lower()
    name = _COMPACT.get(lowered, name)
    return _PROPER.get(name.lower(), name), value


def _check(message: SipMessage) -> None:
    """Raise BadSip unless what every message must have (RFC 3261 section 8.1.1) is there and agrees with itself."""
    _, method = message.cseq
    if message.is_request and method != message.method:
        raise BadSip("CSeq of another method")
    if not _CALL_ID.fullmatch(message.call_id):
        raise BadSip("bad Call-ID")
    if message.from_.tag is None:
        raise BadSip("no tag in From")
    message.to  # noqa: B018 - raises when it cannot be read
    message.branch  # noqa: B018 - as above
    length = message.get("Content-Length")
    if length is not None and (not re.fullmatch(r"[0-9]{1,6}", length, re.ASCII) or int(length) != len(message.body)):
        raise BadSip("Content-Length is not true")
    if message.body and message.get("Content-Type") is None:
        raise BadSip("a body without Content-Type")
