"""One play after another on one database: what the fault suites share."""

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import text
from structlog.testing import capture_logs
from tests.faults.books import CLEARED, Books, renew
from tests.faults.oracle import Evidence, Verdict, judge
from tests.faults.scenarios import Scenario
from tests.faults.theatre import House, Stage, open_account, open_stage
from tests.support.databases import PostgresServer, create_tables
from tests.support.receiver import Receiver, receiver

from intellicall.storage.connections import open_engine

_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own in it; a play must not wait for a disk
MEMORY = _IN_MEMORY if _IN_MEMORY.is_dir() else None


@dataclass
class Venue:
    """A database and a receiver, used by play after play."""

    house: House
    books: Books
    receiver: Receiver
    template: Path | None = None
    ready: dict[tuple[str, ...], Path] = field(default_factory=dict)
    prepare: str | None = None
    """A statement that is run before each play."""

    def renew(self, events: tuple[str, ...]) -> None:
        """Forget the last play; there is the account again, which wants these events."""
        self.house.sql.dispose()
        if self.template is None:
            with self.house.sql.begin() as connection:
                connection.execute(text(f"TRUNCATE {CLEARED} CASCADE"))
            open_account(self.house, self.receiver.url, events)
            return
        file = self.template.with_name("play.db")
        if events not in self.ready:
            renew(file, self.template)
            open_account(self.house, self.receiver.url, events)
            self.ready[events] = shutil.copyfile(file, self.template.with_name(f"ready-{len(self.ready)}.db"))
        renew(file, self.ready[events])
        if self.prepare:
            with self.house.sql.begin() as connection:
                connection.execute(text(self.prepare))
            self.house.sql.dispose()

    async def run(self, scenario: Scenario, before: Callable[[Stage], None] = lambda _: None, **more: Any) -> "Played":
        """Play the scenario and judge it. `before`: told the stage when it is set. `more`: see `Stage`."""
        self.renew(tuple(scenario.events))
        async with open_stage(self.house, self.books, self.receiver, scenario.statuses, **more) as stage:
            scenario.prepare(stage)
            before(stage)
            open_end = ""
            try:
                await stage.play(scenario.acts)
            except TimeoutError as error:
                open_end = f"I2: {error}"
        verdict = judge(Evidence(self.books, self.house.folder, deaths=len(stage.lives) - 1))
        verdict.breaches[:0] = [open_end] * bool(open_end) + [f"I4: {one} was sent before its end" for one in stage.unproven]
        return Played(stage, verdict)


@dataclass
class Played:
    """What came of a play."""

    stage: Stage
    verdict: Verdict

    @property
    def died(self) -> bool:
        return len(self.stage.lives) > 1


@cache
def _empty_database() -> bytes:
    with tempfile.TemporaryDirectory(prefix="ic-faults-") as folder:
        file = Path(folder) / "empty.db"
        create_tables(f"sqlite:///{file}")
        return file.read_bytes()


@contextmanager
def sqlite_house(folder: Path) -> Iterator[tuple[House, Books, Path]]:
    """A SQLite database in memory, and the empty one that it is copied from."""
    template = folder / "template.db"
    template.write_bytes(_empty_database())
    file = folder / "play.db"
    url = f"sqlite:///{file}"
    sql = open_engine(url)
    yield House(url, sql, folder / "play"), Books(file=file), template
    sql.dispose()


@asynccontextmanager
async def sqlite_venue() -> AsyncIterator[Venue]:
    with (
        tempfile.TemporaryDirectory(prefix="ic-faults-", dir=MEMORY) as folder,
        sqlite_house(Path(folder)) as (house, books, template),
        silence(),
    ):
        async with receiver() as opened:
            yield Venue(house, books, opened, template)


@asynccontextmanager
async def postgres_venue(server: PostgresServer, name: str) -> AsyncIterator[Venue]:
    """A PostgreSQL database of the plays' own."""
    server.run(f"CREATE DATABASE {name} TEMPLATE intellicall")
    sql = open_engine(server.url(name))
    try:
        with tempfile.TemporaryDirectory(prefix="ic-faults-") as folder, silence():
            async with receiver() as opened:
                dsn = f"host={server.folder} user=postgres dbname={name}"
                yield Venue(House(server.url(name), sql, Path(folder) / "play"), Books(dsn=dsn), opened)
    finally:
        sql.dispose()
        server.run(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def silence() -> Iterator[None]:
    """Thousands of deaths write no logs."""
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _loop, _context: None)  # orders that are refused when nobody waits for them any more
    with capture_logs():
        structlog.get_config()["processors"][:] = [_drop]
        yield
    loop.set_exception_handler(before)


def _drop(_logger: Any, _name: str, _event: Any) -> Any:
    raise structlog.DropEvent


@dataclass
class Tally:
    """What a whole suite of plays came to."""

    points: Counter[str]
    counts: Counter[str]
    breaches: list[str]

    def add(self, played: Played, about: str) -> None:
        self.counts += played.verdict.counts
        self.breaches += [f"{about}: {breach}" for breach in played.verdict.breaches]


async def every_point(venue: Venue, scenario: Scenario, points: Sequence[int] | None = None, **more: Any) -> Tally:
    """Play the scenario once for each of its points, the platform dying there, until it comes through alive."""
    tally = Tally(Counter(), Counter(), [])
    whole = await venue.run(scenario, **more)
    tally.add(whole, f"{scenario.name}, undisturbed")
    names = whole.stage.lives[0].mortal.points
    at = 0
    while True:
        at += 1
        if points is not None and at > len(points):
            return tally
        number = at if points is None else points[at - 1]
        played = await venue.run(scenario, die_at=(number,), **more)
        if not played.died:
            assert number >= len(names) * 0.9
            return tally
        point = played.stage.lives[0].mortal.points[-1]
        tally.points[point] += 1
        tally.add(played, f"{scenario.name}, died at point {number} ({point})")
