"""Which SIP may pass between one softphone and the engine: an allow-list per session and direction. Pure state, no sockets.

A softphone's page is code in the agent's hands; whatever it sends counts as sent by a stranger who holds one ephemeral account
(faults F5, F6, N4). It may register that account, answer what the engine asked, and end what the engine began. It dials nothing:
calls are made by the platform. Identities, targets and routes that the engine reads are written here, never taken over.
"""

import re
import secrets
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import TypeVar

from intellicall.softphone.sip_message import Address, BadSip, SipMessage, Uri, parse_address, parse_uri
from intellicall.telephony.engine import SipAccount

LONGEST_EXPIRES = 3_600
MOST_TRANSACTIONS = 64
MOST_DIALOGS = 16
LONGEST_SDP_LINE = 1_024

_FROM_ENGINE = {"INVITE", "ACK", "CANCEL", "BYE", "OPTIONS"}
_TO_ENGINE = {
    "accept", "allow", "authorization", "call-id", "contact", "content-length", "content-type", "cseq", "expires", "from",
    "max-forwards", "reason", "session-expires", "supported", "to", "user-agent", "via", "warning",
}  # fmt: skip
_WRITTEN_BY_US = {"via", "from", "to", "call-id", "cseq", "contact"}
_INSTANCE = re.compile(r'\+sip\.instance="<urn:uuid:[0-9A-Fa-f-]{36}>"')
_EXPIRES = re.compile(r";\s*expires\s*=\s*([0-9]{1,9})", re.IGNORECASE)
_VIA = re.compile(r"SIP/2\.0/WSS? [A-Za-z0-9.-]{1,255}(?::[0-9]{1,5})?((?:;[A-Za-z0-9_.=-]{1,256}){1,8})", re.ASCII)
_SDP_LINE = re.compile(r"[a-z]=[\x20-\x7e]*", re.ASCII)
_SDP_ICE = re.compile(r"a=ice-(?:ufrag|pwd):[A-Za-z0-9+/]{4,256}", re.ASCII)  # RFC 8839 section 5.4


@dataclass(frozen=True, slots=True)
class Passed:
    """What becomes of a frame: `forward` goes on to the other side, `answer` goes back, `refused` says why nothing went on.

    `registered` is True or False when the account's registration changed by it, else None.
    """

    forward: str | None = None
    answer: str | None = None
    refused: str | None = None
    registered: bool | None = None


@dataclass(slots=True)
class _Dialog:
    """A call that the engine began, as far as the softphone may name it."""

    engine_from: str
    engine_tag: str
    own_to: str
    target: str
    own_tag: str | None = None


V = TypeVar("V")
Key = tuple[str, int, str, str]  # Call-ID, CSeq number, CSeq method, branch


@dataclass(slots=True)
class SipGate:
    """The gate of one softphone session. `counts` holds how often each reason of refusal occurred."""

    account: SipAccount
    counts: Counter[str] = field(default_factory=Counter)
    _contact_user: str | None = None
    _asked_by_engine: "OrderedDict[Key, SipMessage]" = field(default_factory=OrderedDict)
    _asked_by_page: "OrderedDict[Key, bool]" = field(default_factory=OrderedDict)
    _dialogs: "OrderedDict[str, _Dialog]" = field(default_factory=OrderedDict)

    # from the page to the engine

    def from_page(self, message: SipMessage) -> Passed:
        """Judge a message of the page. Raises BadSip when it is not worth an answer: the connection is closed then."""
        if not message.is_request:
            return self._response_of_page(message)
        if message.method == "REGISTER":
            return self._register(message)
        if message.method == "BYE":
            return self._bye(message)
        if message.method == "ACK":
            return self._ack(message)
        return self._refuse(message, 405, "Method Not Allowed", "method")

    def _register(self, message: SipMessage) -> Passed:
        own = Uri(None, self.account.domain, None)
        if parse_uri(message.uri or "") != own or not (self._is_own(message.from_) and self._is_own(message.to)):
            return self._refuse(message, 403, "Forbidden", "identity")
        if message.body or message.to.tag is not None or not _is_one_via(message):
            return self._refuse(message, 403, "Forbidden", "form")
        contact = self._own_contact(message.all("Contact"))
        if contact is None:
            return self._refuse(message, 403, "Forbidden", "contact")
        ends = contact == "*" or _expires_of(message) == 0
        self._remember(self._asked_by_page, _key(message), value=ends)
        address = f"<sip:{self.account.username}@{self.account.domain}>"
        kept = _kept(message, without={"from", "to", "contact", "expires", "content-type"})
        kept += [
            ("From", f"{address};tag={message.from_.tag}"),
            ("To", address),
            ("Contact", contact),
            ("Expires", "0" if ends else str(min(_expires_of(message), LONGEST_EXPIRES))),
        ]
        return Passed(forward=SipMessage("REGISTER", f"sip:{self.account.domain}", None, None, tuple(kept)).text())

    def _is_own(self, address: Address) -> bool:
        return (address.uri.user, address.uri.host, address.uri.port) == (self.account.username, self.account.domain, None)

    def _own_contact(self, values: list[str]) -> str | None:
        """Return the Contact to register, or None when the page's is not its own.

        The engine gets the account's name as user, and a host that cannot be dialed (RFC 7118 section 5.2.1): it answers over the
        connection. JsSIP invents a random user; it gets that back in the answer.
        """
        if values == ["*"]:
            return "*"
        if len(values) != 1:
            return None
        address = parse_address(values[0])
        if not address.uri.host.endswith(".invalid") or address.uri.user is None:
            return None
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", address.uri.user, re.ASCII):
            return None
        self._contact_user = address.uri.user
        instance = _INSTANCE.search(address.parameters)
        return self._contact(address.uri.host) + (f";{instance[0]}" if instance else "")

    def _contact(self, host: str) -> str:
        return f"<sip:{self.account.username}@{host};transport=ws>"

    def _bye(self, message: SipMessage) -> Passed:
        dialog = self._dialog_of(message)
        if dialog is None or message.body or not _is_one_via(message):
            return self._refuse(message, 403, "Forbidden", "dialog")
        self._remember(self._asked_by_page, _key(message), value=False)
        self._dialogs.pop(message.call_id, None)
        return Passed(forward=self._within(message, dialog).text())

    def _ack(self, message: SipMessage) -> Passed:
        dialog = self._dialog_of(message)
        if dialog is None or message.body or not _is_one_via(message):
            return self._drop("dialog")
        return Passed(forward=self._within(message, dialog).text())

    def _dialog_of(self, message: SipMessage) -> _Dialog | None:
        """Return the dialog that a request of the page belongs to, when its tags are the dialog's."""
        dialog = self._dialogs.get(message.call_id)
        if dialog is None or dialog.own_tag is None:
            return None
        return dialog if (message.from_.tag, message.to.tag) == (dialog.own_tag, dialog.engine_tag) else None

    def _within(self, message: SipMessage, dialog: _Dialog) -> SipMessage:
        kept = _kept(message, without={"from", "to", "contact", "authorization"})
        kept += [("From", f"{dialog.own_to};tag={dialog.own_tag}"), ("To", dialog.engine_from)]
        return SipMessage(message.method, dialog.target, None, None, tuple(kept))

    def _response_of_page(self, message: SipMessage) -> Passed:
        asked = self._asked_by_engine.get(_key(message))
        if asked is None:
            return self._drop("answer to nothing")
        if message.body and not _is_plain_sdp(message):
            return self._drop("sdp")
        tag = message.to.tag
        if message.status != 100 and tag is None:
            return self._drop("no tag")
        if asked.method == "INVITE" and tag is not None:
            self._note_answer(message, tag)
        headers = [("Via", value) for value in asked.all("Via")]
        headers += [(name, asked.need(name)) for name in ("From", "Call-ID", "CSeq")]
        headers.append(("To", asked.need("To") if asked.to.tag or tag is None else f"{asked.need('To')};tag={tag}"))
        if message.get("Contact") is not None:
            headers.append(("Contact", self._contact("softphone.invalid")))
        headers += _kept(message, without={*_WRITTEN_BY_US, "authorization"})
        return Passed(forward=SipMessage(None, None, message.status, message.reason, tuple(headers), message.body).text())

    def _note_answer(self, message: SipMessage, tag: str) -> None:
        dialog = self._dialogs.get(message.call_id)
        if dialog is None or message.status is None:
            return
        if message.status < 300:
            dialog.own_tag = dialog.own_tag or tag
        elif dialog.own_tag is None or not self._asked_by_engine[_key(message)].to.tag:
            self._dialogs.pop(message.call_id, None)

    # from the engine to the page

    def from_engine(self, message: SipMessage) -> Passed:
        """Judge a message of the engine. Raises BadSip when it cannot be read."""
        if not message.is_request:
            return self._response_of_engine(message)
        if message.method not in _FROM_ENGINE:
            return self._refuse(message, 405, "Method Not Allowed", "engine's method")
        if message.method != "ACK":
            self._remember(self._asked_by_engine, _key(message), value=message)
        if message.method == "INVITE" and message.to.tag is None:
            self._begin(message)
        elif message.method == "BYE":
            self._dialogs.pop(message.call_id, None)
        return Passed(forward=message.text())

    def _begin(self, message: SipMessage) -> None:
        target = parse_address(message.need("Contact")).uri
        port = f":{target.port}" if target.port else ""
        user = f"{target.user}@" if target.user else ""
        dialog = _Dialog(
            engine_from=message.need("From"),
            engine_tag=message.from_.tag or "",
            own_to=message.need("To"),
            target=f"sip:{user}{target.host}{port}{target.rest}",
        )
        self._dialogs.setdefault(message.call_id, dialog)
        while len(self._dialogs) > MOST_DIALOGS:
            self._dialogs.popitem(last=False)

    def _response_of_engine(self, message: SipMessage) -> Passed:
        key = _key(message)
        ends, status = self._asked_by_page.get(key), message.status or 0
        if ends is None:
            return self._drop("engine answers nothing")
        if status >= 200:
            self._asked_by_page.pop(key, None)
        registered = None
        if message.cseq[1] == "REGISTER":
            message = self._with_own_contact(message)
            if 200 <= status < 300:
                registered = not ends
        return Passed(forward=message.text(), registered=registered)

    def _with_own_contact(self, message: SipMessage) -> SipMessage:
        """JsSIP recognises its registration by the user that it invented."""
        if self._contact_user is None:
            return message
        ours, theirs = f"sip:{self.account.username}@", f"sip:{self._contact_user}@"
        headers = [(name, value.replace(ours, theirs) if name == "Contact" else value) for name, value in message.headers]
        return message.with_headers(headers)

    # both

    def _remember(self, kept: "OrderedDict[Key, V]", key: Key, *, value: V) -> None:
        kept[key] = value
        while len(kept) > MOST_TRANSACTIONS:
            kept.popitem(last=False)

    def _refuse(self, message: SipMessage, status: int, reason: str, why: str) -> Passed:
        self.counts[why] += 1
        return Passed(answer=answer(message, status, reason) if message.method != "ACK" else None, refused=why)

    def _drop(self, why: str) -> Passed:
        self.counts[why] += 1
        return Passed(refused=why)


def answer(message: SipMessage, status: int, reason: str) -> str:
    """Return our own response to a request (RFC 3261 section 8.2.6)."""
    headers = [("Via", value) for value in message.all("Via")]
    headers += [(name, message.need(name)) for name in ("From", "Call-ID", "CSeq")]
    to = message.need("To")
    headers.append(("To", to if message.to.tag else f"{to};tag={secrets.token_hex(6)}"))
    return SipMessage(None, None, status, reason, tuple(headers)).text()


def _key(message: SipMessage) -> Key:
    number, method = message.cseq
    return message.call_id, number, method, message.branch


def _kept(message: SipMessage, without: set[str]) -> list[tuple[str, str]]:
    """Return the headers of a page's message that the engine may see."""
    return [(name, value) for name, value in message.headers if name.lower() in _TO_ENGINE - without]


def _is_one_via(message: SipMessage) -> bool:
    vias = message.all("Via")
    return len(vias) == 1 and _VIA.fullmatch(vias[0]) is not None


def _expires_of(message: SipMessage) -> int:
    """Return the registration's lifetime in seconds: the Contact's own, else the header's, else our longest."""
    found = _EXPIRES.search(message.get("Contact") or "")
    text = found[1] if found else message.get("Expires") or str(LONGEST_EXPIRES)
    if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII):
        raise BadSip("bad Expires")
    return int(text)


def _is_plain_sdp(message: SipMessage) -> bool:
    """Whether a body is SDP whose lines the engine's parsers have no trouble with."""
    if (message.get("Content-Type") or "").lower() != "application/sdp":
        return False
    try:
        lines = message.body.decode("ascii").replace("\r\n", "\n").removesuffix("\n").split("\n")
    except UnicodeDecodeError:
        return False
    for line in lines:
        if len(line) > LONGEST_SDP_LINE or not _SDP_LINE.fullmatch(line):
            return False
        if line.startswith(("a=ice-ufrag:", "a=ice-pwd:")) and not _SDP_ICE.fullmatch(line):
            return False
    return True
