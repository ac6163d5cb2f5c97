"""Which agents sit in which call with a softphone: their pages are told, and who leaves gets time to write down what came of it."""

from collections.abc import Mapping

from intellicall.accounts import store as accounts
from intellicall.calls.calls import Calls
from intellicall.calls.result import Entry, softphone_agents, softphone_view
from intellicall.calls.table import Party, State
from intellicall.softphone.sessions import SoftphoneSessions
from intellicall.telephony.engine import DigitPressed

Seated = Mapping[str, bool]
"""Agents, and whether each has talked from the agent's seat, whose call it is then to write down."""


class Attendance:
    """Told of every change of every call, after it was stored; kept in memory only."""

    def __init__(self, calls: Calls, sessions: SoftphoneSessions) -> None:
        self._calls = calls
        self._sessions = sessions
        self._seated: dict[str, Seated] = {}

    def changed(self, entry: Entry) -> None:
        """Tell the pages of all who are in the call, and once of those who have just left; never blocks."""
        call_id, known = entry.call.id, self._seated.get(entry.call.id)
        before = _last_seated(entry) if known is None else known
        now = seated(entry, before)
        for agent_id in {**before, **now}:
            self._sessions.notify(agent_id, {"type": "call", "call": softphone_view(entry, agent_id)})
        for agent_id in now:
            if known is None or agent_id not in before:
                self._sessions.wrap_ups.end(agent_id)
        for agent_id, talked in before.items():
            if talked and agent_id not in now:
                self._sessions.start(self._begin_wrap_up(agent_id, entry))
        if entry.call.live:
            self._seated[call_id] = now
        else:
            self._seated.pop(call_id, None)

    def pressed(self, entry: Entry, event: DigitPressed) -> None:
        """Show a key that a party has pressed on every agent's page but that party's own. Digits are never stored or logged."""
        seat = entry.call.seat_of(event.leg)
        if seat is None:
            return
        presser = entry.call.seats[seat].id
        for agent_id in softphone_agents(entry):
            found = entry.seat_of_agent(agent_id)
            if found is not None and found[1].up and found[1].id != presser:
                message = {"type": "digit", "call_id": entry.call.id, "participant_id": presser, "digit": event.digit}
                self._sessions.notify(agent_id, message)

    async def _begin_wrap_up(self, agent_id: str, entry: Entry) -> None:
        account = await self._calls.around.database.glance(
            lambda connection: accounts.account(connection, entry.request.account_id)
        )
        if account.wrap_up_s and self._calls.live_of_agent(agent_id) is None:
            disposition = entry.disposition or entry.request.disposition
            self._sessions.wrap_ups.begin(agent_id, entry.call.id, account.wrap_up_s, disposition, entry.notes)


def _last_seated(entry: Entry) -> Seated:
    """Who sits, or at last sat, in a call that is new, or that was taken up after a restart."""
    people = [entry.person(participant.id) for participant in entry.call.seats.values()]
    return {person.agent_id: False for person in people if person.softphone and person.agent_id}


def seated(entry: Entry, before: Seated) -> Seated:
    """Return who sits in the call now. Nobody leaves a call that is ending before it has ended."""
    call = entry.call
    if not call.live:
        return {}
    now = dict(before) if call.state is State.ENDING else {}
    for agent_id in softphone_agents(entry):
        if (found := entry.seat_of_agent(agent_id)) is not None:
            now[agent_id] = before.get(agent_id, False) or (found[0] is Party.AGENT and found[1].up)
    return now
