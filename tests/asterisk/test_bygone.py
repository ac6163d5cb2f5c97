"""The engine's own notes of legs: what is read from them, what is left out; and the sweep that clears what belongs to nobody."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.asterisk.conftest import MakeCall
from tests.support.asterisk_engines import RealEngine

from intellicall.telephony.asterisk import bygone
from intellicall.telephony.asterisk.bygone import KEPT_BYTES, LEGS_FILE, LegLine
from intellicall.telephony.asterisk.furnishing import BRIDGE_MARK
from intellicall.telephony.asterisk.provisioning import softphone_endpoint
from intellicall.telephony.engine import Cause, LegAnswered, LegEnded, Role

CALL = "fa5c6963-62ef-449d-876d-2b52f2d81c08"
AT = datetime(2026, 7, 3, 10, tzinfo=UTC)


def line(kind: str, channel: str, seconds: float, source: str = "", cause: int = 16) -> str:
    extra = f'"{{""hangupcause"":{cause},""hangupsource"":""{source}"",""dialstatus"":""""}}"' if kind == "HANGUP" else ""
    at = f"{AT.timestamp() + seconds:.6f}"
    return f"{kind}\t{at}\t{channel}\t{CALL}-agent-1\tPJSIP/{channel}\t{extra}\n"


def told(*lines: str, living: tuple[tuple[str, str], ...] = ()) -> list[tuple[type[object], str, Cause | None, float]]:
    events = bygone.told([parsed for text in lines for parsed in bygone.parsed(text)], living)
    return [(type(e), e.leg, e.cause if isinstance(e, LegEnded) else None, (e.at - AT).total_seconds()) for e in events]


def test_whose_leg_a_line_is() -> None:
    [own] = bygone.parsed(line("ANSWER", f"{CALL}-p1-2", 1))
    [customers] = bygone.parsed(line("HANGUP", "1795383153.1", 2, "PJSIP/1795383153.1"))
    assert own == LegLine(False, own.at, CALL, "p1")
    assert (customers.call_id, customers.leg, customers.hung_up, customers.cause) == (CALL, Role.CUSTOMER, True, 16)


@pytest.mark.parametrize(
    "text", ["", "ANSWER\t179538", "HANGUP\tnever\ta-b-1\ta-b-1\tx\t{}", "\t\t\t\t\t", "HANGUP\t1\tx\ty\tz\t{"]
)
def test_a_torn_or_foreign_line_is_left_out(text: str) -> None:
    assert list(bygone.parsed(text)) == []


def test_who_hung_up_comes_first_whatever_was_written_first() -> None:
    agent = f"{CALL}-agent-1"
    lines = (
        line("ANSWER", agent, 0),
        line("ANSWER", "1.1", 1),
        line("HANGUP", "1.1", 5.001),
        line("HANGUP", agent, 5.002, f"PJSIP/{agent}"),
    )
    assert told(*lines) == [
        (LegAnswered, Role.CUSTOMER, None, 1.0),
        (LegEnded, Role.AGENT, Cause.NORMAL, 5.002),
        (LegEnded, Role.CUSTOMER, Cause.NORMAL, 5.001),
    ]


@pytest.mark.parametrize(
    ("source", "q850", "cause"), [("PJSIP/1.1", 17, Cause.BUSY), ("PJSIP/1.1", 21, Cause.REJECTED), ("", 0, Cause.NO_ANSWER)]
)
def test_why_a_customer_was_not_reached(source: str, q850: int, cause: Cause) -> None:
    assert told(line("HANGUP", "1.1", 2, source, q850)) == [(LegEnded, Role.CUSTOMER, cause, 2.0)]


def test_a_failed_trunk_is_no_end_while_the_next_one_is_tried() -> None:
    assert told(line("HANGUP", "1.1", 2, "PJSIP/1.1", 38), living=((CALL, Role.CUSTOMER),)) == []


def test_the_file_is_put_aside_when_it_is_big_and_read_all_the_same(tmp_path: Path) -> None:
    (tmp_path / LEGS_FILE).write_text(line("ANSWER", "1.1", 1) + "x" * KEPT_BYTES + "\n")
    bygone.rotate(tmp_path)
    assert not (tmp_path / LEGS_FILE).exists()
    (tmp_path / LEGS_FILE).write_text(line("HANGUP", "1.1", 2))
    assert [one.ended for one in bygone.read(tmp_path, {CALL})] == [False, True]
    assert bygone.read(tmp_path, {"another"}) == []


@pytest.mark.asterisk
async def test_the_sweep_clears_what_belongs_to_nobody_and_nothing_else(real: RealEngine, call: MakeCall) -> None:
    talk = await call().to_talk()
    account = await real.engine.open_softphone("here")
    link = real.engine.live_link()
    await link.request("POST", f"bridges/orphan{BRIDGE_MARK}", query={"type": "mixing"})
    stray = await call().to_agent()
    real.engine._calls.pop(stray.id)  # as if nobody knew of it
    real.engine._softphones.clear()
    await real.engine.open_softphone("still")
    await real.engine.sweep()
    assert {leg.call_id for leg in await real.engine.snapshot()} == {talk.id}
    assert f"orphan{BRIDGE_MARK}" not in {bridge["id"] for bridge in await link.request("GET", "bridges")}
    endpoints = {endpoint["resource"] for endpoint in await link.request("GET", "endpoints/PJSIP")}
    assert softphone_endpoint("still") in endpoints
    assert account.username not in endpoints
    await real.engine.hang_up(talk.id)
    await talk.over()
