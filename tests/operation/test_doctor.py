"""The doctor: each thing is broken, and its sentence and remedy are read."""

import asyncio
import json
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.app.running import open_api
from tests.support.databases import PostgresServer
from tests.support.ports import find_free_port
from tests.support.receiver import receiver
from tests.support.sip_peer import always, sip_peer
from typer.testing import CliRunner

from intellicall.accounts.account import Account
from intellicall.cli.main import app as cli
from intellicall.operation import machine_checks, voice_checks
from intellicall.operation.doctor import check_receiver, check_shelf
from intellicall.operation.finding import Finding, Verdict
from intellicall.settings import EngineMode, Settings
from intellicall.storage.migrate import migrate
from intellicall.telephony.checkup import EngineCheckup
from intellicall.telephony.engine import Transport, Trunk, TrunkState

AWAY = EngineCheckup("22.10.1", answers=False, sip_port=5060)
UP = EngineCheckup("22.10.1", answers=True, sip_port=5060)
OUTSIDE = Trunk("carrier1", "sip.carrier.example", 5060)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path, sip_host="192.168.1.2")


def with_(settings: Settings, **changes: object) -> Settings:
    return settings.model_copy(update=changes)


def says(found: Finding, verdict: Verdict, *words: str) -> None:
    assert found.verdict is verdict, found
    assert all(word in f"{found.sentence} {found.remedy}" for word in words), found
    assert found.sentence.endswith(".")
    assert found.remedy.endswith(".") or not found.remedy
    assert bool(found.remedy) is (verdict is not Verdict.OK)


# -- voice ----------------------------------------------------------------------------------------------------------------


def test_the_engine(settings: Settings) -> None:
    def check(found: EngineCheckup, *, up: bool = True, mode: EngineMode = EngineMode.EMBEDDED) -> Finding:
        return voice_checks.check_engine(with_(settings, engine=mode), found, platform_up=up)

    says(check(UP), Verdict.OK, "Asterisk 22.10.1 runs")
    says(check(AWAY, up=False), Verdict.OK, "is installed")
    says(check(AWAY), Verdict.FAILED, "does not answer")
    says(check(EngineCheckup("22.9.0", answers=True)), Verdict.WARNING, "known vulnerabilities", "22.10.1")
    says(check(EngineCheckup(None, answers=False), up=False), Verdict.WARNING, "not installed", "80 MB")
    says(check(EngineCheckup(None, answers=False, fault="The engine is damaged.")), Verdict.FAILED, "damaged")
    says(check(UP, mode=EngineMode.EXTERNAL), Verdict.OK, "external")
    says(check(AWAY, mode=EngineMode.EXTERNAL), Verdict.FAILED, "INTELLICALL_ENGINE_ARI_URL")
    says(check(UP, mode=EngineMode.SCRIPTED), Verdict.WARNING, "no call leaves this machine")


async def test_trunks_are_asked_by_sip() -> None:
    async with sip_peer(always("200 OK")) as udp, sip_peer(always("200 OK"), Transport.TCP) as tcp:
        by_name = udp.trunk("by-name", register=True, username="u")
        gone = Trunk("gone", "127.0.0.1", find_free_port(), Transport.TCP)
        silent = Trunk("silent", "127.0.0.1", find_free_port())
        nowhere = Trunk("nowhere", "no-such-carrier.invalid", 5060)
        trunks = [udp.trunk("udp"), tcp.trunk("tcp"), by_name, gone, silent, nowhere]
        found = await voice_checks.check_trunks(
            trunks, EngineCheckup("", answers=True, states={"by-name": TrunkState.UNREGISTERED})
        )
        assert [request.method for request in udp.requests] == ["OPTIONS", "OPTIONS"]
        says((await voice_checks.check_trunks([by_name], AWAY))[0], Verdict.WARNING, "when the engine runs")
        let_in = EngineCheckup("", answers=True, states={"by-name": TrunkState.REGISTERED})
        says((await voice_checks.check_trunks([by_name], let_in))[0], Verdict.OK, "we are registered")
    says(found[0], Verdict.OK, "answers SIP (200)", "needs no registration")
    says(found[1], Verdict.OK, "answers SIP (200)")
    says(found[2], Verdict.FAILED, "does not let us register", "password")
    for one in found[3:]:
        says(one, Verdict.FAILED, "does not answer SIP", "firewall")
    assert "host name is unknown" in found[5].sentence
    says((await voice_checks.check_trunks([], UP))[0], Verdict.WARNING, "no trunk", "intellicall trunk add")


def test_ports(settings: Settings, free_port: int) -> None:
    here = with_(settings, sip_host="127.0.0.1")
    at = EngineCheckup("22.10.1", answers=False, sip_port=free_port)
    says(voice_checks.check_ports(here, at)[0], Verdict.OK, "is free for SIP")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", free_port))
        says(voice_checks.check_ports(here, at)[0], Verdict.FAILED, "another program has it", "INTELLICALL_SIP_PORT")
        ours = EngineCheckup("22.10.1", answers=True, sip_port=free_port)
        says(voice_checks.check_ports(here, ours)[0], Verdict.OK, "listens for SIP")
    says(voice_checks.check_ports(with_(here, rtp_port_min=20000, rtp_port_max=20099), at)[1], Verdict.FAILED, "25 calls")


def test_rtp_ports_that_somebody_else_has(settings: Settings) -> None:
    low = 21_000
    taken = with_(settings, rtp_port_min=low, rtp_port_max=low + 200)
    with ExitStack() as held:
        for port in range(low, low + 201, 10):
            other = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            other.bind(("127.0.0.1", port))
        says(voice_checks.check_ports(taken, AWAY)[1], Verdict.FAILED, "in use by another program")
    says(voice_checks.check_ports(taken, AWAY)[1], Verdict.OK, "for 50 calls at once; it must be open in the firewall")
    wide = with_(settings, rtp_port_min=20000, rtp_port_max=29999)
    says(voice_checks.check_ports(wide, AWAY)[1], Verdict.OK, "for 625 calls at once")


def test_nat_and_turn(settings: Settings) -> None:
    inside = Trunk("pbx", "192.168.1.9", 5060)
    says(voice_checks.check_nat(settings, [inside]), Verdict.OK)
    says(voice_checks.check_nat(with_(settings, sip_host="127.0.0.1"), [OUTSIDE]), Verdict.FAILED, "this machine only")
    says(voice_checks.check_nat(settings, [OUTSIDE]), Verdict.WARNING, "silent in one direction", "INTELLICALL_EXTERNAL_ADDRESS")
    says(voice_checks.check_nat(with_(settings, external_address="10.0.0.1"), [OUTSIDE]), Verdict.FAILED, "a private one")
    says(voice_checks.check_nat(with_(settings, external_address="8.8.8.8"), [OUTSIDE]), Verdict.OK, "can reach")
    says(voice_checks.check_turn(settings), Verdict.OK, "no TURN server")
    says(voice_checks.check_turn(with_(settings, public_url="https://voice.example.com")), Verdict.WARNING, "blocks UDP", "20000")


# -- machine --------------------------------------------------------------------------------------------------------------


def test_disk(settings: Settings) -> None:
    settings.recordings_dir.mkdir()
    room, speed = machine_checks.check_disk(settings)
    says(room, Verdict.OK, "MB are free")
    assert speed.verdict in (Verdict.OK, Verdict.WARNING)
    assert "ms" in speed.sentence
    says(machine_checks.check_disk(with_(settings, disk_warn_mb=10**9))[0], Verdict.WARNING, "nothing new is recorded")
    says(machine_checks.check_disk(with_(settings, disk_stop_mb=10**9))[0], Verdict.FAILED, "Make room")
    settings.recordings_dir.rmdir()
    settings.recordings_dir.write_text("a file where the folder should be")
    says(machine_checks.check_disk(settings)[0], Verdict.FAILED, "cannot be written")


def test_clock() -> None:
    says(machine_checks.clock_finding(synchronized=True), Verdict.OK)
    says(machine_checks.clock_finding(synchronized=False), Verdict.WARNING, "wrong times", "timesyncd")
    says(machine_checks.clock_finding(synchronized=None), Verdict.WARNING, "cannot be found out")
    assert machine_checks.check_clock().check == "clock"


def certificate(folder: Path, host: str, days: float) -> dict[str, Path]:
    """Write a self-signed pair and return its settings."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=100), now + timedelta(days=days, minutes=5))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = {"tls_certificate": folder / "chain.pem", "tls_key": folder / "key.pem"}
    files["tls_certificate"].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    files["tls_key"].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return files


def test_certificate(settings: Settings, tmp_path: Path) -> None:
    outside = with_(settings, public_url="https://voice.example.com")
    says(machine_checks.check_certificate(settings), Verdict.OK, "No certificate is needed")
    says(machine_checks.check_certificate(outside), Verdict.FAILED, "no microphone without HTTPS")
    for host, days, verdict, words in (
        ("voice.example.com", 60, Verdict.OK, "valid for 60 days"),
        ("*.example.com", 60, Verdict.OK, "valid"),
        ("voice.example.com", 5, Verdict.WARNING, "expires in 5 days"),
        ("voice.example.com", -2, Verdict.FAILED, "has expired"),
        ("other.example.com", 60, Verdict.FAILED, "not for voice.example.com"),
    ):
        says(machine_checks.check_certificate(with_(outside, **certificate(tmp_path, host, days))), verdict, words)
    pair = certificate(tmp_path, "voice.example.com", 60)
    pair["tls_key"].write_text("no key")
    says(machine_checks.check_certificate(with_(outside, **pair)), Verdict.FAILED, "cannot be used together")


def test_database_on_sqlite(settings: Settings) -> None:
    says(machine_checks.check_database(settings), Verdict.WARNING, "intellicall migrate")
    migrate(settings.sql_url)
    says(machine_checks.check_database(settings), Verdict.OK, "sound")
    file = settings.data_dir / "intellicall.db"
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'of-the-future'")
    connection.close()
    says(machine_checks.check_database(settings), Verdict.FAILED, "later version")
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    connection.close()
    content = bytearray(file.read_bytes())
    for page in range(3, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = bytes(range(64))
    file.write_bytes(content)
    assert machine_checks.check_database(settings).verdict is Verdict.FAILED


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    postgres_server.run("CREATE DATABASE doctor")
    yield postgres_server.url("doctor")
    postgres_server.run("DROP DATABASE doctor WITH (FORCE)")


@pytest.mark.postgres
def test_database_on_postgresql(settings: Settings, postgres_url: str) -> None:
    there = with_(settings, database_url=postgres_url)
    migrate(there.sql_url)
    says(machine_checks.check_database(there), Verdict.OK, "answers")
    nobody = with_(settings, database_url=f"postgresql+psycopg://u@127.0.0.1:{find_free_port()}/x")
    says(machine_checks.check_database(nobody), Verdict.FAILED, "cannot be used", "INTELLICALL_DATABASE_URL")


def test_http_port(settings: Settings, free_port: int) -> None:
    here = with_(settings, port=free_port)
    says(machine_checks.check_http_port(here, platform_up=True), Verdict.OK)
    says(machine_checks.check_http_port(here, platform_up=False), Verdict.WARNING, "does not run", "intellicall run")
    with socket.socket() as other:
        other.bind(("127.0.0.1", free_port))
        other.listen()
        says(machine_checks.check_http_port(here, platform_up=False), Verdict.FAILED, "cannot listen")


def test_service() -> None:
    says(machine_checks.service_finding(None), Verdict.OK)
    says(machine_checks.service_finding("process"), Verdict.OK)
    says(machine_checks.service_finding("control-group"), Verdict.FAILED, "every call", "KillMode=process")


# -- what is outside ------------------------------------------------------------------------------------------------------


async def test_receivers_are_reached_without_a_word(settings: Settings) -> None:
    private = with_(settings, allow_private_callbacks=True)

    def account(url: str) -> Account:
        return Account("a1", "acme", True, True, "US", 1, callback_url=url)

    async with receiver() as results:
        says(await check_receiver(private, account(results.url)), Verdict.OK, "acme")
        says(await check_receiver(settings, account(results.url)), Verdict.FAILED, "does not start with https")
        secure = results.url.replace("http:", "https:")
        says(await check_receiver(settings, account(secure)), Verdict.FAILED, "not allowed (loopback)")
        assert results.requests == []
    says(await check_receiver(private, account(results.url)), Verdict.FAILED, "refuses the connection", "firewall")
    unknown = account("https://no-such-receiver.invalid/x")
    says(await check_receiver(private, unknown), Verdict.FAILED, "host name could not be found")


async def test_a_store_that_is_away(settings: Settings) -> None:
    assert await check_shelf(settings) is None
    endpoint = f"http://127.0.0.1:{find_free_port()}"
    changes = {"recordings_s3_url": "s3://calls", "recordings_s3_endpoint": endpoint, "recordings_s3_key_id": "k"}
    found = await check_shelf(with_(settings, **changes))
    assert found is not None
    says(found, Verdict.FAILED, "cannot be moved to S3", "INTELLICALL_RECORDINGS_S3_URL")


async def test_the_command_beside_a_platform_and_without_one(tmp_path: Path) -> None:
    async with open_api(tmp_path) as api:
        options = {"INTELLICALL_PORT": str(api.platform.port), "INTELLICALL_ENGINE": "scripted"}
        options |= {"INTELLICALL_ALLOW_PRIVATE_CALLBACKS": "true", "INTELLICALL_DISK_STOP_MB": "0"}
        command = ["--state-dir", str(tmp_path), "doctor", "--json"]
        up = await asyncio.to_thread(CliRunner().invoke, cli, command, env=options)
    down = await asyncio.to_thread(CliRunner().invoke, cli, command, env=options)
    assert up.exit_code == 0, up.output
    told = {one["check"]: one for one in json.loads(up.stdout.splitlines()[-1])["checks"]}
    assert told["http port"]["sentence"].startswith("The platform answers")
    assert told["callback a1"]["verdict"] == "ok"
    assert {"engine", "trunks", "nat", "turn", "certificate", "clock", "disk", "disk speed", "database", "service"} <= set(told)
    assert down.exit_code == 1
    failed = json.loads(down.stderr)["error"]
    assert failed["failed"] == ["callback a1"]  # its receiver went with the test
