"""Every reason has whose fault and remedy; every journal entry, SIP code, cause and browser's word is a sentence."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from intellicall.calls.call import Call
from intellicall.calls.endings import ENDINGS
from intellicall.calls.explanation import FAULTS, NOTHING_TO_DO, Fault, explain
from intellicall.calls.journal import JournalEntry
from intellicall.calls.reference import endings_page
from intellicall.calls.samples import BEGAN, ENDED, entry
from intellicall.calls.table import Move, Reason, State
from intellicall.calls.timeline import JOURNAL_WORDS, of_journal
from intellicall.calls.traced_words import CAUSES, SOFTPHONE_WORDS, words_of
from intellicall.calls.traces import Source, Trace
from intellicall.event_types import EventType
from intellicall.softphone.page_messages import Reported
from intellicall.telephony.engine import Cause

ENDINGS_PAGE = Path(__file__).parents[2] / "docs" / "endings.md"


def sip(what: str, **data: Any) -> Trace:
    return Trace(BEGAN, Source.SIP, what, {"leg": "customer"} | data)


def unanswered(reason: Reason) -> Call:
    return replace(entry("initiated").call, state=State.ENDED, reason=reason, ended_at=ENDED)


def sentence(reason: Reason, *seen: Trace) -> str:
    return explain(replace(entry("initiated"), call=unanswered(reason)), seen).sentence


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_says_whose_fault_it_is_and_what_to_do(reason: Reason) -> None:
    told = explain(replace(entry("initiated"), call=unanswered(reason)), [])
    assert told.whose_fault is FAULTS[reason]
    assert told.sentence == ENDINGS[reason].title
    assert told.remedy == (ENDINGS[Reason(reason)].remedy or NOTHING_TO_DO)
    assert bool(ENDINGS[reason].remedy) or FAULTS[reason] is Fault.NOBODY  # who has something to put right is told what


def test_the_page_of_endings_has_every_reason_with_its_fault_and_remedy() -> None:
    assert ENDINGS_PAGE.read_text() == endings_page()
    rows = {line.split("`")[1]: line for line in endings_page().splitlines() if line.startswith("| `")}
    assert set(rows) == set(Reason)
    for reason, row in rows.items():
        assert f"| {FAULTS[Reason(reason)]} |" in row
        assert row.rstrip(" |").endswith(ENDINGS[Reason(reason)].remedy or NOTHING_TO_DO)


def test_trunks_that_fail_are_named_with_what_they_said() -> None:
    failed = sip("trunk_failed", trunk="carrier1", cause=Cause.CARRIER_FAILURE, sip_code=503)
    seen = (sip("invite", trunk="carrier1"), failed, sip("invite", trunk="carrier2"))
    ended = sip("leg_ended", cause=Cause.UNREACHABLE, by_far_end=True, sip_code=None)
    assert sentence(Reason.NO_ROUTE, *seen, ended).startswith(
        "The carrier answered 503 on carrier1 and carrier2 was not reachable: the call to the customer"
    )
    one = (sip("invite", trunk="carrier1"), sip("leg_ended", cause=Cause.NUMBER_REFUSED, by_far_end=True, sip_code=403))
    assert "403 Forbidden: the carrier does not allow this call on carrier1" in sentence(Reason.NUMBER_REFUSED, *one)
    told = explain(replace(entry("initiated"), call=unanswered(Reason.NO_ROUTE)), [*seen, ended])
    assert told.whose_fault is Fault.CARRIER  # it is the operator's only when there was no trunk to try


def test_the_browsers_word_and_a_bad_line_are_part_of_the_sentence() -> None:
    denied = Trace(BEGAN, Source.SOFTPHONE, "microphone_denied", {})
    assert SOFTPHONE_WORDS["microphone_denied"] in sentence(Reason.AGENT_NO_AUDIO, denied)
    assert SOFTPHONE_WORDS["microphone_denied"] not in sentence(Reason.CUSTOMER_BUSY, denied)
    talk = entry("ended")
    assert explain(talk, []).sentence == "The two talked for 2 min 30 s. The customer hung up."
    good, bad = sip("audio", packets=990, lost=10, jitter_ms=2.0), sip("audio", packets=900, lost=100, jitter_ms=60.0)
    assert "bad" not in explain(talk, [good]).sentence
    assert "10 % of what the customer said was lost" in explain(talk, [bad]).sentence


def test_a_call_that_lives_blames_nobody() -> None:
    told = explain(entry("customer_ringing"), [])
    assert (told.reason, told.whose_fault, told.sentence) == (None, None, "The customer's phone is ringing.")


KINDS: Mapping[str, Mapping[str, Any]] = {
    **{move: {"party": "agent", "reason": "agent_left", "state": "talking"} for move in Move},
    **{kind: {"reason": "disk_full", "seconds": 2.0} for kind in ("initiated", "updated", "recording_ready", "recording_failed")},
    "recording_deleted": {"reason": "retention"},
    "ended": {"result": {"reason": "customer_busy", "status": "BUSY", "duration": 0}},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_journal_entry_has_words(kind: str) -> None:
    assert kind in JOURNAL_WORDS
    made = of_journal(JournalEntry("c", "a", 1, BEGAN, kind, KINDS[kind]))
    assert (made is None) == (kind == Move.SEALED)
    assert made is None or made.text.endswith(".")


def test_no_kind_is_forgotten() -> None:
    assert set(KINDS) == set(JOURNAL_WORDS)
    assert {kind for kind in EventType if kind in ("updated", "ended") or kind.startswith("recording_")} <= set(JOURNAL_WORDS) | {
        "recording_paused",
        "recording_resumed",
    }


@pytest.mark.parametrize("cause", list(Cause))
@pytest.mark.parametrize("code", [None, 486, 599, 699, 433])
def test_every_end_of_a_leg_has_words(cause: Cause, code: int | None) -> None:
    assert cause in CAUSES
    for what in ("leg_ended", "trunk_failed"):
        text = words_of(sip(what, cause=cause.value, sip_code=code, by_far_end=True, trunk="t"))
        assert text.endswith(".")
        assert "None" not in text


def test_every_browsers_word_is_known() -> None:
    from intellicall.softphone.conversation import _TROUBLES  # noqa: PLC0415 - what the page may send

    assert _TROUBLES | {one.value for one in Reported if one is not Reported.QUALITY} <= set(SOFTPHONE_WORDS)
    figures = Trace(BEGAN, Source.SOFTPHONE, "quality", {"packets": 100.0, "lost": 0.0, "jitter_ms": 3.5})
    assert words_of(figures) == "Audio from the platform to the browser was good: 0.0 % lost, jitter 3.5 ms."
