"""`GET /CRM_API/webphone/launch` over HTTP: what is kept, what is refused, in which order, and that it is harmless."""

from dataclasses import replace

import pytest
from tests.softphone.room import CALLER_ID, LAUNCH, Room

from intellicall.accounts import changes
from intellicall.softphone import store


async def test_a_good_link_keeps_a_launch_and_redirects_without_the_key(room: Room) -> None:
    browser = room.browser()
    async with browser.get(room.link(uuid="crm-77"), allow_redirects=False) as answer:
        assert answer.status == 303
        assert answer.headers["Location"].startswith("/softphone/#ticket=")
        assert room.browser_key not in answer.headers["Location"]
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/softphone" in cookie
    assert "Secure" not in cookie
    assert room.launches == 1
    assert room.desk.dialed == []


async def test_ticket_and_cookie_are_stored_as_digests_only(room: Room) -> None:
    browser = room.browser()
    ticket = await room.click(browser)
    assert ticket is not None
    secrets = {ticket, room.cookie_of(browser)}
    rows = room.database.read_now(
        lambda connection: [*connection.execute(store.launches.select()), *connection.execute(store.softphone_cookies.select())]
    )
    assert len(rows) == 2
    assert not [value for row in rows for value in row if value in secrets]


async def test_a_link_without_a_number_opens_the_softphone_idle(room: Room) -> None:
    assert await room.click(room.browser(), to_number=None, from_number=None) is None
    assert await room.click(room.browser(), to_number=None) is None
    assert room.launches == 0


@pytest.mark.parametrize("to_number", [" 1 202-555-0100", "+1 (202) 555-0100", "tel:+1-202-555-0100", "0012025550100"])
async def test_numbers_as_crms_write_them(room: Room, to_number: str) -> None:
    assert await room.click(room.browser(), to_number=to_number)
    kept = room.database.read_now(lambda connection: connection.execute(store.launches.select()).one())
    assert kept.to_number == "+12025550100"


async def test_an_unencoded_plus_arrives_as_a_space(room: Room) -> None:
    link = room.link(to_number=None) + "&to_number=+12025550100"
    async with room.browser().get(link, allow_redirects=False) as answer:
        assert answer.status == 303


REFUSED: list[tuple[dict[str, str | None], int, str, str | None]] = [
    ({"to_number": "{phone_mobile}"}, 400, "template_not_filled", "to_number"),
    ({"to_number": "${Leads.Phone}"}, 400, "template_not_filled", "to_number"),
    ({"to_number": "undefined"}, 400, "template_not_filled", "to_number"),
    ({"to_number": "null"}, 400, "template_not_filled", "to_number"),
    ({"to_number": ""}, 400, "template_not_filled", "to_number"),
    ({"crm_username": "{assigned_user_name}"}, 400, "template_not_filled", "crm_username"),
    ({"crm_username": " "}, 400, "template_not_filled", "crm_username"),
    ({"api_key": "<%= key %>"}, 400, "template_not_filled", "api_key"),
    ({"from_number": "undefined"}, 400, "template_not_filled", "from_number"),
    ({"uuid": "{id}"}, 400, "template_not_filled", "uuid"),
    ({"crm_username": None}, 422, "missing_field", "crm_username"),
    ({"from_number": None}, 422, "missing_field", "from_number"),
    ({"uuid": "x" * 129}, 422, "invalid_field", "uuid"),
    ({"api_key": None}, 401, "missing_key", "api_key"),
    ({"api_key": "icb_wrong"}, 401, "invalid_key", "api_key"),
    ({"crm_username": "agent.999"}, 404, "unknown_agent", "crm_username"),
    ({"crm_username": "AGENT.017"}, 404, "unknown_agent", "crm_username"),
    ({"from_number": "+911140000002"}, 403, "number_not_assigned", "from_number"),
    ({"from_number": "12"}, 403, "number_not_assigned", "from_number"),
    ({"to_number": "12"}, 422, "invalid_number", "to_number"),
    ({"to_number": "9876@evil"}, 422, "invalid_number", "to_number"),
    ({"to_number": "+919876543210"}, 403, "destination_not_allowed", "to_number"),
    # the order of the checks
    ({"to_number": "{phone}", "api_key": "wrong"}, 400, "template_not_filled", "to_number"),
    ({"api_key": "wrong", "crm_username": "agent.999"}, 401, "invalid_key", "api_key"),
    ({"crm_username": "agent.999", "from_number": "12"}, 404, "unknown_agent", "crm_username"),
    ({"from_number": "12", "to_number": "12"}, 403, "number_not_assigned", "from_number"),
]


@pytest.mark.parametrize(("changed", "status", "code", "field"), REFUSED)
async def test_a_bad_link_gets_a_page_in_plain_words(
    room: Room, changed: dict[str, str | None], status: int, code: str, field: str | None
) -> None:
    async with room.browser().get(room.link(**changed), allow_redirects=False) as answer:
        page = await answer.text()
        assert answer.status == status, page
        assert answer.headers["Content-Type"].startswith("text/html")
        assert "Set-Cookie" not in answer.headers
        assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert f"error: {code}" in page
    assert "What to do:" in page
    if field:
        assert f"parameter: {field}" in page
    assert room.browser_key not in page
    assert room.launches == 0
    assert room.count(store.softphone_cookies) == 0


async def test_the_server_key_is_refused_and_not_shown(room: Room) -> None:
    async with room.browser().get(room.link(api_key=room.server_key)) as answer:
        assert answer.status == 401
        assert room.server_key not in await answer.text()


async def test_the_page_shows_what_the_crm_sent_and_escapes_it(room: Room) -> None:
    async with room.browser().get(room.link(to_number="{phone}<script>alert(1)</script>")) as answer:
        page = await answer.text()
    assert "{phone}&lt;script&gt;" in page
    assert "<script" not in page
    assert "••••" + room.browser_key[-4:] in page


@pytest.mark.parametrize(
    "query",
    [
        "crm_username=a&crm_username=b",
        "to_number=1&to_number=2",
        "to_number=1&To_Number=2",
        "To_Number=1&to_number=2",
        "api_key=a&api_key=a",
    ],
)
async def test_duplicate_parameters_are_refused_first(room: Room, query: str) -> None:
    async with room.browser().get(f"{LAUNCH}?{query}") as answer:
        page = await answer.text()
        assert answer.status in (400, 422)
        assert "error: duplicate_field" in page or "error: unknown_field" in page


@pytest.mark.parametrize(
    "header",
    [
        {"Sec-Purpose": "prefetch"},
        {"Sec-Purpose": "prefetch;prerender"},
        {"Purpose": "prefetch"},
        {"X-Moz": "prefetch"},
        {"X-Purpose": "preview"},
    ],
)
async def test_prefetching_keeps_nothing(room: Room, header: dict[str, str]) -> None:
    async with room.browser().get(room.link(), headers=header, allow_redirects=False) as answer:
        assert answer.status == 425
        assert "Set-Cookie" not in answer.headers
    assert room.launches == 0


@pytest.mark.parametrize("destination", ["iframe", "image", "frame", "embed", "object", "script", "style", "prefetch"])
async def test_a_link_hidden_in_another_page_keeps_nothing(room: Room, destination: str) -> None:
    async with room.browser().get(room.link(), headers={"Sec-Fetch-Dest": destination}, allow_redirects=False) as answer:
        assert answer.status == 400
    assert room.launches == 0


@pytest.mark.parametrize("destination", ["document", "empty"])
async def test_a_link_in_a_tab_of_its_own_is_good(room: Room, destination: str) -> None:
    async with room.browser().get(room.link(), headers={"Sec-Fetch-Dest": destination}, allow_redirects=False) as answer:
        assert answer.status == 303


async def test_head_checks_and_keeps_nothing(room: Room) -> None:
    browser = room.browser()
    async with browser.head(room.link(), allow_redirects=False) as answer:
        assert answer.status == 303
        assert "Set-Cookie" not in answer.headers
        assert "ticket" not in answer.headers["Location"]
    async with browser.head(room.link(api_key="wrong"), allow_redirects=False) as answer:
        assert answer.status == 401
    async with browser.options(room.link()) as answer:
        assert answer.status == 405
    assert room.launches == 0


async def test_post_is_not_possible(room: Room) -> None:
    async with room.browser().post(room.link()) as answer:
        assert answer.status == 405
        assert (await answer.json())["code"] == "method_not_allowed"
        assert "GET" in answer.headers["Allow"]


async def test_parameters_of_the_crms_own_are_passed_over(room: Room) -> None:
    async with room.browser().get(room.link() + "&utm_source=crm&utm_source=crm", allow_redirects=False) as answer:
        assert answer.status == 303


async def test_wrong_keys_are_limited_and_the_right_one_is_not_locked_out(room: Room) -> None:
    browser = room.browser()
    for _ in range(20):
        async with browser.get(room.link(api_key="wrong")) as answer:
            assert answer.status == 401
    async with browser.get(room.link(api_key="wrong")) as answer:
        assert answer.status == 429
        assert int(answer.headers["Retry-After"]) > 0
    assert await room.click(browser)
    await room.clock.advance(61)
    async with browser.get(room.link(api_key="wrong")) as answer:
        assert answer.status == 401


async def test_clicks_of_one_agent_are_limited(room: Room) -> None:
    browser = room.browser()
    for _ in range(60):
        await room.click(browser)
    async with browser.get(room.link(), allow_redirects=False) as answer:
        assert answer.status == 429
    assert room.launches == 60
    assert room.count(store.softphone_cookies) == store.COOKIES_PER_AGENT


async def test_a_disabled_account_is_refused(room: Room) -> None:
    await room.database.write(lambda connection: changes.update_account(connection, replace(room.account, enabled=False)))
    async with room.browser().get(room.link()) as answer:
        assert answer.status == 403
        assert "error: account_disabled" in await answer.text()


async def test_log_lines_hold_no_key_number_ticket_or_query(room: Room, capsys: pytest.CaptureFixture[str]) -> None:
    browser = room.browser()
    ticket = await room.click(browser, to_number="+1 (202) 555-0100")
    async with browser.get(room.link(to_number="+919876543210")):
        pass
    logged = capsys.readouterr().out
    assert "launched" in logged
    assert "/CRM_API/webphone/launch" in logged
    for secret in (room.browser_key, ticket or "", "2025550100", "555-0100", "9876543210", CALLER_ID, room.cookie_of(browser)):
        assert secret not in logged
