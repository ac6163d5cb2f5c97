"""A recorded customer's end is told when the file is closed, in order, and nobody else waits for it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support.engines import Heard

from intellicall.telephony.asterisk import telling
from intellicall.telephony.asterisk.closing import ClosedFiles
from intellicall.telephony.asterisk.legs import CallLegs
from intellicall.telephony.asterisk.telling import Teller
from intellicall.telephony.engine import Cause, EngineEvent, EngineLost, LegEnded, Role

NOW = datetime(2026, 7, 3, 10, 0, tzinfo=UTC)


@pytest.fixture
async def teller(tmp_path: Path) -> AsyncIterator[Teller]:
    files = ClosedFiles()
    files.start(tmp_path)
    teller = Teller(files)
    yield teller
    await teller.stop()
    files.stop()
    files.stop()


def recorded(call_id: str, tmp_path: Path, *, trunks: int = 1, answered: bool = True) -> CallLegs:
    call = CallLegs(call_id, softphone=False, max_length_s=60, recording=tmp_path / f"{call_id}.raw")
    customer = call.customer_ordered()
    for number in range(trunks):
        customer.attempt(f"channel-{number}")
    customer.up_at = NOW if answered else None
    return call


def ends(call: CallLegs) -> list[LegEnded]:
    return [LegEnded(call.call_id, role, NOW, Cause.NORMAL) for role in (Role.CUSTOMER, Role.AGENT)]


async def test_the_end_waits_for_the_file_and_keeps_its_order(teller: Teller, tmp_path: Path) -> None:
    heard = Heard()
    teller.listener = heard
    call, other = recorded("a", tmp_path), recorded("b", tmp_path)
    teller.expect_recording(call)
    teller.expect_recording(other)
    with (tmp_path / "a.raw").open("wb") as file:
        for event in ends(call):
            teller.tell_of(call, event)
        (tmp_path / "b.raw").write_bytes(b"1234")
        for event in ends(other):
            teller.tell_of(other, event)
        await heard.wait(LegEnded, lambda event: event.call_id == "b" and event.leg == Role.AGENT)
        assert heard.of_call("a") == []
        file.write(b"1234")
    await heard.wait(LegEnded, lambda event: event.call_id == "a" and event.leg == Role.AGENT)
    assert heard.of_call("a") == ends(call)
    assert (tmp_path / "a.raw").read_bytes() == b"1234"


async def test_each_trunk_tried_closes_the_file_once(teller: Teller, tmp_path: Path) -> None:
    heard = Heard()
    teller.listener = heard
    call = recorded("a", tmp_path, trunks=2)
    teller.expect_recording(call)
    (tmp_path / "a.raw").write_bytes(b"")
    with (tmp_path / "a.raw").open("wb"):
        for event in ends(call):
            teller.tell_of(call, event)
        (tmp_path / "unrelated.raw").write_bytes(b"")
    await heard.wait(LegEnded)


async def test_a_file_that_never_closes_holds_nothing_up_for_ever(
    teller: Teller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "FILE_DEADLINE_S", 0.05)
    heard = Heard()
    teller.listener = heard
    call = recorded("a", tmp_path, answered=False)
    teller.expect_recording(call)
    with (tmp_path / "a.raw").open("wb"):
        teller.tell_of(call, ends(call)[0])
        await heard.wait(LegEnded)
    assert not (tmp_path / "a.raw").exists()


async def test_an_answer_that_was_missed_costs_no_recording(
    teller: Teller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The platform was dead while the customer answered and the agent hung up: all it finds is the call's last moment."""
    monkeypatch.setattr(telling, "FILE_DEADLINE_S", 0.05)
    heard = Heard()
    teller.listener = heard
    call = recorded("a", tmp_path, answered=False)
    call.recalled = True
    teller.expect_recording(call)
    (tmp_path / "a.raw").touch()  # what was said is still in the engine's buffer
    with (tmp_path / "a.raw").open("ab") as file:
        teller.tell_of(call, ends(call)[0])
        await heard.wait(LegEnded)
        file.write(b"1234")
    assert (tmp_path / "a.raw").read_bytes() == b"1234"


async def test_a_listener_that_fails_harms_nobody_else(teller: Teller) -> None:
    told: list[EngineEvent] = []

    def listener(event: EngineEvent) -> None:
        told.append(event)
        raise RuntimeError("a bug of the listener's")

    teller.listener = listener
    teller.tell(EngineLost(NOW))
    teller.tell(EngineLost(NOW))
    assert len(told) == 2


def test_a_folder_that_is_not_there_cannot_be_watched(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ClosedFiles().start(tmp_path / "nowhere")
