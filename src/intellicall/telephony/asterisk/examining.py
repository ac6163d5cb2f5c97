"""Looking at an engine from outside, for `intellicall doctor`, with a platform beside it or without any. Changes nothing."""

import asyncio
import contextlib
import json
from collections.abc import Sequence

from intellicall.settings import EngineMode, Settings
from intellicall.telephony.asterisk.ami import AmiLink
from intellicall.telephony.asterisk.connection import ConnectionGone, EngineConnection, RequestRefused
from intellicall.telephony.asterisk.debian_tree import InstallError
from intellicall.telephony.asterisk.dirs import EngineDirs
from intellicall.telephony.asterisk.embedded import ARI_USER, LOOPBACK, Kept
from intellicall.telephony.asterisk.install import find_existing
from intellicall.telephony.asterisk.registrations import registrations, trunk_state
from intellicall.telephony.checkup import EngineCheckup
from intellicall.telephony.engine import Trunk, TrunkState


async def examine(settings: Settings, trunks: Sequence[Trunk]) -> EngineCheckup:
    """Return what is known of the engine of these settings. Nothing is fetched or started."""
    if settings.engine is EngineMode.EXTERNAL:
        password = settings.engine_ari_password.get_secret_value()
        where = EngineConnection(settings.engine_ari_url, settings.engine_ari_user, password, settings.engine_ami_port)
        states = await _ask(where, trunks)
        return EngineCheckup("", states is not None, states=states or {})
    version, fault = None, ""
    try:
        install = await asyncio.to_thread(find_existing, settings.engine_prefix)
        version = install.version if install else None
    except InstallError as error:
        fault = str(error)
    kept = _kept(settings)
    if kept is None:
        return EngineCheckup(version, answers=False, sip_port=settings.sip_port or None, fault=fault)
    where = EngineConnection(f"http://{LOOPBACK}:{kept.http_port}", ARI_USER, kept.ari_password, kept.ami_port)
    states = await _ask(where, trunks)
    return EngineCheckup(version, states is not None, settings.sip_port or kept.sip_port, fault, states or {})


def _kept(settings: Settings) -> Kept | None:
    with contextlib.suppress(OSError, ValueError, TypeError):  # none yet, or of an earlier version
        return Kept(**json.loads((EngineDirs.below(settings.engine_dir).state / "kept.json").read_text()))
    return None


async def _ask(where: EngineConnection, trunks: Sequence[Trunk]) -> dict[str, TrunkState] | None:
    """Ask it over a session of our own; None when it does not answer."""
    try:
        ami = await AmiLink.open(where)
    except ConnectionGone:
        return None
    try:
        registered = await registrations(ami)
    except (ConnectionGone, RequestRefused):
        return None
    finally:
        await ami.close()
    return {trunk.name: trunk_state(trunk, registered) for trunk in trunks}
