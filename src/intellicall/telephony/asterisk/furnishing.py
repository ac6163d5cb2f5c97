"""What a fresh connection asks of the engine: our events, our trunks, our softphones, and the calls that live."""

import asyncio
import contextlib
from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from intellicall.ids import new_id
from intellicall.telephony.asterisk.connection import EVENT_TYPES, AriLink, RequestRefused
from intellicall.telephony.asterisk.dialplan import APP, FILE_VARIABLE, LIMIT_VARIABLE
from intellicall.telephony.asterisk.legs import CallLegs, channel_call
from intellicall.telephony.asterisk.provisioning import (
    PLACEHOLDER,
    EngineObject,
    is_ours,
    is_trunk,
    removals,
    softphone_endpoint,
)
from intellicall.telephony.engine import Role

BOOT_VARIABLE = "IC_BOOT"
BRIDGE_MARK = "~talk"
"""What the ids of our bridges end with; the rest is the call's."""

Channels = dict[str, dict[str, Any]]


def bridge_uri(call_id: str) -> str:
    """Return the ARI address of a call's bridge."""
    return f"bridges/{quote(call_id + BRIDGE_MARK, safe='')}"


def channel_uri(channel: str) -> str:
    """Return the ARI address of a channel."""
    return f"channels/{quote(channel, safe='')}"


async def subscribe(link: AriLink) -> None:
    """Let the engine send us what we need of every PJSIP channel, and nothing else."""
    await link.request("PUT", f"applications/{APP}/eventFilter", body={"allowed": [{"type": kind} for kind in EVENT_TYPES]})
    try:
        await link.request("GET", f"endpoints/PJSIP/{PLACEHOLDER.name}")
    except RequestRefused:
        await put(link, [PLACEHOLDER])
    await link.request("POST", f"applications/{APP}/subscription", query={"eventSource": "endpoint:PJSIP"})


async def is_new_process(link: AriLink) -> bool:
    """Return whether no platform ever talked to this engine process; mark it, so that the next one knows."""
    boot = await link.request("GET", "asterisk/variable", query={"variable": BOOT_VARIABLE})
    if boot.get("value"):
        return False
    await link.request("POST", "asterisk/variable", query={"variable": BOOT_VARIABLE, "value": new_id()})
    return True


async def furnish(link: AriLink, wanted: Mapping[str, Sequence[EngineObject]], *, keep_trunks: bool) -> bool:
    """Make the engine's trunks and softphones those of `wanted`, by endpoint. What is right already is not touched.

    `keep_trunks`: leave the trunks that an earlier platform left; calls may be about to fail over to one of them. Returns
    whether an endpoint was left only because a call is on it: then this has to be done again when that call is over.
    """
    there = {e["resource"] for e in await link.request("GET", "endpoints/PJSIP") if is_ours(e["resource"])}
    unwanted = {name for name in there - wanted.keys() if not (keep_trunks and is_trunk(name))}
    in_use = unwanted & await busy(link) if unwanted else set()
    for name in unwanted - in_use:
        await remove(link, name)
    for name in wanted.keys() - there:
        await put(link, wanted[name])
    return bool(in_use)


async def busy(link: AriLink) -> set[str]:
    """Return the endpoints with a living channel. With its endpoint gone, a channel's events would not reach us any more."""
    channels: Iterable[dict[str, Any]] = await link.request("GET", "channels")
    return {channel["name"].removeprefix("PJSIP/").rpartition("-")[0] for channel in channels}


async def put(link: AriLink, objects: Sequence[EngineObject]) -> None:
    """Put objects there, all in one go: the engine takes them in order."""
    await asyncio.gather(*(link.request("PUT", each.uri, body=each.body) for each in objects))


async def remove(link: AriLink, endpoint: str) -> None:
    """Remove an endpoint of ours and what belongs to it."""
    for each in removals(endpoint):
        await unless_gone(link.request("DELETE", each.uri))


async def unless_gone(request: Awaitable[Any]) -> None:
    """Do it, unless the thing is gone already."""
    try:
        await request
    except RequestRefused as refused:
        if refused.status != 404:
            raise


async def living(link: AriLink) -> dict[str, Channels]:
    """Return the channels that live now, by call and leg."""
    channels: Iterable[dict[str, Any]] = await link.request("GET", "channels")
    found: dict[str, Channels] = {}
    for channel in channels:
        if (owner := channel_call(channel)) is not None:
            found.setdefault(owner[0], {})[owner[1]] = channel
    return found


async def end_orphans(link: AriLink, known: Collection[str]) -> int:
    """End the channels that carry our mark and belong to no call that is known. Returns how many there were."""
    unknown = [channel for call_id, legs in (await living(link)).items() if call_id not in known for channel in legs.values()]
    for channel in unknown:
        await unless_gone(link.request("DELETE", channel_uri(channel["id"])))
    return len(unknown)


async def remove_empty_bridges(link: AriLink, known: Collection[str]) -> None:
    """Remove what calls left behind that ended while nobody listened. The bridge of a known call may be empty for a while."""
    for bridge in await link.request("GET", "bridges"):
        call_id = bridge["id"].removesuffix(BRIDGE_MARK)
        if bridge["id"].endswith(BRIDGE_MARK) and not bridge["channels"] and call_id not in known:
            await unless_gone(link.request("DELETE", f"bridges/{quote(bridge['id'], safe='')}"))


async def recall(link: AriLink, call_id: str, channels: Channels) -> CallLegs:
    """Rebuild what we need to know of a call that an earlier platform process placed."""
    values: dict[str, str] = {}
    for channel in channels.values():
        for name in (FILE_VARIABLE, LIMIT_VARIABLE):
            with contextlib.suppress(RequestRefused):
                answer = await link.request("GET", f"{channel_uri(channel['id'])}/variable", query={"variable": name})
                values[name] = values.get(name) or answer.get("value", "")
    recording = Path(values[FILE_VARIABLE]) if values.get(FILE_VARIABLE) else None
    limit = int(values[LIMIT_VARIABLE]) if values.get(LIMIT_VARIABLE) else None
    agent = channels.get(Role.AGENT)
    softphone = agent is not None and agent["name"].startswith(f"PJSIP/{softphone_endpoint('')}")
    return CallLegs(call_id, softphone=softphone, max_length_s=limit, recording=recording)
