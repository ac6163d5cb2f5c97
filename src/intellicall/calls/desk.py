"""What the softphone can ask of calls: the other half of `softphone.desk.CallDesk`."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog
from sqlalchemy import Connection

from intellicall.accounts import store as accounts
from intellicall.accounts.account import disposition_for
from intellicall.accounts.numbers import Number
from intellicall.calls import guests, history
from intellicall.calls.call import Order, Participant
from intellicall.calls.calls import Calls
from intellicall.calls.conductor import not_possible
from intellicall.calls.filters import read_cursor
from intellicall.calls.orders import Ask, Note
from intellicall.calls.page_asks import CALLS_SOMEBODY, ask_of, check_seat
from intellicall.calls.request import CallType, Request, compose
from intellicall.calls.result import Entry, history_view, softphone_view
from intellicall.calls.table import TABLE, Move, Party, Reason, State
from intellicall.errors import Code, Refused
from intellicall.ids import new_token
from intellicall.softphone.launch import Launch
from intellicall.softphone.page_messages import NoteMessage, OrderMessage, PageOrder, Wanted
from intellicall.softphone.sessions import Session, SoftphoneSessions
from intellicall.softphone.store import Owner
from intellicall.telephony.engine import LegPlan, SoftphoneLine

log = structlog.get_logger()

BACK_RING_S = 15
"""How long a softphone is rung that came back: its page answers by itself."""
HISTORY_PAGE = 20
_MOVABLE = frozenset({State.TALKING, State.HELD, State.AGENT_AWAY})


class Desk:
    """Turns launches into calls, once, and carries out what the agent's page asks."""

    def __init__(self, calls: Calls, sessions: SoftphoneSessions) -> None:
        self._calls = calls
        self._sessions = sessions
        self._database = calls.around.database
        self._free_softphone = guests.free_softphone(calls, sessions)
        self._unsaid: dict[str, str] = {}  # softphones that were lost while the engine was away, by their agents
        calls.watch_engine(self._engine_changed)

    # -- calls of the agent's own -------------------------------------------------------------------------------------

    async def dial(self, launch: Launch, session: Session) -> Mapping[str, Any]:
        """Start the launch's call on this softphone and return its view.

        Raises Refused; `more["call"]` is the view of the living call when that is the reason.
        """
        customer = Number(launch.to_number, launch.customer_as_sent)
        entry, new = await self._start(session, customer, launch.from_number, launch.uuid)
        if not new:
            raise Refused(Code.LAUNCH_SPENT, call=softphone_view(entry, launch.agent_id))
        return softphone_view(entry, launch.agent_id)

    async def redial(self, call_id: str, session: Session) -> Mapping[str, Any]:
        """Call the customer of an earlier call of the agent's own, from the same caller ID. Raises Refused, as `dial`."""
        if (living := self.current(session.agent_id)) is not None:
            raise Refused(Code.AGENT_BUSY, call=living)
        earlier = await self._calls.show(session.account_id, call_id)
        request = earlier.request
        if request.agent_id != session.agent_id:
            raise Refused(Code.NOT_FOUND, "There is no such call.")
        customer = Number(request.plan.customer_number, request.customer_number)
        entry, _ = await self._start(session, customer, request.plan.caller_id, None)
        return softphone_view(entry, session.agent_id)

    async def _start(self, session: Session, customer: Number, from_number: str, uuid: str | None) -> tuple[Entry, bool]:
        line = SoftphoneLine(session.session_id, new_token())
        at, room = self._calls.around.clock.now(), not self._calls.around.space.full

        def prepare(connection: Connection) -> tuple[Request, int]:
            account = accounts.account(connection, session.account_id)
            agent = accounts.agent_by_id(connection, session.agent_id)
            caller_id = accounts.caller_id(connection, account, from_number)
            request = compose(account, caller_id, customer, line, agent, call_type=CallType.BROWSER, uuid=uuid, at=at, room=room)
            return request, account.concurrent_calls

        request, limit = await self._database.read(prepare)
        try:
            entry, new = await self._calls.start(request, limit)
        except Refused as refused:
            raise _with_call(refused, session.agent_id) from None
        self._sessions.wrap_ups.end(session.agent_id)
        return entry, new

    def current(self, agent_id: str) -> Mapping[str, Any] | None:
        """Return the view of the agent's live call."""
        entry = self._calls.live_of_agent(agent_id)
        return softphone_view(entry, agent_id) if entry else None

    # -- orders -------------------------------------------------------------------------------------------------------

    async def hang_up(self, agent: Owner, call_id: str) -> None:
        """End the agent's own call; a guest leaves it. Refused: NOT_FOUND, NOT_POSSIBLE_NOW."""
        entry, seat, own = await self._seat(agent, call_id)
        rung = PageOrder.LEAVE if own.up else PageOrder.DECLINE
        message = OrderMessage(call_id, PageOrder.END if seat is Party.AGENT else rung)
        await self._carry_out(agent, entry, seat, own, message)

    async def order(self, agent: Owner, message: OrderMessage) -> None:
        """Carry out what the agent's page orders. Refused: NOT_FOUND, NOT_POSSIBLE_NOW, ENGINE_UNAVAILABLE; as `guests.invite`."""
        entry, seat, own = await self._seat(agent, message.call_id)
        await self._carry_out(agent, entry, seat, own, message)

    async def _carry_out(self, agent: Owner, entry: Entry, seat: Party, own: Participant, message: OrderMessage) -> None:
        check_seat(entry, seat, own, message)
        if message.to is not None:
            ask: Ask | None = await self._invitation(agent, entry, CALLS_SOMEBODY[message.order], message.to)
        else:
            ask = ask_of(seat, own, message)
        if ask is not None:
            await self._calls.order(agent.account_id, entry.call.id, ask)

    async def _invitation(self, agent: Owner, entry: Entry, move: Move, to: Wanted) -> Ask:
        if move not in TABLE[entry.call.state]:
            raise not_possible(entry)

        def softphone(agent_id: str) -> str:
            if agent_id == agent.agent_id:
                raise Refused(Code.INVALID_FIELD, "That is the agent's own softphone.", field="crm_username")
            return self._free_softphone(agent_id)

        def prepare(connection: Connection) -> Ask:
            account = accounts.account(connection, agent.account_id)
            target, name = guests.Target(to.number, to.crm_username), None
            if to.phone_of is not None:
                other = accounts.agent(connection, account.id, to.phone_of)
                if other.number is None:
                    raise Refused(Code.INVALID_FIELD, "This agent has no phone.", field="phone_of")
                target, name = guests.Target(agent_number=other.number), other.crm_username
            ask = guests.invite(connection, account, entry, move, Party.AGENT, target, softphone)
            return replace(ask, person=replace(ask.person, crm_username=name)) if name and ask.person else ask

        return await self._database.read(prepare)

    async def _seat(self, agent: Owner, call_id: str) -> tuple[Entry, Party, Participant]:
        entry = await self._calls.show(agent.account_id, call_id)
        found = entry.seat_of_agent(agent.agent_id) if entry.call.live else None
        if found is None:
            raise Refused(Code.NOT_FOUND, "There is no such call.")
        return entry, *found

    # -- what came of it ----------------------------------------------------------------------------------------------

    async def note(self, agent: Owner, message: NoteMessage) -> Mapping[str, Any]:
        """Set disposition and notes of a call that the agent has, or had, the first seat of. Refused: NOT_FOUND, INVALID_FIELD."""
        entry = await self._calls.show(agent.account_id, message.call_id)
        holders = {entry.person(one).agent_id for one in ("agent", *entry.transferred_to)}
        if agent.agent_id not in holders:
            raise Refused(Code.NOT_FOUND, "There is no such call.")
        if message.disposition is not None:
            wanted = message.disposition
            account = await self._database.glance(lambda connection: accounts.account(connection, agent.account_id))
            disposition_for(account, wanted)
        noted = await self._calls.annotate(agent.account_id, message.call_id, Note(message.disposition, message.notes))
        return {"disposition": noted.disposition or noted.request.disposition, "notes": noted.notes}

    async def history(self, agent: Owner, before: str | None) -> Mapping[str, Any]:
        """Return a page of the agent's own calls that have ended, newest first. Refused with INVALID_FIELD for a strange cursor."""
        place = read_cursor(before) if before is not None else None
        page = await self._database.read(
            lambda connection: history.of_agent(connection, agent.account_id, agent.agent_id, place, HISTORY_PAGE)
        )
        ended = [history_view(entry) for entry in page.entries if not entry.call.live]
        return {"calls": ended, "next": page.next.cursor if page.next else None}

    # -- the softphone goes away and comes back -----------------------------------------------------------------------

    def movable(self, agent_id: str) -> bool:
        """Return whether the agent's call can go on in another tab: between two, or while the agent is waited for."""
        entry = self._calls.live_of_agent(agent_id)
        found = entry.seat_of_agent(agent_id) if entry else None
        return entry is not None and found is not None and found[0] is Party.AGENT and entry.call.state in _MOVABLE

    async def softphone_lost(self, agent_id: str, session_id: str) -> None:
        """The tab that carried the call is gone for good, or was loaded anew. Nobody sits in dead air.

        The customer hears music until the agent is back, a guest is let go; a call whose customer has not answered ends.
        """
        entry = self._calls.live_of_agent(agent_id)
        found = entry.seat_of_agent(agent_id) if entry else None
        if entry is None or found is None or not found[1].here or self._elsewhere(entry, agent_id, session_id):
            return
        try:
            await self._calls.order(entry.request.account_id, entry.call.id, Ask(_loss(entry, *found)))
        except Refused as refused:
            log.info("softphone_loss_not_told", call_id=entry.call.id, code=refused.code)
            if refused.code is Code.ENGINE_UNAVAILABLE:
                self._unsaid[agent_id] = session_id

    def _elsewhere(self, entry: Entry, agent_id: str, session_id: str) -> bool:
        """Whether another softphone carries the agent's voice. One that is not known any more was before our last start."""
        line = entry.softphone_of(agent_id)
        return line is not None and line.session_id != session_id and self._sessions.find(line.session_id) is not None

    async def softphone_ready(self, agent_id: str, session_id: str) -> None:
        """The agent's softphone can be rung: a call that waits for this agent rings it, and its page answers by itself."""
        entry = self._calls.live_of_agent(agent_id)
        if entry is None or entry.call.state is not State.AGENT_AWAY or entry.call.agent.here:
            return
        line = SoftphoneLine(session_id, new_token())
        person = replace(entry.person(entry.call.agent.id), softphone=line)
        plan = entry.request.plan
        leg = LegPlan(entry.call.id, guests.LEG, line, plan.caller_id, plan.customer_number, BACK_RING_S)
        try:
            await self._calls.order(
                entry.request.account_id, entry.call.id, Ask(Order(Move.AGENT_BACK, Party.PLATFORM), person, leg)
            )
        except Refused as refused:
            log.info("softphone_not_rung_again", call_id=entry.call.id, code=refused.code)

    def _engine_changed(self, ready: bool) -> None:  # noqa: FBT001 - the one fact of this event
        if ready and self._unsaid:
            self._sessions.start(self._say_again())

    async def _say_again(self) -> None:
        """What could not be told while the engine was away."""
        unsaid, self._unsaid = self._unsaid, {}
        for agent_id, session_id in unsaid.items():
            await self.softphone_lost(agent_id, session_id)
            if session := self._sessions.online(agent_id):
                await self.softphone_ready(agent_id, session.session_id)


def _loss(entry: Entry, seat: Party, participant: Participant) -> Order:
    """What the loss of a softphone is for its call."""
    if seat is Party.GUEST:
        return Order(Move.DROP_GUEST, Party.PLATFORM, participant.id, Reason.TRANSFER_FAILED)
    if Move.AGENT_LOST in TABLE[entry.call.state]:
        return Order(Move.AGENT_LOST, Party.PLATFORM)
    return Order(Move.HANG_UP, Party.AGENT, reason=Reason.AGENT_LEFT)


def _with_call(refused: Refused, agent_id: str) -> Refused:
    """Replace the living call, which is ours, by what the page may see of it."""
    entry = refused.more.pop("entry", None)
    if isinstance(entry, Entry):
        refused.more["call"] = softphone_view(entry, agent_id)
    return refused
