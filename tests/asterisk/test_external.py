"""An engine that an operator runs: its configuration written by us, its process not ours."""

from pathlib import Path

import pytest
from pydantic import SecretStr
from tests.support.asterisk_engines import RealEngine
from tests.support.audio import read_raw_stereo, tone_seconds
from tests.support.engines import plan
from tests.support.ports import find_free_port

from intellicall.clock import SystemClock
from intellicall.settings import EngineMode, Settings
from intellicall.telephony.asterisk.config import ENGINE_OPTIONS
from intellicall.telephony.asterisk.dirs import EngineDirs
from intellicall.telephony.asterisk.embedded import external_engine, write_operator_folder
from intellicall.telephony.asterisk.install import EngineInstall
from intellicall.telephony.asterisk.process import EngineProcess
from intellicall.telephony.engine import EngineReady, LegAnswered, LegEnded, PhoneLine, Role
from intellicall.telephony.testnet.network import TestNetwork
from intellicall.telephony.testnet.numbers import NUMBERS

pytestmark = pytest.mark.asterisk


async def test_a_call_on_an_engine_that_an_operator_runs(
    engine_install: EngineInstall, test_network: TestNetwork, short_tmp: Path
) -> None:
    settings = Settings(
        state_dir=short_tmp / "outside",
        engine=EngineMode.EXTERNAL,
        engine_ari_url=f"http://127.0.0.1:{find_free_port()}",
        engine_ari_password=SecretStr("between-us"),
        engine_ami_port=find_free_port(),
        sip_port=find_free_port(),
    )
    dirs = EngineDirs.below(short_tmp / "operator")
    dirs.create()
    (dirs.keys / "keys").mkdir(exist_ok=True)
    write_operator_folder(dirs.etc, settings)
    dirs.configuration.write_text(dirs.asterisk_conf(engine_install, **ENGINE_OPTIONS))
    process = EngineProcess(engine_install, dirs)
    await process.start()
    real = RealEngine(external_engine(settings, SystemClock()), settings.recordings_dir)
    try:
        real.engine.listen(real.heard)
        await real.engine.start()
        await real.heard.wait(EngineReady, deadline_s=60)
        await real.engine.set_trunks([test_network.trunk])
        order = plan(
            agent=PhoneLine(NUMBERS["tone_440"].number, ("sandbox",)),
            customer_number=NUMBERS["hangs_up"].number,
            trunks=("sandbox",),
            recording="outside",
        )
        await real.engine.ring_agent(order)
        await real.heard.wait(LegAnswered, lambda event: event.leg == Role.AGENT)
        await real.engine.ring_customer(order)
        await real.heard.wait(LegEnded, lambda event: event.leg == Role.CUSTOMER)
        customer, agent = read_raw_stereo(settings.recordings_dir / "outside.raw")
        assert tone_seconds(agent, 440) > 4
        assert len(customer) / 8000 == pytest.approx(5, abs=0.3)
    finally:
        await real.engine.stop()
        await process.stop()
