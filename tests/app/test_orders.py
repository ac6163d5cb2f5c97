"""Every order in every state, over HTTP: the table decides. Generated from it, so that a new state or order cannot be forgotten."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.app.running import GUEST, RINGS, WAYS, Api, open_api

from intellicall.calls.table import ORDERS, TABLE, Move, State

Request = tuple[str, str, Any]
REQUESTS: dict[Move, Request] = {
    Move.HANG_UP: ("POST", "hangup", None),
    Move.HOLD: ("POST", "hold", None),
    Move.RESUME: ("POST", "resume", None),
    Move.MUTE: ("POST", "mute", {"participant_id": "customer"}),
    Move.UNMUTE: ("POST", "unmute", {"participant_id": "customer"}),
    Move.SEND_DIGITS: ("POST", "dtmf", {"digits": "12#"}),
    Move.CONSULT: ("POST", "participants", {"to_number": RINGS, "mode": "consult"}),
    Move.ADD: ("POST", "participants", {"to_number": RINGS, "mode": "three_way"}),
    Move.SWAP: ("POST", "swap", {}),
    Move.MERGE: ("POST", "merge", {}),
    Move.TRANSFER: ("POST", "transfer", {"to_number": RINGS}),
    Move.COMPLETE: ("POST", "transfer", None),
    Move.COMPLETE_RINGING: ("POST", "transfer", {}),
    Move.DROP_GUEST: ("DELETE", "participants/p1", None),
    Move.PAUSE_RECORDING: ("POST", "recording/pause", None),
    Move.RESUME_RECORDING: ("POST", "recording/resume", None),
}
COMPLETING = (Move.COMPLETE, Move.COMPLETE_RINGING)


def target(state: State, move: Move) -> State | None:
    """What the table says; whether a warm transfer is one of a guest who rings is not the asker's choice."""
    if move in COMPLETING:
        return next((TABLE[state][one] for one in COMPLETING if one in TABLE[state]), None)
    if move is Move.HANG_UP and state is State.ENDING:
        return State.ENDING  # asked for, and under way
    return TABLE[state].get(move)


def possible(state: State) -> list[str]:
    return list(dict.fromkeys(ORDERS[move] for move in TABLE[state] if move in ORDERS))


def test_no_state_and_no_order_is_forgotten() -> None:
    assert set(WAYS) == set(State)
    assert set(REQUESTS) == set(ORDERS)


@pytest.mark.parametrize("state", State)
async def test_every_order_in_this_state(api: Api, state: State) -> None:
    call_id = None
    for move, (method, path, body) in REQUESTS.items():
        call_id = call_id or await api.call_in(state)
        before = await api.show(call_id)
        assert (before["state"], before["allowed"]) == (state, possible(state))
        status, answer, headers = await api.order(call_id, path, body, method=method)
        wanted = target(state, move)
        if wanted is not None:
            assert (status, answer["state"]) == (201 if move in (Move.CONSULT, Move.ADD) else 200, wanted), (move, answer)
            await api.order(call_id, "hangup")
            call_id = None
            continue
        unknown = move is Move.DROP_GUEST and not any(
            one["id"] == "p1" and one["state"] != "left" for one in before["participants"]
        )
        assert (status, answer["code"]) == ((404, "not_found") if unknown else (409, "not_possible_now")), (move, answer)
        assert headers["Content-Type"] == "application/problem+json"
        if not unknown:
            assert (answer["state"], answer["allowed"]) == (state, possible(state)), move
        assert await api.show(call_id) == before, "a refused order changes nothing"


@pytest.mark.parametrize("seat", ["agent", "customer"])
async def test_dropping_the_agent_or_the_customer(api: Api, seat: str) -> None:
    """As if that one hung up: the agent's leaving is a warm transfer where a guest can take over."""
    for state in State:
        await _drop(api, state, seat)


async def _drop(api: Api, state: State, seat: str) -> None:
    call_id = await api.call_in(state)
    status, answer, _ = await api.order(call_id, f"participants/{seat}", method="DELETE")
    hands_over = {
        State.CONSULTING: State.TALKING,
        State.CONSULT_HELD: State.TALKING,
        State.THREE_WAY: State.TALKING,
        State.TRANSFERRING: State.TRANSFERRING,
    }
    if Move.HANG_UP not in TABLE[state]:
        assert (status, answer["code"]) == (409, "not_possible_now")
    else:
        wanted = hands_over.get(state, State.ENDING) if seat == "agent" else State.ENDING
        assert (status, answer["state"]) == (200, wanted)
        await api.order(call_id, "hangup")


async def test_without_a_recording_there_is_nothing_to_pause(tmp_path: Path) -> None:
    async with open_api(tmp_path, recording=False) as api:
        call_id = await api.call_in(State.TALKING)
        assert not {"pause_recording", "resume_recording"} & set((await api.show(call_id))["allowed"])
        assert (await api.order(call_id, "recording/pause"))[1]["code"] == "not_possible_now"


async def test_what_the_orders_do_reaches_the_engine_and_the_view(api: Api) -> None:
    call_id = await api.call_in(State.TALKING)
    _, call, _ = await api.order(call_id, "mute")
    assert [one["muted"] for one in call["participants"]] == [True, False], "the agent, unless somebody else is named"
    assert api.engine.hears(call_id, "customer") == set()
    await api.order(call_id, "unmute", {"participant_id": "agent"})
    assert api.engine.hears(call_id, "customer") == {"agent"}
    _, call, _ = await api.order(call_id, "hold")
    assert (api.engine.hears(call_id, "customer"), api.engine.hears(call_id, "agent")) == ("music", "silence")
    assert [one["on_hold"] for one in call["participants"]] == [False, True]
    await api.order(call_id, "resume")
    _, call, _ = await api.order(call_id, "recording/pause")
    assert (call["recording_paused"], api.engine.recorded(call_id)) == (True, False)
    assert (await api.order(call_id, "recording/pause"))[0] == 200, "to pause the paused changes nothing"
    await api.order(call_id, "recording/resume")
    assert api.engine.recorded(call_id)
    await api.order(call_id, "dtmf", {"digits": "1"})
    await api.order(call_id, "dtmf", {"digits": "*2", "participant_id": "agent"})
    assert api.engine.digits == [(call_id, "customer", "1"), (call_id, "agent", "*2")]


async def test_a_consultation_from_the_second_number_to_the_warm_transfer(api: Api) -> None:
    call_id = await api.call_in(State.TALKING)
    status, call, _ = await api.order(call_id, "participants", {"to_number": "202 555 0103", "mode": "consult"})
    assert (status, call["participant_id"]) == (201, "p1")
    call = await api.until(call_id, State.CONSULTING)
    assert [(one["id"], one["role"], one["state"], one["on_hold"]) for one in call["participants"]] == [
        ("agent", "agent", "connected", False),
        ("customer", "customer", "connected", True),
        ("p1", "guest", "connected", False),
    ]
    assert call["participants"][2]["number"] == "2025550103", "as it was sent"
    await api.order(call_id, "merge")
    assert api.engine.hears(call_id, "customer") == {"agent", "p1"}
    status, call, _ = await api.order(call_id, "transfer")
    assert (status, call["state"], call["transferred_to"]) == (200, "talking", ["2025550103"])
    assert api.engine.hears(call_id, "customer") == {"p1"}
    again = await api.order(call_id, "participants", {"agent_number": RINGS, "mode": "three_way"})
    assert (again[0], again[1]["participant_id"]) == (201, "p2"), "the call goes on with every order at hand"
    assert (await api.order(call_id, "participants/p2", method="DELETE"))[1]["state"] == "talking"
    assert (await api.order(call_id, "participants/agent", method="DELETE"))[0] == 404, "who has left is nobody to drop"
    await api.order(call_id, "hangup")
    ended = await api.until(call_id, State.ENDED)
    assert (ended["transferred_to"], ended["agent_number"]) == (["2025550103"], "+12025550101")
    [request] = await api.receiver.until(1)
    assert b'"transferred_to":["2025550103"]' in request.body


async def test_a_blind_transfer_that_nobody_takes_brings_the_customer_back(api: Api) -> None:
    call_id = await api.call_in(State.TALKING)
    status, call, _ = await api.order(call_id, "transfer", {"to_number": RINGS})
    assert (status, call["state"], call["participant_id"]) == (200, "transferring", "p1")
    assert api.engine.hears(call_id, "customer") == "ringback"
    api.engine.far_end_hangs_up(call_id, "p1")
    assert (await api.until(call_id, State.TALKING))["transferred_to"] == []
    await api.order(call_id, "transfer", {"to_number": GUEST})
    assert (await api.until(call_id, State.TALKING))["transferred_to"] == [GUEST]


async def test_another_agents_softphone_can_be_called_in_when_it_is_there_and_free(api: Api) -> None:
    call_id = await api.call_in(State.TALKING)
    colleague = {"crm_username": "agent.018", "mode": "consult"}
    answer = await api.order(call_id, "participants", colleague)
    assert (answer[0], answer[1]["code"], answer[1]["field"]) == (409, "agent_offline", "crm_username")
    socket = await api.softphone("agent.018")
    status, first, _ = await api.order(call_id, "participants", colleague, key="once")
    assert (status, first["participants"][2]["crm_username"]) == (201, "agent.018")
    status, again, headers = await api.order(call_id, "participants", colleague, key="once")
    assert (status, again["participant_id"], headers["Idempotent-Replayed"]) == (200, "p1", "true"), "busy with this very call"
    await api.until(call_id, State.CONSULTING)
    other = await api.call_in(State.TALKING)
    for path, body in (("participants", colleague), ("transfer", {"crm_username": "agent.018"})):
        answer = await api.order(other, path, body)
        assert (answer[0], answer[1]["code"]) == (409, "agent_busy")
    await api.order(call_id, "transfer")
    assert (await api.show(call_id))["transferred_to"] == ["agent.018"]
    await socket.close()


async def test_an_agent_in_wrap_up_is_not_called_in(tmp_path: Path) -> None:
    async with open_api(tmp_path, wrap_up_s=60) as api:
        socket = await api.softphone("agent.018")
        first = await api.call_in(State.TALKING, agent_number=None, crm_username="agent.018")
        await api.order(first, "hangup")
        await api.until(first, State.ENDED)
        call_id = await api.call_in(State.TALKING)
        answer = await api.order(call_id, "participants", {"crm_username": "agent.018", "mode": "three_way"})
        assert (answer[0], answer[1]["code"], answer[1]["field"]) == (409, "agent_busy", "crm_username")
        await socket.close()


async def test_a_transferred_call_can_be_taken_with_two_hands_at_once(api: Api) -> None:
    """Concurrent orders: the table decides on each in turn, so one of two that exclude each other is refused."""
    call_id = await api.call_in(State.TALKING)
    consult = {"to_number": GUEST, "mode": "consult"}
    answers = await asyncio.gather(*(api.order(call_id, "participants", consult) for _ in range(5)))
    assert sorted(status for status, _, _ in answers) == [201, 409, 409, 409, 409]
    await api.until(call_id, State.CONSULTING)
    answers = await asyncio.gather(*(api.order(call_id, path) for path in ("merge", "transfer", "hangup")))
    assert (answers[2][0], (await api.until(call_id, State.ENDED))["state"]) == (200, "ended")
    assert all(status in (200, 409) for status, _, _ in answers)
