"""What is seen of a call beside its journal: attempts on trunks, SIP codes, the agents' browsers. For people, and for nothing else.

It is written in groups, off the call's way: one row a call and flush. Nothing waits for it, and a crash may lose the last second.
No phone numbers, digits, keys or addresses are in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Connection, Index, Integer, String, Table, bindparam, insert, select

from intellicall.storage.schema import metadata
from intellicall.storage.statement import Statement

call_traces = Table(
    "call_traces",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("call_id", String(36), nullable=False),
    Column("traces", JSON, nullable=False),  # a list of [at, source, what, data]
)
Index("ix_call_traces_call", call_traces.c.call_id, call_traces.c.number)


class Source(StrEnum):
    """Who saw it, or whose doing it was: `source` in a timeline."""

    CALL = "call"
    SIP = "sip"
    SOFTPHONE = "softphone"
    POLICY = "policy"
    RECORDING = "recording"
    DELIVERY = "delivery"


@dataclass(frozen=True, slots=True)
class Trace:
    """One thing that was seen. `what` is one of calls/traced_words.py; `data` has what its sentence needs."""

    at: datetime
    source: Source
    what: str
    data: Mapping[str, Any]


_INSERT = Statement(insert(call_traces).inline(), ("call_id", "traces"))
_OF_CALL = select(call_traces.c.traces).where(call_traces.c.call_id == bindparam("call")).order_by(call_traces.c.number)


def append(connection: Connection, seen: Mapping[str, Sequence[Trace]]) -> None:
    """Store what was seen, by call: one row for each."""
    rows = [
        {"call_id": call_id, "traces": [[t.at.isoformat(), t.source.value, t.what, dict(t.data)] for t in traces]}
        for call_id, traces in seen.items()
    ]
    if rows:
        _INSERT.run(connection, *rows)


def read(connection: Connection, call_id: str) -> list[Trace]:
    """Return what was seen of the call, in order of time."""
    stored = [trace for traces in connection.scalars(_OF_CALL, {"call": call_id}) for trace in traces]
    found = [Trace(datetime.fromisoformat(at), Source(source), what, data) for at, source, what, data in stored]
    return sorted(found, key=lambda trace: trace.at)
