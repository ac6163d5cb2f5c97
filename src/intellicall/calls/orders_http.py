"""Orders on a live call (docs/live-calls.md): each is an address below `/calls/{call_id}`. Which are possible, the table decides.

What is the same for all: the key is checked first, then the Idempotency-Key, the query, the body; then the call is looked for, so a
call of another account is as unknown as one that never was.
"""

import re
from dataclasses import replace
from typing import Annotated, TypeVar

from fastapi import Path
from fastapi import Request as HttpRequest
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from intellicall.accounts.account import Account
from intellicall.calls import store
from intellicall.calls.bodies import (
    KEY_LENGTH,
    DigitsOrder,
    Nothing,
    ParticipantOrder,
    Sent,
    TargetOrder,
    TransferOrder,
    WhoOrder,
    are_keys,
)
from intellicall.calls.call import Order, hang_up
from intellicall.calls.calls import Calls
from intellicall.calls.door import Door
from intellicall.calls.guests import FreeSoftphone, Target, invite
from intellicall.calls.orders import Ask
from intellicall.calls.result import Entry, api_view
from intellicall.calls.samples import CALL_ID
from intellicall.calls.table import Move, Party
from intellicall.errors import Code, Refused
from intellicall.ids import new_token
from intellicall.web.request import read_model, read_query

KEY = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"

CallId = Annotated[str, Path(description="The `call_id` of a call of the account.", examples=[CALL_ID])]
OfParticipant = Annotated[str, Path(description="The `id` of a participant.", examples=["p1"])]
B = TypeVar("B", bound=Sent)


class OrdersApi:
    """The handlers; `calls.http.router` gives them their addresses. `softphone` names an agent's softphone that can be rung now."""

    def __init__(self, calls: Calls, door: Door, softphone: FreeSoftphone) -> None:
        self._calls = calls
        self._door = door
        self._softphone = softphone
        self._database = calls.around.database

    async def hold(self, request: HttpRequest, call_id: CallId) -> JSONResponse:
        """Put the customer on hold: music for the customer, silence for the agent. Out of a three-way call the guest stays."""
        return await self._plain(request, call_id, Move.HOLD)

    async def resume(self, request: HttpRequest, call_id: CallId) -> JSONResponse:
        """Bring the customer back from hold."""
        return await self._plain(request, call_id, Move.RESUME)

    async def mute(self, request: HttpRequest, call_id: CallId) -> JSONResponse:
        """Let nobody hear a participant, nor the recording. To mute the muted changes nothing."""
        return await self._of_participant(request, call_id, Move.MUTE)

    async def unmute(self, request: HttpRequest, call_id: CallId) -> JSONResponse:
        """Let a muted participant be heard again."""
        return await self._of_participant(request, call_id, Move.UNMUTE)

    async def dtmf(self, request: HttpRequest, call_id: CallId) -> JSONResponse:
        """Press keys for somebody to hear (RFC 4733), for example in a voice menu. They are never stored, logged or told."""
        account, key = await self._enter(request)
        order = await _read(request, DigitsOrder)
        if not are_keys(order.digits):
            raise Refused(
                Code.INVALID_FIELD, "The keys are 0 to 9, A to D, * and #; a pause is made between two orders.", field="digits"
            )
        ask = Ask(Order(Move.SEND_DIGITS, Party.ACCOUNT, order.participant_id), digits=order.digits, key=key)
        return await self._carry_out(account, call_id, ask)

    async def swap(self, request: HttpRequest, call_id: CallId) -> JSONResponse:
        """In a consultation: talk to the other one, and let the one talked to so far hear music."""
        return await self._plain(request, call_id, Move.SWAP)

    async def merge(self, request: HttpRequest, call_id: CallId) -> JSONResponse:
        """Make a three-way call of a consultation."""
        return await self._plain(request, call_id, Move.MERGE)

    async def pause_recording(self, request: HttpRequest, call_id: CallId) -> JSONResponse:
        """Let the recording take silence, for card data. It keeps its length. To pause the paused changes nothing."""
        return await self._plain(request, call_id, Move.PAUSE_RECORDING)

    async def resume_recording(self, request: HttpRequest, call_id: CallId) -> JSONResponse:
        """Let the recording take the conversation again."""
        return await self._plain(request, call_id, Move.RESUME_RECORDING)

    async def hang_up(self, request: HttpRequest, call_id: CallId) -> JSONResponse:
        """End the call for everybody. To end a call that is ending already is no error."""
        account, key = await self._enter(request)
        await _read(request, Nothing)
        return await self._carry_out(account, call_id, replace(Ask(hang_up(Party.ACCOUNT)), key=key))

    async def add_participant(self, request: HttpRequest, call_id: CallId) -> JSONResponse:
        """Call somebody in: to consult while the customer hears music, or straight into a three-way call. One guest at a time."""
        account, key = await self._enter(request)
        order = await _read(request, ParticipantOrder)
        move = Move.CONSULT if order.mode == "consult" else Move.ADD
        return await self._invite(account, call_id, move, order, key)

    async def transfer(self, request: HttpRequest, call_id: CallId) -> JSONResponse:
        """Give the call away. Without a target warm: the agent leaves, the guest takes over. With one blind: it is rung first.

        Somebody who does not take a blind transfer: the agent is back with the customer; the call ends when the agent has left.
        """
        account, key = await self._enter(request)
        order = await _read(request, TransferOrder)
        if order.model_dump(exclude_none=True):
            return await self._invite(account, call_id, Move.TRANSFER, order, key)
        return await self._carry_out(account, call_id, Ask(Order(Move.COMPLETE, Party.ACCOUNT), key=key))

    async def drop_participant(self, request: HttpRequest, call_id: CallId, participant_id: OfParticipant) -> JSONResponse:
        """Let a participant go.

        The guest: agent and customer go on. The agent: as if the agent hung up. The customer: the call ends.
        """
        account, key = await self._enter(request)
        await _read(request, Nothing)
        return await self._carry_out(account, call_id, Ask(Order(Move.DROP_GUEST, Party.ACCOUNT, participant_id), key=key))

    async def _plain(self, request: HttpRequest, call_id: str, move: Move) -> JSONResponse:
        account, key = await self._enter(request)
        await _read(request, Nothing)
        return await self._carry_out(account, call_id, Ask(Order(move, Party.ACCOUNT), key=key))

    async def _of_participant(self, request: HttpRequest, call_id: str, move: Move) -> JSONResponse:
        account, key = await self._enter(request)
        order = await _read(request, WhoOrder)
        named = order.participant_id if order.model_fields_set else None
        return await self._carry_out(account, call_id, Ask(Order(move, Party.ACCOUNT, named), key=key))

    async def _invite(self, account: Account, call_id: str, move: Move, order: TargetOrder, key: str | None) -> JSONResponse:
        entry = await self._calls.show(account.id, call_id)
        target = Target(order.to_number, order.crm_username, order.agent_number, order.from_number)
        now = self._calls.around.clock.now()

        def prepare(connection: Connection) -> Ask:
            """An order that was carried out is not checked again: whoever it called in is busy now, with this very call."""
            softphone = _Kept(self._softphone)
            ask = invite(connection, account, entry, move, Party.ACCOUNT, target, softphone)
            ask = replace(ask, key=key, person=replace(ask.person, asked_by=key or new_token()) if ask.person else None)
            if softphone.refusal and not (key and store.carried_out(connection, account.id, call_id, ask, now)):
                raise softphone.refusal
            return ask

        return await self._carry_out(account, call_id, await self._database.glance(prepare))

    async def _enter(self, request: HttpRequest) -> tuple[Account, str | None]:
        account = await self._database.glance(self._door.visitor(request))
        key = idempotency_key(request)
        read_query(request, allowed=())
        return account, key

    async def _carry_out(self, account: Account, call_id: str, ask: Ask) -> JSONResponse:
        entry, now = await self._calls.order(account.id, call_id, ask)
        view = api_view(entry) | _called_in(entry, ask)
        created = now and ask.order.move in (Move.CONSULT, Move.ADD)
        return JSONResponse(view, 201 if created else 200, headers=None if now else {REPLAYED: "true"})


class _Kept:
    """Asks for an agent's softphone and keeps the refusal, if there is one, for later."""

    def __init__(self, softphone: FreeSoftphone) -> None:
        self._softphone = softphone
        self.refusal: Refused | None = None

    def __call__(self, agent_id: str) -> str:
        try:
            return self._softphone(agent_id)
        except Refused as refused:
            self.refusal = refused
            return ""


def idempotency_key(request: HttpRequest) -> str | None:
    """Return the asker's key. Raises Refused DUPLICATE_FIELD or INVALID_FIELD."""
    sent = request.headers.getlist(KEY)
    if len(sent) > 1:
        raise Refused(Code.DUPLICATE_FIELD, field=KEY)
    if sent and not re.fullmatch(rf"[ -~]{{1,{KEY_LENGTH}}}", sent[0], re.ASCII):
        raise Refused(Code.INVALID_FIELD, f"A key has 1 to {KEY_LENGTH} printable ASCII characters.", field=KEY)
    return sent[0] if sent else None


async def _read(request: HttpRequest, model: type[B]) -> B:
    """Return the body; where nothing has to be said, no body at all is `{}`, whatever its Content-Type says."""
    needed = any(field.is_required() for field in model.model_fields.values())
    return model() if not needed and not await request.body() else await read_model(request, model)


def _called_in(entry: Entry, ask: Ask) -> dict[str, str]:
    """The participant whom this ask called in, also when it was carried out before."""
    asked_by = ask.person.asked_by if ask.person else None
    found = [person.id for person in entry.people if asked_by and person.asked_by == asked_by]
    return {"participant_id": found[-1]} if found else {}
