"""What the real engine tells beside its events: each trunk tried, why it failed, how a leg sounded, who is registered."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from tests.asterisk.conftest import MakeCall
from tests.support.asterisk_engines import EngineHome, RealEngine
from tests.support.sip_peer import Request, always, sip_peer
from tests.support.sip_phone import sip_phone
from tests.support.sipp import until

from intellicall.calls.explanation import explain
from intellicall.calls.facts import CUSTOMER_REASONS
from intellicall.calls.samples import entry
from intellicall.calls.table import State
from intellicall.calls.tracing import Tracing
from intellicall.clock import SystemClock
from intellicall.settings import Settings
from intellicall.storage.database import Database
from intellicall.telephony.asterisk.examining import examine
from intellicall.telephony.engine import Cause, EngineEvent, LegHeard, LegTried, Role, TrunkState, TryFailed
from intellicall.telephony.testnet.network import TestNetwork

pytestmark = pytest.mark.asterisk

CUSTOMER = "+919876543210"


async def test_a_failover_is_noted_trunk_by_trunk(real: RealEngine, test_network: TestNetwork, call: MakeCall) -> None:
    async with sip_peer(always("503 Service Unavailable")) as first, sip_peer(always("486 Busy Here")) as second:
        await real.engine.set_trunks([test_network.trunk, first.trunk("carrier one"), second.trunk("b")])
        made = await call(customer_number=CUSTOMER, trunks=("carrier one", "b")).to_customer()
        await made.over()
    of_customer = [note for note in real.heard.notes if note.leg == Role.CUSTOMER]
    assert [(type(note), getattr(note, "trunk", None)) for note in of_customer] == [
        (LegTried, "carrier one"),
        (TryFailed, "carrier one"),
        (LegTried, "b"),
    ]
    failed = of_customer[1]
    assert isinstance(failed, TryFailed)
    assert (failed.cause, failed.sip_code) == (Cause.CARRIER_FAILURE, 503)


async def test_a_real_failover_is_one_sentence(real: RealEngine, test_network: TestNetwork, call: MakeCall, tmp_path: Path) -> None:
    """From the wire to the words: 503 on one carrier, a timeout at the other."""
    database = Database(f"sqlite:///{tmp_path / 'traces.db'}")
    tracing = Tracing(database, SystemClock())
    real.engine.watch(tracing.note)

    def hear(event: EngineEvent) -> None:
        real.heard(event)
        tracing.engine_event(event)

    real.engine.listen(hear)
    async with sip_peer(always("503 Service Unavailable")) as first, sip_peer(always("408 Request Timeout")) as second:
        await real.engine.set_trunks([test_network.trunk, first.trunk("carrier1"), second.trunk("carrier2")])
        made = await call(customer_number=CUSTOMER, trunks=("carrier1", "carrier2")).to_customer()
        _, customer = await made.over()
    database.close()
    reason = CUSTOMER_REASONS[customer.cause]
    began = entry("initiated")
    over = replace(began, call=replace(began.call, state=State.ENDED, reason=reason))
    told = explain(over, tracing.unsaved(made.id))
    assert told.sentence == (
        "The carrier answered 503 on carrier1 and carrier2 did not answer: the call to the customer could not be put through."
    )
    assert told.whose_fault == "carrier"


async def test_the_audio_of_a_leg_is_counted(real: RealEngine, test_network: TestNetwork, call: MakeCall) -> None:
    async with sip_phone(500) as phone:
        await real.engine.set_trunks([test_network.trunk, phone.trunk("phone")])
        made = await call(customer_number=CUSTOMER, trunks=("phone",)).to_customer()
        await made.answered(Role.CUSTOMER)
        await phone.until_hears(440)
        phone.hang_up()
        await made.over()
    counted = {note.leg: note for note in real.heard.notes if isinstance(note, LegHeard)}
    assert counted[Role.CUSTOMER].packets >= 10
    assert counted[Role.CUSTOMER].lost == 0
    assert counted[Role.CUSTOMER].jitter_s < 0.1


async def test_who_is_let_in_is_registered(real: RealEngine) -> None:
    def answers(request: Request) -> list[str]:
        return [f"200 OK\nContact: {request.headers['contact']};expires=600"]

    async with sip_peer(answers) as friendly, sip_peer(always("403 Forbidden")) as unfriendly:
        trunks = [
            friendly.trunk("friendly", register=True, username="u", password="p"),
            unfriendly.trunk("unfriendly", register=True, username="u", password="p"),
            unfriendly.trunk("static"),
        ]
        await real.engine.set_trunks(trunks)
        await until(lambda: bool(friendly.of("REGISTER")) and bool(unfriendly.of("REGISTER")))
        expected = {
            "friendly": TrunkState.REGISTERED,
            "unfriendly": TrunkState.UNREGISTERED,
            "static": TrunkState.STATIC,
        }
        async with asyncio.timeout(5):
            while (states := await real.engine.trunk_states()) != expected:
                assert states.keys() == expected.keys()


async def test_the_doctor_sees_the_engine_beside_the_platform_that_leads_it(real: RealEngine, engine_home: EngineHome) -> None:
    async with sip_peer(always("403 Forbidden")) as unfriendly:
        trunk = unfriendly.trunk("unfriendly", register=True, username="u", password="p")
        await real.engine.set_trunks([trunk])
        found = await examine(engine_home.settings, [trunk])
    assert found.answers
    assert found.version is not None
    assert found.version.startswith("22.")
    assert found.states == {"unfriendly": TrunkState.UNREGISTERED}
    assert real.engine.ready


async def test_the_doctor_starts_no_engine(tmp_path: Path) -> None:
    found = await examine(Settings(state_dir=tmp_path), [])
    assert (found.answers, found.fault) == (False, "")
    assert await asyncio.to_thread(lambda: list(tmp_path.iterdir())) == []
