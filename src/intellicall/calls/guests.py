"""Calling somebody into a running call: from what an agent or a backend asks to the `Ask` that the call takes."""

from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection

from intellicall.accounts import store as accounts
from intellicall.accounts.account import Account, check_destination, trunks_for
from intellicall.accounts.numbers import Number, parse
from intellicall.calls.call import Order
from intellicall.calls.calls import Calls
from intellicall.calls.orders import Ask
from intellicall.calls.people import Person
from intellicall.calls.result import Entry
from intellicall.calls.table import Move, Party
from intellicall.errors import Code, Refused
from intellicall.ids import new_token
from intellicall.softphone.sessions import SoftphoneSessions
from intellicall.telephony.engine import LegPlan, PhoneLine, SoftphoneLine

LEG = ""
"""The leg's name is given by the call."""


@dataclass(frozen=True, slots=True)
class Target:
    """Who is to be called in: exactly one of a phone, another agent's softphone, an agent's phone."""

    to_number: str | None = None
    crm_username: str | None = None
    agent_number: str | None = None
    from_number: str | None = None


class FreeSoftphone(Protocol):
    """Which softphone of an agent can be rung now; Refused AGENT_OFFLINE or AGENT_BUSY."""

    def __call__(self, agent_id: str) -> str: ...


def free_softphone(calls: Calls, sessions: SoftphoneSessions) -> FreeSoftphone:
    """Return the way to find the softphone of an agent who is at it, in no call and in no wrap-up."""

    def find(agent_id: str) -> str:
        session = sessions.online(agent_id)
        if session is None:
            raise Refused(Code.AGENT_OFFLINE, field="crm_username")
        if calls.live_of_agent(agent_id) is not None or sessions.wrap_ups.of(agent_id) is not None:
            raise Refused(Code.AGENT_BUSY, field="crm_username")
        return session.session_id

    return find


def invite(
    connection: Connection, account: Account, entry: Entry, move: Move, by: Party, target: Target, softphone: FreeSoftphone
) -> Ask:
    """Return the ask that calls `target` into the call, by CONSULT, ADD or TRANSFER; `softphone` names an agent's open session.

    Refused: INVALID_FIELD, INVALID_NUMBER, DESTINATION_NOT_ALLOWED, NUMBER_NOT_ASSIGNED, UNKNOWN_AGENT, AGENT_OFFLINE, AGENT_BUSY.
    """
    named = [value for value in (target.to_number, target.crm_username, target.agent_number) if value is not None]
    if len(named) != 1:
        raise Refused(Code.INVALID_FIELD, "Send exactly one of to_number, crm_username and agent_number.", field="to_number")
    own = target.from_number or entry.request.plan.caller_id
    caller_id = accounts.caller_id(connection, account, parse(own, account.default_region, "from_number").e164)
    called_by = entry.person(entry.call.agent.id).crm_username if by is Party.AGENT else None
    line: SoftphoneLine | PhoneLine
    if target.crm_username is not None:
        agent = accounts.agent(connection, account.id, target.crm_username)
        line = SoftphoneLine(softphone(agent.id), new_token())
        person = Person(LEG, LEG, crm_username=agent.crm_username, agent_id=agent.id, softphone=line, called_by=called_by)
    else:
        number = _number(account, target)
        line = PhoneLine(number.e164, trunks_for(account, caller_id))
        person = Person(LEG, LEG, number.as_sent, number.e164, called_by=called_by)
    plan = entry.request.plan
    leg = LegPlan(entry.call.id, LEG, line, caller_id.number, plan.customer_number, account.customer_ring_s)
    return Ask(Order(move, by), person, leg)


def _number(account: Account, target: Target) -> Number:
    field = "to_number" if target.to_number is not None else "agent_number"
    number = parse(target.to_number or target.agent_number or "", account.default_region, field)
    check_destination(account, number.e164, field)
    return number
