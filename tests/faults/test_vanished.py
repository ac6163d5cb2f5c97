"""A far end that is gone without a word: no audio, no BYE. Its call ends within 30 s; those that are only held or muted stay."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from tests.support.asterisk_engines import EngineHome, RealEngine, engine_home
from tests.support.engines import TestCall, plan
from tests.support.sip_phone import SipPhone, sip_phone

from intellicall.telephony.asterisk.provisioning import VANISHED_S
from intellicall.telephony.engine import Arrangement, Cause, PhoneLine, Place, Role

__all__ = ["engine_home"]
pytestmark = pytest.mark.asterisk

LIMIT_S = 30.0


@pytest.fixture
async def real(engine_home: EngineHome) -> AsyncIterator[RealEngine]:
    async with engine_home.engine() as real:
        yield real


async def test_a_vanished_peer_ends_its_call_and_a_held_or_muted_one_stays(real: RealEngine) -> None:
    async with AsyncExitStack() as stack:
        phones = [await stack.enter_async_context(sip_phone(400 + 100 * number)) for number in range(6)]
        await real.engine.set_trunks([phone.trunk(f"p{number}") for number, phone in enumerate(phones)])
        lost, held, left = [await _talk(real, 2 * number) for number in range(3)]
        both = frozenset({Role.AGENT, Role.CUSTOMER})
        await real.engine.arrange(held.id, Arrangement({Role.AGENT: Place.SILENCE, Role.CUSTOMER: Place.MUSIC}, both, both))
        _vanish(phones[1])  # the customer of the first call
        _vanish(phones[4])  # the agent of the last one
        for call, gone in ((lost, Role.CUSTOMER), (left, Role.AGENT)):
            answered = await call.answered(Role.CUSTOMER)
            ended = await call.ended(gone, LIMIT_S)
            assert (ended.cause, ended.by_far_end) == (Cause.VANISHED, False)
            assert VANISHED_S - 1 <= (ended.at - answered.at).total_seconds() < LIMIT_S
            other = await call.ended(Role.AGENT if gone is Role.CUSTOMER else Role.CUSTOMER)
            assert (other.cause, other.by_far_end) == (Cause.NORMAL, False)
        assert await held.seen() == {Role.AGENT: True, Role.CUSTOMER: True}
        await real.engine.hang_up(held.id)
        await held.over()


async def _talk(real: RealEngine, first: int) -> TestCall:
    """Let a phone and the next one talk: agent and customer."""
    agent = PhoneLine(f"+9111000000{first}0", (f"p{first}",))
    order = plan(agent=agent, customer_number=f"+9111000000{first}1", trunks=(f"p{first + 1}",), recording=None)
    return await TestCall(real.engine, real.heard, order).to_talk()


def _vanish(phone: SipPhone) -> None:
    """The phone loses its network: nothing of it arrives any more."""
    phone.rtp.stop()
    phone._transport.close()
