"""What the list of calls can be asked for, and where a page of it begins. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from intellicall.accounts.account import Account, check_text
from intellicall.accounts.numbers import parse
from intellicall.calls.endings import Status
from intellicall.calls.request import CallType
from intellicall.calls.table import State
from intellicall.errors import Code, Refused
from intellicall.web.cursor import broken, from_cursor, to_cursor

MOST = 200
USUAL = 50
LIVE = "live"
PARAMETERS = (
    "crm_username",
    "agent_number",
    "number",
    "status",
    "state",
    "from",
    "to",
    "uuid",
    "call_type",
    "limit",
    "cursor",
)

_ZONE_WITHOUT_PLUS = re.compile(r"(T\S+) (\d\d:?\d\d)", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d{1,6})?)?(Z|[+-]\d\d:?\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the list, newest first: behind the call that was accepted at `created_at` and has this `id`."""

    created_at: datetime
    id: str

    @property
    def cursor(self) -> str:
        """The word for this place that clients carry around."""
        return to_cursor(self.created_at.astimezone(UTC).isoformat(), self.id)


def read_cursor(word: str) -> Position:
    """Return the place that a cursor names. Raises Refused INVALID_FIELD for a word that we did not make."""
    at, call_id = from_cursor(word, 2)
    try:
        position = Position(datetime.fromisoformat(at), call_id)
    except ValueError:
        raise broken() from None
    if position.created_at.tzinfo is None or position.cursor != word or len(call_id) > 36:
        raise broken()
    return position


@dataclass(frozen=True, slots=True)
class Filters:
    """What a call must be to be listed; None does not matter.

    `agent_number` and `number` (the customer's) are E.164. `state`: one state, or `live` for all but `ended`. Accepted from
    `since` (inclusive) to `until` (exclusive), aware times.
    """

    crm_username: str | None = None
    agent_number: str | None = None
    number: str | None = None
    status: Status | None = None
    state: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    uuid: str | None = None
    call_type: CallType | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """One request for a page: which calls, behind which place, how many at most."""

    filters: Filters
    before: Position | None
    limit: int


def read_listing(query: Mapping[str, str], account: Account) -> Listing:
    """Return what the query's parameters (`PARAMETERS`) ask for.

    Raises Refused INVALID_FIELD with the parameter named; for a number also what `numbers.parse` raises.
    """
    filters = Filters(
        crm_username=_text(query, "crm_username"),
        agent_number=_number(query, "agent_number", account),
        number=_number(query, "number", account),
        status=Status(one_of(query, "status", list(Status))) if "status" in query else None,
        state=one_of(query, "state", [LIVE, *State]) if "state" in query else None,
        since=read_time(query, "from"),
        until=read_time(query, "to"),
        uuid=_uuid(query),
        call_type=CallType(one_of(query, "call_type", list(CallType))) if "call_type" in query else None,
    )
    before = read_cursor(query["cursor"]) if "cursor" in query else None
    return Listing(filters, before, read_limit(query))


def read_limit(query: Mapping[str, str], usual: int = USUAL, most: int = MOST) -> int:
    """Return the page's length, from 1 to `most`. Raises Refused INVALID_FIELD."""
    text = query.get("limit", str(usual))
    if not re.fullmatch(r"[1-9][0-9]{0,2}", text, re.ASCII) or int(text) > most:
        raise Refused(Code.INVALID_FIELD, f"A page has 1 to {most} entries.", field="limit")
    return int(text)


def _text(query: Mapping[str, str], name: str) -> str | None:
    return check_text(query[name], name, 128) if name in query else None


def _uuid(query: Mapping[str, str]) -> str | None:
    """Return the uuid as `POST /calls` takes it, spaces at its ends too."""
    value = query.get("uuid")
    if value is not None and (not 0 < len(value) <= 128 or not value.isprintable()):
        raise Refused(Code.INVALID_FIELD, "A uuid has 1 to 128 printable characters.", field="uuid")
    return value


def _number(query: Mapping[str, str], name: str, account: Account) -> str | None:
    return parse(query[name], account.default_region, name).e164 if name in query else None


def one_of(query: Mapping[str, str], name: str, known: list[str]) -> str:
    """Return a parameter that is one of a few words. Raises Refused INVALID_FIELD."""
    if query[name] not in known:
        raise Refused(Code.INVALID_FIELD, f"It is one of {', '.join(known)}.", field=name)
    return query[name]


def read_time(query: Mapping[str, str], name: str) -> datetime | None:
    """Return a parameter that is a time, as `needed_time` does; None without it."""
    return needed_time(query[name], name) if name in query else None


def needed_time(word: str, name: str) -> datetime:
    """Return an ISO 8601 time in UTC. Raises Refused INVALID_FIELD with `name`.

    A zone whose plus was not encoded arrives with a space, and is understood.
    """
    text = _ZONE_WITHOUT_PLUS.sub(r"\1+\2", word)
    try:
        if _TIME.fullmatch(text):
            return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise Refused(Code.INVALID_FIELD, "A time is written with its zone: 2026-07-03T10:00:00Z or …+05:30.", field=name)
