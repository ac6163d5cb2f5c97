"""Promise 18: what explains a call is told beside it, on either engine."""

from tests.contract.conftest import Calls, Harness

from intellicall.telephony.engine import LegTried, Role, TrunkState


async def test_every_invite_is_noted_with_its_trunk(harness: Harness, call: Calls) -> None:
    made = await call("busy").to_customer()
    await made.over()
    tried = [(note.leg, note.trunk) for note in harness.heard.notes if isinstance(note, LegTried)]
    assert tried == [(Role.AGENT, "sandbox"), (Role.CUSTOMER, "sandbox")]
    assert {note.call_id for note in harness.heard.notes} == {made.id}


async def test_notes_are_no_events(harness: Harness, call: Calls) -> None:
    made = await call("busy").to_customer()
    await made.over()
    assert {type(event).__name__ for event in harness.heard.events} <= {"EngineReady", "LegRinging", "LegAnswered", "LegEnded"}


async def test_each_trunk_has_a_state(harness: Harness) -> None:
    states = await harness.engine.trunk_states()
    assert states.get("sandbox", TrunkState.STATIC) is TrunkState.STATIC
