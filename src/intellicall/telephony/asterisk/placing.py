"""The request that rings the agent: pure, from a plan and the trunks to the body of ARI's originate."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intellicall.telephony.asterisk.dialplan import (
    AGENT_CONTEXT,
    call_variables,
    trunk_endpoint,
    trunk_host,
    usable_trunks,
    wire_number,
)
from intellicall.telephony.asterisk.provisioning import SOFTPHONE_CODECS, softphone_endpoint
from intellicall.telephony.engine import CallPlan, PhoneLine, SoftphoneLine, Trunk

ANSWER_HEADER = "X-Intellicall-Answer"


def agent_request(
    plan: CallPlan, attempt: int, left_s: float, trunks: Mapping[str, Trunk], recordings_dir: Path
) -> dict[str, Any] | None:
    """Return the originate body of the agent's `attempt` (0 first), or None when there is no line to try any more.

    `left_s` is what is left of the ring limit, over all trunks. Raises ValueError for a number that is none.
    """
    variables = call_variables(plan, trunks, recordings_dir)
    if isinstance(plan.agent, SoftphoneLine):
        if attempt > 0:
            return None
        endpoint = f"PJSIP/{softphone_endpoint(plan.agent.session_id)}"
        variables[f"PJSIP_HEADER(add,{ANSWER_HEADER})"] = plan.agent.answer_token
        caller_id = wire_number(plan.customer_number, None)
        codec = SOFTPHONE_CODECS.partition(",")[0]
    else:
        trunk = _trunk(plan.agent, attempt, left_s, trunks)
        if trunk is None:
            return None
        endpoint = f"PJSIP/{trunk_endpoint(trunk)}/sip:{wire_number(plan.agent.number, trunk)}@{trunk_host(trunk)}"
        caller_id = wire_number(plan.caller_id, trunk)
        codec = trunk.codecs[0]
    return {
        "endpoint": endpoint,
        "context": AGENT_CONTEXT,
        "extension": "s",
        "priority": 1,
        "callerId": caller_id,
        "formats": codec,
        "timeout": max(1, round(left_s)),
        "variables": variables,
    }


def _trunk(line: PhoneLine, attempt: int, left_s: float, trunks: Mapping[str, Trunk]) -> Trunk | None:
    usable = usable_trunks(line.trunks, trunks)
    out_of_time = attempt > 0 and left_s < 1
    return None if out_of_time or attempt >= len(usable) else usable[attempt]
