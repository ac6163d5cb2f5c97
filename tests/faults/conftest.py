"""An empty PostgreSQL database, for platforms that make their own tables."""

from collections.abc import Iterator
from itertools import count

import pytest
from tests.support.databases import PostgresServer

_numbers = count(1)


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    name = f"faults_{next(_numbers)}"
    postgres_server.run(f"CREATE DATABASE {name}")
    yield postgres_server.url(name)
    postgres_server.run(f"DROP DATABASE {name} WITH (FORCE)")
