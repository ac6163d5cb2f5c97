"""What was seen of a call, in plain words: SIP (RFC 3261 §21), the agents' browsers, audio. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from intellicall.calls.traces import Source, Trace
from intellicall.telephony.engine import Cause, Role

Data = Mapping[str, Any]

POOR_LOSS = 0.03
"""From here on people notice what is lost (ITU-T G.113 appendix I, for G.711 with concealment)."""

SIP_WORDS: dict[int, str] = {
    302: "Moved: the call shall go to another number, which is never followed",
    400: "Bad Request",
    401: "Unauthorized: the trunk's name or password is wrong",
    403: "Forbidden: the carrier does not allow this call",
    404: "Not Found: there is no such number",
    407: "Proxy Authentication Required: the trunk's name or password is wrong",
    408: "Request Timeout, or no answer at all",  # a silence is a 408, too (RFC 3261 §8.1.3.1)
    410: "Gone: the number is not in service any more",
    480: "Temporarily Unavailable: the phone is switched off or out of reach",
    483: "Too Many Hops",
    484: "Address Incomplete: the number is not complete",
    486: "Busy Here",
    487: "Request Terminated: the call was taken back",
    488: "Not Acceptable Here: no common voice codec",
    500: "Server Internal Error",
    502: "Bad Gateway",
    503: "Service Unavailable, or no connection to it",  # the same section: so is a connection that could not be made
    504: "Server Time-out",
    600: "Busy Everywhere",
    603: "Decline",
    604: "Does Not Exist Anywhere",
    607: "Unwanted",
    608: "Rejected: by somebody between us and the callee",
}
"""Final responses that carriers give, in words."""

CAUSES: dict[str, str] = {
    Cause.NORMAL: "hung up",
    Cause.BUSY: "busy",
    Cause.REJECTED: "declined",
    Cause.NO_ANSWER: "not answered",
    Cause.UNAVAILABLE: "switched off or out of reach",
    Cause.NUMBER_UNKNOWN: "no such number",
    Cause.NUMBER_REFUSED: "not let through",
    Cause.CARRIER_FAILURE: "the carrier failed",
    Cause.CARRIER_TIMEOUT: "no SIP answer",
    Cause.UNREACHABLE: "not reachable",
    Cause.NO_AUDIO: "no sound came",
    Cause.VANISHED: "nothing was received from it any more",
    Cause.TIME_LIMIT: "the maximum length was reached",
    Cause.CANCELED: "taken back",
    Cause.ENGINE_LOST: "lost with the engine",
}

SOFTPHONE_WORDS: dict[str, str] = {
    "ready": "The softphone is ready: connected, with its microphone.",
    "disconnected": "The softphone's page lost its connection to the platform.",
    "reconnected": "The softphone's page is connected again; its voice was not cut.",
    "reloaded": "The softphone's page was loaded anew, which cut its voice.",
    "moved": "The softphone moved to another tab.",
    "closed": "The softphone's tab was closed or did not come back.",
    "microphone_denied": "The browser does not let the page use the microphone.",
    "microphone_missing": "The computer has no microphone.",
    "microphone_busy": "Another program holds the microphone.",
    "insecure_page": "The page was not opened over HTTPS, so the browser gives it no microphone.",
    "sip_failed": "The softphone could not register with the telephone engine.",
    "microphone_ended": "The microphone was unplugged or taken away in the middle of the call.",
    "ice_connected": "The browser found a way for the voice.",
    "ice_disconnected": "The way of the voice broke; the browser looks for another one.",
    "ice_failed": "The browser found no way for the voice: the network does not let it (UDP) through.",
    "unknown": "The softphone is in trouble.",
}
"""What pages and their connections say. `quality` has figures and stands by itself."""


def words_of(trace: Trace) -> str:
    """Return the sentence of a trace."""
    if trace.source is Source.SIP:
        return _SIP[trace.what](trace.data) if trace.what in _SIP else "Something was seen that this version has no words for."
    if trace.what == "quality":
        return _audio("the platform to the browser", trace.data)
    return SOFTPHONE_WORDS.get(trace.what, SOFTPHONE_WORDS["unknown"])


def side(leg: object) -> str:
    """Return whose leg it is, for a sentence."""
    return {Role.AGENT.value: "the agent", Role.CUSTOMER.value: "the customer"}.get(str(leg), "the third party")


def answered_with(code: int) -> str:
    """Return a final response with its words: `503 Service Unavailable`."""
    words = SIP_WORDS.get(code)
    return f"{code} {words}" if words else f"{code}, a refusal" if code < 500 or code >= 600 else f"{code}, a failure of its own"


def failure(data: Data) -> str:
    """Return what a trunk did, with the trunk's name: `carrier1 answered 503`, `carrier2 was not reachable`."""
    name = data.get("trunk") or "the trunk"
    code = data.get("sip_code")
    if data.get("cause") == Cause.CARRIER_TIMEOUT:
        return f"{name} did not answer"
    return f"{name} was not reachable" if code is None else f"{name} answered {code}"


def _invite(data: Data) -> str:
    trunk = data.get("trunk")
    return (
        f"{_upper(side(data.get('leg')))} is called through trunk {trunk}."
        if trunk
        else f"The softphone of {_whose(data)} is called."
    )


def _whose(data: Data) -> str:
    return "the agent" if data.get("leg") == Role.AGENT else "an agent"


def _trunk_failed(data: Data) -> str:
    code = data.get("sip_code")
    told = f"{data.get('trunk') or 'The trunk'} answered {answered_with(code)}" if code is not None else failure(data)
    return f"{told}; the next trunk is tried."


def _leg_ended(data: Data) -> str:
    code, cause = data.get("sip_code"), CAUSES.get(str(data.get("cause")), "ended")
    if code is not None:
        return f"The call to {side(data.get('leg'))} was answered {answered_with(int(code))}."
    if data.get("cause") == Cause.NORMAL:
        who = _upper(side(data.get("leg")))
        return f"{who} hung up (BYE)." if data.get("by_far_end") else f"The call to {side(data.get('leg'))} was ended by us (BYE)."
    return f"The call to {side(data.get('leg'))} ended: {cause}."


def _audio(where: str, data: Data) -> str:
    packets, lost = int(data.get("packets") or 0), int(data.get("lost") or 0)
    if not packets and not lost:
        return f"No audio came from {where}."
    share = loss_of(data)
    word = "poor" if share >= POOR_LOSS else "good"
    return f"Audio from {where} was {word}: {100 * share:.1f} % lost, jitter {data.get('jitter_ms') or 0:g} ms."


def loss_of(data: Data) -> float:
    """Return the share of the packets that were lost, 0 to 1."""
    packets, lost = int(data.get("packets") or 0), int(data.get("lost") or 0)
    return lost / (packets + lost) if packets + lost else 0.0


def _upper(words: str) -> str:
    return words[:1].upper() + words[1:]


_SIP: Mapping[str, Callable[[Data], str]] = {
    "invite": _invite,
    "trunk_failed": _trunk_failed,
    "ringing": lambda data: f"The phone of {side(data.get('leg'))} rings (180 Ringing).",
    "early_media": lambda data: (
        f"The carrier of {side(data.get('leg'))} sends a tone or announcement of its own (183 Session Progress)."
    ),
    "leg_ended": _leg_ended,
    "audio": lambda data: _audio(side(data.get("leg")), data),
}
