"""Every metric of the platform, as Prometheus takes them (docs/metrics.md is made of this file). Counted beside the calls' way.

No phone number, account, agent or call is ever a label: every label has few values. Times are seconds, sizes bytes.
"""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from intellicall.calls.endings import ENDINGS
from intellicall.calls.table import State
from intellicall.telephony.engine import Role, TrunkState

PREFIX = "intellicall_"
disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series of each, with the time of its making, that nobody asks for
FAST = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""What takes milliseconds when all is well."""
LOSS = (0.001, 0.005, 0.01, 0.03, 0.05, 0.1, 0.2, 0.5)
"""Shares of packets; from 0.03 on people notice."""
JITTER = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25)


@dataclass(frozen=True, slots=True)
class Described:
    """One metric: its name as it is queried (a histogram has `_bucket`, `_sum` and `_count` behind it)."""

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str


class Metrics:
    """One set for one platform process: nothing is shared between two in one interpreter."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self.described: list[Described] = []
        many, seconds, one = self._counter, self._histogram, self._gauge
        self.calls = one("calls", "Calls that are live now, by their state.", "state")
        self.ended = many("calls_ended", "Calls that have ended, by status and reason (endings.md).", "status", "reason")
        self.to_agent = seconds("accepted_to_agent_invite_seconds", "From the accepted request to the agent's INVITE.", FAST)
        self.to_customer = seconds(
            "agent_answer_to_customer_invite_seconds", "From the agent's answer to the customer's INVITE.", FAST
        )
        self.to_callback = seconds("hangup_to_callback_seconds", "From the call's end to the first attempt at its result.", FAST)
        self.attempts = many("delivery_attempts", "Attempts to deliver, by kind and what became of it.", "kind", "outcome")
        self.waiting = one("deliveries_waiting", "Deliveries that are due now or at their next attempt, by kind.", "kind")
        self.undelivered = one("deliveries_undelivered", "Dead letters: every attempt failed; kept, can be sent again.")
        self.lag = one(
            "delivery_lag_seconds",
            "How long the oldest result has been due, at endpoints that take results.",
        )
        self.endpoints_failing = one("endpoints_failing", "Accounts whose endpoint has failed for long.")
        self.endpoints_paused = one("endpoints_paused", "Accounts whose endpoint is paused.")
        self.engine_up = one("engine_up", "1 while the telephone engine takes orders.")
        self.engine_restarts = many("engine_restarts", "New engine processes that this platform has met.")
        self.engine_adoptions = many("engine_adoptions", "Running engines that this platform has taken over or found again.")
        self.engine_losses = many("engine_losses", "Times that the connection to the engine broke.")
        self.trunk_up = one("trunk_up", "Trunks: 1 for the state that holds (static ones do not register).", "trunk", "state")
        self.trunk_attempts = many(
            "trunk_attempts",
            "INVITEs by trunk (`tried`), and those that led on to the next (`failed_over`).",
            "trunk",
            "outcome",
        )
        self.loss = seconds("rtp_loss_ratio", "Share of an ended leg's packets that were lost on their way to us.", LOSS, "leg")
        self.jitter = seconds("rtp_jitter_seconds", "Jitter of an ended leg, as the engine measured it (RFC 3550).", JITTER, "leg")
        self.database_up = one("database_up", "1 while the database can be written.")
        self.writes = seconds("database_write_seconds", "From a write's order to its durable end, waiting included.", FAST)
        self.write_failures = many("database_write_failures", "Writes that could not be stored.")
        self.loop_lag = one("event_loop_lag_seconds", "The longest the event loop was late in the last ten seconds.")
        self.disk_free = one("disk_free_bytes", "Free space of the recordings' disk.")
        self.softphones = one("softphones", "Softphones that are open, and those of them that can be rung.", "state")
        self._prepare()

    def _prepare(self) -> None:
        """Have every series there from the start: what never happened is 0, not absent."""
        for state in State:
            if state is not State.ENDED:
                self.calls.labels(state)
        for reason, ending in ENDINGS.items():
            self.ended.labels(ending.status, reason)
        for leg in (Role.AGENT, Role.CUSTOMER, "guest"):
            self.loss.labels(leg)
            self.jitter.labels(leg)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        self.described.append(Described(f"{PREFIX}{name}_total", "counter", labels, text))
        return Counter(f"{PREFIX}{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        self.described.append(Described(f"{PREFIX}{name}", "gauge", labels, text))
        return Gauge(f"{PREFIX}{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        self.described.append(Described(f"{PREFIX}{name}", "histogram", labels, text))
        return Histogram(f"{PREFIX}{name}", text, labels, registry=self.registry, buckets=buckets)


def set_states(gauge: Gauge, trunk: str, now: TrunkState) -> None:
    """Set 1 for the state that holds and 0 for the others."""
    for state in TrunkState:
        gauge.labels(trunk, state).set(state is now)


def metrics_page() -> str:
    """Return docs/metrics.md."""
    lines = [
        "# Metrics",
        "",
        "<!-- Generated from `operation/metrics.py` by `intellicall reference`. Do not edit. -->",
        "",
        "`GET /metrics` gives these in Prometheus' text format, to `INTELLICALL_METRICS_NETWORKS` only (this machine, if not set);",
        "behind a proxy the address that counts is the one that `INTELLICALL_TRUSTED_PROXIES` tells. No phone number, account,",
        "agent or call is in them. A histogram has `_bucket`, `_sum` and `_count`. `deploy/grafana.json` is a dashboard of them.",
        "",
        "| metric | kind | labels | |",
        "|---|---|---|---|",
    ]
    for one in Metrics().described:
        labels = ", ".join(f"`{label}`" for label in one.labels) or "–"
        lines.append(f"| `{one.name}` | {one.kind} | {labels} | {one.text} |")
    return "\n".join(lines) + "\n"
