"""A link that cannot become a call: a page in plain words, no key in it, nothing dialed (issue 2, "Bad input gets")."""

import re

import pytest
from tests.browser.conftest import Person
from tests.support.browser import Softphone, link
from tests.support.demo import Demo

pytestmark = [pytest.mark.browser, pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="session")]

BAD = [
    ("an unknown agent", {"agent": "nobody"}, 404, "not registered"),
    ("a foreign caller ID", {"from_number": "+12025550177"}, 403, "does not belong to the account"),
    ("no number", {"to_number": "12"}, 422, "not a phone number"),
    ("words for a number", {"to_number": "call me"}, 422, "not a phone number"),
    ("a placeholder", {"to_number": "{phone}"}, 400, "did not fill in"),
    ("a program's nothing", {"to_number": "undefined"}, 400, "did not fill in"),
    ("an empty number", {"to_number": ""}, 400, "did not fill in"),
    ("a placeholder for the agent", {"agent": "{{user.id}}"}, 400, "did not fill in"),
    ("a number outside the sandbox", {"to_number": "+919876543210"}, 403, "may not be called"),
    ("a wrong key", {"api_key": "icb_00000000000000000000000000000"}, 401, "key is not valid"),
    ("no caller ID", {"from_number": ""}, 400, "did not fill in"),
]


@pytest.mark.parametrize(("parameters", "status", "words"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
async def test_a_bad_link_is_explained(demo: Demo, somebody: Person, parameters: dict[str, str], status: int, words: str) -> None:
    calls = demo.calls()
    page = await (await somebody(width=360)).new_page()
    answer = await page.goto(link(demo, "tone_1000", **parameters))
    assert answer is not None
    assert answer.status == status
    assert answer.headers["content-type"].startswith("text/html")
    text = await page.inner_text("body")
    assert words in text
    assert "Nothing was dialed." in text
    assert "What to do:" in text
    assert not re.search(r"[{}]\s*\"|Traceback|problem\+json", text)
    assert (parameters.get("api_key") or demo.facts["browser_key"]) not in await page.content()
    assert await Softphone(page).sideways() == 0
    assert demo.calls() == calls


async def test_a_revoked_key_stops_links_and_says_so(demo: Demo, somebody: Person) -> None:
    key = await demo.cli("key", "create", "demo", "--kind", "browser")
    demo.secrets.add(key["key"])
    context = await somebody()
    page = await context.new_page()
    await page.goto(link(demo, None, api_key=key["key"]))
    await Softphone(page).until(screen="idle")
    await demo.cli("key", "revoke", key["id"])
    other = await context.new_page()
    answer = await other.goto(link(demo, "tone_1000", api_key=key["key"]))
    assert answer is not None
    assert answer.status == 401
    assert "key is not valid" in await other.inner_text("body")
    assert key["key"] not in await other.content()


@pytest.mark.parametrize("written", ["+1 (202) 555-0100", "tel:+1-202-555-0100", " 12025550100", "202.555.0100", "%2B12025550100"])
async def test_numbers_as_crms_write_them_are_understood(demo: Demo, written: str) -> None:
    """Encoded or not: a plus that arrives as a space, brackets, `tel:`. The link is checked; nobody opens the page."""
    before = demo.calls()
    base = link(demo, None)
    for query in (f"&to_number={written.replace(' ', '%20')}", f"&to_number={written.replace(' ', '+')}"):
        async with demo.http.get(base + query, allow_redirects=False) as answer:
            assert answer.status == 303, (written, await answer.text())
            assert "#ticket=" in answer.headers["Location"]
    assert demo.calls() == before
