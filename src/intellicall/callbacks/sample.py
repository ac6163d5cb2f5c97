"""The result of a call that never was, for "send a test": made by the same functions as a real one. Pure but for its random ids."""

from dataclasses import replace
from datetime import datetime, timedelta

import orjson

from intellicall.accounts.account import Account, Agent, CallerId
from intellicall.accounts.numbers import parse
from intellicall.calls.call import Call
from intellicall.calls.request import CallType, compose
from intellicall.calls.result import Entry, result
from intellicall.calls.table import Reason, State
from intellicall.ids import new_id
from intellicall.recordings.outcome import Outcome
from intellicall.telephony.testnet.numbers import NUMBERS

TALK_S = 42
UUID_PREFIX = "test-"


def sample(account: Account, now: datetime) -> tuple[str, bytes]:
    """Return the id and the result, as posted, of an answered call between numbers of the test network that ended now."""
    tone, phone = (parse(NUMBERS[name].number, "US") for name in ("tone_1000", "speech"))
    request = compose(
        replace(account, sandbox=True),
        CallerId(tone.e164, account.id, ()),
        tone,
        phone,
        Agent(new_id(), account.id, "test.agent"),
        call_type=CallType.SERVER,
        uuid=f"{UUID_PREFIX}{new_id()}",
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
    return request.call_id, orjson.dumps(result(Entry(request, call, 1, recording=Outcome.OFF)))
