"""A history of 1,000,000 calls: how long the API takes to find some of them. A platform of its own, without telephony."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert

from bench.calls import CALLER_ID, CUSTOMER_PREFIX
from bench.crm import Api
from bench.ours import Ours
from intellicall.accounts import store as accounts
from intellicall.calls import store
from intellicall.storage.database import Database

CALLS = 1_000_000
PIECE = 20_000
ASKED = 500
EVERY_S = 0.02


def fill(ours: Ours, calls: int = CALLS) -> list[tuple[str, str]]:
    """Put ended calls into the platform's database, spread over a year; return id and uuid of some of them."""
    database = Database(ours.settings.sql_url)
    drawn = random.Random(7)  # noqa: S311 - a fair sample, no secret
    known: list[tuple[str, str]] = []
    try:
        account = database.read_now(lambda connection: accounts.account_by_name(connection, "bench"))
        for start in range(0, calls, PIECE):
            rows = [_row(number, account.id) for number in range(start, min(start + PIECE, calls))]
            database.write_now(lambda connection, rows=rows: _insert(connection, rows))  # type: ignore[misc]
            known += [(row["id"], row["uuid"]) for row in drawn.sample(rows, ASKED * PIECE // calls + 1)]
    finally:
        database.close()
    return known[:ASKED]


async def look_ups(api: Api, known: list[tuple[str, str]]) -> list[float]:
    """Return milliseconds of `GET /calls?uuid=` and `GET /calls/{id}`, in turn."""
    loop = asyncio.get_running_loop()
    took = []
    for number, (call_id, uuid) in enumerate(known):
        began = loop.time()
        answer, _ = await api.ask("GET", f"/calls?uuid={uuid}" if number % 2 else f"/calls/{call_id}")
        took.append((loop.time() - began) * 1000)
        assert (answer["calls"][0] if number % 2 else answer)["call_id"] == call_id
        await asyncio.sleep(EVERY_S)
    return took


def _insert(connection: Connection, rows: list[dict[str, Any]]) -> None:
    connection.execute(insert(store.calls), rows)


def _row(number: int, account_id: str) -> dict[str, Any]:
    at = datetime.now(UTC) - timedelta(seconds=31.5 * (CALLS - number))
    return {
        "id": f"00000000-0000-4000-8000-{number:012}",
        "account_id": account_id,
        "uuid": f"bench-{number}",
        "fingerprint": "0" * 64,
        "call_type": "server",
        "agent_number": "+441174960001",
        "customer_number": f"{CUSTOMER_PREFIX}{number % 900:03}",
        "from_number": CALLER_ID,
        "disposition": "CRM_CALL",
        "plan": _PLAN,
        "state": "ended",
        "agent_leg": "gone",
        "customer_leg": "gone",
        "live": False,
        "created_at": at,
        "answered_at": at + timedelta(seconds=8),
        "ended_at": at + timedelta(seconds=158),
        "talk_s": 150.0,
        "reason": "customer_hung_up",
        "seq": 7,
        "recording_url": None,
    }


_PLAN: dict[str, Any] = {
    "call_id": "",
    "agent": {"number": "+441174960001", "trunks": ["peer"]},
    "customer_number": "+442079460001",
    "caller_id": CALLER_ID,
    "trunks": ["peer"],
    "agent_ring_s": 30,
    "customer_ring_s": 45,
    "max_length_s": 14_400,
    "recording": None,
}
