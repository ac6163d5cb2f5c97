"""A history of 1,000,000 calls: how long the API takes to find, list and search them. A platform of its own, without telephony."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert

from bench.calls import CALLER_ID
from bench.crm import Api
from bench.ours import AGENTS, Ours
from intellicall.accounts import store as accounts
from intellicall.accounts.account import Agent
from intellicall.calls import store
from intellicall.storage.database import Database

CALLS = 1_000_000
PIECE = 20_000
CUSTOMERS = 200_000
ASKED = 500
EVERY_S = 0.02
STATUSES = {"ANSWER": 600, "NO_ANSWER": 250, "BUSY": 100, "FAILED": 49, "CANCELED": 1}  # of 1,000 calls
SERVER = 990  # of 1,000 calls; the others were started in a browser


def fill(ours: Ours, calls: int = CALLS) -> list[tuple[str, str]]:
    """Put ended calls into the platform's database, spread over a year; return id and uuid of some of them."""
    database = Database(ours.settings.sql_url)
    drawn = random.Random(7)  # noqa: S311 - a fair sample, no secret
    known: list[tuple[str, str]] = []
    try:
        account = database.read_now(lambda connection: accounts.account_by_name(connection, "bench"))
        agents = database.read_now(lambda connection: accounts.list_agents(connection, account.id))
        for start in range(0, calls, PIECE):
            rows = [_row(number, drawn, agents) for number in range(start, min(start + PIECE, calls))]
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


async def lists(api: Api) -> dict[str, list[float]]:
    """Return milliseconds of first and following pages of 50 calls, by the filter that narrows the list."""
    loop = asyncio.get_running_loop()
    took: dict[str, list[float]] = {}
    for number in range(ASKED // 10):
        for name, query in _queries(number).items():
            cursor = ""
            for _ in range(2):
                began = loop.time()
                page, _ = await api.ask("GET", f"/calls?limit=50{query}{cursor}")
                took.setdefault(name, []).append((loop.time() - began) * 1000)
                await asyncio.sleep(EVERY_S)
                if page["next"] is None:
                    break
                cursor = f"&cursor={page['next']}"
    return took


def _queries(number: int) -> dict[str, str]:
    """What people ask for; each time about somebody else."""
    agent = AGENTS[number % len(AGENTS)]
    day = datetime.now(UTC) - timedelta(days=1 + number * 7 % 300)
    time = f"&from={day:%Y-%m-%dT00:00:00Z}&to={day + timedelta(days=1):%Y-%m-%dT00:00:00Z}"
    customer = f"%2B{_customer(number * 3_989 % CUSTOMERS)[1:]}"
    return {
        "all": "",
        "time": time,
        "agent": f"&crm_username={agent}",
        "agent, time": f"&crm_username={agent}{time}",
        "agent, rare status": f"&crm_username={agent}&status=CANCELED",
        "agent, call type": f"&crm_username={agent}&call_type=browser",
        "agent's number": f"&agent_number={_AGENT_NUMBER.replace('+', '%2B')}",
        "customer": f"&number={customer}",
        "customer, agent, status": f"&number={customer}&crm_username={agent}&status=BUSY",
        "status": "&status=NO_ANSWER",
        "rare status": "&status=CANCELED",
        "status, call type": "&status=FAILED&call_type=browser",
        "call type": "&call_type=browser",
        "live": "&state=live",
    }


def _insert(connection: Connection, rows: list[dict[str, Any]]) -> None:
    connection.execute(insert(store.calls), rows)


def _customer(number: int) -> str:
    return f"+44207{number:07}"


def _row(number: int, drawn: random.Random, agents: list[Agent]) -> dict[str, Any]:
    at = datetime.now(UTC) - timedelta(seconds=31.5 * (CALLS - number))
    agent = agents[drawn.randrange(len(agents))]
    customer = _customer(drawn.randrange(CUSTOMERS))
    [status] = drawn.choices(list(STATUSES), list(STATUSES.values()))
    answered = status == "ANSWER"
    return {
        "id": f"{drawn.getrandbits(32):08x}-0000-4000-8000-{number:012}",
        "account_id": agent.account_id,
        "uuid": f"bench-{number}",
        "fingerprint": "0" * 64,
        "call_type": "server" if drawn.randrange(1_000) < SERVER else "browser",
        "agent_id": agent.id,
        "crm_username": agent.crm_username,
        "agent_number": _AGENT_NUMBER,
        "agent_e164": _AGENT_NUMBER,
        "customer_number": customer,
        "customer_e164": customer,
        "from_number": CALLER_ID,
        "disposition": "CRM_CALL",
        "plan": _PLAN,
        "state": "ended",
        "seats": _SEATS,
        "people": [],
        "transferred_to": [],
        "live": False,
        "created_at": at,
        "answered_at": at + timedelta(seconds=8) if answered else None,
        "ended_at": at + timedelta(seconds=158),
        "talk_s": 150.0 if answered else 0.0,
        "reason": _REASONS[status],
        "status": status,
        "seq": 7,
    }


_AGENT_NUMBER = "+441174960001"
_REASONS = {
    "ANSWER": "customer_hung_up",
    "NO_ANSWER": "customer_no_answer",
    "BUSY": "customer_busy",
    "FAILED": "number_unknown",
    "CANCELED": "agent_gave_up",
}
_SEATS = {
    "agent": ["agent", "gone", "agent", False],
    "customer": ["customer", "gone", "customer", False],
    "dialed": 0,
    "paused": False,
}
_PLAN: dict[str, Any] = {
    "call_id": "",
    "agent": {"number": _AGENT_NUMBER, "trunks": ["peer"]},
    "customer_number": "+442079460001",
    "caller_id": CALLER_ID,
    "trunks": ["peer"],
    "agent_ring_s": 30,
    "customer_ring_s": 45,
    "max_length_s": 14_400,
    "recording": None,
}
