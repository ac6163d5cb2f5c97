"""However commits, lost connections, slow readers and returns follow one another: every event comes once, in order.

Hypothesis draws the interleaving; the hub, the writer and SQL are real, the pages small, so that all their edges are met.
"""

import asyncio
import re
from collections.abc import Callable, Coroutine
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection
from tests.calls.following import append
from tests.support.databases import create_tables

from intellicall.calls import events_hub, journal
from intellicall.calls.events import position_of
from intellicall.calls.events_hub import EventHub, Stream, Wanted
from intellicall.clock import SystemClock
from intellicall.storage.database import ANSWER_S, Database

T = TypeVar("T")
KINDS = ("hold", "resume", "send_digits")  # the last one is no event
_numbers = count(1)

commits = st.tuples(
    st.just("commit"), st.sampled_from(["ours", "theirs"]), st.lists(st.sampled_from(KINDS), min_size=1, max_size=6), st.booleans()
)
others = st.tuples(st.sampled_from(["open", "lose", "turns", "settle"]), st.integers(1, 30))
plans = st.lists(commits | others, min_size=1, max_size=30)


class Reader:
    """A client that comes back with the last id that it has taken."""

    def __init__(self, hub: EventHub, account_id: str, begin: int) -> None:
        self.hub = hub
        self.account_id = account_id
        self.last = begin
        self.taken: list[int] = []
        self.more = asyncio.Event()
        self.stream: Stream | None = None
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await self.lose()
        self.stream = self.hub.open(self.account_id, self.last, Wanted(), lambda _connection: None)
        self._task = asyncio.create_task(self._read(self.stream))

    async def lose(self) -> None:
        """Go away in the middle: what is under way is lost."""
        if self._task and self.stream:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self.stream.close()

    async def _read(self, stream: Stream) -> None:
        async for piece in stream.pieces():
            for block in piece.decode().split("\n\n"):
                await asyncio.sleep(0)  # may be lost between any two
                if found := re.search(r"^id: (\w+)", block, re.MULTILINE):
                    self.last = position_of(found[1]) or 0
                    if "event: " in block:
                        self.taken.append(self.last)
                        self.more.set()

    async def until(self, expected: list[int]) -> None:
        """Come back whenever the stream is over, until all is there."""
        async with asyncio.timeout(10):
            while len(self.taken) < len(expected):
                self.more.clear()
                if self._task is None or self._task.done():
                    await self.open()
                waits = [asyncio.create_task(self.more.wait()), self._task]
                await asyncio.wait([one for one in waits if one], return_when=asyncio.FIRST_COMPLETED)
                waits[0].cancel()  # type: ignore[union-attr]  # the first is never None


async def play(database: Database, plan: list[tuple[Any, ...]]) -> None:
    number = next(_numbers)
    accounts = {name: f"{name}-{number}" for name in ("ours", "theirs")}
    hub = EventHub(database, SystemClock())
    reader = Reader(hub, accounts["ours"], await database.read(journal.last_position))
    writes: list[asyncio.Task[Any]] = []

    async def commit(account_id: str, kinds: list[str], *, wake: bool) -> None:
        await database.write(partial(append, account_id=account_id, call_id=f"call-{next(_numbers)}", kinds=kinds))
        if wake:
            hub.wake(account_id)

    for step, *values in plan:
        match step:
            case "commit":
                account, kinds, wake = values
                writes.append(asyncio.create_task(commit(accounts[account], kinds, wake=wake)))
            case "open":
                await reader.open()
            case "lose":
                await reader.lose()
            case "turns":
                for _ in range(values[0]):
                    await asyncio.sleep(0)
            case "settle":
                await asyncio.gather(*writes)
    await asyncio.gather(*writes)
    hub.wake(accounts["ours"])
    expected = await database.read(partial(events_of, account_id=accounts["ours"]))
    await reader.until(expected)
    await reader.lose()
    await hub.stop()
    assert reader.taken == expected


def events_of(connection: Connection, account_id: str) -> list[int]:
    entries = journal.read_after(connection, account_id, 0, 10_000)
    return [entry.position or 0 for entry in entries if entry.kind != "send_digits"]


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_hub, "PAGE", 3)
    monkeypatch.setattr(events_hub, "BATCH", 2)
    monkeypatch.setattr(events_hub, "BUFFER_BYTES", 1_500)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plans)
@pytest.mark.usefixtures("small_pages")
def test_every_event_comes_once_and_in_order(database: Database, plan: list[tuple[Any, ...]]) -> None:
    run(play(database, plan))


class Held(Database):
    """A database whose answers to those who catch up can be held back."""

    reading = 0
    """How many have asked and not been answered yet."""

    async def read(self, work: Callable[[Connection], T], within_s: float = ANSWER_S) -> T:
        self.reading += 1
        try:
            found = await super().read(work, within_s)
            self.held.set()
            await self.release.wait()
        finally:
            self.reading -= 1
        return found

    def hold(self) -> None:
        self.held, self.release = asyncio.Event(), asyncio.Event()


async def test_what_is_told_to_others_while_a_stream_catches_up_is_not_missed(tmp_path: Path) -> None:
    """Its page was read before the event and comes back after the channel has handed the event out."""
    create_tables(url := f"sqlite:///{tmp_path / 'test.db'}")
    database = Held(url)
    database.hold()
    database.release.set()
    hub = EventHub(database, SystemClock())
    early, late = Reader(hub, "a", 0), Reader(hub, "a", 0)
    await early.open()
    await database.write(partial(append, account_id="a", call_id="c", kinds=["hold"]))
    hub.wake("a")
    await early.until([1])
    while not (early.stream and early.stream._entered) or database.reading:  # noqa: ASYNC110 - it tells nobody that it has caught up
        await asyncio.sleep(0.001)
    database.hold()
    await late.open()
    await database.held.wait()
    await database.write(partial(append, account_id="a", call_id="c", kinds=["resume"]))
    hub.wake("a")
    await early.until([1, 2])
    database.release.set()
    await late.until([1, 2])
    assert (early.taken, late.taken) == ([1, 2], [1, 2])
    for reader in (early, late):
        await reader.lose()
    await hub.stop()
    database.close()


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner() as runner:
        runner.run(coroutine)
