"""Hands on a live call, by the account's backend: what each order does to what people hear (docs/live-calls.md).

The recording hears as the customer does (right) and what the customer says (left), so it tells every arrangement apart: the
agent's phone plays 440 Hz, the guest's 700 Hz, the customer's 1000 Hz, and whatever else sounds is the hold music or ringing.
"""

from pathlib import Path
from typing import Any

import pytest
from tests.support import audio
from tests.support.demo import Demo
from tests.support.hearing import heard
from tests.support.results import HEARD, download

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="session")]


class Hands:
    """One call, and what its backend does with it."""

    def __init__(self, demo: Demo, call: dict[str, Any]) -> None:
        self.demo = demo
        self.id = str(call["call_id"])
        self.recorded_s = 0.0

    async def order(self, path: str, body: object = None, method: str = "POST", status: int = 200) -> dict[str, Any]:
        got, call = await self.demo.request(method, f"/calls/{self.id}{path}", body)
        assert got == status, call
        return call

    async def listen(self, seconds: float = 1.5) -> None:
        """Let it go on for a while."""
        self.recorded_s += seconds
        await self.demo.talked(self.id, self.recorded_s)

    async def state(self, *states: str) -> dict[str, Any]:
        return await self.demo.until_state(self.id, *states)

    async def invite(self, mode: str, name: str = "tone_700", **more: str) -> str:
        body = {"to_number": self.demo.number(name), "mode": mode, **more}
        return str((await self.order("/participants", body, status=201))["participant_id"])


async def talking(demo: Demo) -> Hands:
    hands = Hands(demo, await demo.start_call("tone_1000"))
    await hands.state("talking")
    return hands


async def sides(demo: Demo, hands: Hands, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the result, and what the customer heard; the customer's own voice is in the whole recording."""
    result = await demo.result(hands.id)
    left, right = await download(demo, result["recording_url"], folder)
    assert len(left) / audio.SAMPLE_RATE == pytest.approx(result["duration"], abs=0.5 + 0.3)
    assert len(await demo.received(hands.id)) == 1
    return {**result, "left": left}, heard(right)


async def test_hold_consult_swap_merge_pause_and_warm_transfer_in_one_recording(demo: Demo, tmp_path: Path) -> None:
    hands = await talking(demo)
    await hands.listen()
    assert (await hands.order("/hold"))["state"] == "held"
    await hands.listen()
    assert (await hands.order("/resume"))["state"] == "talking"
    await hands.listen()
    guest = await hands.invite("consult")
    await hands.state("consulting")
    await hands.listen()
    assert (await hands.order("/swap"))["state"] == "consult_held"
    await hands.listen()
    assert (await hands.order("/merge"))["state"] == "three_way"
    await hands.listen()
    await hands.order("/recording/pause")
    await hands.listen()
    await hands.order("/recording/resume")
    await hands.listen()
    after = await hands.order("/transfer")
    assert [(p["id"], p["role"], p["state"]) for p in after["participants"]] == [
        ("agent", "agent", "left"), ("customer", "customer", "connected"), (guest, "agent", "connected"),
    ]  # fmt: skip
    await hands.listen(2)
    await demo.hang_up(hands.id)

    result, customer_heard = await sides(demo, hands, tmp_path)
    assert customer_heard == ["agent", "other", "agent", "other", "agent", "both", "silence", "both", "guest"]
    said = audio.tone_seconds(result["left"], 1000)
    length = len(result["left"]) / audio.SAMPLE_RATE
    assert said > HEARD * (length - 2), "the customer is recorded all along, but for the pause"
    assert (result["status"], result["reason"], result["transferred_to"]) == (
        "ANSWER",
        "ended_by_account",
        [demo.number("tone_700")],
    )


async def test_nobody_hears_a_muted_agent_and_the_recording_does_not_either(demo: Demo, tmp_path: Path) -> None:
    hands = await talking(demo)
    await hands.listen()
    assert (await hands.order("/mute"))["participants"][0]["muted"]
    await hands.listen()
    await hands.order("/unmute", {"participant_id": "agent"})
    await hands.listen()
    await demo.hang_up(hands.id)
    _, customer_heard = await sides(demo, hands, tmp_path)
    assert customer_heard == ["agent", "silence", "agent"]


async def test_a_blind_transfer_rings_in_the_customers_ear_and_goes_on_without_the_agent(demo: Demo, tmp_path: Path) -> None:
    hands = await talking(demo)
    await hands.listen()
    await hands.order("/transfer", {"to_number": demo.number("speech")})  # answers after 3 seconds
    await hands.listen(2)
    assert (await hands.state("talking"))["transferred_to"] == [demo.number("speech")]
    await demo.hang_up(hands.id)
    result, customer_heard = await sides(demo, hands, tmp_path)
    assert customer_heard[0] == "agent"
    assert "agent" not in customer_heard[1:]
    assert result["transferred_to"] == [demo.number("speech")]


@pytest.mark.parametrize("name", ["busy", "reject", "unknown"])
async def test_a_transfer_that_fails_brings_the_agent_back(demo: Demo, tmp_path: Path, name: str) -> None:
    hands = await talking(demo)
    await hands.listen()
    await hands.order("/transfer", {"to_number": demo.number(name)})
    back = await hands.state("talking")
    assert [(p["id"], p["state"]) for p in back["participants"]][2] == ("p1", "left")
    await hands.listen()
    await demo.hang_up(hands.id)
    result, customer_heard = await sides(demo, hands, tmp_path)
    assert (customer_heard[-1], result["transferred_to"]) == ("agent", [])


async def test_three_ways_at_once_and_any_of_them_can_be_dropped(demo: Demo, tmp_path: Path) -> None:
    hands = await talking(demo)
    guest = await hands.invite("three_way")
    await hands.state("three_way")
    await hands.listen()
    assert (await hands.order(f"/participants/{guest}", method="DELETE"))["state"] == "talking"
    await hands.listen()
    await hands.invite("three_way")
    await hands.state("three_way")
    await hands.listen()
    assert (await hands.order("/participants/agent", method="DELETE"))["state"] == "talking"
    await hands.listen()
    assert (await hands.order("/participants/customer", method="DELETE"))["state"] in {"ending", "ended"}
    _, customer_heard = await sides(demo, hands, tmp_path)
    assert customer_heard[-4:] == ["both", "agent", "both", "guest"]


async def test_orders_that_make_no_sense_say_what_does(demo: Demo) -> None:
    hands = await talking(demo)
    for path in ("/resume", "/swap", "/merge", "/transfer"):
        problem = await hands.order(path, status=409)
        assert (problem["code"], problem["state"]) == ("not_possible_now", "talking")
        assert {"hold", "consult", "hangup"} <= set(problem["allowed"])
    await demo.hang_up(hands.id)
    await demo.result(hands.id)
