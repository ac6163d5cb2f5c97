"""Recordings as an account's backend has them: the link from the moment of the result on, deletion, who had them, a full disk."""

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
from tests.app.running import CALLER_ID, CUSTOMER, Api, open_api, seed
from tests.support.receiver import answers
from yarl import URL

from intellicall.accounts.account import WhenDiskFull
from intellicall.calls.table import State

NEVER_ENOUGH = {"disk_stop_mb": 1_000_000_000}


def link_of(api: Api, url: str) -> str:
    return f"{api.url}{url[url.index('/recordings/') :]}"


async def ended(api: Api, **fields: Any) -> dict[str, Any]:
    """Return the call after a talk."""
    call_id = await api.call_in(State.ENDED, **fields)
    return await api.show(call_id)


async def get(api: Api, url: str, **headers: str) -> tuple[int, bytes]:
    async with api.session.get(link_of(api, url), headers=headers) as answer:
        return answer.status, await answer.read()


async def test_the_link_resolves_from_the_moment_the_result_is_pushed(tmp_path: Path) -> None:
    """Fetched by the receiver before it has answered, for many calls at once."""
    count = 20
    got: list[tuple[int, int, str]] = []
    async with open_api(tmp_path, concurrent_calls=count) as api:

        async def fetches(writer: asyncio.StreamWriter) -> None:
            result = json.loads(api.receiver.requests[-1].body)
            status, body = await get(api, result["recording_url"])
            got.append((status, len(body), result["recording"]))
            await answers(200)(writer)

        api.receiver.script = [fetches]
        calls = await asyncio.gather(*(api.call_in(State.TALKING) for _ in range(count)))
        await asyncio.gather(*(api.order(call_id, "hangup") for call_id in calls))
        async with asyncio.timeout(20):
            while len(got) < count:  # noqa: ASYNC110 - the receiver's answers end behind its requests
                await asyncio.sleep(0.01)
        assert {(status, outcome) for status, _, outcome in got} == {(200, "ready")}
        assert min(size for _, size, _ in got) > 44


async def test_show_download_delete(api: Api) -> None:
    call = await ended(api)
    path = f"/calls/{call['call_id']}/recording"
    _, shown, _ = await api.send("GET", path)
    assert (shown["state"], shown["where"], shown["accesses"]) == ("ready", "disk", [])
    status, wav = await get(api, call["recording_url"])
    assert (status, len(wav)) == (200, shown["bytes"])
    _, mp3 = await get(api, call["recording_url"], Accept="audio/mpeg")
    async with asyncio.timeout(5):
        while len(shown["accesses"]) < 2:
            _, shown, _ = await api.send("GET", path)
    assert {(one["what"], one["bytes"], one["address"]) for one in shown["accesses"]} == {
        ("wav", len(wav), "127.0.0.1"),
        ("mp3", len(mp3), "127.0.0.1"),
    }
    for _ in range(2):  # the second time is no error
        async with api.session.delete(f"{api.url}{path}", headers={"Authorization": f"Bearer {api.key}"}) as answer:
            assert (answer.status, await answer.read()) == (204, b"")
    for suffix in ("wav", "opus", "mp3"):
        status, body = await get(api, call["recording_url"].replace(".wav", f".{suffix}"))
        assert (status, json.loads(body)["reason"]) == (410, "deleted")
    _, shown, _ = await api.send("GET", path)
    assert (shown["state"], shown["where"], shown["recording_url"]) == ("deleted", None, None)
    assert [one["what"] for one in shown["accesses"]][-1] == "deleted"
    assert shown["accesses"][-1]["address"] == "127.0.0.1"
    after = await api.show(call["call_id"])
    assert (after["recording"], after["recording_url"]) == ("deleted", None)
    assert list(api.platform.settings.recordings_dir.iterdir()) == []
    assert list(api.platform.settings.formats_dir.iterdir()) == []


async def test_a_call_that_lives_has_nothing_to_delete_yet(api: Api) -> None:
    call_id = await api.call_in(State.TALKING)
    status, problem, _ = await api.send("DELETE", f"/calls/{call_id}/recording")
    assert (status, problem["code"]) == (409, "recording_not_ready")
    _, shown, _ = await api.send("GET", f"/calls/{call_id}/recording")
    assert (shown["state"], shown["recording_url"], shown["seconds"]) == ("recording", None, None)


async def test_recordings_of_others_are_unknown(api: Api) -> None:
    call = await ended(api)
    other, browser = await api.platform.database.write(lambda c: seed(c, "a2", "+12025550191", api.receiver.url, {}))
    path = f"/calls/{call['call_id']}/recording"
    for method in ("GET", "DELETE"):
        status, problem, _ = await api.send(method, path, headers={"Authorization": f"Bearer {other}"})
        assert (status, problem["code"]) == (404, "not_found")
        assert (await api.send(method, path, headers={"Authorization": f"Bearer {browser}"}))[0] == 401
        assert (await api.send(method, "/calls/nobody/recording"))[0] == 404
    assert (await get(api, call["recording_url"]))[0] == 200


async def test_a_call_that_was_not_recorded(tmp_path: Path) -> None:
    async with open_api(tmp_path, recording=False) as api:
        call = await ended(api)
        path = f"/calls/{call['call_id']}/recording"
        assert (call["recording"], call["recording_url"]) == ("off", None)
        _, shown, _ = await api.send("GET", path)
        assert (shown["state"], shown["where"], shown["bytes"]) == ("off", None, None)
        assert (await api.send("DELETE", path))[0] == 404


async def test_deletion_is_an_event(tmp_path: Path) -> None:
    async with open_api(tmp_path, events=("recording_ready", "recording_deleted")) as api:
        call = await ended(api)
        await api.send("DELETE", f"/calls/{call['call_id']}/recording")
        pushed = [json.loads(request.body) for request in await api.receiver.until(3)]
        events = {one["type"]: one for one in pushed if "type" in one}
        assert set(events) == {"recording_ready", "recording_deleted"}
        assert events["recording_deleted"]["data"] == {"reason": "deleted"}
        assert events["recording_deleted"]["sequence"] > events["recording_ready"]["sequence"]
        assert len(events["recording_ready"]["data"]["sha256"]) == 64


async def test_a_full_disk_refuses_who_records_before_anything_rings(tmp_path: Path) -> None:
    async with open_api(tmp_path, NEVER_ENOUGH) as api:
        status, problem, headers = await api.start()
        assert (status, problem["code"], headers["Retry-After"]) == (503, "recording_disk_full", "30")
        assert "disk" in problem["remedy"]
        assert api.engine.dialed == []
        async with api.session.get(f"{api.url}/readyz") as answer:
            ready = await answer.json()
        assert (answer.status, ready["disk"]["level"]) == (200, "full")


async def click(api: Api) -> aiohttp.ClientWebSocketResponse:
    """Open the launch link behind a Dial button, and its page, which dials."""
    numbers = urlencode({"to_number": CUSTOMER, "from_number": CALLER_ID})
    link = f"{api.url}/CRM_API/webphone/launch?crm_username=agent.017&api_key={api.browser_key}&{numbers}"
    async with api.session.get(URL(link, encoded=True), allow_redirects=False) as answer:
        cookie = answer.cookies["intellicall_softphone"].value
        ticket = answer.headers["Location"].partition("#ticket=")[2]
    headers = {"Origin": api.platform.public_url, "Cookie": f"intellicall_softphone={cookie}"}
    socket = await api.session.ws_connect(f"{api.url}/softphone/socket", headers=headers)
    await socket.send_json({"type": "hello", "tab": "tab-1", "ticket": ticket, "visible": True})
    for message in ({"type": "ready"}, {"type": "dial", "ticket": ticket}):
        await socket.send_json(message)
    return socket


async def test_a_full_disk_is_told_at_the_softphone_in_plain_words(tmp_path: Path) -> None:
    async with open_api(tmp_path, NEVER_ENOUGH) as api:
        socket = await click(api)
        async with asyncio.timeout(5):
            while (told := await socket.receive_json())["type"] != "refused":
                pass
        assert (told["code"], told["title"]) == ("recording_disk_full", "There is no room for recordings")
        assert "Tell the operator" in told["remedy"]
        assert api.engine.dialed == []
        await socket.close()


async def test_on_a_full_disk_a_call_goes_on_unrecorded_when_the_account_says_so(tmp_path: Path) -> None:
    async with open_api(tmp_path, NEVER_ENOUGH, when_disk_full=WhenDiskFull.UNRECORDED) as api:
        call = await ended(api)
        assert (call["status"], call["recording"], call["recording_url"]) == ("ANSWER", "disk_full", None)
        result = json.loads((await api.receiver.until(1))[0].body)
        assert (result["recording"], result["recording_url"]) == ("disk_full", None)
        _, shown, _ = await api.send("GET", f"/calls/{call['call_id']}/recording")
        assert (shown["state"], shown["where"]) == ("disk_full", None)


async def test_a_full_disk_leaves_accounts_alone_that_record_nothing(tmp_path: Path) -> None:
    async with open_api(tmp_path, NEVER_ENOUGH, recording=False) as api:
        assert (await ended(api))["recording"] == "off"
