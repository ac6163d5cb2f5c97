"""How a leg sounded: Asterisk's own counting of RTP and RTCP, which it puts into a variable of the channel at its end."""

import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from intellicall.telephony.engine import LegHeard

QUALITY_VARIABLE = "RTPAUDIOQOS"
"""Set by chan_pjsip when a session ends (`ast_rtp_instance_set_stats_vars`, Asterisk 22): `lp=` lost, `rxcount=` received …"""


def heard(call_id: str, leg: str, at: datetime, channel: dict[str, Any]) -> Iterator[LegHeard]:
    """Read the variable of a channel (as ARI shows it); nothing where it is not there, or not what Asterisk 22 writes."""
    told = str((channel.get("channelvars") or {}).get(QUALITY_VARIABLE, ""))
    values = dict(part.partition("=")[::2] for part in told.split(";"))
    try:
        packets, lost = int(values["rxcount"]), int(values["lp"])
        jitter_s, rtt_s = float(values["rxjitter"]), float(values["rtt"])
    except (KeyError, ValueError):
        return
    if math.isfinite(jitter_s) and math.isfinite(rtt_s):
        yield LegHeard(call_id, leg, at, max(packets, 0), max(lost, 0), max(jitter_s, 0.0), rtt_s if rtt_s > 0 else None)
