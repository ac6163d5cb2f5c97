"""What the storm's witnesses saw, gathered by call: the phones, the receiver, the feed, the database, the recordings."""

import asyncio
import base64
import contextlib
import io
import json
import re
import sqlite3
import time
import wave
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import psycopg
from tests.storm.load import Placed
from tests.storm.numbers import AGENT_TONES, CUSTOMER_TONES, NUMBER
from tests.storm.site import Site
from tests.storm.weather import Struck

Json = dict[str, Any]
QUIET_S = 90.0
RATE = 8000
FRAME_BYTES = 4
ERROR = re.compile(r"\[(?:error|critical) *\] (.*?)(?:  |$)|\"event\": ?\"([^\"]*)\".*\"level\": ?\"(?:error|critical)")
DOWNLOADS = 8


@dataclass(slots=True)
class Leg:
    """One SIP dialog as the phones saw it. Times are seconds of the wall clock; None: that did not happen."""

    invited: float
    answered: float | None = None
    confirmed: float | None = None
    ended: Json | None = None


@dataclass(slots=True)
class Sound:
    """A recording as it was downloaded: seconds, and for each side how many seconds of which tone."""

    status: int
    seconds: float = 0.0
    left: dict[int, float] = field(default_factory=dict)
    right: dict[int, float] = field(default_factory=dict)


@dataclass(slots=True)
class Wire:
    """The dials that were captured on the network: the SIP Call-IDs by (index, role), and what the capture missed."""

    dials: dict[tuple[int, str], set[str]]
    packets: int
    drops: int


@dataclass(slots=True)
class Evidence:
    """Everything, by call. `legs` by (index, role); `pushed`, `fed` and `attempts` by the platform's call id.

    `wire` is None where packets may not be captured.
    """

    placed: list[Placed]
    struck: list[Struck]
    legs: dict[tuple[int, str], dict[str, Leg]]
    pushed: dict[str, list[Json]]
    fed: dict[str, list[Json]]
    deliveries: dict[str, list[Json]]
    journal: dict[str, list[tuple[int, str]]]
    live: int
    sound_database: bool
    left_behind: list[str]
    leaks: int
    errors: Counter[str]
    sounds: dict[str, Sound]
    wire: Wire | None

    @property
    def engine_deaths(self) -> list[float]:
        """When the engine was killed: seconds of the wall clock."""
        return [struck.engine_killed for struck in self.struck if struck.engine_killed is not None]


async def quiet(site: Site, accepted: int) -> None:
    """Wait until every accepted call has its result and no delivery is under way. Raises TimeoutError."""
    deadline = time.time() + QUIET_S
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as http:
        while time.time() < deadline:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                _, live = await site.ask(http, "GET", "/calls?state=live&limit=1")
                _, due = await site.ask(http, "GET", "/deliveries?state=due&limit=1")
                if not live["calls"] and not due["deliveries"] and len(await read_feed(site, http)) >= accepted:
                    return
            await asyncio.sleep(0.5)
    raise TimeoutError("calls or deliveries are still under way")


async def read_feed(site: Site, http: aiohttp.ClientSession) -> list[Json]:
    """Return every result of the account, as a CRM without callback URL reads them."""
    results: list[Json] = []
    after = ""
    while True:
        _, page = await site.ask(http, "GET", f"/results?limit=500{after}")
        results += page["results"]
        after = f"&after={page['next']}"
        if not page["more"]:
            return results


async def gather(site: Site, placed: list[Placed], struck: list[Struck]) -> Evidence:
    """Read all witnesses; the platform is stopped in between, so that the database is read at rest."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        fed = await read_feed(site, http)
        sounds = await _listen(http, [result for result in fed if result["recording_url"]])
    await site.stop_platform()
    rows = _sql(site, "SELECT call_id, seq, kind FROM journal ORDER BY call_id, seq")
    journal: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for call_id, seq, kind in rows:
        journal[call_id].append((seq, kind))
    deliveries: dict[str, list[Json]] = defaultdict(list)
    for call_id, state, attempts in _sql(site, "SELECT call_id, state, attempts FROM deliveries WHERE event IS NULL"):
        deliveries[call_id].append({"state": state, "attempts": attempts})
    return Evidence(
        placed=placed,
        struck=struck,
        legs=_legs(site.log_of("phones")),
        pushed=_pushed(site.log_of("receiver")),
        fed=_by_call(fed),
        deliveries=deliveries,
        journal=journal,
        live=int(_sql(site, "SELECT count(*) FROM calls WHERE live")[0][0]),
        sound_database=site.database_url is not None or _sql(site, "PRAGMA integrity_check") == [("ok",)],
        left_behind=[file.name for file in (site.state / "recordings").glob("*.raw")],
        leaks=_leaks(site),
        errors=_errors(site),
        sounds=sounds,
        wire=await _wire(site),
    )


async def _wire(site: Site) -> Wire | None:
    if site.wire is None:
        return None
    await site.stop_wire()
    *seen, told = _lines(site.log_of("wire"))
    dials: dict[tuple[int, str], set[str]] = defaultdict(set)
    for line in seen:
        dials[line["index"], line["role"]].add(line["sip_id"])
    return Wire(dials, told["packets"], told["drops"])


def _legs(log: Path) -> dict[tuple[int, str], dict[str, Leg]]:
    legs: dict[tuple[int, str], dict[str, Leg]] = defaultdict(dict)
    for line in _lines(log):
        own = legs[line["index"], line["role"]]
        match line["what"]:
            case "invited":
                own[line["sip_id"]] = Leg(line["at"])
            case "answered":
                own[line["sip_id"]].answered = line["at"]
            case "confirmed":
                own[line["sip_id"]].confirmed = line["at"]
            case "ended":
                own[line["sip_id"]].ended = line
    return legs


def _pushed(log: Path) -> dict[str, list[Json]]:
    received = [line | {"raw": line["body"], "body": json.loads(base64.b64decode(line["body"]))} for line in _lines(log)]
    pushed: dict[str, list[Json]] = defaultdict(list)
    for line in received:
        pushed[line["body"]["call_id"]].append(line)
    return pushed


def _by_call(results: Iterable[Json]) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = defaultdict(list)
    for result in results:
        found[result["call_id"]].append(result)
    return found


def _lines(log: Path) -> list[Json]:
    """A killed process may leave half a line at its end."""
    lines = []
    for line in log.read_text().splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            lines.append(json.loads(line))
    return lines


def _sql(site: Site, query: str) -> list[tuple[Any, ...]]:
    if site.database_url:
        with psycopg.connect(site.database_url.replace("postgresql+psycopg", "postgresql")) as server:
            return server.execute(query).fetchall()
    with contextlib.closing(sqlite3.connect(site.state / "intellicall.db")) as file:
        return file.execute(query).fetchall()


def _leaks(site: Site) -> int:
    """Count the lines of our logs that have a number or the key in them."""
    return sum(NUMBER.search(line) is not None or site.key in line for line in _logged(site))


def _errors(site: Site) -> Counter[str]:
    """Count what was logged as an error, by its name."""
    return Counter(found[1] or found[2] for line in _logged(site) if (found := ERROR.search(line)))


def _logged(site: Site) -> Iterator[str]:
    files = [site.folder / "platform.log", *(site.state / "logs").glob("*.log")]
    return (line for file in files if file.exists() for line in file.read_text(errors="replace").splitlines())


async def _listen(http: aiohttp.ClientSession, results: list[Json]) -> dict[str, Sound]:
    limit = asyncio.Semaphore(DOWNLOADS)

    async def one(result: Json) -> tuple[str, Sound]:
        async with limit, http.get(result["recording_url"]) as answer:
            content = await answer.read()
            return result["call_id"], _sound(content) if answer.status == 200 else Sound(answer.status)

    return dict(await asyncio.gather(*(one(result) for result in results)))


def _sound(content: bytes) -> Sound:
    with wave.open(io.BytesIO(content)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2)
    return Sound(200, len(samples) / RATE, _tones(samples[:, 0]), _tones(samples[:, 1]))


def _tones(samples: "np.ndarray[Any, np.dtype[np.int16]]") -> dict[int, float]:
    """Return how many seconds each voice of the storm is clearly heard: 100 ms at a time."""
    step = RATE // 10
    windows = samples[: len(samples) // step * step].reshape(-1, step).astype(np.float64)
    power = np.abs(np.fft.rfft(windows, axis=1)) ** 2
    heard: dict[int, float] = {}
    for row in power:
        strongest = int(row.argmax()) * 10
        if strongest in (*CUSTOMER_TONES, *AGENT_TONES) and row.max() > 0.5 * row.sum() and row.max() > 1e8:
            heard[strongest] = heard.get(strongest, 0) + 0.1
    return heard
