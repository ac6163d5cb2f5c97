"""What the agent hears before anybody answers: the carrier's own announcement, or ringback where there is none."""

import asyncio
from typing import Any

import pytest
from tests.browser.conftest import Person
from tests.support.browser import Softphone, dial
from tests.support.demo import Demo

pytestmark = [pytest.mark.browser, pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="session")]

LOUD_DB = -50.0

# Listens to what the softphone's loudspeaker plays: the loudest that each frequency was, in dBFS, until all are heard.
_LISTEN = """
async ([frequencies, loud, milliseconds]) => {
  const audio = document.querySelector('[data-testid=audio]');
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 4096;
  analyser.smoothingTimeConstant = 0;
  const heard = Object.fromEntries(frequencies.map((hz) => [hz, -200]));
  const bins = new Float32Array(analyser.frequencyBinCount);
  const until = performance.now() + milliseconds;
  let connected = null;
  while (performance.now() < until && !frequencies.every((hz) => heard[hz] > loud)) {
    if (audio.srcObject && audio.srcObject !== connected) {
      connected = audio.srcObject;
      context.createMediaStreamSource(connected).connect(analyser);
    }
    analyser.getFloatFrequencyData(bins);
    for (const hz of frequencies) {
      const bin = Math.round((hz * analyser.fftSize) / context.sampleRate);
      heard[hz] = Math.max(heard[hz], bins[bin - 1], bins[bin], bins[bin + 1]);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const running = context.state;
  await context.close();
  return { heard, running, played: !audio.paused && !audio.muted && audio.volume };
}
"""


async def _hears(demo: Demo, somebody: Person, customer: str, frequencies: tuple[int, ...]) -> tuple[dict[str, Any], Softphone]:
    """Call the number from a softphone that waits; return what its loudspeaker played."""
    phone = await dial(await somebody(), demo, None)
    await phone.until(screen="idle", line="registered", microphone="ready")
    listening = asyncio.create_task(phone.page.evaluate(_LISTEN, [frequencies, LOUD_DB, 12_000]))
    call = await demo.start_call(customer, crm_username="agent.017")
    told: dict[str, Any] = await listening
    now = await demo.call(call["call_id"])
    if now["state"] != "ended":
        await phone.hang_up()
    result = await demo.result(call["call_id"])
    assert told["running"] == "running"
    assert told["played"] == 1
    assert result["answer_time"] is None, "somebody answered"
    return told["heard"], phone


async def test_the_carriers_announcement_is_heard_before_any_answer(demo: Demo, somebody: Person) -> None:
    heard, phone = await _hears(demo, somebody, "early_media", (950, 1400, 1800))
    assert min(heard.values()) > LOUD_DB, heard
    assert "talking" not in await phone.states()


async def test_ringback_is_heard_where_the_carrier_sends_nothing(demo: Demo, somebody: Person) -> None:
    heard, phone = await _hears(demo, somebody, "no_answer", (400,))
    assert heard["400"] > LOUD_DB, heard
    assert "customer_ringing" in await phone.states()
