"""The feed: every result of an account in the order in which they were stored, and how many there are of each day.

The feed reads what the journal froze when each call ended: the very records that are pushed. A cursor names the last result that
was handed out: by its position, below which nothing new appears (calls/journal.py), and by its call, so that a cursor of another
platform, or of a history that a restored backup does not have, is refused instead of leaving results out.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from intellicall.callbacks.delivery import State
from intellicall.callbacks.tables import deliveries
from intellicall.calls import journal
from intellicall.calls.endings import Status
from intellicall.calls.journal import JournalEntry
from intellicall.errors import Code, Refused
from intellicall.web.cursor import from_cursor, to_cursor

MOST = 500
USUAL = 100
MOST_DAYS = 31
USUAL_DAYS = 7

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_POSITION = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_BEGINNING = to_cursor("0", "")
_OF_DAYS = (
    select(deliveries.c.day, deliveries.c.status, deliveries.c.state, func.count().label("count"))
    .where(
        deliveries.c.account_id == bindparam("account"),
        deliveries.c.day >= bindparam("first"),
        deliveries.c.day <= bindparam("last"),
    )
    .group_by(deliveries.c.day, deliveries.c.status, deliveries.c.state)
    .with_hint(deliveries, "INDEXED BY ix_deliveries_day", "sqlite")
)


@dataclass(frozen=True, slots=True)
class Page:
    """Some results, and the cursor behind the last of them; `more`: others are there already."""

    results: tuple[Mapping[str, Any], ...]
    next: str
    more: bool


def read(connection: Connection, account_id: str, after: str | None, limit: int) -> Page:
    """Return up to `limit` results behind the cursor, from the first one on without it.

    Raises Refused INVALID_FIELD for a cursor that this account was not given.
    """
    entries = journal.ends_after(connection, account_id, _position(connection, account_id, after), limit + 1)
    handed = entries[:limit]
    following = cursor_of(handed[-1]) if handed else after or _BEGINNING
    return Page(tuple(entry.data["result"] for entry in handed), following, len(entries) > limit)


def cursor_of(entry: JournalEntry) -> str:
    """Return the cursor behind this end of a call."""
    return to_cursor(str(entry.position), entry.call_id)


def _position(connection: Connection, account_id: str, word: str | None) -> int:
    if word is None or word == _BEGINNING:
        return 0
    try:
        text, call_id = from_cursor(word, 2)
    except Refused:
        raise unknown_cursor() from None
    if not _POSITION.fullmatch(text) or int(text) > journal.last_position(connection):
        raise unknown_cursor()
    named = journal.entry_at(connection, int(text))
    if named is not None and (named.account_id, named.call_id, named.kind) != (account_id, call_id, "ended"):
        raise unknown_cursor()
    return int(text)


def unknown_cursor() -> Refused:
    """The refusal of a cursor that the account was not given."""
    return Refused(
        Code.INVALID_FIELD,
        "This is no `next` of this feed. If the platform was restored, begin without `after` and skip what you have.",
        field="after",
    )


def counts(connection: Connection, account_id: str, first: date, last: date) -> list[dict[str, Any]]:
    """Return, for each day from `first` to `last`, how many results there are: by their status, and what became of their push."""
    statuses, states = defaultdict[str, Counter[str]](Counter), defaultdict[str, Counter[str]](Counter)
    between = {"account": account_id, "first": first.isoformat(), "last": last.isoformat()}
    for day, status, state, count in connection.execute(_OF_DAYS, between):
        statuses[day][status] += count
        states[day][state] += count
    days = [(first + timedelta(days=number)).isoformat() for number in range((last - first).days + 1)]
    return [_counted(day, statuses[day], states[day]) for day in days]


def _counted(day: str, statuses: Counter[str], states: Counter[str]) -> dict[str, Any]:
    settled = {state.value: states[state] for state in (State.DELIVERED, State.UNDELIVERED, State.NO_ENDPOINT)}
    return {
        "date": day,
        "results": states.total(),
        "by_status": {status.value: statuses[status] for status in Status},
        **settled,
        "waiting": states.total() - sum(settled.values()),
    }


def read_days(query: Mapping[str, str], today: date) -> tuple[date, date]:
    """Return the first and the last day that `from` and `to` ask for: the last USUAL_DAYS to today if they say nothing.

    Raises Refused INVALID_FIELD with the parameter named.
    """
    last = _date(query, "to") or today
    first = _date(query, "from") or last - timedelta(days=min(USUAL_DAYS - 1, (last - date.min).days))
    if not 0 <= (last - first).days < MOST_DAYS:
        raise Refused(Code.INVALID_FIELD, f"Ask for 1 to {MOST_DAYS} days; from comes before to.", field="from")
    return first, last


def _date(query: Mapping[str, str], name: str) -> date | None:
    if name not in query:
        return None
    try:
        if _DATE.fullmatch(query[name]):
            return date.fromisoformat(query[name])
    except ValueError:
        pass
    raise Refused(Code.INVALID_FIELD, "A day is written as 2026-07-03; days are those of UTC.", field=name)
