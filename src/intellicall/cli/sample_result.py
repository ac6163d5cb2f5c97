"""A result of a call that never was, for `intellicall callback test`: made by the same functions as a real one."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import orjson

from intellicall.accounts.account import Account, Agent, CallerId, Endpoint
from intellicall.accounts.numbers import parse
from intellicall.callbacks.delivery import Answer, Delivery
from intellicall.callbacks.delivery import State as DeliveryState
from intellicall.callbacks.transport import HttpTransport
from intellicall.calls.call import Call
from intellicall.calls.request import CallType, compose
from intellicall.calls.result import Entry, result
from intellicall.calls.table import Reason, State
from intellicall.ids import new_id
from intellicall.recordings.outcome import Outcome
from intellicall.telephony.testnet.numbers import NUMBERS

TALK_S = 42


def sample(account: Account, endpoint: Endpoint, now: datetime) -> Delivery:
    """Return a delivery of an answered call with the test network; its `uuid` begins with `intellicall-test-`."""
    tone, phone = (parse(NUMBERS[name].number, "US") for name in ("tone_1000", "speech"))
    request = compose(
        replace(account, sandbox=True),
        CallerId(tone.e164, account.id, ()),
        tone,
        phone,
        Agent(new_id(), account.id, "test.agent"),
        call_type=CallType.SERVER,
        uuid=f"intellicall-test-{new_id()}",
        at=now - timedelta(seconds=TALK_S + 5),
    )
    call = replace(
        Call(request.call_id, request.created_at, recorded=False, max_length_s=account.max_length_s),
        state=State.ENDED,
        answered_at=now - timedelta(seconds=TALK_S),
        ended_at=now,
        talk_s=float(TALK_S),
        reason=Reason.CUSTOMER_HUNG_UP,
    )
    return Delivery(
        id=new_id(),
        call_id=request.call_id,
        account_id=account.id,
        state=DeliveryState.DUE,
        body=orjson.dumps(result(Entry(request, call, 1, recording=Outcome.OFF))),
        url=endpoint.url,
        header_name=endpoint.header_name,
        header_value=endpoint.header_value,
        attempts=0,
        round_start=0,
        due_at=now,
        created_at=now,
        finished_at=None,
    )


def post(delivery: Delivery, *, allow_private: bool) -> Answer:
    """Send it once, as the platform would: same headers, same address guard, 10 seconds."""
    return asyncio.run(_post(delivery, HttpTransport(allow_private=allow_private)))


async def _post(delivery: Delivery, transport: HttpTransport) -> Answer:
    await transport.open()
    try:
        return await transport.post(delivery)
    finally:
        await transport.close()
