"""Either side's hang-up ends both legs within 200 ms, measured on the wire and in the page, by one clock."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.browser.conftest import Person
from tests.support.browser import Softphone, dial
from tests.support.demo import Demo
from tests.support.ports import find_free_port
from tests.support.sipp import Sipp, Uas

pytestmark = [pytest.mark.browser, pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="session")]

LIMIT_S = 0.2
TRIES = 3
"""A machine that does much else may be late once; a product that is late is late every time."""
CALLER_ID = "+912071234567"
CUSTOMER = "+919876543210"
AGENT_PHONE = "+919876543211"


@dataclass
class Carrier:
    """An account whose calls go to SIPp over a trunk of its own."""

    demo: Demo
    command: tuple[str, ...]
    folder: Path
    port: int
    server_key: str
    browser_key: str

    @asynccontextmanager
    async def answers(self, peer: Uas, calls: int) -> AsyncIterator[Sipp]:
        """Have the carrier behave like this."""
        folder = self.folder / str(len(list(self.folder.iterdir())))
        folder.mkdir()
        async with Sipp(self.command, folder, peer, port=self.port, calls=calls) as sipp:
            yield sipp


async def _carrier(demo: Demo, command: tuple[str, ...], folder: Path) -> Carrier:
    """Onboard an account with a real trunk, as an operator does."""
    port, changes = find_free_port(), demo.logged('"trunks_changed"')
    await demo.cli("trunk", "add", f"wire-{port}", "--host", "127.0.0.1", "--port", str(port))
    await demo.cli("account", "create", f"wire-{port}")
    await demo.cli("number", "assign", f"wire-{port}", CALLER_ID, "--trunk", f"wire-{port}")
    await demo.cli("agent", "add", f"wire-{port}", "agent.wire")
    keys = [str((await demo.cli("key", "create", f"wire-{port}", "--kind", kind))["key"]) for kind in ("server", "browser")]
    demo.secrets |= {CALLER_ID, CUSTOMER, AGENT_PHONE, *keys}
    await demo.until_logged('"trunks_changed"', changes + 1)
    return Carrier(demo, command, folder, port, *keys)


async def _talk(carrier: Carrier, phone: Softphone) -> str:
    order = {"to_number": CUSTOMER, "from_number": CALLER_ID, "crm_username": "agent.wire"}
    call = await carrier.demo.start_call("tone_1000", key=carrier.server_key, **order)
    await phone.until(state="talking", call_id=call["call_id"])
    return str(call["call_id"])


async def test_hanging_up_ends_both_legs_at_once(
    demo: Demo, somebody: Person, sipp_command: tuple[str, ...], tmp_path: Path
) -> None:
    carrier = await _carrier(demo, sipp_command, tmp_path)
    link = {"api_key": carrier.browser_key, "from_number": CALLER_ID}
    phone = await dial(await somebody(), demo, None, "agent.wire", **link)
    await phone.until(screen="idle", line="registered", microphone="ready")
    took = {
        "the agent clicks hang up": await _best(lambda: _agent_clicks(carrier, phone)),
        "the customer hangs up": await _best(lambda: _customer_hangs_up(carrier, phone)),
        "the agent's phone hangs up": await _best(lambda: _agents_phone_hangs_up(carrier)),
    }
    assert max(took.values()) < LIMIT_S, took


async def _best(measure: Callable[[], Awaitable[float]]) -> float:
    """Return the first time that is within the limit, or the best of all tries."""
    times: list[float] = []
    while len(times) < TRIES and not any(time < LIMIT_S for time in times):
        times.append(await measure())
    assert min(times) > 0, times
    return min(times)


async def _agent_clicks(carrier: Carrier, phone: Softphone) -> float:
    """From the click to the BYE that the customer's phone gets."""
    async with carrier.answers(Uas(tone=1000), calls=1) as sipp:
        call_id = await _talk(carrier, phone)
        await phone.hang_up()
        bye = await sipp.message(method="BYE")
        await carrier.demo.until_state(call_id, "ended", key=carrier.server_key)
        return bye.at - await phone.hang_up_clicked_at()


async def _customer_hangs_up(carrier: Carrier, phone: Softphone) -> float:
    """From the customer's BYE to the end of the voice in the agent's page."""
    await phone.page.evaluate("window.voiceClosedAt = undefined")
    async with carrier.answers(Uas(tone=1000, hangs_up_after_ms=1500), calls=1) as sipp:
        call_id = await _talk(carrier, phone)
        bye = await sipp.message(method="BYE", received=False)
        closed = await phone.voice_closed_at()
        over = await carrier.demo.until_state(call_id, "ended", key=carrier.server_key)
        assert (over["status"], over["reason"], over["ended_by"]) == ("ANSWER", "customer_hung_up", "customer")
        return closed - bye.at


async def _agents_phone_hangs_up(carrier: Carrier) -> float:
    """Two phones: from the agent's BYE to the customer's. Both would hang up at the same age, and the agent's is older."""
    async with carrier.answers(Uas(tone=1000, hangs_up_after_ms=3000), calls=2) as sipp:
        order = {"to_number": CUSTOMER, "from_number": CALLER_ID, "agent_number": AGENT_PHONE}
        call = await carrier.demo.start_call("tone_1000", key=carrier.server_key, **order)
        sent = await sipp.message(method="BYE", received=False)
        got = await sipp.message(method="BYE")
        assert sent.headers["call-id"] != got.headers["call-id"]
        over = await carrier.demo.until_state(call["call_id"], "ended", key=carrier.server_key)
        assert (over["reason"], over["ended_by"]) == ("agent_hung_up", "agent")
        return got.at - sent.at
