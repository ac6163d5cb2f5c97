"""Real SIP test peers: scenarios for SIPp, written out as needed, and the messages that SIPp logged, read back.

`uac` calls; `uas` is called. Both speak PCMA over UDP on loopback. Media is SIPp's own tone (`uas(tone=…)`), or goes to a port of
the test's own (`media_port`), where `tests.support.rtp.RtpPhone` listens.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from intellicall.telephony.testnet.sounds import a_law, tone

_HEAD = '<?xml version="1.0" encoding="ISO-8859-1" ?>\n<!DOCTYPE scenario SYSTEM "sipp.dtd">\n<scenario name="{name}">\n'
_TAIL = "</scenario>\n"


def _sdp(port: str) -> str:
    return (
        "v=0\no=sipp 1 1 IN IP[local_ip_type] [local_ip]\ns=-\nc=IN IP[media_ip_type] [media_ip]\nt=0 0\n"
        f"m=audio {port} RTP/AVP 8\na=rtpmap:8 PCMA/8000\na=ptime:20\na=sendrecv\n"
    )


def _message(text: str, retrans: str = "") -> str:
    return f"<send{retrans}><![CDATA[\n\n{text}\n\n]]></send>\n"


def _body(port: str | None) -> str:
    return f"Content-Type: application/sdp\nContent-Length: [len]\n\n{_sdp(port)}" if port else "Content-Length: 0\n"


# -- the called side -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Uas:
    """What a called peer does, in this order.

    `provisional`: responses before the final one (183 carries SDP), each followed by `pause_ms`. `final`: the final response, or
    None to say nothing more and wait for the CANCEL. `silent`: never say anything at all. After a 200: SIPp plays `tone` (Hz),
    and hangs up `hangs_up_after_ms` later, or waits for the other side's BYE. `contact` goes into a 3xx.
    """

    provisional: Sequence[int] = (180,)
    pause_ms: int = 0
    final: int | None = 200
    silent: bool = False
    tone: int | None = None
    media_port: int | None = None
    hangs_up_after_ms: int | None = None
    contact: str | None = None

    def scenario(self, folder: Path) -> str:
        """Return the scenario's XML; a tone's file is written into `folder`."""
        steps = [_INVITE_RECEIVED]
        if self.silent:
            return _HEAD.format(name="uas") + _INVITE_RECEIVED + _noted() + _TAIL
        port = str(self.media_port) if self.media_port else "[rtpstream_audio_port]" if self.tone else "[auto_media_port]"
        for code in self.provisional:
            steps.append(_response(code, port if code == 183 else None))
            steps += [f'<pause milliseconds="{self.pause_ms}"/>\n'] if self.pause_ms else []
        if self.final is None:
            steps += [
                '<recv request="CANCEL" crlf="true"/>\n',
                _response(200, None),
                _response(487, None, of_invite=True),
                _ACK_RECEIVED,
            ]
        elif self.final >= 300:
            steps += [_response(self.final, None, contact=self.contact, of_invite=True), _ACK_RECEIVED]
        else:
            steps += [_response(200, port, of_invite=True), _ACK_NOTED, *self._talk(folder), _noted("called")]
        return _HEAD.format(name="uas") + "".join(steps) + _noted() + _TAIL

    def _talk(self, folder: Path) -> list[str]:
        steps: list[str] = []
        if self.tone:
            file = folder / f"tone-{self.tone}.alaw"
            file.write_bytes(bytes(map(a_law, tone(self.tone, 10))))
            steps.append(f'<nop><action><exec rtp_stream="{file},-1,8,PCMA/8000"/></action></nop>\n')
        if self.hangs_up_after_ms is None:
            return [*steps, '<recv request="BYE"/>\n', _response(200, None, in_dialog=True)]
        return [*steps, f'<pause milliseconds="{self.hangs_up_after_ms}"/>\n', _BYE_OF_CALLED, '<recv response="200"/>\n']


_INVITE_RECEIVED = """\
<recv request="INVITE" crlf="true" rrs="true"><action>
<ereg regexp="[0-9]+ INVITE" search_in="hdr" header="CSeq:" assign_to="cseq"/>
<ereg regexp=".*" search_in="hdr" header="Via:" assign_to="via"/>
<ereg regexp=".*" search_in="hdr" header="From:" assign_to="caller"/>
<ereg regexp="sip:[^&gt;]*" search_in="hdr" header="Contact:" assign_to="remote"/>
</action></recv>
"""
_ACK_RECEIVED = '<recv request="ACK"/>\n'
_ACK_NOTED = """\
<recv request="ACK"><action><ereg regexp=".*" search_in="hdr" header="To:" assign_to="called"/></action></recv>
"""
_BYE_OF_CALLED = _message(
    "BYE [$remote] SIP/2.0\nVia: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\nMax-Forwards: 70\n"
    "From:[$called]\nTo:[$caller]\n[last_Call-ID:]\nCSeq: 7 BYE\nContent-Length: 0\n",
    ' retrans="500"',
)


def _noted(*more: str) -> str:
    """Tell SIPp that variables are meant even where a scenario does not use them; it refuses unused ones."""
    return f'<Reference variables="{",".join(("cseq", "via", "caller", "remote", *more))}"/>\n'


def _response(code: int, port: str | None, *, contact: str | None = None, of_invite: bool = False, in_dialog: bool = False) -> str:
    tag = "" if in_dialog else ";tag=[pid]uas[call_number]"
    cseq = "CSeq: [$cseq]" if of_invite else "[last_CSeq:]"
    via = "Via:[$via]" if of_invite else "[last_Via:]"
    where = contact or "<sip:[local_ip]:[local_port];transport=[transport]>"
    return _message(
        f"SIP/2.0 {code} {code}\n{via}\n[last_From:]\n[last_To:]{tag}\n[last_Call-ID:]\n{cseq}\nContact: {where}\n{_body(port)}",
        ' retrans="500"' if of_invite else "",
    )


# -- the calling side ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Uac:
    """One call to `number`. `expect` is the final response; 100, 180 and 183 may come before.

    After a 200: hangs up after `talk_ms`, or, when that is None, waits for the other side's BYE. `cancel_after_ms` cancels
    that long after the ringing began (then `expect` is 487). Media goes to `media_port` of loopback.
    """

    number: str
    media_port: int
    expect: int = 200
    talk_ms: int | None = 1000
    cancel_after_ms: int | None = None
    caller: str = "+12025550199"

    def scenario(self, folder: Path) -> str:
        """Return the scenario's XML."""
        del folder
        invite = _message(self._request("INVITE", 1, "invite") + _body(str(self.media_port)), ' retrans="500"')
        steps = [invite]
        if self.cancel_after_ms is not None:
            steps += ['<recv response="100" optional="true"/>\n', '<recv response="180"/>\n']
            steps += [f'<pause milliseconds="{self.cancel_after_ms}"/>\n', _message(self._cancel(), ' retrans="500"')]
            steps += ['<recv response="200"/>\n', '<recv response="487"/>\n', self._ack()]
            return _HEAD.format(name="uac") + "".join(steps) + _TAIL
        steps += [f'<recv response="{code}" optional="true"/>\n' for code in (100, 180, 183)]
        steps += [f'<recv response="{self.expect}" rrs="true"/>\n', self._ack()]
        if self.expect == 200 and self.talk_ms is None:
            answer = "SIP/2.0 200 OK\n[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\nContent-Length: 0\n"
            steps += ['<recv request="BYE"/>\n', _message(answer)]
        elif self.expect == 200:
            bye = _message(self._request("BYE", 2, "bye", tagged=True) + "Content-Length: 0\n", ' retrans="500"')
            steps += [f'<pause milliseconds="{self.talk_ms}"/>\n', bye, '<recv response="200"/>\n']
        return _HEAD.format(name="uac") + "".join(steps) + _TAIL

    def _request(self, method: str, cseq: int, branch: str, *, tagged: bool = False) -> str:
        return (
            f"{method} sip:{self.number}@[remote_ip]:[remote_port] SIP/2.0\n"
            f"Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=z9hG4bK[pid]{branch}[call_number]\nMax-Forwards: 70\n"
            f"From: <sip:{self.caller}@[local_ip]:[local_port]>;tag=[pid]uac[call_number]\n"
            f"To: <sip:{self.number}@[remote_ip]:[remote_port]>{'[peer_tag_param]' if tagged else ''}\n"
            f"Call-ID: [call_id]\nCSeq: {cseq} {method}\nContact: <sip:{self.caller}@[local_ip]:[local_port]>\n"
        )

    def _ack(self) -> str:
        """The ACK of a refusal has the branch of the INVITE, that of a 200 its own (RFC 3261 §17.1.1.3)."""
        branch = "ack" if self.expect == 200 else "invite"
        return _message(self._request("ACK", 1, branch, tagged=True) + "Content-Length: 0\n")

    def _cancel(self) -> str:
        """A CANCEL carries the INVITE's own branch (RFC 3261 §9.1)."""
        return self._request("CANCEL", 1, "invite") + "Content-Length: 0\n"


# -- running -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SipMessage:
    """One SIP message of SIPp's log: `received` or sent, with its first line, headers (first of each name) and body.

    `at` is SIPp's clock in seconds since the epoch.
    """

    at: float
    received: bool
    start_line: str
    headers: dict[str, str]
    body: str

    @property
    def status(self) -> int | None:
        """The code of a response, None of a request."""
        return int(self.start_line.split()[1]) if self.start_line.startswith("SIP/2.0 ") else None

    @property
    def method(self) -> str:
        """The method of a request, or the method that a response answers."""
        return self.headers["cseq"].split()[1] if self.status else self.start_line.split()[0]

    @property
    def media_port(self) -> int | None:
        found = re.search(r"^m=audio (\d+)", self.body, re.MULTILINE)
        return int(found[1]) if found else None


def parse_messages(text: str) -> list[SipMessage]:
    """Read SIPp's message log (`-trace_msg`)."""
    messages = []
    stamps_and_blocks = re.split(r"^-{20,} (\d{4}-\S+)$", text, flags=re.MULTILINE)[1:]
    for stamp, block in zip(stamps_and_blocks[0::2], stamps_and_blocks[1::2], strict=True):
        found = re.match(r"\s*\S+ message (sent|received) .*?\n\n(.*)", block, re.DOTALL)
        if not found:
            continue
        at = datetime.fromisoformat(stamp).timestamp()
        head, _, body = found[2].replace("\r", "").partition("\n\n")
        start_line, *lines = head.split("\n")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers.setdefault(name.strip().lower(), value.strip())
        messages.append(SipMessage(at, found[1] == "received", start_line, headers, body))
    return messages


async def until(condition: Callable[[], bool], deadline_s: float = 10.0, every_s: float = 0.01) -> None:
    """Wait until the condition holds, looking every 10 ms unless told otherwise. Raises TimeoutError."""
    async with asyncio.timeout(deadline_s):
        while not condition():  # noqa: ASYNC110 - another process brings it about; it sends no event
            await asyncio.sleep(every_s)


class Sipp:
    """One running SIPp. Use as an async context manager: it is gone afterwards."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        peer: Uac | Uas,
        *,
        port: int,
        remote: int | None = None,
        calls: int | None = 1,
        rate: int = 10,
    ) -> None:
        self._folder = folder / f"sipp-{port}"
        self._folder.mkdir()
        scenario = self._folder / "scenario.xml"
        scenario.write_text(peer.scenario(self._folder))
        self._log = self._folder / "messages.log"
        self.port = port
        self._argv = [
            *command,
            *([f"127.0.0.1:{remote}"] if remote else []),
            *("-sf", str(scenario), "-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", str(port), "-r", str(rate)),
            *("-trace_msg", "-message_file", str(self._log), "-trace_err", "-error_file", str(self._folder / "errors.log")),
            *("-nostdin", "-skip_rlimit", "-timeout", "300"),
            *(["-m", str(calls)] if calls else []),
        ]
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        with (self._folder / "screen.log").open("wb") as screen:
            self._process = await asyncio.create_subprocess_exec(
                *self._argv, stdin=asyncio.subprocess.DEVNULL, stdout=screen, stderr=screen, cwd=self._folder
            )
        await until(lambda: self._listens() or self._process is None or self._process.returncode is not None)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def _listens(self) -> bool:
        rows = Path("/proc/net/udp").read_text().splitlines()[1:]
        return any(row.split()[1].endswith(f":{self.port:04X}") for row in rows) or self._log.exists()

    async def finished(self, deadline_s: float = 30.0) -> None:
        """Wait until the calls are over. Raises AssertionError with SIPp's own words when one did not go as written."""
        assert self._process is not None
        async with asyncio.timeout(deadline_s):
            code = await self._process.wait()
        errors = self._folder / "errors.log"
        assert code == 0, f"SIPp ended with {code}: {errors.read_text()[-2000:] if errors.exists() else self.screen()}"

    def screen(self) -> str:
        return (self._folder / "screen.log").read_text(errors="replace")[-2000:]

    def messages(self) -> list[SipMessage]:
        """Return every message so far, in order."""
        return parse_messages(self._log.read_text(errors="replace")) if self._log.exists() else []

    async def message(
        self, *, status: int | None = None, method: str | None = None, received: bool = True, deadline_s: float = 10.0
    ) -> SipMessage:
        """Wait for the first message of this kind and return it."""

        def found() -> list[SipMessage]:
            return [
                message
                for message in self.messages()
                if message.received is received and message.status == status and (method is None or message.method == method)
            ]

        await until(lambda: bool(found()), deadline_s)
        return found()[0]
