"""The telephony engine as the rest of the house sees it: a small port in our own words.

Two adapters keep its promises: `telephony.asterisk` (the real one) and `telephony.scripted` (deterministic, for tests
and development). `tests/contract` runs the same suite of promises on both. No word of Asterisk's leaves its adapter.

Promises
--------
1.  We choose the ids. Every event names the call by the id that we gave.
2.  `ring_agent` returns when the engine has taken the order. Everything after that arrives as events, in the order in
    which it happened. When it raises `EngineUnavailable`, no phone rings or will ring.
3.  A call begins with two legs: the agent's, then, after `ring_customer`, the customer's; `ring` adds further ones, under ids
    that we choose. Each leg yields at most one `LegRinging` (a second one when early media starts after plain ringing), at most
    one `LegAnswered`, and exactly one `LegEnded`, after which nothing more is said of it.
4.  A softphone's `LegAnswered` means that the agent's audio has been received, not only that SIP said 200. A softphone
    that answers without audio yields `LegEnded` with `Cause.NO_AUDIO`.
5.  After `ring_customer` the engine alone can finish the call: either leg's end ends the other, ring limit and maximum length
    are enforced, while nobody listens. After `arrange` the same holds with the legs that the arrangement names as `vital`.
6.  The agent hears the carrier's early media, or ringback where there is none, while the customer is rung.
7.  `LegEnded` of a recorded customer's leg comes after the recording's file is complete and closed.
8.  Trunks are tried in order; the next one only after a 5xx, a timeout or an unreachable trunk before any ringing. Never
    after a person or a carrier refused (486, 603, 404, ...).
9.  Only digits (and one leading plus) of a number reach the wire.
10. `hang_up` of an unknown or ended call is a no-op. `snapshot` tells which legs live now.
11. When the connection to the engine breaks, `EngineLost` is sent; when it is back, `EngineReady`. Events in the gap are lost:
    take a snapshot.
12. `arrange` says who hears whom, whole: when it returns, it is so. Legs that are `TOGETHER` hear each other and nobody else;
    `MUSIC` and `RINGBACK` are heard by that leg alone; a leg in `SILENCE` hears nothing and is heard by nobody. A leg that is
    still rung comes to its place when it answers; only in `TOGETHER` its early media (or ringback) is heard before. A leg
    of the call that is not named is ended. To arrange the same again changes nothing, and repairs what a gap left undone.
13. A call that was never arranged otherwise than agent and customer together, nobody muted and the recording not paused,
    stays the cheapest two-party call there is. One that is two-party again costs no more than a two-party bridge.
14. Nobody hears a `muted` leg: neither the others nor the recording. While `paused`, the recording takes silence for both
    channels and goes on to count: its length stays the length of the talk.
15. The recording follows the customer's leg through every arrangement, to its end, in one file. Each move of that leg may cost
    it a frame or two of its length.
16. `send_digits` is heard by that leg as RFC 4733 events, in order. A digit that a party presses yields `DigitPressed` once,
    in every arrangement; digits are never logged.
17. An answered call is not disturbed when a further leg fails, ends, or is rung through a trunk that is away.
18. Whoever `watch`es is told what is no fact of a call but explains it: each INVITE that left, each trunk that failed before
    another was tried, and how the audio of an answered leg was. Nothing depends on it; what is missed in a gap is never told.
19. What was missed in a gap is remembered: `missed` tells when the customer answered and when each leg ended, true to 0.1 s, also
    to a platform that was not there. Of the legs that end together the one whose far end hung up comes first.
20. When the engine's own process ends, and it is ours, `EngineDied` is told at once: no leg lives from then on. Nothing more is
    said of those legs; a new process is started, for ever.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Role(StrEnum):
    """The ids of the two legs that every call begins with. Further legs (`ring`) have ids of our choice: `[a-z0-9]{1,8}`."""

    AGENT = "agent"
    CUSTOMER = "customer"


class Cause(StrEnum):
    """Why a leg ended, in our words. The adapter maps every SIP code and engine cause to one of these."""

    NORMAL = "normal"  # was answered, and somebody hung up
    BUSY = "busy"  # 486, 600
    REJECTED = "rejected"  # 603: a person said no
    NO_ANSWER = "no_answer"  # rang, nobody answered within the ring limit
    UNAVAILABLE = "unavailable"  # 480, 410 at the far end: phone switched off, out of coverage
    NUMBER_UNKNOWN = "number_unknown"  # 404, 484, 604: no such number
    NUMBER_REFUSED = "number_refused"  # 403, 401, 488 ...: the carrier does not let this call through
    CARRIER_FAILURE = "carrier_failure"  # 5xx
    CARRIER_TIMEOUT = "carrier_timeout"  # no SIP answer at all
    UNREACHABLE = "unreachable"  # no trunk, no registered softphone
    NO_AUDIO = "no_audio"  # the softphone answered, but no audio came from it
    TIME_LIMIT = "time_limit"  # the maximum length was reached
    VANISHED = "vanished"  # was answered, and then nothing was received any more
    CANCELED = "canceled"  # we ended it before it was answered
    ENGINE_LOST = "engine_lost"  # the engine died with it


class EngineUnavailable(Exception):  # noqa: N818 - a state of the world, not a bug
    """The engine cannot take an order now. Nothing was dialed."""


@dataclass(frozen=True, slots=True)
class SoftphoneLine:
    """The agent's browser softphone: the session that `open_softphone` was called with.

    `answer_token` travels in the INVITE as header `X-Intellicall-Answer`; the page answers itself only when it is the one
    that it was told over its own authenticated connection.
    """

    session_id: str
    answer_token: str


@dataclass(frozen=True, slots=True)
class PhoneLine:
    """The agent's real phone, rung through the trunks named, in order. `number` is E.164 with its plus."""

    number: str
    trunks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CallPlan:
    """Everything that the engine needs to make and, if we die, to finish a two-party call.

    Numbers are E.164 with their plus; limits are whole seconds; `recording` is the file name without suffix in the
    recordings folder that the engine was composed with (8 kHz, 16 bit little-endian, stereo, left = what the customer
    says, right = what the customer hears, raw, suffix `.raw`), or None when the call is not recorded.
    """

    call_id: str
    agent: SoftphoneLine | PhoneLine
    customer_number: str
    caller_id: str
    trunks: tuple[str, ...]
    agent_ring_s: int
    customer_ring_s: int
    max_length_s: int
    recording: str | None


class Place(StrEnum):
    """What one leg of an arranged call hears."""

    TOGETHER = "together"  # everybody else who is together
    MUSIC = "music"  # hold music
    RINGBACK = "ringback"  # the ringing tone of the country
    SILENCE = "silence"


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Who hears whom in a call. Every leg that is to live is in `places`; the others are ended.

    `muted`: legs whose voice goes nowhere. `paused`: the recording takes silence. `vital`: legs whose end ends every other leg
    of the call, which the engine does by itself when nobody listens.
    """

    places: Mapping[str, Place]
    vital: frozenset[str]
    muted: frozenset[str] = frozenset()
    paused: bool = False


@dataclass(frozen=True, slots=True)
class LegPlan:
    """A further leg of a running call: who is rung, as whom, for how many seconds.

    `caller_id` is E.164; on a softphone `shown` is what its display says (the number of the customer), E.164.
    """

    call_id: str
    leg: str
    line: SoftphoneLine | PhoneLine
    caller_id: str
    shown: str
    ring_s: int


@dataclass(frozen=True, slots=True)
class LegRinging:
    """The far end rings. `early_media` is True when the far end sends audio of its own (SIP 183 with media)."""

    call_id: str
    leg: str
    at: datetime
    early_media: bool = False


@dataclass(frozen=True, slots=True)
class LegAnswered:
    call_id: str
    leg: str
    at: datetime


@dataclass(frozen=True, slots=True)
class LegEnded:
    """A leg is over. `by_far_end`: the party or carrier on this leg ended it, rather than the other side or we.

    `sip_code` is the final SIP response of an unanswered leg when there was one.
    """

    call_id: str
    leg: str
    at: datetime
    cause: Cause
    by_far_end: bool = False
    sip_code: int | None = None


@dataclass(frozen=True, slots=True)
class DigitPressed:
    """The party on this leg pressed a key: one of `0-9*#A-D`. It may be part of a card number: never store or log it."""

    call_id: str
    leg: str
    at: datetime
    digit: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class EngineLost:
    """The connection to the engine broke or its process died; calls may still be up."""

    at: datetime


@dataclass(frozen=True, slots=True)
class EngineDied:
    """The engine's process has ended, and with it every leg, at this moment."""

    at: datetime


@dataclass(frozen=True, slots=True)
class EngineReady:
    """Connected, provisioned and able to dial. `restarted`: it is a new engine process; no earlier leg lives.

    `before`: when the engine process before this one was last known to live, to a second or so; None when none is known of.
    """

    at: datetime
    restarted: bool
    before: datetime | None = None


@dataclass(frozen=True, slots=True)
class LegTried:
    """An INVITE left for this leg: through this trunk, or (None) to a softphone."""

    call_id: str
    leg: str
    at: datetime
    trunk: str | None


@dataclass(frozen=True, slots=True)
class TryFailed:
    """This trunk failed before anything rang, and the next one is tried. `sip_code`: its final response, when there was one."""

    call_id: str
    leg: str
    at: datetime
    trunk: str | None
    cause: Cause
    sip_code: int | None = None


@dataclass(frozen=True, slots=True)
class LegHeard:
    """How the audio of a leg that has ended was, as the engine counted it (RTP and RTCP, RFC 3550 §6.4).

    Packets that came from the far end, packets of it that were lost on the way, and its jitter in seconds; `rtt_s` is the way
    there and back in seconds, None where no report told it.
    """

    call_id: str
    leg: str
    at: datetime
    packets: int
    lost: int
    jitter_s: float
    rtt_s: float | None = None


LegNote = LegTried | TryFailed | LegHeard
LegEvent = LegRinging | LegAnswered | LegEnded
EngineEvent = LegEvent | DigitPressed | EngineLost | EngineDied | EngineReady


@dataclass(frozen=True, slots=True)
class LegSeen:
    """A leg that lives at the moment of a snapshot."""

    call_id: str
    leg: str
    answered: bool


@dataclass(frozen=True, slots=True)
class SipAccount:
    """An ephemeral SIP account for one softphone session, known to the engine until `close_softphone`."""

    session_id: str
    username: str
    password: str
    domain: str


class Transport(StrEnum):
    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


class CallerIdStyle(StrEnum):
    """Where a carrier wants the caller ID: in From, or in P-Asserted-Identity / Remote-Party-ID with the account in From."""

    FROM = "from"
    PAI = "pai"
    RPID = "rpid"


@dataclass(frozen=True, slots=True)
class Trunk:
    """One SIP trunk to a carrier, as the operator configured it.

    `register` True means that we register with `username` and `password`; False means that the carrier knows our address (the
    credentials, if any, then answer its challenges). `codecs` in order of preference, SDP names in lower case (`alaw`, `ulaw`,
    `g722`, `opus`). `srtp`: SDES on the media. `strip_plus`: the carrier wants `9198...` rather than `+9198...`.
    """

    name: str
    host: str
    port: int
    transport: Transport = Transport.UDP
    register: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    codecs: tuple[str, ...] = ("alaw", "ulaw")
    srtp: bool = False
    caller_id_style: CallerIdStyle = CallerIdStyle.FROM
    strip_plus: bool = False


class TrunkState(StrEnum):
    """What the engine knows of a trunk."""

    REGISTERED = "registered"
    UNREGISTERED = "unregistered"  # it registers, and the carrier does not let it, or does not answer
    STATIC = "static"  # it does not register; whether it answers is known when it is called or asked


Listener = Callable[[EngineEvent], None]
Watcher = Callable[[LegNote], None]


class Engine(Protocol):
    """The port. Orders are idempotent by call id; events go to the one listener, which must not block."""

    @property
    def ready(self) -> bool:
        """True while orders can be taken."""
        ...

    def listen(self, listener: Listener) -> None:
        """Name the one listener. Called before `start`."""
        ...

    def watch(self, watcher: Watcher) -> None:
        """Name the one who is told what explains calls (promise 18). Must not block. Called before `start`."""
        ...

    async def start(self) -> None:
        """Connect to (and, where it is a child, start or adopt) the engine; keep trying in the background for ever.

        Returns when it is ready, or after at most 10 s without being ready (`EngineReady` comes later then).
        """
        ...

    async def stop(self) -> None:
        """Let go of the engine. Calls that it holds go on."""
        ...

    async def set_trunks(self, trunks: Sequence[Trunk]) -> None:
        """Replace the set of trunks; remembered and applied again after an engine restart. Live calls are untouched."""
        ...

    async def trunk_states(self) -> dict[str, TrunkState]:
        """Return the state of each trunk, by its name. Raises EngineUnavailable."""
        ...

    async def open_softphone(self, session_id: str) -> SipAccount:
        """Create (or return the same) ephemeral SIP account. Raises EngineUnavailable."""
        ...

    async def close_softphone(self, session_id: str) -> None:
        """Forget the account. No-op when unknown or when the engine is away. Does not end calls."""
        ...

    async def ring_agent(self, plan: CallPlan) -> None:
        """Dial the agent's leg. Raises EngineUnavailable."""
        ...

    async def ring_customer(self, plan: CallPlan) -> None:
        """Hand the answered agent's leg to the engine's own finish: dial the customer, bridge, record. Raises EngineUnavailable."""
        ...

    async def ring(self, plan: LegPlan) -> None:
        """Dial a further leg of an arranged call. Idempotent by call and leg. Raises EngineUnavailable: nothing rings then."""
        ...

    async def arrange(self, call_id: str, arrangement: Arrangement) -> None:
        """Make it so (promise 12). No-op for an unknown call. Raises EngineUnavailable: then arrange again after EngineReady."""
        ...

    async def send_digits(self, call_id: str, leg: str, digits: str) -> None:
        """Let one leg hear DTMF: `[0-9*#A-D]`, 100 ms each with 100 ms between. Returns when they are on their way.

        No-op when the leg is gone. Raises EngineUnavailable, and ValueError for anything else than these keys.
        """
        ...

    async def hang_up(self, call_id: str) -> None:
        """End every leg of the call. Raises EngineUnavailable when it cannot be told."""
        ...

    async def snapshot(self) -> list[LegSeen]:
        """Return the legs that live now, of calls that carry our ids. Raises EngineUnavailable."""
        ...

    async def missed(self, call_ids: Collection[str]) -> list[LegAnswered | LegEnded]:
        """Return what the engine remembers of these calls, heard before or not, in the order of cause and effect (promise 19).

        Of the answers only the customer's; no end of a leg that lives. Raises EngineUnavailable.
        """
        ...
