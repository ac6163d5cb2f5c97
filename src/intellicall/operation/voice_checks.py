"""What the doctor asks about the voice: the engine, its carriers, its ports, and the way through NAT."""

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import ip_address

from intellicall.operation.finding import Finding, failed, ok, warning
from intellicall.settings import EngineMode, Settings
from intellicall.telephony import options
from intellicall.telephony.checkup import EngineCheckup
from intellicall.telephony.engine import Trunk, TrunkState
from intellicall.telephony.rtp_ports import calls_at_once

FIRST_SOUND = (22, 10, 1)
"""Versions of branch 22 before it have published vulnerabilities (Asterisk advisories of 25 June 2026)."""
RTP_TRIED = 20
ENOUGH_RTP = 200
"""RTP ports below this carry fewer calls than a small team makes: two legs a call, two ports a leg."""


def check_engine(settings: Settings, found: EngineCheckup, *, platform_up: bool) -> Finding:
    """Installed, of a sound version, and running where the platform runs."""
    name = "engine"
    if settings.engine is EngineMode.SCRIPTED:
        return warning(
            name, "The scripted engine plays telephony: no call leaves this machine.", "Set INTELLICALL_ENGINE=embedded."
        )
    if found.fault:
        return failed(name, found.fault, "Remove the damaged folder; the next start of the platform fetches the engine again.")
    if settings.engine is EngineMode.EXTERNAL:
        if found.answers:
            return ok(name, "The external telephone engine answers.")
        return failed(
            name,
            "The external telephone engine does not answer, or does not take the password.",
            "Check INTELLICALL_ENGINE_ARI_URL, _USER and _PASSWORD, and that its AMI listens on INTELLICALL_ENGINE_AMI_PORT.",
        )
    return _embedded(found, platform_up=platform_up)


def _embedded(found: EngineCheckup, *, platform_up: bool) -> Finding:
    name = "engine"
    if found.version is None:
        return warning(
            name,
            "The telephone engine is not installed yet.",
            "Nothing to do with network access: the first start fetches it (80 MB).",
        )
    if _version(found.version) < FIRST_SOUND:
        remedy = "Install Asterisk 22.10.1 or later, or remove this one: the platform then fetches its own."
        return warning(name, f"Asterisk {found.version} has known vulnerabilities.", remedy)
    if platform_up and not found.answers:
        remedy = "Look into logs/ of the state folder; the platform starts it again by itself."
        return failed(name, "The platform runs, and its telephone engine does not answer.", remedy)
    return ok(name, f"Asterisk {found.version} {'runs' if found.answers else 'is installed'}.")


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


async def check_trunks(trunks: Sequence[Trunk], found: EngineCheckup) -> list[Finding]:
    """Ask each carrier with one SIP OPTIONS, all at once, and the engine whether it is registered."""
    if not trunks:
        remedy = "Add one with `intellicall trunk add`, or make sandbox accounts only."
        return [warning("trunks", "There is no trunk: only the test network can be called.", remedy)]
    return list(await asyncio.gather(*(_trunk(trunk, found.states.get(trunk.name)) for trunk in trunks)))


async def _trunk(trunk: Trunk, state: TrunkState | None) -> Finding:
    name = f"trunk {trunk.name}"
    try:
        status = await options.ask(trunk)
    except (OSError, TimeoutError) as error:
        remedy = "Check the trunk's host, port and transport, the firewall, and that the carrier knows this machine's address."
        return failed(name, f"The carrier of trunk {trunk.name} does not answer SIP ({_why(error)}).", remedy)
    if state is TrunkState.UNREGISTERED:
        remedy = "Check the user name and password (`intellicall trunk set`), and that the carrier's account is active."
        return failed(name, f"The carrier of trunk {trunk.name} answers, but does not let us register.", remedy)
    if trunk.register and state is None:
        sentence = f"The carrier of trunk {trunk.name} answers; whether we are registered is known when the engine runs."
        return warning(name, sentence, "Start the platform and look again.")
    told = "we are registered" if state is TrunkState.REGISTERED else "it needs no registration"
    return ok(name, f"The carrier of trunk {trunk.name} answers SIP ({status}), and {told}.")


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return "its host name is unknown"
    return (error.strerror if isinstance(error, OSError) and error.strerror else str(error)) or type(error).__name__


def check_ports(settings: Settings, found: EngineCheckup) -> list[Finding]:
    """The engine's SIP port and RTP range: free, or held by our own engine."""
    return [_sip_port(settings, found), _rtp_ports(settings, found)]


def _sip_port(settings: Settings, found: EngineCheckup) -> Finding:
    name, port = "sip port", found.sip_port
    if settings.engine is not EngineMode.EMBEDDED or port is None:
        return ok(
            name, "The SIP port is chosen when the engine starts." if port is None else "The engine's ports are its own matter."
        )
    if found.answers:
        return ok(name, f"The engine listens for SIP on port {port}.")
    if _can_bind(settings.sip_host, port, socket.SOCK_DGRAM) and _can_bind(settings.sip_host, port, socket.SOCK_STREAM):
        return ok(name, f"Port {port} is free for SIP.")
    remedy = "End the other program, or set INTELLICALL_SIP_PORT and INTELLICALL_SIP_HOST to what is ours."
    return failed(
        name, f"The engine cannot listen for SIP on port {port}: another program has it, or the address is not ours.", remedy
    )


def _rtp_ports(settings: Settings, found: EngineCheckup) -> Finding:
    name, low, high = "rtp ports", settings.rtp_port_min, settings.rtp_port_max
    calls = calls_at_once(low, high)
    if high - low + 1 < ENOUGH_RTP:
        remedy = "Widen INTELLICALL_RTP_PORT_MIN and _MAX, and the firewall with them."
        return failed(name, f"The RTP range {low}–{high} carries {calls} calls at once.", remedy)
    step = max((high - low) // RTP_TRIED, 1)
    tried = range(low, high + 1, step)
    taken = [port for port in tried if not _can_bind("0.0.0.0", port, socket.SOCK_DGRAM)]  # noqa: S104 - bound for a moment
    if len(taken) * 2 > len(tried) and not found.answers:
        remedy = "End the other program, or move INTELLICALL_RTP_PORT_MIN and _MAX."
        return failed(name, f"Most of the RTP range {low}–{high} is in use by another program.", remedy)
    return ok(name, f"The RTP range {low}–{high} (UDP) is free, for {calls} calls at once; it must be open in the firewall.")


def _can_bind(host: str, port: int, kind: socket.SocketKind) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as probe:
        if kind is socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError):
            return False
    return True


def check_nat(settings: Settings, trunks: Sequence[Trunk]) -> Finding:
    """Whether carriers outside can send their voice to the address that they are told."""
    name = "nat"
    outside = [trunk for trunk in trunks if not _is_inside(trunk.host)]
    if not outside or settings.engine is not EngineMode.EMBEDDED:
        return ok(name, "No carrier is outside this network.")
    if _is_loopback(settings.sip_host):
        remedy = "Set INTELLICALL_SIP_HOST to this machine's address, or 0.0.0.0."
        return failed(name, "Carriers are outside, and SIP listens on this machine only.", remedy)
    if settings.external_address is None and (settings.sip_host == "0.0.0.0" or _is_inside(settings.sip_host)):  # noqa: S104 - a comparison
        remedy = (
            "Behind NAT, set INTELLICALL_EXTERNAL_ADDRESS to the public address, and forward SIP and RTP ports to this machine."
        )
        return warning(name, "Carriers outside may be told a private address: calls would be silent in one direction.", remedy)
    if settings.external_address is not None and _is_inside(settings.external_address):
        remedy = "Set INTELLICALL_EXTERNAL_ADDRESS to the address that the Internet sees."
        return failed(name, "The external address is a private one: carriers cannot send their voice to it.", remedy)
    return ok(name, "Carriers are told an address that they can reach.")


def check_turn(settings: Settings) -> Finding:
    """There is none; whom that leaves out."""
    if settings.public_url is None:
        return ok("turn", "There is no TURN server, and softphones on this machine need none.")
    low, high = settings.rtp_port_min, settings.rtp_port_max
    sentence = "There is no TURN server: agents whose network blocks UDP to this machine cannot talk by browser."
    return warning("turn", sentence, f"Let their networks reach UDP {low}–{high} here, or give those agents a phone.")


def _is_inside(host: str) -> bool:
    """Whether a literal is a private, loopback or link-local address; a name is taken to be outside."""
    try:
        return ip_address(host).is_private or ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
