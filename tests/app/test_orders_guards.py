"""Orders over HTTP: sent again, by others, in a wrong form, without an engine; and what people say about a call."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.app.running import CALLER_ID, GUEST, RINGS, Answer, Api, open_api, running, seed
from tests.calls.world import open_world

from intellicall.calls.table import State
from intellicall.errors import Code, Refused
from intellicall.storage.database import Database
from intellicall.telephony.testnet.numbers import NUMBERS

CONSULT = {"to_number": GUEST, "mode": "consult"}
ORDERS: list[tuple[str, str, Any]] = [
    ("POST", "hold", None),
    ("POST", "resume", None),
    ("POST", "mute", None),
    ("POST", "unmute", None),
    ("POST", "dtmf", {"digits": "1"}),
    ("POST", "participants", CONSULT),
    ("POST", "swap", None),
    ("POST", "merge", None),
    ("POST", "transfer", None),
    ("POST", "recording/pause", None),
    ("POST", "recording/resume", None),
    ("POST", "hangup", None),
    ("DELETE", "participants/agent", None),
]


async def kinds(api: Api, call_id: str) -> list[str]:
    """What the journal has of a call."""
    from intellicall.calls import journal  # noqa: PLC0415 - only here

    entries = await api.platform.database.read(lambda connection: journal.read(connection, call_id, 1))
    return [entry.kind for entry in entries]


# -- sent again ----------------------------------------------------------------------------------------------------------


async def test_an_order_with_a_key_is_carried_out_once(api: Api) -> None:
    call_id = await api.call_in(State.TALKING)
    status, call, headers = await api.order(call_id, "hold", key="k-1")
    assert (status, call["state"], headers.get("Idempotent-Replayed")) == (200, "held", None)
    await api.order(call_id, "resume", key="k-2")
    status, call, headers = await api.order(call_id, "hold", key="k-1")
    assert (status, call["state"], headers["Idempotent-Replayed"]) == (200, "talking", "true"), "the call as it is now"
    assert (await kinds(api, call_id)).count("hold") == 1
    await api.order(call_id, "hangup", key="k-3")
    await api.until(call_id, State.ENDED)
    status, call, headers = await api.order(call_id, "hold", key="k-1")
    assert (status, call["state"], headers["Idempotent-Replayed"]) == (200, "ended", "true"), "also when it would be refused now"


async def test_a_refused_order_does_not_spend_its_key(api: Api) -> None:
    call_id = await api.call_in(State.TALKING)
    assert (await api.order(call_id, "resume", key="k"))[0] == 409
    await api.order(call_id, "hold")
    status, call, headers = await api.order(call_id, "resume", key="k")
    assert (status, call["state"], headers.get("Idempotent-Replayed")) == (200, "talking", None)


@pytest.mark.parametrize(("path", "body"), [("mute", None), ("hold", None), ("participants", CONSULT), ("dtmf", {"digits": "1"})])
async def test_the_same_key_many_times_at_once_is_one_order(api: Api, path: str, body: Any) -> None:
    call_id = await api.call_in(State.TALKING)
    answers = await asyncio.gather(*(api.order(call_id, path, body, key="same") for _ in range(6)))
    fresh = [answer for answer in answers if "Idempotent-Replayed" not in answer[2]]
    assert (len(fresh), {answer[0] for answer in answers} <= {200, 201}) == (1, True)
    assert (await kinds(api, call_id)).count({"participants": "consult", "dtmf": "send_digits"}.get(path, path)) == 1
    assert api.engine.dialed.count(GUEST) <= 1
    assert len(api.engine.digits) <= 1
    if path == "participants":
        assert {answer[1]["participant_id"] for answer in answers} == {"p1"}
    assert (await api.show(call_id))["state"] != "ended"


async def test_the_same_key_at_once_on_two_calls_is_a_conflict_for_one_and_breaks_none(api: Api) -> None:
    calls = [await api.call_in(State.TALKING) for _ in range(2)]
    answers = await asyncio.gather(*(api.order(call_id, "hold", key="same") for call_id in calls))
    assert sorted(status for status, _, _ in answers) == [200, 409]
    assert [answer["code"] for status, answer, _ in answers if status == 409] == ["idempotency_conflict"]
    assert sorted([(await api.show(call_id))["state"] for call_id in calls]) == ["held", "talking"]


async def test_a_key_with_another_content_is_a_conflict(api: Api) -> None:
    call_id = await api.call_in(State.TALKING)
    assert (await api.order(call_id, "participants", CONSULT, key="k"))[0] == 201
    await api.until(call_id, State.CONSULTING)
    for path, body in (
        ("participants", CONSULT | {"to_number": RINGS}),
        ("participants", CONSULT | {"mode": "three_way"}),
        ("hangup", None),
        ("dtmf", {"digits": "1"}),
    ):
        status, problem, _ = await api.order(call_id, path, body, key="k")
        assert (status, problem["code"], problem["field"]) == (409, "idempotency_conflict", "Idempotency-Key")
    assert (await api.show(call_id))["state"] == "consulting"


async def test_a_key_is_remembered_through_a_restart(tmp_path: Path) -> None:
    async with open_api(tmp_path) as api:
        call_id = await api.call_in(State.TALKING)
        _, first, _ = await api.order(call_id, "participants", CONSULT, key="k")
        await api.until(call_id, State.CONSULTING)
        settings = api.platform.settings
        await api.platform.stop()
        async with running(settings) as (platform, _):
            api.platform = platform
            status, again, headers = await api.order(call_id, "participants", CONSULT, key="k")
            assert (status, headers["Idempotent-Replayed"]) == (200, "true")
            assert again["participant_id"] == first["participant_id"] == "p1"
            assert (await api.order(call_id, "hold", key="k"))[1]["code"] == "idempotency_conflict"


@pytest.mark.parametrize("key", ["", "x" * 256, "schlüssel", "tab\there"])
async def test_a_key_that_is_none_is_refused(api: Api, key: str) -> None:
    call_id = await api.call_in(State.TALKING)
    status, problem, _ = await api.order(call_id, "hold", key=key)
    assert (status, problem["code"], problem["field"]) == (422, "invalid_field", "Idempotency-Key")
    assert (await api.order(call_id, "hold", key="x" * 255))[0] == 200


async def test_two_keys_at_once_are_refused(api: Api) -> None:
    call_id = await api.call_in(State.TALKING)
    url, headers = f"{api.url}/calls/{call_id}/hold", [("Authorization", f"Bearer {api.key}")]
    async with api.session.post(url, headers=[*headers, ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]) as answer:
        assert (answer.status, (await answer.json(content_type=None))["code"]) == (400, "duplicate_field")


async def test_a_new_call_has_its_uuid_and_takes_no_key(api: Api) -> None:
    body = {"from_number": CALLER_ID, "to_number": GUEST, "agent_number": GUEST}
    status, problem, _ = await api.send("POST", "/calls", body, headers={"Idempotency-Key": "k"})
    assert (status, problem["code"], problem["field"]) == (422, "invalid_field", "Idempotency-Key")
    assert api.engine.dialed == []


# -- by others -----------------------------------------------------------------------------------------------------------


async def test_orders_of_others_find_nothing(api: Api) -> None:
    """Another account's call is as unknown as one that never was; a browser key, a wrong one and none open nothing."""
    call_id = await api.call_in(State.TALKING)
    before = await api.show(call_id)
    other, _ = await _second_account(api)
    for method, path, body in ORDERS:
        await _find_nothing(api, call_id, other, method, path, body)
    assert await api.show(call_id) == before


async def _find_nothing(api: Api, call_id: str, other: str, method: str, path: str, body: Any) -> None:
    attempts: dict[str | None, tuple[int, str]] = {
        other: (404, "not_found"),
        api.browser_key: (401, "wrong_key_kind"),
        "ics_wrong": (401, "invalid_key"),
        None: (401, "missing_key"),
    }
    unknown = await api.send(method, f"/calls/{'0' * 36}/{path}", body)
    for key, wanted in attempts.items():
        headers = {"Authorization": f"Bearer {key}" if key else ""}
        status, problem, _ = await api.send(method, f"/calls/{call_id}/{path}", body, headers=headers)
        assert (status, problem["code"]) == wanted
        if key == other:
            assert {**problem, "request_id": ""} == {**unknown[1], "request_id": ""}


async def _second_account(api: Api) -> tuple[str, str]:
    database = Database(api.platform.settings.sql_url)
    keys = await database.write(lambda c: seed(c, "a2", "+12025550191", api.receiver.url, {}))
    await asyncio.to_thread(database.close)
    return keys


# -- without an engine ---------------------------------------------------------------------------------------------------


async def test_while_the_engine_is_away_orders_are_refused_and_the_call_goes_on(api: Api) -> None:
    """503 and the call is untouched; but for the end of it, which is taken, and carried out when the engine is back."""
    call_id = await api.call_in(State.TALKING)
    before = await api.show(call_id)
    api.engine.lose()
    for method, path, body in ORDERS:
        if path != "hangup":
            status, answer, headers = await api.order(call_id, path, body, method=method)
            assert (status, answer["code"], int(headers["Retry-After"])) == (503, "engine_unavailable", 3)
            assert await api.show(call_id) == before
    api.engine.come_back(restarted=False)
    assert (await api.order(call_id, "hold"))[0] == 200
    api.engine.lose()
    status, answer, _ = await api.order(call_id, "hangup")
    assert (status, answer["state"]) == (200, "ending")


# -- in a wrong form -----------------------------------------------------------------------------------------------------


WRONG: list[tuple[str, Any, int, str, str]] = [
    ("hold", {"x": 1}, 422, "unknown_field", "x"),
    ("hold?x=1", None, 422, "unknown_field", "x"),
    ("mute", {"participant_id": 1}, 422, "invalid_field", "participant_id"),
    ("mute", {"participant_id": "p9"}, 404, "not_found", "participant_id"),
    ("dtmf", None, 415, "unsupported_media_type", "content-type"),
    ("dtmf", {}, 422, "missing_field", "digits"),
    ("dtmf", {"digits": ""}, 422, "invalid_field", "digits"),
    ("dtmf", {"digits": "1w2"}, 422, "invalid_field", "digits"),
    ("dtmf", {"digits": "1,2"}, 422, "invalid_field", "digits"),
    ("dtmf", {"digits": "a"}, 422, "invalid_field", "digits"),
    ("dtmf", {"digits": "１"}, 422, "invalid_field", "digits"),
    ("dtmf", {"digits": "1\n"}, 422, "invalid_field", "digits"),
    ("dtmf", {"digits": "1" * 33}, 422, "invalid_field", "digits"),
    ("dtmf", {"digits": "1", "participant_id": "p1"}, 404, "not_found", "participant_id"),
    ("participants", {"to_number": GUEST}, 422, "missing_field", "mode"),
    ("participants", {"mode": "consult"}, 422, "invalid_field", "to_number"),
    ("participants", {"mode": "whisper", "to_number": GUEST}, 422, "invalid_field", "mode"),
    ("participants", CONSULT | {"crm_username": "agent.018"}, 422, "invalid_field", "to_number"),
    ("participants", CONSULT | {"to_number": "12"}, 422, "invalid_number", "to_number"),
    ("participants", CONSULT | {"to_number": "{phone}"}, 400, "template_not_filled", "to_number"),
    ("participants", CONSULT | {"to_number": "+919876543210"}, 403, "destination_not_allowed", "to_number"),
    ("participants", {"agent_number": "+919876543210", "mode": "consult"}, 403, "destination_not_allowed", "agent_number"),
    ("participants", CONSULT | {"from_number": "+12025550199"}, 403, "number_not_assigned", "from_number"),
    ("participants", {"crm_username": "nobody", "mode": "consult"}, 404, "unknown_agent", "crm_username"),
    ("transfer", {"mode": "consult"}, 422, "unknown_field", "mode"),
    ("transfer", {"from_number": CALLER_ID}, 422, "invalid_field", "to_number"),
    ("transfer", {"to_number": ""}, 422, "invalid_field", "to_number"),
]


async def test_each_wrong_part_is_named_and_nothing_happens(api: Api) -> None:
    call_id = await api.call_in(State.TALKING)
    before, dialed = await api.show(call_id), list(api.engine.dialed)
    for path, body, status, code, field in WRONG:
        answer = await api.order(call_id, path, body)
        assert (answer[0], answer[1]["code"], answer[1].get("field")) == (status, code, field), (path, body)
    assert (await api.show(call_id), api.engine.dialed, api.engine.digits) == (before, dialed, [])


async def test_digits_are_for_somebody_who_has_answered(api: Api) -> None:
    call_id = await api.call_in(State.ADDING)
    status, problem, _ = await api.order(call_id, "dtmf", {"digits": "1", "participant_id": "p1"})
    assert (status, problem["code"], api.engine.digits) == (409, "not_possible_now", [])


@pytest.mark.parametrize("call_id", ["x", "%00", "%F0%9F%93%9E", "a" * 3000])
async def test_what_is_no_call_is_unknown(api: Api, call_id: str) -> None:
    for answer in (
        await api.send("GET", f"/calls/{call_id}"),
        await api.send("PATCH", f"/calls/{call_id}", {"notes": "x"}),
        await api.order(call_id, "hold"),
        await api.order(call_id, "participants", CONSULT),
    ):
        assert (answer[0], answer[1]["code"]) == (404, "not_found")


@pytest.mark.postgres
async def test_no_text_breaks_a_database(database: Database, tmp_path: Path) -> None:
    """PostgreSQL takes no NUL, so that none may reach it."""
    async with open_world(database, tmp_path) as world:
        for call_id in ("\u0000", "\ud83d", "line\nbreak"):
            with pytest.raises(Refused) as refused:
                await world.calls.show("a1", call_id)
            assert refused.value.code is Code.NOT_FOUND
        await world.engine.stop()


# -- what people say about a call ----------------------------------------------------------------------------------------


async def patch(api: Api, call_id: str, **body: Any) -> Answer:
    return await api.send("PATCH", f"/calls/{call_id}", body)


async def test_what_is_said_before_the_end_goes_into_the_result(api: Api) -> None:
    call_id = await api.call_in(State.TALKING)
    status, call, _ = await patch(api, call_id, disposition="INTERESTED", notes="Wants a quote.\r\nBy Friday.")
    assert (status, call["disposition"], call["notes"]) == (200, "INTERESTED", "Wants a quote.\nBy Friday.")
    assert (await patch(api, call_id, disposition="VERY_INTERESTED"))[1]["notes"] == "Wants a quote.\nBy Friday."
    await api.order(call_id, "hangup")
    result = json.loads((await api.receiver.until(1))[0].body)
    assert (result["disposition"], result["notes"]) == ("VERY_INTERESTED", "Wants a quote.\nBy Friday.")
    assert "updated" not in await kinds(api, call_id)


async def test_what_is_said_after_the_end_is_an_update(api: Api) -> None:
    call_id = await api.call_in(State.ENDED)
    await api.receiver.until(1)
    status, call, _ = await patch(api, call_id, notes="Called back.")
    assert (status, call["notes"], call["disposition"]) == (200, "Called back.", "CRM_CALL")
    assert (await patch(api, call_id, notes=None))[1]["notes"] is None
    assert (await patch(api, call_id, notes=""))[1]["notes"] is None
    assert (await api.show(call_id))["notes"] is None
    assert (await kinds(api, call_id))[-3:] == ["updated", "updated", "updated"]
    assert len(await api.receiver.until(1)) == 1, "the result is pushed once"


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "missing_field", "disposition"),
        ({"status": "ANSWER"}, "unknown_field", "status"),
        ({"disposition": "OTHER"}, "invalid_field", "disposition"),
        ({"disposition": ""}, "invalid_field", "disposition"),
        ({"disposition": None}, "invalid_field", "disposition"),
        ({"notes": "x" * 4001}, "invalid_field", "notes"),
        ({"notes": "bell\u0007"}, "invalid_field", "notes"),
        ({"notes": 7}, "invalid_field", "notes"),
    ],
)
async def test_what_cannot_be_said_is_refused(tmp_path: Path, body: dict[str, Any], code: str, field: str) -> None:
    async with open_api(tmp_path, dispositions=("CRM_CALL", "SALE")) as api:
        call_id = await api.call_in(State.TALKING)
        status, problem, _ = await patch(api, call_id, **body)
        assert (status, problem["code"], problem["field"]) == (422, code, field)
        assert "OTHER" not in json.dumps(problem), "no answer repeats what was sent"
        assert (await patch(api, call_id, disposition="SALE", notes="x" * 4000))[0] == 200
        assert (await api.show(call_id))["disposition"] == "SALE"


async def test_the_notes_of_another_account_are_its_own(api: Api) -> None:
    call_id = await api.call_in(State.ENDED)
    mine, (api.key, _) = api.key, await _second_account(api)
    assert (await patch(api, call_id, notes="mine now"))[0] == 404
    api.key = mine
    assert (await api.show(call_id))["notes"] is None


async def test_numbers_are_echoed_in_the_log_of_no_one(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    call_id = await api.call_in(State.TALKING)
    await api.order(call_id, "participants", CONSULT, key="a-key-of-mine")
    await api.order(call_id, "dtmf", {"digits": "4929"})
    await patch(api, call_id, notes="secret-note")
    logged = capsys.readouterr().out
    assert "request" in logged
    for private in (GUEST[1:], NUMBERS["tone_1000"].number[1:], "4929", "secret-note", "a-key-of-mine", api.key):
        assert private not in logged
