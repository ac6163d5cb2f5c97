"""What only the scripted engine has: who hears whom, to be asked; people who do as they are told; a death without a word."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.contract.stage import MUSIC, PHONES, RINGBACK, SILENCE, TOGETHER, Room, ScriptedStage
from tests.support.clock import HandClock
from tests.support.engines import Heard

from intellicall.telephony.engine import Cause, LegEnded, LegPlan, LegRinging, SoftphoneLine
from intellicall.telephony.scripted.engine import BEHAVIOURS, Behaviour, ScriptedEngine


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Room]:
    """A call that is not begun, on a clock that is moved by hand."""
    script: dict[str, Behaviour] = {}
    heard, engine = Heard(), ScriptedEngine(HandClock(), script, tmp_path)
    engine.listen(heard)
    await engine.start()
    yield Room.of(engine, heard, ScriptedStage(engine, script), recording="r1")
    await engine.stop()


@pytest.fixture
def engine(here: Room) -> ScriptedEngine:
    assert isinstance(here.engine, ScriptedEngine)
    return here.engine


async def test_two_who_were_never_arranged_hear_each_other(here: Room, engine: ScriptedEngine) -> None:
    await here.call.to_talk()
    assert engine.hears(here.id, "agent") == {"customer"}
    assert engine.hears(here.id, "customer") == {"agent"}
    assert engine.arranged == {}


async def test_who_hears_whom_follows_from_the_arrangement(here: Room, engine: ScriptedEngine) -> None:
    def heard() -> list[object]:
        return [engine.hears(here.id, leg) for leg in ("agent", "customer", "p1")]

    await here.to_three_way()
    assert heard() == [{"customer", "p1"}, {"agent", "p1"}, {"agent", "customer"}]
    await here.arrange("customer", {"agent": TOGETHER, "customer": TOGETHER, "p1": TOGETHER}, muted="agent")
    assert heard() == [{"customer", "p1"}, {"p1"}, {"customer"}]
    await here.arrange("customer", {"agent": TOGETHER, "customer": MUSIC, "p1": TOGETHER})
    assert heard() == [{"p1"}, MUSIC, {"agent"}]
    await here.arrange("customer", {"agent": SILENCE, "customer": RINGBACK, "p1": TOGETHER})
    assert heard() == [SILENCE, RINGBACK, set()]
    await here.arrange("customer p1", {"customer": TOGETHER, "p1": TOGETHER})
    assert heard() == [set(), {"p1"}, {"customer"}]
    here.hang_up("p1")
    assert heard() == [set(), set(), set()]


async def test_a_leg_that_is_rung_is_heard_where_it_is_together_and_hears_nothing(here: Room, engine: ScriptedEngine) -> None:
    here.stage.waits("p1")
    await here.call.to_talk()
    await here.arrange("customer", {"agent": TOGETHER, "customer": MUSIC, "p1": TOGETHER})
    assert engine.hears(here.id, "agent") == set()
    await here.ring()
    assert engine.hears(here.id, "agent") == {"p1"}
    assert engine.hears(here.id, "p1") == set()
    await here.arrange("customer", {"agent": TOGETHER, "customer": TOGETHER, "p1": SILENCE})
    assert engine.hears(here.id, "agent") == {"customer"}
    await here.stage.pick_up(here.id, "p1")
    await here.call.answered("p1")
    assert engine.hears(here.id, "p1") is SILENCE


async def test_a_leg_that_no_arrangement_names_waits_in_silence(here: Room, engine: ScriptedEngine) -> None:
    await here.call.to_talk()
    await here.arrange("customer", {"agent": TOGETHER, "customer": TOGETHER})
    await here.ring()
    await here.call.answered("p1")
    assert engine.hears(here.id, "p1") is SILENCE
    assert engine.hears(here.id, "agent") == {"customer"}


async def test_the_recording_runs_from_the_answer_and_rests_while_paused(here: Room, engine: ScriptedEngine) -> None:
    two = {"agent": TOGETHER, "customer": TOGETHER}
    await here.call.to_agent()
    assert not engine.recorded(here.id)
    await engine.ring_customer(here.call.plan)
    await here.call.answered("customer")
    assert engine.recorded(here.id)
    await here.arrange("customer", two, paused=True)
    assert not engine.recorded(here.id)
    await here.arrange("customer", two)
    assert engine.recorded(here.id)
    here.hang_up("customer")
    assert not engine.recorded(here.id)


async def test_what_was_ordered_can_be_read_after_the_end(here: Room, engine: ScriptedEngine) -> None:
    await here.to_three_way()
    await engine.send_digits(here.id, "p1", "12#")
    here.hang_up("customer")
    await here.call.over()
    assert engine.dialed == [PHONES["agent"], PHONES["customer"], PHONES["p1"]]
    assert engine.arranged[here.id].vital == {"customer"}
    assert engine.digits == [(here.id, "p1", "12#")]


async def test_a_softphone_does_what_its_session_is_told(here: Room, engine: ScriptedEngine) -> None:
    engine.softphones["s2"] = BEHAVIOURS["no_audio"]
    await here.call.to_talk()
    await here.arrange("customer", {"agent": TOGETHER, "customer": MUSIC, "p1": TOGETHER, "p2": TOGETHER})
    for leg, session in (("p1", "s1"), ("p2", "s2")):
        await engine.ring(LegPlan(here.id, leg, SoftphoneLine(session, "token"), "+911140000000", "+12025550192", 10))
    await here.call.answered("p1")
    assert await here.ended("p2") == (Cause.NO_AUDIO, True)
    assert engine.dialed[-2:] == ["s1", "s2"]


async def test_a_ringing_far_end_that_hangs_up_has_refused(here: Room) -> None:
    here.stage.waits("p1")
    await here.call.to_talk()
    await here.arrange("customer", {"agent": TOGETHER, "customer": MUSIC, "p1": TOGETHER})
    await here.ring()
    here.hang_up("p1")
    end = await here.call.ended("p1")
    assert (end.cause, end.by_far_end, end.sip_code) == (Cause.REJECTED, True, 603)


async def test_nobody_presses_what_is_no_key_or_before_answering(here: Room, engine: ScriptedEngine) -> None:
    here.stage.waits("p1")
    await here.call.to_talk()
    await here.arrange("customer", {"agent": TOGETHER, "customer": TOGETHER, "p1": SILENCE})
    await here.ring()
    engine.press(here.id, "p1", "1")
    engine.press("no-such-call", "agent", "1")
    for key in ("", "12", "a", "\u0661"):
        with pytest.raises(ValueError, match=r"no such key"):
            engine.press(here.id, "customer", key)
    engine.press(here.id, "customer", "1")
    assert (here.call.pressed("p1"), here.call.pressed("customer")) == ("", "1")


async def test_a_new_engine_process_knows_no_leg_and_tells_no_end(here: Room, engine: ScriptedEngine) -> None:
    await here.to_three_way()
    engine.lose()
    engine.come_back(restarted=True)
    assert await engine.snapshot() == []
    assert not any(isinstance(event, LegEnded) for event in here.call.said())
    await here.arrange("customer", {"customer": MUSIC})
    await engine.hang_up(here.id)
    assert not any(isinstance(event, LegEnded) for event in here.call.said())


async def test_a_leg_that_comes_too_late_is_told_as_canceled_once(here: Room, engine: ScriptedEngine) -> None:
    await here.call.to_talk()
    await engine.hang_up(here.id)
    await here.ring()
    await here.ring()
    assert [(end.cause, end.by_far_end) for end in here.call.ends("p1")] == [(Cause.CANCELED, False)]
    assert not any(isinstance(event, LegRinging) and event.leg == "p1" for event in here.call.said())
