"""The requests that ring somebody: pure, from a plan and the trunks to the bodies of ARI's originate and create."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intellicall.telephony.asterisk.dialplan import (
    AGENT_CONTEXT,
    APP,
    CALL_VARIABLE,
    GUARD_PUSH,
    call_variables,
    trunk_endpoint,
    trunk_host,
    usable_trunks,
    wire_number,
)
from intellicall.telephony.asterisk.provisioning import SOFTPHONE_CODECS, softphone_endpoint
from intellicall.telephony.engine import CallPlan, LegPlan, PhoneLine, SoftphoneLine, Trunk

ANSWER_HEADER = "X-Intellicall-Answer"
ANSWER_VARIABLE = f"PJSIP_HEADER(add,{ANSWER_HEADER})"


@dataclass(frozen=True, slots=True)
class _Way:
    """How one attempt reaches a line: dial string, number shown, codec asked for first, further channel variables."""

    endpoint: str
    shown: str
    codec: str
    variables: Mapping[str, str]


def agent_request(
    plan: CallPlan, attempt: int, left_s: float, trunks: Mapping[str, Trunk], recordings_dir: Path
) -> dict[str, Any] | None:
    """Return the originate body of the agent's `attempt` (0 first), or None when there is no line to try any more.

    `left_s` is what is left of the ring limit, over all trunks. Raises ValueError for a number that is none.
    """
    variables = call_variables(plan, trunks, recordings_dir)
    way = _way(plan.agent, attempt, left_s, trunks, plan.caller_id, plan.customer_number)
    if way is None:
        return None
    return {
        "endpoint": way.endpoint,
        "context": AGENT_CONTEXT,
        "extension": "s",
        "priority": 1,
        "callerId": way.shown,
        "formats": way.codec,
        "timeout": max(1, round(left_s)),
        "variables": {**variables, **way.variables},
    }


def leg_request(plan: LegPlan, attempt: int, left_s: float, trunks: Mapping[str, Trunk], longest_s: int) -> dict[str, Any] | None:
    """Return the create body of a further leg's `attempt` (0 first), or None when there is no line to try any more.

    `longest_s`: how long the leg may live at most, whatever happens to the others. Raises ValueError for a number that is none.
    """
    way = _way(plan.line, attempt, left_s, trunks, plan.caller_id, plan.shown)
    if way is None:
        return None
    variables = {
        CALL_VARIABLE: plan.call_id,
        "CONNECTEDLINE(num,i)": way.shown,  # what an outgoing INVITE has in From
        "TIMEOUT(absolute)": str(longest_s),
        **GUARD_PUSH,
        **way.variables,
    }
    return {"endpoint": way.endpoint, "app": APP, "formats": way.codec, "variables": variables}


def _way(
    line: SoftphoneLine | PhoneLine, attempt: int, left_s: float, trunks: Mapping[str, Trunk], caller_id: str, shown: str
) -> _Way | None:
    if isinstance(line, SoftphoneLine):
        if attempt > 0:
            return None
        endpoint = f"PJSIP/{softphone_endpoint(line.session_id)}"
        codec = SOFTPHONE_CODECS.partition(",")[0]
        return _Way(endpoint, wire_number(shown, None), codec, {ANSWER_VARIABLE: line.answer_token})
    trunk = _trunk(line, attempt, left_s, trunks)
    if trunk is None:
        return None
    endpoint = f"PJSIP/{trunk_endpoint(trunk)}/sip:{wire_number(line.number, trunk)}@{trunk_host(trunk)}"
    return _Way(endpoint, wire_number(caller_id, trunk), trunk.codecs[0], {})


def _trunk(line: PhoneLine, attempt: int, left_s: float, trunks: Mapping[str, Trunk]) -> Trunk | None:
    usable = usable_trunks(line.trunks, trunks)
    out_of_time = attempt > 0 and left_s < 1
    return None if out_of_time or attempt >= len(usable) else usable[attempt]
