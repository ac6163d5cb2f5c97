"""What is seen beside the journal: stored in groups on either database, kept while it is away, limited, and cheap."""

import time
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.clock import HandClock

from intellicall.calls import traces
from intellicall.calls.result import Entry
from intellicall.calls.samples import BEGAN, entry
from intellicall.calls.traces import Source, Trace
from intellicall.calls.tracing import AFTER_S, MOST_OF_A_CALL, MOST_OF_A_SOFTPHONE, Tracing
from intellicall.storage.database import Database, StorageUnavailable
from intellicall.storage.faults import Fault
from intellicall.telephony.engine import Cause, LegEnded, LegHeard, LegRinging, LegTried, SoftphoneLine, TryFailed

AGENT = "g1"


async def stored(database: Database, call_id: str) -> list[Trace]:
    return await database.read(lambda connection: traces.read(connection, call_id))


def lived(tracing: Tracing, call_id: str) -> None:
    """What the engine tells of one usual call."""
    for leg in ("agent", "customer"):
        tracing.note(LegTried(call_id, leg, BEGAN, "carrier1"))
        tracing.engine_event(LegRinging(call_id, leg, BEGAN))
        tracing.note(LegHeard(call_id, leg, BEGAN + timedelta(seconds=9), 100, 1, 0.002, 0.04))
        tracing.engine_event(LegEnded(call_id, leg, BEGAN + timedelta(seconds=10), Cause.NORMAL, by_far_end=True))


async def test_what_was_seen_comes_back_in_order(database: Database) -> None:
    tracing = Tracing(database, HandClock())
    lived(tracing, "c1")
    tracing.note(TryFailed("c1", "customer", BEGAN + timedelta(seconds=1), "carrier1", Cause.CARRIER_FAILURE, 503))
    assert len(tracing.unsaved("c1")) == 9
    await tracing.flush()
    assert tracing.unsaved("c1") == []
    tracing.engine_event(LegRinging("c1", "p1", BEGAN + timedelta(seconds=2), early_media=True))
    await tracing.close()
    found = await stored(database, "c1")
    assert len(found) == 10
    assert [trace.at for trace in found] == sorted(trace.at for trace in found)
    failed = next(trace for trace in found if trace.what == "trunk_failed")
    assert failed.data == {"leg": "customer", "trunk": "carrier1", "cause": "carrier_failure", "sip_code": 503}
    assert await stored(database, "another") == []


async def test_a_softphones_past_belongs_to_the_call_that_follows(database: Database) -> None:
    clock = HandClock()
    tracing = Tracing(database, clock)
    tracing.softphone(AGENT, "microphone_denied", {}, None)
    call = of_agent(clock)
    tracing.changed(call)
    tracing.softphone("another agent", "ready", {}, None)
    tracing.softphone(AGENT, "ice_failed", {}, "not this call")
    for _ in range(MOST_OF_A_SOFTPHONE + 20):
        tracing.softphone(AGENT, "quality", {"packets": 1}, call.call.id)
    whats = [trace.what for trace in tracing.unsaved(call.call.id)]
    assert whats[0] == "microphone_denied"
    assert whats.count("quality") == MOST_OF_A_SOFTPHONE
    assert len(whats) == MOST_OF_A_SOFTPHONE + 1


def of_agent(clock: HandClock) -> Entry:
    began = entry("initiated")
    plan = replace(began.request.plan, agent=SoftphoneLine("s1", "t"))
    request = replace(began.request, agent_id=AGENT, plan=plan)
    return replace(began, request=request, call=replace(began.call, created_at=clock.now()))


async def test_a_call_fills_nothing_up(database: Database) -> None:
    tracing = Tracing(database, HandClock())
    for _ in range(MOST_OF_A_CALL + 100):
        tracing.engine_event(LegRinging("c1", "agent", BEGAN))
    assert len(tracing.unsaved("c1")) == MOST_OF_A_CALL


async def test_ended_calls_are_forgotten(database: Database) -> None:
    clock = HandClock()
    tracing = Tracing(database, clock)
    over = entry("ended")
    tracing.changed(over)
    await tracing.flush()
    assert tracing._seen
    await clock.advance(AFTER_S + 1)
    await tracing.flush()
    assert not tracing._seen
    assert not tracing._call_of


async def test_while_the_database_is_away_it_waits(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    tracing = Tracing(database, HandClock())
    lived(tracing, "c1")

    async def away(*_: object) -> None:
        raise StorageUnavailable(Fault.LOCKED)

    with monkeypatch.context() as broken:
        broken.setattr(database, "write", away)
        await tracing.flush()
    assert len(tracing.unsaved("c1")) == 8
    await tracing.flush()
    assert len(await stored(database, "c1")) == 8


async def test_a_call_costs_little(database: Database) -> None:
    """Noting and storing, in this thread and the database's: measured 0.11 ms on a busy machine; five times as much fails."""
    tracing = Tracing(database, HandClock())
    began = time.process_time()
    for number in range(200):
        lived(tracing, f"c{number}")
    await tracing.flush()
    assert (time.process_time() - began) / 200 < 0.0006


async def test_a_trace_is_what_it_was(database: Database) -> None:
    trace = Trace(BEGAN, Source.SOFTPHONE, "quality", {"packets": 1.5, "rtt_ms": None})
    await database.write(lambda connection: traces.append(connection, {"c9": [trace]}))
    assert await stored(database, "c9") == [trace]
