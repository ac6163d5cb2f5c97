"""The CRM's side of the storm: places calls at an even rate; as integrators do, asks again with the same uuid until it knows.

Refused, it waits as long as Retry-After says.
"""

import asyncio
import contextlib
import json
import time
from dataclasses import asdict, dataclass, field

import aiohttp
from tests.storm.numbers import CALLER_ID, agent_number, customer_number
from tests.storm.site import Site

GIVES_UP_S = 20.0
AGAIN_S = 0.3


@dataclass(slots=True)
class Placed:
    """One call as its CRM knows it. `answers`: what each attempt was told; 0 is no answer."""

    index: int
    uuid: str
    first_at: float
    answers: list[int] = field(default_factory=list)
    call_id: str | None = None
    accepted_at: float = 0.0


async def place_calls(site: Site, *, rate: float, count: int) -> list[Placed]:
    """Place `count` calls, `rate` a second; return them when each was accepted or given up."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    tasks: list[asyncio.Task[Placed]] = []
    timeout = aiohttp.ClientTimeout(total=5)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as http:
        for index in range(count):
            await asyncio.sleep(max(began + index / rate - loop.time(), 0))
            tasks.append(asyncio.create_task(_place(site, http, index)))
        placed = await asyncio.gather(*tasks)
    site.log_of("calls").write_text("".join(json.dumps(asdict(call)) + "\n" for call in placed))
    return placed


async def _place(site: Site, http: aiohttp.ClientSession, index: int) -> Placed:
    placed = Placed(index, f"storm-{index}", time.time())
    order = {
        "from_number": CALLER_ID,
        "to_number": customer_number(index),
        "agent_number": agent_number(index),
        "uuid": placed.uuid,
    }
    while time.time() < placed.first_at + GIVES_UP_S:
        status, wait_s = 0, AGAIN_S
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, json.JSONDecodeError):
            async with site.request(http, "POST", "/calls", order) as response:
                status, answer = response.status, await response.json(content_type=None)
                wait_s = float(response.headers.get("Retry-After", AGAIN_S))
            if status in (200, 201):
                placed.call_id, placed.accepted_at = answer["call_id"], time.time()
        placed.answers.append(status)
        if placed.call_id or 400 <= status < 429:
            break
        await asyncio.sleep(wait_s)
    return placed
