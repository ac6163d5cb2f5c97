"""/metrics of a running platform: what calls, engines and receivers do to it, who may see it, what it costs, and its dashboard."""

import json
import re
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.app.running import RINGS, Api, open_api
from tests.support.sipp import until

from intellicall.calls.samples import BEGAN, entry
from intellicall.operation.counting import Counting
from intellicall.operation.metrics import Metrics, metrics_page
from intellicall.telephony.engine import Cause, LegAnswered, LegEnded, LegHeard, LegTried, Trunk, TryFailed

ROOT = Path(__file__).parents[2]
Samples = dict[tuple[str, ...], float]


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with open_api(tmp_path) as opened:
        yield opened


async def metrics(api: Api, **headers: str) -> Samples:
    """Return every sample: name and labels' values, sorted by the labels' names."""
    async with api.session.get(f"{api.url}/metrics", headers=headers) as answer:
        text = await answer.text()
        assert answer.status == 200, text
        assert answer.content_type == "text/plain"
    families = text_string_to_metric_families(text)
    found = {
        (one.name.removeprefix("intellicall_"), *(value for _, value in sorted(one.labels.items()))): one.value
        for family in families
        for one in family.samples
    }
    labels = [value for name, *values in found for value in values]
    assert not [value for value in labels if re.search(r"\d{7}", value)], "a phone number in a label"
    return found


async def test_a_calls_life_is_counted(api: Api) -> None:
    _, call, _ = await api.start(to_number=RINGS)
    await api.until(call["call_id"], "customer_ringing")
    live = await metrics(api)
    assert live["calls", "customer_ringing"] == 1
    assert live["accepted_to_agent_invite_seconds_count",] == 1
    assert live["agent_answer_to_customer_invite_seconds_count",] == 1
    assert live["trunk_attempts_total", "tried", "sandbox"] == 2
    await api.order(call["call_id"], "hangup")
    await api.until(call["call_id"], "ended")
    await api.receiver.until(1)
    await api.send("PATCH", f"/calls/{call['call_id']}", {"notes": "a later change is no second end"})

    async def told() -> Samples:
        while (found := await metrics(api)).get(("delivery_attempts_total", "result", "acknowledged")) != 1:
            pass
        return found

    over = await told()
    assert over["calls", "customer_ringing"] == 0
    assert over["calls_ended_total", "canceled_by_account", "CANCELED"] == 1
    assert sum(value for name, value in over.items() if name[0] == "calls_ended_total") == 1
    assert over["hangup_to_callback_seconds_count",] == 1
    assert over["deliveries_waiting", "result"] == 0
    assert over["database_write_seconds_count",] > 3
    assert over["database_up",] == 1
    assert over["disk_free_bytes",] > 0


async def test_the_engine_that_goes_and_comes_is_counted(api: Api) -> None:
    before = await metrics(api)
    assert (before["engine_up",], before["engine_adoptions_total",]) == (1, 1)
    api.engine.lose()
    assert (await metrics(api))["engine_up",] == 0
    api.engine.come_back(restarted=True)
    after = await metrics(api)
    assert (after["engine_up",], after["engine_losses_total",], after["engine_restarts_total",]) == (1, 1, 1)


async def test_readiness_tells_the_trunks_without_their_names(api: Api) -> None:
    trunks = [Trunk("carrier1", "127.0.0.1", 5060), Trunk("carrier2", "127.0.0.1", 5060, register=True, username="u")]
    await api.engine.set_trunks(trunks)
    status, parts, _ = await api.send("GET", "/readyz")
    assert status == 200
    assert parts["trunks"] == {"registered": 1, "unregistered": 0, "static": 1}
    assert "carrier1" not in str(parts)
    found = await metrics(api)
    assert found["trunk_up", "static", "carrier1"] == found["trunk_up", "registered", "carrier2"] == 1
    assert found["trunk_up", "registered", "carrier1"] == 0


async def test_softphones_are_counted(api: Api) -> None:
    async with await api.softphone("agent.017"):
        found = await metrics(api)
    assert (found["softphones", "open"], found["softphones", "ready"]) == (1, 1)


async def test_only_named_networks_see_it(tmp_path: Path) -> None:
    async with open_api(tmp_path) as api:
        for forwarded in ("127.0.0.1", "203.0.113.9", "not an address"):
            async with api.session.get(f"{api.url}/metrics", headers={"X-Forwarded-For": forwarded}) as answer:
                assert answer.status == 403  # nobody said that a proxy of ours forwards
                assert (await answer.json())["code"] == "address_not_allowed"
        door = api.platform._metrics_door([])
        door._networks = []
        assert not await _admitted(door, "127.0.0.1")


async def _admitted(door: object, peer: str) -> bool:
    from fastapi import Request  # noqa: PLC0415 - for this one

    scope = {"type": "http", "client": (peer, 1), "headers": [], "scheme": "http"}
    return bool(door._admits(Request(scope)))  # type: ignore[attr-defined]


def counted(counting: Counting, number: int) -> None:
    """One call's worth of what is counted."""
    call_id, at = f"c{number}", BEGAN
    begun = entry("initiated")
    object.__setattr__(begun.call, "id", call_id)
    counting.changed(begun)
    counting.note(LegTried(call_id, "agent", at, "t"))
    counting.engine_event(LegAnswered(call_id, "agent", at))
    counting.note(LegTried(call_id, "customer", at, "t"))
    counting.note(TryFailed(call_id, "customer", at, "t", Cause.CARRIER_FAILURE, 503))
    counting.note(LegTried(call_id, "customer", at + timedelta(seconds=1), "u"))
    for leg in ("agent", "customer"):
        counting.note(LegHeard(call_id, leg, at, 5000, 50, 0.01))
        counting.engine_event(LegEnded(call_id, leg, at, Cause.NORMAL))
    over = entry("ended")
    object.__setattr__(over.call, "id", call_id)
    counting.changed(over)
    for _ in range(9):
        counting.written(0.001, True)


def test_counting_a_call_costs_little() -> None:
    """A tenth of a millisecond is allowed; samples of calls are made beforehand as they would be."""
    metrics = Metrics()
    counting = Counting(metrics)
    counted(counting, 0)
    made = entry("initiated"), entry("ended")
    began = time.thread_time()
    for number in range(300):
        counted(counting, number)
    spent = time.thread_time() - began
    began = time.thread_time()
    for _ in range(300):
        made = entry("initiated"), entry("ended")
    making = time.thread_time() - began
    assert made
    assert (spent - making) / 300 < 0.0005  # measured: 0.05 ms; five times as much on a busy machine would not be a defect
    assert metrics.registry.get_sample_value("intellicall_rtp_loss_ratio_bucket", {"leg": "agent", "le": "0.01"}) == 301
    assert metrics.registry.get_sample_value("intellicall_rtp_loss_ratio_bucket", {"leg": "agent", "le": "0.005"}) == 0
    assert metrics.registry.get_sample_value("intellicall_agent_answer_to_customer_invite_seconds_count") == 301


async def test_the_dashboard_and_the_page_name_what_there_is_and_all_of_it(api: Api) -> None:
    exported = {name for name, *_ in await metrics(api)}
    described = {one.name.removeprefix("intellicall_"): one for one in Metrics().described}
    suffixes = {"histogram": ("_bucket", "_sum", "_count")}
    queryable = {f"{name}{end}" for name, one in described.items() for end in suffixes.get(one.kind, ("",))}
    unlabelled = {name for name, one in described.items() if not one.labels and one.kind != "histogram"}
    assert unlabelled <= exported
    dashboard = json.loads((ROOT / "deploy" / "grafana.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    used = {name for query in queries for name in re.findall(r"intellicall_(\w+)", query)}
    assert used <= queryable
    shown = {re.sub(r"_bucket$", "", name) for name in used}
    assert shown == set(described), "a metric is on no panel"
    assert (ROOT / "docs" / "metrics.md").read_text() == metrics_page()


async def test_the_event_loops_lateness_is_seen(api: Api) -> None:
    looking = api.platform.onlookers.looking
    await until(lambda: len(looking._late) > 1)
    time.sleep(0.15)  # noqa: ASYNC251 - the fault that is looked for
    await until(lambda: max(looking._late) > 0.04)
    assert (await metrics(api))["event_loop_lag_seconds",] > 0.04
