"""What was asked for: the half of a call that never changes."""

import hashlib
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from intellicall.accounts.account import Account, Agent, CallerId, WhenDiskFull, check_destination, trunks_for
from intellicall.accounts.numbers import Number
from intellicall.calls.call import Call
from intellicall.errors import Code
from intellicall.ids import new_call_id, new_recording_name
from intellicall.recordings.outcome import Outcome
from intellicall.telephony.engine import CallPlan, PhoneLine, SoftphoneLine


class CallType(StrEnum):
    """The guide's `call_type` (section 5): how the call was started."""

    BROWSER = "browser"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class Request:
    """One accepted request for a call.

    `customer_number` and `agent_number` are the numbers as the CRM wrote them, reduced to digits and one plus: they are echoed
    in the result. The plan holds them as E.164.
    """

    call_id: str
    account_id: str
    uuid: str | None
    call_type: CallType
    agent_id: str | None
    crm_username: str | None
    agent_number: str | None
    customer_number: str
    from_number: str
    disposition: str
    created_at: datetime
    plan: CallPlan
    unrecorded: Outcome | None = None  # why nothing will be recorded; not stored with the request
    refused: Code | None = None  # why it is not made, unless it was made before; not stored

    @property
    def softphone(self) -> SoftphoneLine | None:
        """The agent's softphone line, when the agent is not on a phone."""
        return self.plan.agent if isinstance(self.plan.agent, SoftphoneLine) else None

    @property
    def agent_e164(self) -> str | None:
        """The real phone of the agent as E.164: the one that is rung, else the one that is registered, if any."""
        return self.plan.agent.number if isinstance(self.plan.agent, PhoneLine) else self.agent_number

    @property
    def fingerprint(self) -> str:
        """What two requests with the same uuid must have in common to be the same request."""
        agent = self.agent_id if self.softphone else self.plan.agent.number  # type: ignore[union-attr]  # phone by now
        content = "\n".join((self.call_type, self.plan.caller_id, self.plan.customer_number, str(agent)))
        return hashlib.sha256(content.encode()).hexdigest()

    def fresh(self) -> Call:
        """Return the call at its beginning: stored, nothing dialed yet."""
        return Call(self.call_id, self.created_at, self.plan.recording is not None, self.plan.max_length_s)


def plan_to_json(plan: CallPlan) -> dict[str, Any]:
    """Return the plan as JSON values."""
    return asdict(plan)


def plan_from_json(stored: dict[str, Any]) -> CallPlan:
    """Return the plan that `plan_to_json` stored."""
    agent = stored["agent"]
    line = SoftphoneLine(**agent) if "session_id" in agent else PhoneLine(agent["number"], tuple(agent["trunks"]))
    return CallPlan(**{**stored, "agent": line, "trunks": tuple(stored["trunks"])})


def compose(
    account: Account,
    caller_id: CallerId,
    customer: Number,
    line: SoftphoneLine | Number,
    agent: Agent | None,
    *,
    call_type: CallType,
    uuid: str | None,
    at: datetime,
    room: bool = True,
) -> Request:
    """Return the request for a call: everything that is decided before anything is dialed. Refused with DESTINATION_NOT_ALLOWED.

    `room`: whether there is any for a recording.
    """
    check_destination(account, customer.e164)
    trunks = trunks_for(account, caller_id)
    agent_number = agent.number if agent else None
    if isinstance(line, Number):
        check_destination(account, line.e164, "agent_number")
        agent_number = line.as_sent
    plan = CallPlan(
        call_id=new_call_id(),
        agent=PhoneLine(line.e164, trunks) if isinstance(line, Number) else line,
        customer_number=customer.e164,
        caller_id=caller_id.number,
        trunks=trunks,
        agent_ring_s=account.agent_ring_s,
        customer_ring_s=account.customer_ring_s,
        max_length_s=account.max_length_s,
        recording=new_recording_name() if account.recording and room else None,
    )
    return Request(
        call_id=plan.call_id,
        account_id=account.id,
        uuid=uuid,
        call_type=call_type,
        agent_id=agent.id if agent else None,
        crm_username=agent.crm_username if agent else None,
        agent_number=agent_number,
        customer_number=customer.as_sent,
        from_number=caller_id.number,
        disposition=account.default_disposition,
        created_at=at,
        plan=plan,
        unrecorded=_unrecorded(account, room=room),
        refused=Code.RECORDING_DISK_FULL if not room and account.recording and _refuses(account) else None,
    )


def _unrecorded(account: Account, *, room: bool) -> Outcome | None:
    if not account.recording:
        return Outcome.OFF
    return None if room else Outcome.DISK_FULL


def _refuses(account: Account) -> bool:
    return account.when_disk_full is WhenDiskFull.REFUSE
