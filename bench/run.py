"""One run: starts raw Asterisk and the platform side by side, measures every row of the budget in pairs, stops everything."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import browser, history, talking
from bench.calls import CALLER_ID, Ledger, Seen
from bench.crm import Api, Receiver
from bench.figures import Figure, Limit, Row, median, median_ratio, percentile, row, shown, slope
from bench.load import Round, steady
from bench.ours import Ours
from bench.pages import softphone_kb
from bench.peer import SipPeer
from bench.ports import free_port
from bench.raw import Ports, RawAsterisk
from intellicall.app import PAGES, find_engine
from intellicall.settings import Settings

RATE = 20.0
TALK_S = 1.0
STEPS = (25, 50, 75, 100, 125, 150, 175, 200, 225, 250, 275, 300, 350, 400)
LATE_S = 0.5
"""A step of the ramp is broken when a call fails or its p95 from offer to the customer's INVITE is longer than this."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure. `full` adds the history of a million calls."""

    pairs: int
    calls: int
    talk_pairs: int
    talking: int
    talk_s: float
    step_s: float
    ramps: int
    clicks: int
    full: bool


QUICK = Plan(pairs=2, calls=160, talk_pairs=3, talking=25, talk_s=4, step_s=2, ramps=1, clicks=5, full=False)
DEFAULT = Plan(pairs=5, calls=300, talk_pairs=7, talking=30, talk_s=8, step_s=3, ramps=2, clicks=7, full=False)

Say = Callable[[str], None]


@dataclass(slots=True)
class Bench:
    """What a run has: both engines, both kinds of client, the peer and the receiver."""

    plan: Plan
    say: Say
    ledger: Ledger
    ours: Ours
    raw: RawAsterisk
    api: Api
    sandbox: Api
    scratch: Path
    rows: dict[str, Row] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)

    async def place_ours(self, seen: Seen) -> None:
        await self.api.call(seen, CALLER_ID)

    async def place_raw(self, seen: Seen) -> None:
        self.raw.call(seen)

    async def our_round(self, rate: float, count: int) -> Round:
        watched = {"engine": self.ours.engine_pid, "platform": self.ours.pid}
        return await steady(self.place_ours, self.ledger, rate=rate, count=count, talk_s=TALK_S, watched=watched, delivered=True)

    async def raw_round(self, rate: float, count: int) -> Round:
        watched = {"engine": self.raw.pid}
        return await steady(self.place_raw, self.ledger, rate=rate, count=count, talk_s=TALK_S, watched=watched, delivered=False)

    # -- the rows ------------------------------------------------------------------------------------------------------

    async def lives(self) -> None:
        """Measure setup beside raw at the same time, then our own CPU and the three latencies alone at 20 calls/s."""
        await self.raw_round(RATE, 40)
        await self.our_round(RATE, 40)
        pairs: list[tuple[Round, Round]] = []
        ours: list[Round] = []
        half = self.plan.calls // 2
        for number in range(self.plan.pairs):
            self.say(f"Calls at {RATE:.0f}/s, pair {number + 1} of {self.plan.pairs}")
            pairs.append(await asyncio.gather(self.raw_round(RATE / 2, half), self.our_round(RATE / 2, half)))
            ours.append(await self.our_round(RATE, self.plan.calls))
        raw_rounds, our_rounds = [raw for raw, _ in pairs], [mine for _, mine in pairs]
        self.failures += [seen.failure for each in (*raw_rounds, *our_rounds, *ours) for seen in each.failed]
        self._engine_setup(raw_rounds, our_rounds)
        self._own_cpu(ours)
        good = [seen for each in ours for seen in each.calls if not seen.failure]
        self._latency("to_agent", [seen.agent_invited - seen.offered for seen in good], 5, 20)
        self._latency("to_customer", [seen.customer_invited - seen.agent_answered for seen in good], 5, 20)
        self._latency("to_callback", [seen.result_at - seen.hung_up for seen in good], 20, 100)

    def _engine_setup(self, raw: list[Round], ours: list[Round]) -> None:
        theirs, mine = [each.cpu_ms("engine") for each in raw], [each.cpu_ms("engine") for each in ours]
        self._ratio("engine_setup", mine, theirs, "ms", Limit(1.15, ""))

    def _own_cpu(self, ours: list[Round]) -> None:
        values = [each.cpu_ms("platform") for each in ours]
        found = row("own_cpu", f"{sum(len(each.calls) for each in ours)} calls")
        found.figures = [Figure("median", median(values), Limit(3, "ms"), len(values))]
        found.ours = shown(median(values), "ms")
        self.rows["own_cpu"] = found

    def _latency(self, key: str, seconds: list[float], middle: float, worst: float) -> None:
        found = row(key)
        values = [value * 1000 for value in seconds]
        if not values:
            found.note = "no call came through"
        else:
            p50, p99 = percentile(values, 0.5), percentile(values, 0.99)
            found.figures = [
                Figure("p50", p50, Limit(middle, "ms"), len(values)),
                Figure("p99", p99, Limit(worst, "ms"), len(values)),
            ]
            found.ours = f"p50 {shown(p50, 'ms')}, p99 {shown(p99, 'ms')}"
            found.note = f"{len(values)} calls"
        self.rows[key] = found

    def _ratio(self, key: str, mine: list[float], theirs: list[float], unit: str, limit: Limit) -> None:
        found = row(key, f"{len(mine)} pairs")
        ratio = median_ratio(mine, theirs)
        found.figures = [Figure("ratio", ratio, limit, len(mine))]
        found.ours = f"{shown(median(mine), unit)} = {ratio:.2f} × raw"
        found.raw = shown(median(theirs), unit)
        self.rows[key] = found

    async def talk(self) -> None:
        """Measure what talking calls cost the engine."""
        self.say(f"{self.plan.talking} talking calls on each engine")
        theirs, mine = await talking.side_by_side(
            self.raw, self.ours, self.sandbox, self.plan.talking, self.plan.talk_s, self.plan.talk_pairs
        )
        self._ratio("engine_talk", mine, theirs, "% of a core", Limit(1.02, ""))

    async def memory(self) -> None:
        """Measure the platform's memory at 0, 50 and 100 talking calls, after some calls have warmed it up."""
        self.say("Memory at 0, 50 and 100 talking calls")
        await talking.end(self.sandbox, await talking.begin(self.sandbox, 10))
        points = await talking.memory(self.ours, self.sandbox, (0, 50, 100))
        found = row("memory", ", ".join(f"{calls:.0f} calls {kb / 1000:.1f} MB" for calls, kb in points))
        each = slope(points)
        found.figures = [Figure("slope", each, Limit(50, "kB"), 1)]
        found.ours = shown(each, "kB")
        self.rows["memory"] = found

    async def ramp(self) -> None:
        """Measure how many whole lives per second come through."""
        mine, theirs = [], []
        for _ in range(self.plan.ramps):
            theirs.append(await self._climb("raw", self.raw_round))
            mine.append(await self._climb("ours", self.our_round))
        if min(theirs) == 0:
            self.rows["lives"] = row("lives", "raw Asterisk broke at the first step")
            return
        self._ratio("lives", mine, theirs, "/s", Limit(0.5, "", least=True))
        self.rows["lives"].note += f"; the last step without a failure and with p95 of setup ≤ {LATE_S * 1000:.0f} ms"

    async def _climb(self, whose: str, round_at: Callable[[float, int], "asyncio.Future[Round] | object"]) -> float:
        reached = 0.0
        for rate in STEPS:
            for attempt in (1, 2):
                self.say(f"Ramp, {whose}: {rate}/s")
                outcome = await round_at(rate, int(rate * self.plan.step_s))  # type: ignore[misc]
                why = _broken(outcome)
                if not why:
                    break
                self.say(f"Ramp, {whose}: {rate}/s broke ({why})")
                if attempt == 1:
                    await asyncio.sleep(3)
            else:
                await asyncio.sleep(5)
                return reached
            reached = float(rate)
        return reached

    async def click(self) -> None:
        """Measure the way from a click in Chromium to the customer's INVITE."""
        self.say("Clicks in headless Chromium")
        found = row("browser")
        self.rows["browser"] = found
        try:
            first, again = await browser.clicks(self.ours, self.ledger, self.scratch, self.plan.clicks)
        except browser.NoBrowser:
            found.note = "no chromium on this machine"
            return
        except (TimeoutError, RuntimeError) as error:
            found.note = f"a click did not become a call ({type(error).__name__} {error})"
            return
        found.figures = [
            Figure("first", median(first), Limit(700, "ms"), len(first)),
            Figure("open", median(again), Limit(150, "ms"), len(again)),
        ]
        found.ours = f"first {shown(median(first), 'ms')}, open {shown(median(again), 'ms')}"
        found.note = f"medians of {len(first)}; slowest {shown(max(first), 'ms')} and {shown(max(again), 'ms')}"

    async def page(self) -> None:
        """Weigh the softphone's page."""
        found = row("page")
        self.rows["page"] = found
        try:
            size = softphone_kb(PAGES)
        except FileNotFoundError:
            found.note = "the pages are not built: make pages"
            return
        found.figures = [Figure("size", size, Limit(100, "kB"), 1)]
        found.ours = shown(size, "kB")

    async def history(self) -> None:
        """Look calls up in a history of a million."""
        found = row("history")
        self.rows["history"] = found
        if not self.plan.full:
            found.note = "--full finds, lists and searches among 1,000,000 calls"
            return
        self.say("Look-ups, lists and searches among 1,000,000 calls (filling the database first)")
        other = Ours(self.scratch / "history", free_port(), scripted=True)
        other.seed(self.raw.peer_port, 9)
        known = await asyncio.to_thread(history.fill, other)
        async with _running(other):
            looked_up = await history.look_ups(other.api(), known)
            listed = await history.lists(other.api())
        pages = [one for took in listed.values() for one in took]
        slowest = max(listed, key=lambda name: percentile(listed[name], 0.99))
        found.figures = [
            Figure("look-up", percentile(looked_up, 0.99), Limit(50, "ms"), len(looked_up)),
            Figure("page", percentile(pages, 0.99), Limit(50, "ms"), len(pages)),
        ]
        found.ours = f"look-up {shown(percentile(looked_up, 0.99), 'ms')}, page {shown(percentile(pages, 0.99), 'ms')}"
        medians = f"medians {shown(percentile(looked_up, 0.5), 'ms')} and {shown(percentile(pages, 0.5), 'ms')}"
        found.note = f"{medians}; slowest filter: {slowest}, p99 {shown(percentile(listed[slowest], 0.99), 'ms')}"


def _broken(outcome: Round) -> str:
    if outcome.failed:
        return f"{len(outcome.failed)} of {len(outcome.calls)} failed: {outcome.failed[0].failure}"
    late = percentile([seen.customer_invited - seen.planned for seen in outcome.calls], 0.95)
    return f"p95 {late * 1000:.0f} ms" if late > LATE_S else ""


@asynccontextmanager
async def opened(plan: Plan, say: Say) -> AsyncIterator[Bench]:
    """Start everything in a scratch folder; stop it and remove the folder afterwards."""
    async with contextlib.AsyncExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ic-bench-", ignore_cleanup_errors=True)))
        install = await asyncio.to_thread(find_engine, Settings(state_dir=scratch), lambda what, _: say(what))
        ledger = Ledger()
        peer, receiver = SipPeer(ledger), Receiver(ledger)
        peer.start()
        stack.push_async_callback(peer.stop)
        await receiver.start()
        stack.callback(receiver.stop)
        say("Starting the platform, its engine and the test network")
        ours = Ours(scratch / "ours", free_port())
        ours.seed(peer.port, receiver.port)
        await stack.enter_async_context(_running(ours))
        say("Starting raw Asterisk")
        raw = RawAsterisk(install, scratch / "raw", Ports(free_port(), free_port(), peer.port, ours.testnet_port))
        stack.push_async_callback(raw.stop)
        await raw.start()
        api, sandbox = ours.api(), ours.sandbox()
        stack.callback(api.close)
        stack.callback(sandbox.close)
        yield Bench(plan, say, ledger, ours, raw, api, sandbox, scratch)


@asynccontextmanager
async def _running(ours: Ours) -> AsyncIterator[None]:
    try:
        await ours.start()
        yield
    finally:
        await ours.stop()
