"""The real engine, with the test network as the agent's phone and peers of each test's own as carriers."""

from collections.abc import AsyncIterator, Callable

import pytest
from tests.support.asterisk_engines import EngineHome, RealEngine, engine_home
from tests.support.engines import TestCall, plan

from intellicall.telephony.testnet.network import TestNetwork

__all__ = ["engine_home"]

MakeCall = Callable[..., TestCall]


@pytest.fixture
async def real(engine_home: EngineHome, test_network: TestNetwork) -> AsyncIterator[RealEngine]:
    """Return a platform's adapter on the session's Asterisk; its only trunk leads to the test network."""
    async with engine_home.engine() as real:
        await real.engine.set_trunks([test_network.trunk])
        yield real


@pytest.fixture
def call(real: RealEngine) -> MakeCall:
    """Return a way to make a call; changes are fields of the plan."""
    return lambda **changes: TestCall(real.engine, real.heard, plan(**changes))
