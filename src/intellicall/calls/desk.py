"""What the softphone can ask of calls: the other half of `softphone.desk.CallDesk`."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from intellicall.accounts import store as accounts
from intellicall.accounts.numbers import Number
from intellicall.calls.calls import Calls
from intellicall.calls.request import CallType, Request, compose
from intellicall.calls.result import Entry, softphone_view
from intellicall.calls.table import Party, Reason
from intellicall.errors import Code, Refused
from intellicall.ids import new_token
from intellicall.softphone.launch import Launch
from intellicall.softphone.sessions import Session
from intellicall.telephony.engine import SoftphoneLine


class Desk:
    """Turns launches into calls, once, and carries out what the agent's page asks."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def dial(self, launch: Launch, session: Session) -> Mapping[str, Any]:
        """Start the launch's call on this softphone and return its view.

        Raises Refused; `more["call"]` is the view of the living call when that is the reason.
        """
        database, clock = self._calls.around.database, self._calls.around.clock
        line = SoftphoneLine(session.session_id, new_token())

        def prepare(connection: Connection) -> tuple[Request, int]:
            account = accounts.account(connection, launch.account_id)
            agent = accounts.agent_by_id(connection, launch.agent_id)
            caller_id = accounts.caller_id(connection, account, launch.from_number)
            customer = Number(launch.to_number, launch.customer_as_sent)
            request = compose(
                account, caller_id, customer, line, agent, call_type=CallType.BROWSER, uuid=launch.uuid, at=clock.now()
            )
            return request, account.concurrent_calls

        request, limit = await database.read(prepare)
        try:
            entry, new = await self._calls.start(request, limit)
        except Refused as refused:
            raise _with_call(refused, launch.agent_id) from None
        if not new:
            raise Refused(Code.LAUNCH_SPENT, call=softphone_view(entry, launch.agent_id))
        return softphone_view(entry, launch.agent_id)

    async def hang_up(self, agent_id: str, call_id: str) -> None:
        """End the agent's own call. Refused: NOT_FOUND, NOT_POSSIBLE_NOW."""
        entry = self._own(agent_id, call_id)
        await self._calls.hang_up(entry.request.account_id, call_id, Party.AGENT)

    def current(self, agent_id: str) -> Mapping[str, Any] | None:
        """Return the view of the agent's live call."""
        entry = self._calls.live_of_agent(agent_id)
        return softphone_view(entry, agent_id) if entry else None

    async def softphone_lost(self, agent_id: str, session_id: str) -> None:
        """The tab that carried the call is gone for good: nobody sits in dead air, so the call ends."""
        entry = self._calls.live_of_agent(agent_id)
        if entry is None or entry.request.softphone is None or entry.request.softphone.session_id != session_id:
            return
        await self._calls.hang_up(entry.request.account_id, entry.call.id, Party.AGENT, Reason.AGENT_LEFT)

    def _own(self, agent_id: str, call_id: str) -> Entry:
        entry = self._calls.live_of_agent(agent_id)
        if entry is None or entry.call.id != call_id:
            raise Refused(Code.NOT_FOUND, "There is no such call.")
        return entry


def _with_call(refused: Refused, agent_id: str) -> Refused:
    """Replace the living call, which is ours, by what the page may see of it."""
    entry = refused.more.pop("entry", None)
    if isinstance(entry, Entry):
        refused.more["call"] = softphone_view(entry, agent_id)
    return refused
