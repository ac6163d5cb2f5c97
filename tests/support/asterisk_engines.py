"""The real engine for tests: one private Asterisk for the session, adopted anew by each test that wants a platform on it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest_asyncio
from tests.support.engines import Heard

from intellicall.clock import SystemClock
from intellicall.settings import Settings
from intellicall.telephony.asterisk.adapter import AsteriskEngine
from intellicall.telephony.asterisk.embedded import embedded_engine
from intellicall.telephony.asterisk.install import EngineInstall
from intellicall.telephony.engine import EngineLost, EngineReady


@dataclass
class RealEngine:
    """One platform's adapter on the engine of a home."""

    engine: AsteriskEngine
    recordings: Path
    heard: Heard = field(default_factory=Heard)

    async def lose(self) -> None:
        """Break the connection, as a network would."""
        self.engine.hold_off()
        await self.heard.wait(EngineLost)

    async def come_back(self) -> None:
        self.heard.events[:] = [event for event in self.heard.events if not isinstance(event, EngineReady)]
        self.engine.carry_on()
        await self.heard.wait(EngineReady)


class EngineHome:
    """The state folder of one engine. `engine()` yields a platform's adapter on it; the Asterisk lives on between them."""

    def __init__(self, state_dir: Path, **settings: Any) -> None:
        self.settings = Settings(state_dir=state_dir, **settings)

    @property
    def recordings(self) -> Path:
        return self.settings.recordings_dir

    @asynccontextmanager
    async def engine(self) -> AsyncIterator[RealEngine]:
        """Start a platform's adapter, and let go of the engine afterwards."""
        real = RealEngine(embedded_engine(self.settings, SystemClock()), self.recordings)
        real.engine.listen(real.heard)
        real.engine.watch(real.heard.notes.append)
        await real.engine.start()
        await real.heard.wait(EngineReady, deadline_s=60)  # on a busy machine it may come after `start` returned
        try:
            yield real
        finally:
            await real.engine.stop()

    async def end(self) -> None:
        """End the Asterisk."""
        engine = embedded_engine(self.settings, SystemClock())
        await engine.start()
        await engine.end()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engine_home(engine_install: EngineInstall, short_tmp: Path) -> AsyncIterator[EngineHome]:
    """One Asterisk for the whole session; each test brings a platform of its own."""
    home = EngineHome(short_tmp / "home")
    yield home
    await home.end()
