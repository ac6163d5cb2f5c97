"""The demo's CRM takes what the platform signed for it, and nothing else."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.callbacks.samples import AT

from intellicall.accounts import changes, store
from intellicall.accounts.signing_secrets import SigningSecret, new_secret
from intellicall.callbacks.signing import signed
from intellicall.demo.crm import CrmConfig, DemoCrm
from intellicall.demo.seed import ACCOUNT, seed
from intellicall.storage.database import Database

SECRET = new_secret("a", AT)
TOKEN = "of the demo"
BODY = '{"call_id":"c","uuid":"₹"}'.encode()


@pytest.fixture
async def crm(tmp_path: Path) -> AsyncIterator[str]:
    (tmp_path / "assets").mkdir()
    running = DemoCrm(tmp_path / "callbacks.jsonl", tmp_path)
    running.config = CrmConfig("http://platform.example", "icb_x", "ics_x", TOKEN, SECRET.text, [], [], [])
    port = await running.start(0)
    yield f"http://127.0.0.1:{port}"
    await running.stop()


async def send(
    url: str, secret: SigningSecret = SECRET, token: str = TOKEN, body: bytes = BODY, minutes: int = 0
) -> tuple[int, Any]:
    """Return how the CRM answers a callback, and what it shows afterwards."""
    headers = signed("d1", BODY, datetime.now(UTC) - timedelta(minutes=minutes), [secret]) | {"X-Demo-Token": token}
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{url}/callback", data=body, headers=headers) as answer:
            status = answer.status
        async with session.get(f"{url}/api/callbacks") as shown:
            return status, await shown.json()


async def test_a_signed_result_is_taken_and_shown_as_verified(crm: str) -> None:
    status, (shown,) = await send(crm)
    assert (status, shown["signature"], shown["body"]) == (200, "verified", {"call_id": "c", "uuid": "₹"})


@pytest.mark.parametrize("wrong", [{"secret": new_secret("a", AT)}, {"token": "x"}, {"body": BODY + b" "}, {"minutes": 6}])
async def test_anything_else_is_not(crm: str, wrong: dict[str, Any]) -> None:
    assert await send(crm, **wrong) == (401, [])


def test_after_a_rotation_the_demo_begins_with_the_newest_secret(sqlite_database: Database, tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    now = datetime.now(UTC)
    first = sqlite_database.write_now(lambda c: seed(c, file, "http://127.0.0.1:1/", now))
    later = now + timedelta(minutes=1)
    rotated, _ = sqlite_database.write_now(lambda c: changes.rotate_secret(c, store.account_by_name(c, ACCOUNT).id, later))
    again = sqlite_database.write_now(lambda c: seed(c, file, "http://127.0.0.1:1/", later))
    assert again.callback_secret == rotated.text != first.callback_secret
    assert (again.server_key, again.callback_token) == (first.server_key, first.callback_token)
    assert rotated.text not in file.read_text()
