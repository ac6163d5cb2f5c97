"""What the doctor asks about the machine: disk, clock, certificate, database, the HTTP port, and how systemd would stop us."""

import ctypes
import os
import socket
import ssl
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from intellicall.operation.finding import Finding, failed, ok, warning
from intellicall.settings import Settings
from intellicall.storage.database import StorageUnavailable, open_engine
from intellicall.storage.migrate import UnknownSchema, pending
from intellicall.web.tls import Certificate

MB = 1_000_000
SLOW_FSYNC_S = 0.05
EXPIRES_SOON_DAYS = 14
_UNSYNCHRONIZED = 5  # TIME_ERROR of adjtimex(2)


def check_disk(settings: Settings) -> list[Finding]:
    """Room, and how fast a byte is safe: every call waits for that a few times."""
    folder = settings.recordings_dir if settings.recordings_dir.exists() else settings.data_dir
    if not folder.exists():
        return [ok("disk", "The state folder is made by the first start.")]
    try:
        seen, seconds = os.statvfs(folder), _fsync_s(folder)
    except OSError as error:
        remedy = "Give the platform's user the state folder: it and all in it must be its own."
        return [failed("disk", f"The recordings' folder cannot be written ({error.strerror}).", remedy)]
    return [_room(settings, seen.f_bavail * seen.f_frsize // MB), _speed(seconds)]


def _room(settings: Settings, free_mb: int) -> Finding:
    remedy = "Make room, shorten the accounts' retention, or move recordings to S3."
    if free_mb < settings.disk_stop_mb:
        return failed("disk", f"Only {free_mb} MB are free: nothing new is recorded.", remedy)
    if free_mb < settings.disk_warn_mb:
        return warning("disk", f"Only {free_mb} MB are free; below {settings.disk_stop_mb} MB nothing new is recorded.", remedy)
    return ok("disk", f"{free_mb} MB are free, and the recordings' folder can be written.")


def _speed(seconds: float) -> Finding:
    told = f"A write is safe on the disk after {seconds * 1000:.1f} ms"
    if seconds < SLOW_FSYNC_S:
        return ok("disk speed", f"{told}.")
    return warning("disk speed", f"{told}: calls start late.", "Put the state folder on a faster disk.")


def _fsync_s(folder: Path) -> float:
    """The middle one of five."""
    took = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(5):
            began = time.monotonic()
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
            took.append(time.monotonic() - began)
    return sorted(took)[2]


def check_clock() -> Finding:
    """Set by NTP or the like: results, signatures and certificates need the right time."""
    return clock_finding(synchronized=_synchronized())


def clock_finding(*, synchronized: bool | None) -> Finding:
    """The clock's finding, given what the kernel says; None: it cannot be asked."""
    remedy = "Install and start an NTP client, for example `systemctl enable --now systemd-timesyncd`."
    if synchronized is None:
        return warning("clock", "Whether the clock is kept right cannot be found out here.", remedy)
    if not synchronized:
        sentence = "Nothing keeps the clock right: results would carry wrong times, and receivers refuse old signatures."
        return warning("clock", sentence, remedy)
    return ok("clock", "The clock is kept right.")


def _synchronized() -> bool | None:
    """Ask the kernel (adjtimex(2), reading only); in a container it may not be told."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        state = libc.adjtimex(ctypes.create_string_buffer(512))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _UNSYNCHRONIZED


def check_certificate(settings: Settings, now: datetime | None = None) -> Finding:
    """Valid, for the host of the public URL, and for how long."""
    name = "certificate"
    host = urlsplit(settings.public_url or "").hostname
    if settings.tls_certificate is None or settings.tls_key is None:
        if host is None or host in ("localhost", "127.0.0.1", "::1") or settings.trusted_proxies:
            return ok(name, "No certificate is needed here: browsers come from this machine, or through a proxy that has one.")
        remedy = (
            "Set INTELLICALL_TLS_CERTIFICATE and _KEY, or put a proxy with TLS in front and name it in INTELLICALL_TRUSTED_PROXIES."
        )
        return failed(name, "There is no certificate: browsers give the softphone no microphone without HTTPS.", remedy)
    remedy = "Renew it; the platform takes the new files up by itself."
    try:
        Certificate(settings.tls_certificate, settings.tls_key)
        leaf = x509.load_pem_x509_certificates(settings.tls_certificate.read_bytes())[0]
    except (OSError, ssl.SSLError, ValueError) as error:
        return failed(name, f"Certificate and key cannot be used together ({type(error).__name__}).", "Check both files.")
    days = (leaf.not_valid_after_utc - (now or datetime.now(UTC))).days
    if days < 0:
        return failed(name, "The certificate has expired: browsers refuse the softphone.", remedy)
    if host is not None and not _is_for(leaf, host):
        return failed(name, f"The certificate is not for {host}, the host of the public URL.", "Get one with that name.")
    if days < EXPIRES_SOON_DAYS:
        return warning(name, f"The certificate expires in {days} days.", remedy)
    return ok(name, f"The certificate is valid for {days} days more.")


def _is_for(leaf: x509.Certificate, host: str) -> bool:
    """RFC 9525: only the alternative names count; `*` stands for one label."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    named = [name.lower() for name in names.get_values_for_type(x509.DNSName)]
    literals = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return host in literals or host in named or f"*.{host.partition('.')[2]}" in named


def check_database(settings: Settings) -> Finding:
    """Reachable, of this version's schema, and sound."""
    name = "database"
    try:
        missing = pending(settings.sql_url)
    except UnknownSchema as error:
        return failed(name, f"{str(error).capitalize()}.", "Install that version, or restore a backup made by this one.")
    except StorageUnavailable as error:
        why = str(error).rstrip(".")
        return failed(name, f"The database cannot be used ({why}).", "Check INTELLICALL_DATABASE_URL, the server and its disk.")
    if missing:
        return warning(
            name, "The database does not have this version's schema yet.", "Run `intellicall migrate`, or start the platform."
        )
    engine = open_engine(settings.sql_url)
    try:
        with engine.connect() as connection:
            sqlite = engine.dialect.name == "sqlite"
            said = connection.execute(text("PRAGMA quick_check(1)" if sqlite else "SELECT 'ok'")).scalar_one()
    except (DBAPIError, StorageUnavailable) as error:
        said = type(error).__name__
    finally:
        engine.dispose()
    if said != "ok":
        return failed(name, "The database is damaged.", "Stop the platform and restore the last backup (`intellicall restore`).")
    return ok(name, "The database answers, has this version's schema and is sound.")


def check_http_port(settings: Settings, *, platform_up: bool) -> Finding:
    """Ours, or free."""
    name, port = "http port", settings.port
    if platform_up:
        return ok(name, f"The platform answers on port {port}.")
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, port))
        except OSError as error:
            remedy = "End the other program, or set INTELLICALL_HOST and INTELLICALL_PORT."
            return failed(name, f"The platform cannot listen on {settings.host} port {port} ({error.strerror}).", remedy)
    return warning(name, f"The platform does not run; port {port} is free for it.", "Start it: `intellicall run`, or your service.")


def check_service() -> Finding:
    """How systemd would stop the platform: calls must outlive that."""
    return service_finding(_kill_mode())


def service_finding(kill_mode: str | None) -> Finding:
    """The service's finding, given its KillMode; None: there is no such service."""
    if kill_mode is None:
        return ok("service", "No systemd service `intellicall` is there.")
    if kill_mode in ("process", "none"):
        return ok("service", "systemd leaves the telephone engine alone when it restarts the platform.")
    sentence = f"systemd (KillMode={kill_mode}) would kill the telephone engine, and every call, with each restart of the platform."
    return failed("service", sentence, "Set KillMode=process in the unit; deploy/ has one.")


def _kill_mode() -> str | None:
    if not Path("/run/systemd/system").exists():
        return None
    ask = ["systemctl", "show", "intellicall.service", "--property=LoadState,KillMode"]
    try:
        said = subprocess.run(ask, capture_output=True, text=True, timeout=5, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    told = dict(line.partition("=")[::2] for line in said.splitlines())
    return told.get("KillMode") if told.get("LoadState") == "loaded" else None
