"""Every number of the test network, as customer and as agent's phone, ends as docs/test-network.md says."""

import asyncio

import pytest
from tests.support.demo import Demo

from intellicall.telephony.testnet.numbers import NUMBERS, Outcome

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="session")]

RING_S = 5
"""The ring limit of this test's account; the early-media announcement is longer, and goes to a customer with a longer one."""
ANNOUNCEMENT_RING_S = 30
HUNG_UP_BY_US = "ended_by_account"


async def test_every_number_ends_in_its_status_and_reason(demo: Demo) -> None:
    short = await demo.account("magic", "--agent-ring", str(RING_S), "--customer-ring", str(RING_S), caller_id="+12025550192")
    patient = await demo.account(
        "patient",
        *("--agent-ring", str(ANNOUNCEMENT_RING_S), "--customer-ring", str(ANNOUNCEMENT_RING_S)),
        caller_id="+12025550193",
    )

    def account_for(name: str) -> tuple[str, str]:
        return (patient, "+12025550193") if name in ("early_media", "speech") else (short, "+12025550192")

    async def ends(customer: str, agent: str, number: str) -> tuple[str, str]:
        key, caller_id = account_for(number)
        call = await demo.start_call(customer, key=key, from_number=caller_id, agent_number=demo.number(agent))
        call_id = call["call_id"]
        seen = await demo.until_state(call_id, "talking", "ended", key=key, patience_s=45)
        if seen["state"] == "talking" and "hangs_up" not in (customer, agent):
            await demo.hang_up(call_id, key)
        over = await demo.until_state(call_id, "ended", key=key, patience_s=20)
        return over["status"], over["reason"]

    as_customer = asyncio.gather(*(ends(name, "tone_440", name) for name in NUMBERS))
    as_agent = asyncio.gather(*(ends("tone_1000", name, name) for name in NUMBERS))
    assert dict(zip(NUMBERS, await as_customer, strict=True)) == {
        name: _expected(magic.as_customer) for name, magic in NUMBERS.items()
    }
    assert dict(zip(NUMBERS, await as_agent, strict=True)) == {name: _expected(magic.as_agent) for name, magic in NUMBERS.items()}


def _expected(outcome: Outcome) -> tuple[str, str]:
    return outcome.status, outcome.reason or HUNG_UP_BY_US
