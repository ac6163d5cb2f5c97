"""Events as no engine should send them, made of good ones: what the reader is given by the thousand."""

import random
from pathlib import Path
from typing import Any

import orjson
from structlog.testing import capture_logs

from intellicall.clock import SystemClock
from intellicall.telephony.asterisk.adapter import AsteriskEngine
from intellicall.telephony.asterisk.connection import AriLink, EngineConnection
from intellicall.telephony.asterisk.legs import CallLegs
from intellicall.telephony.engine import EngineEvent, LegRinging

BATCH = 10_000
"""After so many the logs are forgotten, and the reader has to show that it still takes a good event."""
CALL = "c0ffee"
AT = "2026-07-03T10:00:00.000+0000"
RING: dict[str, Any] = {
    "type": "ChannelStateChange",
    "timestamp": AT,
    "channel": {"id": f"{CALL}-agent-1", "state": "Ringing", "channelvars": {"IC_CALL": CALL}},
}
UP = RING | {"channel": RING["channel"] | {"state": "Up"}}
DIAL = {"type": "Dial", "timestamp": AT, "dialstatus": "RINGING", "peer": RING["channel"]}
GONE = RING | {"type": "ChannelDestroyed", "cause": 16, "cause_txt": "Normal Clearing"}


def idle_engine(folder: Path) -> AsteriskEngine:
    """An engine that is not connected, with one call that is being dialed."""
    where = EngineConnection("http://127.0.0.1:1", "u", "p")
    made = AsteriskEngine(where, recordings_dir=folder, clock=SystemClock(), softphone_secret="s")
    dialing(made)
    return made


def dialing(engine: AsteriskEngine) -> None:
    engine._calls[CALL] = CallLegs(CALL, softphone=False, max_length_s=60, recording=None)


def take_mutations(engine: AsteriskEngine, count: int, seed: int) -> None:
    """Give the engine's reader so many, the same ones for the same seed. Raises what gets out of it, and AssertionError."""
    chance = random.Random(seed)  # noqa: S311 - mutations, not secrets
    link = AriLink(None, None, engine._on_event)  # type: ignore[arg-type]  # it only decodes here
    for begun in range(0, count, BATCH):
        with capture_logs():
            for _ in range(begun, min(begun + BATCH, count)):
                link._take(mutated(chance.choice((RING, UP, DIAL, GONE)), chance))
                if CALL not in engine._calls:  # the mutation ended it, by the events' own words
                    dialing(engine)
        _still_takes_a_good_one(engine, link)


def _still_takes_a_good_one(engine: AsteriskEngine, link: AriLink) -> None:
    heard: list[EngineEvent] = []
    dialing(engine)
    engine.listen(heard.append)
    link._take(orjson.dumps(RING).decode())
    assert [type(event) for event in heard] == [LegRinging]
    engine.listen(lambda _: None)


def mutated(event: dict[str, Any], chance: random.Random) -> str:
    changed = {**event, "channel": {**event.get("channel", {})}}
    for part in (changed, changed["channel"]):
        for name in list(part):
            match chance.randrange(8):
                case 0:
                    del part[name]
                case 1:
                    part[name] = chance.choice((None, 7, [], {}, "", "0", True, {"id": 1}))
    text = bytearray(orjson.dumps(changed))
    for _ in range(chance.choice((0, 0, 1, 3))):
        where = chance.randrange(len(text) + 1)
        text[where : where + chance.randrange(3)] = bytes(chance.choices(range(32, 127), k=chance.randrange(3)))
    return text.decode()
