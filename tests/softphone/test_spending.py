"""Spending a launch when two platforms share one PostgreSQL: the second one waits for the first and then finds it spent."""

import threading

import pytest
from sqlalchemy import Engine, create_engine, text
from tests.softphone.room import CALLER_ID, TONE, people
from tests.support.clock import HandClock
from tests.support.databases import PostgresServer

from intellicall.errors import Code, Refused
from intellicall.ids import new_id, new_token
from intellicall.softphone import store
from intellicall.softphone.launch import Launch
from intellicall.storage.schema import metadata

WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted")


@pytest.mark.postgres
def test_two_platforms_spend_one_launch_once(postgres_server: PostgresServer) -> None:
    postgres_server.run("CREATE DATABASE spending")
    engine = create_engine(postgres_server.url("spending"))
    try:
        _race(engine)
    finally:
        engine.dispose()
        postgres_server.run("DROP DATABASE spending WITH (FORCE)")


def _race(engine: Engine) -> None:
    now, ticket = HandClock().now(), new_token()
    with engine.begin() as connection:
        metadata.create_all(connection)
        account, agent, *_ = people(connection, now)
        made = Launch(new_id(), account.id, agent.id, agent.crm_username, TONE, TONE, CALLER_ID, None, created_at=now)
        store.add_launch(connection, made, ticket)
    second: list[Code] = []

    def spend_too() -> None:
        with engine.begin() as connection:
            try:
                store.spend(connection, ticket, agent.id, now)
            except Refused as refused:
                second.append(refused.code)

    thread = threading.Thread(target=spend_too)
    with engine.connect() as watcher, engine.connect() as first:
        with first.begin():
            store.spend(first, ticket, agent.id, now)
            thread.start()
            while not watcher.execute(WAITING).scalar_one():
                watcher.rollback()
        thread.join(10)
    assert second == [Code.LAUNCH_SPENT]
