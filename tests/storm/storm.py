"""One storm: open the site, place calls while faults strike, wait until all is quiet, gather the evidence, judge."""

import asyncio
import json
import time
from dataclasses import asdict
from pathlib import Path

from tests.storm.evidence import gather, quiet
from tests.storm.load import place_calls
from tests.storm.numbers import CALLS_AT_MOST
from tests.storm.site import Site
from tests.storm.verdict import Verdict, judge
from tests.storm.weather import strike

LAST_TALK_S = 8.0


async def storm(
    folder: Path, *, rate: float, seconds: float, seed: int, kinds: list[str], database_url: str | None = None
) -> Verdict:
    """Run one storm in an empty folder. Raises TimeoutError when the platform does not come back or never falls quiet."""
    site = Site(folder, database_url)
    count = min(round(rate * seconds), CALLS_AT_MOST)
    try:
        await site.open()
        weather = asyncio.create_task(strike(site, seed, time.time() + seconds, kinds))
        placed = await place_calls(site, rate=rate, count=count)
        struck = await weather
        site.log_of("faults").write_text("".join(json.dumps(asdict(fault)) + "\n" for fault in struck))
        await asyncio.sleep(LAST_TALK_S)
        await quiet(site, sum(call.call_id is not None for call in placed))
        return judge(await gather(site, placed, struck))
    finally:
        await site.close()
