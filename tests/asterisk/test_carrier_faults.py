"""Carriers at their worst, on the wire: every refusal, answers that race our CANCEL, forked answers, a trunk that flaps."""

import asyncio
import itertools

import pytest
from tests.asterisk.conftest import MakeCall
from tests.asterisk.test_causes import SAID
from tests.support.asterisk_engines import RealEngine
from tests.support.engines import TestCall
from tests.support.sip_peer import always, sip_peer
from tests.support.sipp import until
from tests.support.wicked_carrier import Dialog, wicked_carrier

from intellicall.telephony.engine import Cause, LegAnswered, Role
from intellicall.telephony.testnet.network import TestNetwork

pytestmark = pytest.mark.asterisk

AT_ONCE = 20
PROVISIONALS = ("", "180 Ringing", "183 Session Progress")
ANSWERS_AFTER_S = 0.25
Q850_BUSY = ("Reason: Q.850;cause=17",)  # it must not outweigh the SIP code


def _refuses(dialog: Dialog) -> None:
    """The number says how: +91, the index of a provisional response, anything, the final code."""
    provisional, code = PROVISIONALS[int(dialog.dialed[3])], dialog.dialed[-3:]
    if provisional:
        dialog.says(provisional, media=provisional.startswith("183"))
    dialog.says(f"{code} Refused", more=Q850_BUSY if int(code) % 2 else ())


@pytest.mark.parametrize("provisional", range(len(PROVISIONALS)))
async def test_every_final_response_ends_the_call_with_its_cause(
    real: RealEngine, test_network: TestNetwork, call: MakeCall, provisional: int
) -> None:
    async with wicked_carrier(_refuses) as carrier, sip_peer(always("486 Busy Here")) as second:
        await real.engine.set_trunks([test_network.trunk, carrier.trunk("a"), second.trunk("b")])
        numbers = {code: f"+91{provisional}76543{code}" for code in range(300, 700) if may_be_final(code)}
        for some in _batches(numbers):
            await asyncio.gather(*(_refused(call, code, number) for code, number in some))
        for number in numbers.values():
            assert [dialog.invites for dialog in carrier.of(number)] == [1], number
        if provisional:
            assert not second.of("INVITE"), "a phone that rang was rung again through another trunk"


def may_be_final(code: int) -> bool:
    """422 asks for another session timer (RFC 4028), 401 and 407 for credentials: they have tests of their own."""
    return code not in {401, 407, 422}


def _batches(numbers: dict[int, str]) -> list[list[tuple[int, str]]]:
    pairs = list(numbers.items())
    return [pairs[start : start + AT_ONCE] for start in range(0, len(pairs), AT_ONCE)]


async def _refused(call: MakeCall, code: int, number: str) -> None:
    made = await call(customer_number=number, trunks=("a", "b")).to_customer()
    _, customer = await made.over()
    fails_over = number[3] == "0" and (code == 408 or 500 <= code <= 599)
    expected = [Cause.BUSY] if fails_over else [cause for cause, codes in SAID.items() if code in codes]
    assert customer.cause in (expected or set(Cause) - {Cause.NORMAL, Cause.NO_AUDIO, Cause.TIME_LIMIT, Cause.ENGINE_LOST}), code


def _answers_soon(dialog: Dialog) -> None:
    dialog.says("180 Ringing")
    dialog.later(ANSWERS_AFTER_S, "200 OK")


async def test_an_answer_that_races_our_cancel_leaves_no_ghost(real: RealEngine, test_network: TestNetwork, call: MakeCall) -> None:
    """Hung up from 100 ms before to 50 ms after the 200, in steps of one: acknowledged and ended, or canceled; never both."""
    async with wicked_carrier(_answers_soon) as carrier:
        await real.engine.set_trunks([test_network.trunk, carrier.trunk("a")])
        for start in range(-100, 51, AT_ONCE):
            offsets = range(start, min(start + AT_ONCE, 51))
            made = [call(customer_number=f"+9198765{100 + offset:05}", trunks=("a",)) for offset in offsets]
            await asyncio.gather(*(_race(one, offset / 1000) for one, offset in zip(made, offsets, strict=True)))
            for one in made:
                await one.over()
                assert [len(one.ends(leg)) for leg in (Role.AGENT, Role.CUSTOMER)] == [1, 1]
        await until(lambda: all(dialog.settled for dialog in carrier.dialogs.values()))
        assert len(carrier.dialogs) == 151
        won = [dialog for dialog in carrier.dialogs.values() if dialog.answered]
        assert 10 < len(won) < 141, "the offsets did not reach both sides of the race"
        assert not any(dialog.canceled for dialog in won)
    assert await real.engine.snapshot() == []


async def _race(made: TestCall, offset_s: float) -> None:
    await made.to_customer()
    await made.ringing(Role.CUSTOMER)
    await asyncio.sleep(ANSWERS_AFTER_S + offset_s)  # the offset is what is tested
    await made.engine.hang_up(made.id)


async def test_hanging_up_before_the_carrier_said_anything(real: RealEngine, test_network: TestNetwork, call: MakeCall) -> None:
    """A CANCEL must wait for a provisional response (RFC 3261 section 9.1); the 200 that comes instead is ended."""

    def slow(dialog: Dialog) -> None:
        dialog.later(int(dialog.dialed[-3:]) / 1000, "200 OK" if int(dialog.dialed[-1]) % 2 else "180 Ringing")

    async with wicked_carrier(slow) as carrier:
        await real.engine.set_trunks([test_network.trunk, carrier.trunk("a")])
        for start in range(0, 80, AT_ONCE):
            made = [call(customer_number=f"+9198765{delay:05}", trunks=("a",)) for delay in range(start, start + AT_ONCE)]
            await asyncio.gather(*(one.to_customer() for one in made))
            await asyncio.gather(*(one.engine.hang_up(one.id) for one in made))
            for one in made:
                await one.over()
        await until(lambda: all(dialog.settled for dialog in carrier.dialogs.values()), 40)
    assert await real.engine.snapshot() == []


async def test_two_phones_answer_one_call(real: RealEngine, test_network: TestNetwork, call: MakeCall) -> None:
    """The carrier forked: two early dialogs, two answers. The first answer talks, and the second one disturbs nobody.

    Asterisk 22 does not acknowledge and end the second (RFC 3261 section 13.2.2.4 asks for it): its carrier gives that leg up by
    itself after 32 s without an ACK. Stated in docs/faults.md, row E5.
    """

    def forks(dialog: Dialog) -> None:
        dialog.says("183 Session Progress", "a", media=True)
        dialog.says("183 Session Progress", "b", media=True)
        dialog.says("199 Early Dialog Terminated", "a")
        dialog.later(0.1, "200 OK", "b")
        dialog.later(0.2, "200 OK", "a")

    async with wicked_carrier(forks) as carrier:
        await real.engine.set_trunks([test_network.trunk, carrier.trunk("a")])
        made = await call(customer_number="+919876543210", trunks=("a",)).to_talk()
        (dialog,) = carrier.dialogs.values()
        await until(lambda: dialog.acked.count("b") >= 2)  # the second answer is taken for a repetition of the first
        assert dialog.ended == []
        assert len([event for event in made.said() if isinstance(event, LegAnswered) and event.leg == Role.CUSTOMER]) == 1
        await made.engine.hang_up(made.id)
        await made.over()
        await until(lambda: dialog.ended == ["b"])


async def test_a_trunk_that_flaps_costs_no_call(real: RealEngine, test_network: TestNetwork, call: MakeCall) -> None:
    """It says 200 to OPTIONS and, in turns, 503 to INVITEs: the second trunk takes those, each number is rung once."""
    turns = itertools.cycle([True] * 7 + [False] * 7)

    def flaps(dialog: Dialog) -> None:
        dialog.says("486 Busy Here" if next(turns) else "503 Service Unavailable")

    async with wicked_carrier(flaps) as first, sip_peer(always("486 Busy Here")) as second:
        await real.engine.set_trunks([test_network.trunk, first.trunk("a"), second.trunk("b")])
        numbers = [f"+9198765{number:05}" for number in range(60)]
        for start in range(0, 60, AT_ONCE):
            made = [call(customer_number=number, trunks=("a", "b")) for number in numbers[start : start + AT_ONCE]]
            await asyncio.gather(*(one.to_customer() for one in made))
            assert {(await one.over())[1].cause for one in made} == {Cause.BUSY}
        assert len(second.of("INVITE")) == sum(dialog.said == [(503, "a")] for dialog in first.dialogs.values()) > 20
