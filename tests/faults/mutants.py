"""Guards, each taken away: a suite that does not notice is worth nothing. `test_mutants.py` shows that it notices."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from tests.faults.mortal import MortalTransport
from tests.faults.playing import Venue
from tests.faults.theatre import Life

from intellicall.callbacks import store as deliveries
from intellicall.callbacks.courier import Courier
from intellicall.callbacks.delivery import Attempt, State
from intellicall.callbacks.transport import HttpTransport
from intellicall.calls import store
from intellicall.calls.calls import Calls
from intellicall.telephony.scripted.engine import ScriptedEngine

Mutant = Callable[[pytest.MonkeyPatch, Venue], None]


def acts_before_it_stores(patch: pytest.MonkeyPatch, _venue: Venue) -> None:
    start = Calls._start

    async def dial_first(self: Calls, request: Any, *more: Any) -> Any:
        await self.around.engine.ring_agent(request.plan)
        return await start(self, request, *more)

    patch.setattr(Calls, "_start", dial_first)


def dials_again_after_a_restart(patch: pytest.MonkeyPatch, _venue: Venue) -> None:
    conduct = Calls._conduct

    def dial(self: Calls, entry: Any, **_: Any) -> None:
        conduct(self, entry, dial=True)

    patch.setattr(Calls, "_conduct", dial)
    patch.setattr(ScriptedEngine, "_first_time", lambda *_: True)  # the engine's own guard, against the same


def takes_a_uuid_twice(patch: pytest.MonkeyPatch, venue: Venue) -> None:
    patch.setattr(store, "find_by_uuid", lambda *_: None)
    venue.prepare = "DROP INDEX ix_calls_uuid"


def delivers_in_a_transaction_of_its_own(patch: pytest.MonkeyPatch, _venue: Venue) -> None:
    project = deliveries.project
    later: list[Any] = []

    def changed(self: Life, entry: Any) -> None:
        while later:
            asyncio.get_running_loop().create_task(self.database.write(project_of(later.pop())), name="platform")
        told(self, entry)

    def project_of(entries: Any) -> Callable[[Any], None]:
        return lambda connection: project(connection, entries)

    told = Life._changed
    patch.setattr(deliveries, "project", lambda _connection, entries: later.append(list(entries)))
    patch.setattr(Life, "_changed", changed)


def changes_the_body_of_a_retry(patch: pytest.MonkeyPatch, _venue: Venue) -> None:
    post = HttpTransport.post

    async def other(self: HttpTransport, delivery: Any, signature: Any) -> Any:
        return await post(self, replace(delivery, body=delivery.body + b" " * delivery.attempts), signature)

    patch.setattr(HttpTransport, "post", other)


def records_before_it_sends(patch: pytest.MonkeyPatch, _venue: Venue) -> None:
    post = MortalTransport.post

    async def recorded(self: Any, delivery: Any, signature: Any) -> Any:
        attempt = Attempt(delivery.id, delivery.attempts + 1, delivery.created_at, 0, 200, "taken for granted", b"")
        work = [attempt, State.DELIVERED, None, delivery.created_at]
        await databases[-1].write(lambda connection: deliveries.record(connection, *work))
        return await post(self, delivery, signature)

    async def nothing(*_: Any) -> State:
        return State.DELIVERED

    databases: list[Any] = []
    begin = Life.begin

    async def beginning(self: Life) -> None:
        databases.append(self.database)
        await begin(self)

    patch.setattr(Life, "begin", beginning)
    patch.setattr(MortalTransport, "post", recorded)
    patch.setattr(Courier, "_record", nothing)


def does_not_compare_at_the_start(patch: pytest.MonkeyPatch, _venue: Venue) -> None:
    async def nothing(_self: Calls) -> None:
        return

    patch.setattr(Calls, "_reconcile", nothing)


def has_no_janitor(patch: pytest.MonkeyPatch, _venue: Venue) -> None:
    async def nothing(_self: Calls) -> None:
        await asyncio.Event().wait()

    patch.setattr(Calls, "janitor", nothing)


@contextmanager
def mutated(mutant: Mutant, venue: Venue) -> Iterator[None]:
    """Take the guard away for as long as the block."""
    with pytest.MonkeyPatch.context() as patch:
        mutant(patch, venue)
        yield
