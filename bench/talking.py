"""Calls that talk: what they cost the engine while both sides speak (the test network's tones), and the platform in memory."""

import asyncio

from bench.crm import Api
from bench.ours import TEST_CALLER_ID, Ours
from bench.raw import RawAsterisk
from bench.usage import cpu_seconds, resident_kb
from intellicall.telephony.testnet.numbers import NUMBERS

AGENT, CUSTOMER = NUMBERS["tone_440"].number, NUMBERS["tone_1000"].number
EVERY_S = 0.05
SETTLE_S = 3.0
AFTER_S = 2.0
REACH_S = 30.0


async def side_by_side(
    raw: RawAsterisk, ours: Ours, api: Api, calls: int, seconds: float, windows: int
) -> tuple[list[float], list[float]]:
    """Return the CPU per talking call of raw Asterisk and of our engine, in percent of a core, for each window of time.

    Both carry the same calls at the same time, so whatever else the machine does happens to both.
    """
    for _ in range(calls):
        raw.talk(AGENT, CUSTOMER)
        await asyncio.sleep(EVERY_S)
    ids = await begin(api, calls)
    await asyncio.sleep(SETTLE_S)
    pids = (raw.pid, ours.engine_pid)
    used: list[list[float]] = []
    for _ in range(windows):
        before = [cpu_seconds(pid) for pid in pids]
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(seconds)
        took = asyncio.get_running_loop().time() - began
        used.append([(cpu_seconds(pid) - cpu) / took / calls * 100 for pid, cpu in zip(pids, before, strict=True)])
    raw.hang_up_all()
    await end(api, ids)
    return [theirs for theirs, _ in used], [mine for _, mine in used]


async def memory(ours: Ours, api: Api, steps: tuple[int, ...]) -> list[tuple[float, float]]:
    """Return the platform's resident kB at each number of talking calls, in one go upward."""
    ids: list[str] = []
    points = []
    for wanted in steps:
        ids += await begin(api, wanted - len(ids))
        await asyncio.sleep(SETTLE_S)
        points.append((float(wanted), resident_kb(ours.pid)))
    await end(api, ids)
    return points


async def begin(api: Api, calls: int) -> list[str]:
    """Start calls between two numbers of the test network and wait until all talk; return their ids."""
    order = {"from_number": TEST_CALLER_ID, "to_number": CUSTOMER, "agent_number": AGENT}
    ids = []
    for _ in range(calls):
        answer, _ = await api.ask("POST", "/calls", order)
        ids.append(str(answer["call_id"]))
        await asyncio.sleep(EVERY_S)
    async with asyncio.timeout(REACH_S):
        for call_id in reversed(ids):
            while (await api.ask("GET", f"/calls/{call_id}"))[0]["state"] != "talking":  # noqa: ASYNC110 - the platform brings it about
                await asyncio.sleep(0.2)
    return ids


async def end(api: Api, ids: list[str]) -> None:
    """Hang up and wait until the engine has nothing left to do."""
    for call_id in ids:
        await api.ask("POST", f"/calls/{call_id}/hangup")
        await asyncio.sleep(EVERY_S / 5)
    await asyncio.sleep(AFTER_S)
