"""Judges a run by what witnesses noted and what the database holds. It shares no code with the product: its own SQL, its own fold.

Witnesses: the engine's own notes of dials, answers and ends; the receiver's of what came over HTTP; the client's of what it was
promised. The invariants are those of docs/faults.md.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.faults.books import Books, Row, at, of_json, read_notes

WAITS_S = (1.0, 2.0, 4.0)
ATTEMPTS = 4
TALK_S = 1.0
"""How far a duration may be from what the witness saw."""
ANNOTATIONS = ("updated", "recording_ready", "recording_failed", "recording_deleted")


@dataclass
class Evidence:
    """All that is known of a run. `deaths`: how often the platform died, each of which may repeat one attempt."""

    books: Books
    folder: Path
    deaths: int = 0
    calls: list[Row] = field(default_factory=list)
    journal: dict[str, list[Row]] = field(default_factory=dict)
    deliveries: list[Row] = field(default_factory=list)
    attempts: list[Row] = field(default_factory=list)
    engine: Sequence[Row] = ()
    receiver: Sequence[Row] = ()
    client: Sequence[Row] = ()

    def read(self) -> "Evidence":
        self.calls = self.books.rows("SELECT * FROM calls")
        self.journal = {call["id"]: [] for call in self.calls}
        for row in self.books.rows("SELECT * FROM journal ORDER BY position"):
            self.journal.setdefault(row["call_id"], []).append(row | {"data": of_json(row["data"])})
        self.deliveries = self.books.rows("SELECT * FROM deliveries")
        self.attempts = self.books.rows("SELECT * FROM delivery_attempts ORDER BY delivery_id, number")
        self.engine, self.receiver, self.client = (
            read_notes(self.folder / f"{name}.jsonl") for name in ("engine", "receiver", "client")
        )
        return self


@dataclass
class Verdict:
    """What was found: breaches, each beginning with its invariant's id, and how much was looked at."""

    breaches: list[str]
    counts: Counter[str]


def judge(evidence: Evidence) -> Verdict:
    """Check everything. Never raises for what it finds."""
    evidence.read()
    breaches = [f"{name}: {breach}" for name, check in CHECKS.items() for breach in check(evidence)]
    counts = Counter(
        calls=len(evidence.calls),
        entries=sum(len(entries) for entries in evidence.journal.values()),
        dials=sum(note["what"] == "dialed" for note in evidence.engine),
        deliveries=len(evidence.deliveries),
        attempts=len(evidence.attempts),
        requests=len(evidence.receiver),
        promises=len(evidence.client),
    )
    counts.update(f"ended {call['status']}" for call in evidence.calls)
    return Verdict(breaches, counts)


def one_dial(evidence: Evidence) -> Iterator[str]:
    dialed = Counter((note["call_id"], note["leg"]) for note in evidence.engine if note["what"] == "dialed")
    yield from (f"leg {leg} of {call_id} was dialed {count} times" for (call_id, leg), count in dialed.items() if count > 1)
    known = {call["id"] for call in evidence.calls}
    yield from (f"{call_id} was dialed and is not stored" for call_id in {call_id for call_id, _ in dialed} - known)
    asked = Counter((call["account_id"], call["uuid"]) for call in evidence.calls if call["uuid"] is not None)
    yield from (f"uuid {uuid} has {count} calls" for (_, uuid), count in asked.items() if count > 1)


def one_end(evidence: Evidence) -> Iterator[str]:
    for call in evidence.calls:
        ends = sum(entry["kind"] == "ended" for entry in evidence.journal[call["id"]])
        if ends != 1 or call["live"] or call["state"] != "ended":
            yield f"{call['id']} is {call['state']} with {ends} ends"


def durable_yes(evidence: Evidence) -> Iterator[str]:
    known = {call["id"]: call["uuid"] for call in evidence.calls}
    for note in evidence.client:
        if known.get(note["call_id"], note) != note["uuid"]:
            yield f"{note['call_id']} was promised and is not there"


def conservation(evidence: Evidence) -> Iterator[str]:
    results = [row for row in evidence.deliveries if row["kind"] == "result"]
    per_call = Counter(row["call_id"] for row in results)
    for call in evidence.calls:
        if per_call[call["id"]] != 1:
            yield f"{call['id']} has {per_call[call['id']]} results"
    for row in evidence.deliveries:
        yield from _conserved(evidence, row)
    strangers = {note["id"] for note in evidence.receiver} - {row["id"] for row in evidence.deliveries}
    yield from (f"{one} was sent and is not stored" for one in strangers)


def _conserved(evidence: Evidence, row: Row) -> Iterator[str]:
    name = f"delivery {row['id']}"
    came = [note for note in evidence.receiver if note["id"] == row["id"]]
    attempts = [one for one in evidence.attempts if one["delivery_id"] == row["id"]]
    if {note["body"].encode() for note in came} - {bytes(row["body"])}:
        yield f"{name} was sent with another body"
    if [one["number"] for one in attempts] != list(range(1, len(attempts) + 1)) or row["attempts"] != len(attempts):
        yield f"{name} has gaps in its attempts"
    well = sum(200 <= note["status"] < 300 for note in came)
    match row["state"]:
        case "delivered":
            if not 1 <= well <= 1 + evidence.deaths:
                yield f"{name} is delivered and was taken {well} times"
        case "undelivered":
            if well or not ATTEMPTS <= len(came) <= ATTEMPTS + evidence.deaths or len(attempts) != ATTEMPTS:
                yield f"{name} is a dead letter after {len(came)} requests and {len(attempts)} attempts"
        case state:
            yield f"{name} is {state}"
    if len(came) < len(attempts) or len(came) > len(attempts) + evidence.deaths:
        yield f"{name} came {len(came)} times in {len(attempts)} attempts"
    yield from _timely(evidence, row, came, attempts)


def _timely(evidence: Evidence, row: Row, came: Sequence[Row], attempts: Sequence[Row]) -> Iterator[str]:
    made = at(row["created_at"]) or 0.0
    if any(note["at"] < made - 0.001 for note in came):
        yield f"delivery {row['id']} was sent before its cause"
    starts = [at(one["started_at"]) or 0.0 for one in attempts]
    for first, second, wait in zip(starts, starts[1:], WAITS_S, strict=False):
        late = second - first > 1.1 * wait and not evidence.deaths
        if second - first < 0.9 * wait or late:
            yield f"delivery {row['id']} was tried again after {second - first:.2f} s instead of {wait} s"


def truth(evidence: Evidence) -> Iterator[str]:
    seen = {(note["call_id"], note["leg"], note["what"]): note["at"] for note in evidence.engine}
    for call in evidence.calls:
        answered = seen.get((call["id"], "customer", "answered"))
        if (answered is not None) != (call["status"] == "ANSWER"):
            yield f"{call['id']} is {call['status']} and the customer {'answered' if answered else 'did not answer'}"
        if answered is None:
            continue
        ended = seen.get((call["id"], "customer", "ended"), answered)
        if call["reason"] == "transfer_failed":  # from then on nobody was there to talk to
            ended = min(ended, seen.get((call["id"], "p1", "ended"), ended))
        talked = ended - answered
        if abs(call["talk_s"] - talked) > TALK_S:
            yield f"{call['id']} says {call['talk_s']:.1f} s of talk and it was {talked:.1f} s"
        if abs((at(call["answered_at"]) or 0.0) - answered) > TALK_S:
            yield f"{call['id']} says another time of the answer"


def sound_database(evidence: Evidence) -> Iterator[str]:
    yield from evidence.books.complaints()
    for call in evidence.calls:
        folded = fold(evidence.journal[call["id"]])
        for name, told in folded.items():
            stored, meant = (_whole(call[name]), _whole(told)) if name.endswith("_at") else (call[name], told)
            if stored != meant:
                yield f"{call['id']}: the row says {name} {stored!r} and its journal {meant!r}"


def _whole(moment: Any) -> int | None:
    """Seconds: the result has no finer times."""
    return None if moment is None else int(at(moment) or 0)


def fold(entries: Sequence[Row]) -> Row:
    """Return what the journal alone says of a call's row."""
    row: Row = {"state": "initiated", "seq": 0}
    for entry in entries:
        data = entry["data"]
        row["seq"] = entry["seq"]
        row["state"] = data.get("state") or row["state"]
        if entry["kind"] == "ended":
            result = data["result"]
            row |= {name: result[name] for name in ("status", "reason", "recording", "recording_url", "notes")}
            row |= {"uuid": None if result["uuid"] == entry["call_id"] else result["uuid"], "disposition": result["disposition"]}
            row |= {"answered_at": _moment(result["answer_time"]), "ended_at": _moment(result["end_time"])}
        elif entry["kind"] == "updated":
            row |= {name: data[name] for name in ("disposition", "notes") if name in data}
        elif entry["kind"] == "recording_ready":
            row |= {"recording": "ready", "recording_url": data["recording_url"]}
        elif entry["kind"] == "recording_failed":
            row |= {"recording": data["reason"], "recording_url": None}
    return row


def _moment(text: str | None) -> float | None:
    return None if text is None else datetime.fromisoformat(text).timestamp()


def whole_journal(evidence: Evidence) -> Iterator[str]:
    for call_id, entries in evidence.journal.items():
        if [entry["seq"] for entry in entries] != list(range(1, len(entries) + 1)):
            yield f"{call_id} has the numbers {[entry['seq'] for entry in entries]}"
        kinds = [entry["kind"] for entry in entries]
        if "ended" in kinds and (later := [kind for kind in kinds[kinds.index("ended") + 1 :] if kind not in ANNOTATIONS]):
            yield f"{call_id} has {later} after its end"
        if not kinds or kinds[0] != "initiated":
            yield f"{call_id} does not begin with its beginning"


CHECKS: dict[str, Callable[[Evidence], Iterator[str]]] = {
    "I1": one_dial,
    "I2": one_end,
    "I3": durable_yes,
    "I4": conservation,
    "I5": truth,
    "I15": sound_database,
    "I16": whole_journal,
}


def as_line(counts: Counter[str]) -> str:
    """Return the counts for people, in one line."""
    return json.dumps(dict(sorted(counts.items())))[1:-1].replace('"', "")
