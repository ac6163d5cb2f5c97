"""From what the wire says to our words: SIP final responses (RFC 3261 §21) and Q.850 causes to `Cause`. Total by construction."""

from intellicall.telephony.engine import Cause

_SIP = {
    486: Cause.BUSY,
    600: Cause.BUSY,
    603: Cause.REJECTED,
    607: Cause.REJECTED,  # Unwanted (RFC 8197): a person said no, for ever
    480: Cause.UNAVAILABLE,
    410: Cause.UNAVAILABLE,
    404: Cause.NUMBER_UNKNOWN,
    484: Cause.NUMBER_UNKNOWN,
    604: Cause.NUMBER_UNKNOWN,
    408: Cause.CARRIER_TIMEOUT,
    487: Cause.CANCELED,
}

_Q850 = {
    1: Cause.NUMBER_UNKNOWN,  # unallocated
    2: Cause.NUMBER_UNKNOWN,
    3: Cause.NUMBER_UNKNOWN,
    28: Cause.NUMBER_UNKNOWN,  # incomplete
    16: Cause.NORMAL,
    17: Cause.BUSY,
    18: Cause.NO_ANSWER,
    19: Cause.NO_ANSWER,
    20: Cause.UNAVAILABLE,  # absent subscriber
    21: Cause.REJECTED,
    22: Cause.UNAVAILABLE,  # number changed
    27: Cause.CARRIER_FAILURE,  # out of order
    26: Cause.CANCELED,  # answered elsewhere
}

NOTHING_RECEIVED = 44
"""Q.850 "requested channel not available", which Asterisk 22 gives to a channel that `rtp_timeout` ends (res_pjsip_sdp_rtp.c)."""
SOFTHANGUP_DEV = 1
"""What a `ChannelHangupRequest` says of a channel that its own driver ends by itself (AST_SOFTHANGUP_DEV, channel.h)."""


def cause_of(sip_code: int | None, q850: int | None) -> Cause:
    """Return why the far end of an unanswered leg ended it. `sip_code` is its final response, where one is known."""
    if sip_code is not None and 300 <= sip_code <= 699:
        return _cause_of_sip(sip_code)
    if q850 is None:
        return Cause.UNREACHABLE
    return _Q850.get(q850, Cause.CARRIER_FAILURE)


def _cause_of_sip(code: int) -> Cause:
    if found := _SIP.get(code):
        return found
    if 500 <= code <= 599:
        return Cause.CARRIER_FAILURE
    if code >= 600:
        return Cause.REJECTED  # a global failure is a decision about this callee, RFC 3261 §21.6
    return Cause.NUMBER_REFUSED  # the carrier does not carry this call; a redirection (3xx) is never followed


def may_try_next(sip_code: int | None, *, rang: bool) -> bool:
    """Return whether the next trunk may be tried. The same rule stands in the dialplan for the customer's leg.

    Only when this trunk failed for certain before the callee's phone can have rung: a 5xx, a timeout, no answer at all.
    """
    return not rang and (sip_code is None or sip_code == 408 or 500 <= sip_code <= 599)
