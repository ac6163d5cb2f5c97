"""A CRM that fails: the result is sent again after 1, 2 and 4 seconds, the same bytes, and then kept (guide, section 5)."""

import itertools
import json

import pytest
from tests.support.demo import Demo, Json, until
from tests.support.receiver import answers, receiver

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="session")]

CALLER_ID = "+12025550194"


async def test_a_failing_receiver_is_tried_four_times_and_the_result_is_kept(demo: Demo) -> None:
    key = await demo.account("retries", caller_id=CALLER_ID)
    async with receiver(answers(503, b"try later")) as crm:
        await demo.cli("callback", "set", "retries", crm.url, "--header", "Authorization", "--value", "Bearer of-the-crm")
        demo.secrets.add("of-the-crm")
        call = await demo.start_call("busy", key=key, from_number=CALLER_ID)
        requests = await crm.until(4, 30)
        kept = await until(lambda: _undelivered(demo), 10)
        assert len(crm.requests) == 4, "tried again after the last attempt"

    gaps = [later.at - sooner.at for sooner, later in itertools.pairwise(requests)]
    for gap, wanted in zip(gaps, (1, 2, 4), strict=True):
        assert gap == pytest.approx(wanted, abs=max(0.15, wanted * 0.1)), gaps
    assert {request.body for request in requests} == {requests[0].body}
    for request in requests:
        assert request.method == "POST"
        assert request.headers["content-type"] == "application/json"
        assert request.headers["authorization"] == "Bearer of-the-crm"
    body = json.loads(requests[0].body)
    assert (body["call_id"], body["status"], body["reason"]) == (call["call_id"], "BUSY", "customer_busy")

    assert (kept["call_id"], kept["attempt_count"]) == (call["call_id"], 4)
    tried = await demo.cli("callback", "attempts", kept["id"])
    assert [(attempt["number"], attempt["status"]) for attempt in tried] == [(1, 503), (2, 503), (3, 503), (4, 503)]


async def _undelivered(demo: Demo) -> Json | None:
    found = await demo.cli("callback", "deliveries", "retries", "--state", "undelivered")
    assert len(found) <= 1
    return found[0] if found else None
