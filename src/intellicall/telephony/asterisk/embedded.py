"""Putting the adapter together: on an engine of our own (embedded), or on one that an operator runs (external)."""

import asyncio
import contextlib
import json
import os
import secrets
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import structlog

from intellicall.clock import Clock
from intellicall.settings import Settings
from intellicall.telephony.asterisk import hold_music
from intellicall.telephony.asterisk.adapter import AsteriskEngine
from intellicall.telephony.asterisk.bygone import LEGS_FILE
from intellicall.telephony.asterisk.config import ENGINE_OPTIONS, RTP_CONF, EngineSite, configuration, next_rtp_conf
from intellicall.telephony.asterisk.connection import EngineConnection
from intellicall.telephony.asterisk.debian_tree import Progress
from intellicall.telephony.asterisk.install import find_or_fetch
from intellicall.telephony.asterisk.process import EngineDirs, EngineExit, EngineProcess

LOOPBACK = "127.0.0.1"
ARI_USER = "intellicall"
OVERTAKEN_LEAVES_S = 5.0
"""A platform that we have overtaken lets go of its engine within a second or two."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Kept:
    """What one engine folder keeps for ever, so that a restarted platform finds the running engine again."""

    http_port: int
    ami_port: int
    sip_port: int
    ari_password: str = field(repr=False)
    softphone_secret: str = field(repr=False)


class EmbeddedProcess:
    """The private engine: installation, configuration folder and process of one state folder."""

    def __init__(self, settings: Settings, kept: Kept, dirs: EngineDirs, progress: Progress) -> None:
        self._settings = settings
        self._kept = kept
        self._dirs = dirs
        self._progress = progress
        self._engine: EngineProcess | None = None
        self.on_exit: Callable[[], None] = lambda: None

    @property
    def pid(self) -> int | None:
        """The engine's process id while it runs."""
        return self._engine.pid if self._engine else None

    async def start(self) -> None:
        """Find or fetch the engine, write its configuration, adopt or start it. Raises InstallError, AlreadySupervised."""
        install = await asyncio.to_thread(find_or_fetch, self._settings.engine_prefix, self._progress)
        site = engine_site(self._settings, self._kept)
        if self._settings.hold_music is None:
            await asyncio.to_thread(hold_music.write, site.hold_music)
        files = configuration(site)
        del files[RTP_CONF]  # it belongs to the engine that runs, and to the next one only when that is started
        files["asterisk.conf"] = self._dirs.asterisk_conf(install, **ENGINE_OPTIONS)
        write_folder(self._dirs.etc, files)
        self._engine = EngineProcess(install, self._dirs, on_exit=self._exited, before_launch=self._take_other_rtp_ports)
        await self._engine.start(OVERTAKEN_LEAVES_S)

    def _take_other_rtp_ports(self) -> None:
        file = self._dirs.etc / RTP_CONF
        last = file.read_text() if file.exists() else ""
        write_folder(self._dirs.etc, {RTP_CONF: next_rtp_conf(last, self._settings.rtp_port_min, self._settings.rtp_port_max)})

    def _exited(self, engine_exit: EngineExit) -> None:
        if engine_exit.restart_in_s is not None:
            self.on_exit()

    async def release(self) -> None:
        if self._engine is not None:
            await self._engine.release()

    async def stop(self) -> None:
        if self._engine is not None:
            await self._engine.stop()

    def kill(self) -> None:
        if self._engine is not None:
            self._engine.kill()


def embedded_engine(settings: Settings, clock: Clock, progress: Progress | None = None) -> AsteriskEngine:
    """Return the adapter on a private engine in `settings.engine_dir`; nothing is started before `start`."""
    dirs = EngineDirs.below(settings.engine_dir)
    dirs.create()
    (dirs.keys / "keys").mkdir(exist_ok=True, mode=0o700)
    kept = keep(settings, dirs)
    process = EmbeddedProcess(settings, kept, dirs, progress or _log_progress)
    return AsteriskEngine(
        EngineConnection(f"http://{LOOPBACK}:{kept.http_port}", ARI_USER, kept.ari_password, kept.ami_port),
        recordings_dir=settings.recordings_dir,
        clock=clock,
        softphone_secret=kept.softphone_secret,
        process=process,
    )


def external_engine(settings: Settings, clock: Clock) -> AsteriskEngine:
    """Return the adapter on an engine that an operator runs, with the configuration of `write_operator_folder`.

    It must see the recordings folder under the same path, on the same machine or a file system that both share.
    """
    password = settings.engine_ari_password.get_secret_value()
    return AsteriskEngine(
        EngineConnection(settings.engine_ari_url, settings.engine_ari_user, password, settings.engine_ami_port),
        recordings_dir=settings.recordings_dir,
        clock=clock,
        softphone_secret=password,
    )


def write_operator_folder(folder: Path, settings: Settings) -> None:
    """Write the configuration folder (all but asterisk.conf) for an operator to install as his engine's `/etc/asterisk`."""
    url = settings.engine_ari_url
    port = int(url.rsplit(":", 1)[1].split("/")[0]) if url.count(":") > 1 else 8088
    kept = Kept(port, settings.engine_ami_port, settings.sip_port or 5060, settings.engine_ari_password.get_secret_value(), "")
    site = engine_site(settings, kept, settings.engine_ari_user)
    if settings.hold_music is None:
        hold_music.write(site.hold_music)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_folder(folder, configuration(site))


def engine_site(settings: Settings, kept: Kept, ari_user: str = ARI_USER) -> EngineSite:
    """Return what the configuration is made of."""
    paths = ssl.get_default_verify_paths()
    authorities = os.environ.get(paths.openssl_cafile_env) or paths.cafile or "/etc/ssl/certs/ca-certificates.crt"
    return EngineSite(
        http_host=LOOPBACK,
        http_port=kept.http_port,
        sip_host=settings.sip_host,
        sip_port=settings.sip_port or kept.sip_port,
        rtp_port_min=settings.rtp_port_min,
        rtp_port_max=settings.rtp_port_max,
        ami_port=kept.ami_port,
        user=ari_user,
        password=kept.ari_password,
        legs=settings.recordings_dir.absolute() / LEGS_FILE,
        hold_music=(settings.hold_music or settings.data_dir / "hold-music").absolute(),
        external_address=settings.external_address,
        ca_file=Path(authorities) if Path(authorities).is_file() else None,
    )


def keep(settings: Settings, dirs: EngineDirs) -> Kept:
    """Return what this engine folder keeps; made the first time, ports found anew when somebody else took them meanwhile."""
    path = dirs.state / "kept.json"
    kept: Kept | None = None
    with contextlib.suppress(FileNotFoundError, TypeError):  # TypeError: of an earlier version, which kept other things
        kept = Kept(**json.loads(path.read_text()))
    if kept is None:
        kept = _with_free_ports(settings, secrets.token_hex(24), secrets.token_hex(32))
    elif not _answers(dirs) and not _ports_free(settings, kept):
        kept = _with_free_ports(settings, kept.ari_password, kept.softphone_secret)
    else:
        return kept
    write_folder(dirs.state, {path.name: json.dumps(asdict(kept))})
    return kept


def write_folder(folder: Path, files: Mapping[str, str]) -> None:
    """Write the files, readable by their owner alone; each appears whole or not at all, and only when it differs."""
    for name, text in files.items():
        path = folder / name
        with contextlib.suppress(FileNotFoundError):
            if path.read_text() == text:
                continue
        fresh = folder / f".{name}.new"
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        fresh.replace(path)


def _answers(dirs: EngineDirs) -> bool:
    """Return whether an engine of this folder listens on its control socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as console:
        console.settimeout(0.5)
        try:
            console.connect(str(dirs.control_socket))
        except OSError:
            return False
    return True


def _with_free_ports(settings: Settings, ari_password: str, softphone_secret: str) -> Kept:
    for _ in range(50):
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            http_port = held.enter_context(_bound(LOOPBACK, 0)).getsockname()[1]
            ami_port = held.enter_context(_bound(LOOPBACK, 0)).getsockname()[1]
            sip_port = settings.sip_port
            if not sip_port:
                sip_port = held.enter_context(_bound(settings.sip_host, 0)).getsockname()[1]
                held.enter_context(_bound(settings.sip_host, sip_port, socket.SOCK_DGRAM))
                held.enter_context(_bound(settings.sip_host, sip_port + 1))
            return Kept(http_port, ami_port, sip_port, ari_password, softphone_secret)
    raise OSError("no free ports for the engine")


def _ports_free(settings: Settings, kept: Kept) -> bool:
    try:
        with contextlib.ExitStack() as held:
            held.enter_context(_bound(LOOPBACK, kept.http_port))
            held.enter_context(_bound(LOOPBACK, kept.ami_port))
            if not settings.sip_port:
                held.enter_context(_bound(settings.sip_host, kept.sip_port))
                held.enter_context(_bound(settings.sip_host, kept.sip_port, socket.SOCK_DGRAM))
                held.enter_context(_bound(settings.sip_host, kept.sip_port + 1))
    except OSError:
        return False
    return True


def _bound(host: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, kind)
    try:
        if kind is socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def _log_progress(what: str, share: float | None) -> None:
    if not share:
        log.info("engine installation", step=what)


__all__ = [
    "EmbeddedProcess",
    "Kept",
    "embedded_engine",
    "engine_site",
    "external_engine",
    "keep",
    "write_folder",
    "write_operator_folder",
]
