"""HTTPS and WSS by the platform itself; a renewed certificate is taken over while connections live on."""

import asyncio
import datetime as dt
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.web.serving import serving, until
from tests.web.test_wire import router

from intellicall.settings import Settings
from intellicall.web.address import UnsafeDoors
from intellicall.web.application import make_app
from intellicall.web.server import Server
from intellicall.web.wire import Limits


def write_pair(folder: Path, name: str) -> None:
    """Write a self-signed certificate for localhost, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def exchange(folder: Path, name: str, *suffixes: str) -> None:
    """Put a pair's files where the platform looks, as renewal tools do: by renaming."""
    for suffix in suffixes or ("crt", "key"):
        new = folder / f"new.{suffix}"
        new.write_bytes((folder / f"{name}.{suffix}").read_bytes())
        new.replace(folder / f"live.{suffix}")


def live(folder: Path) -> dict[str, Any]:
    """Return the settings that name the live pair."""
    return {"tls_certificate": folder / "live.crt", "tls_key": folder / "live.key"}


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """A folder with the pairs `one` and `two`; `one` is live."""
    for name in ("one", "two"):
        write_pair(tmp_path, name)
    exchange(tmp_path, "one")
    return tmp_path


def anybody() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def served_name(port: int) -> str:
    """Return the name in the certificate that a new connection gets."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=anybody(), server_hostname="localhost")
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return x509.load_der_x509_certificate(der).subject.rfc4514_string()


async def test_https_and_wss(pair: Path) -> None:
    async with (
        serving([router()], **live(pair)) as (_, port),
        aiohttp.ClientSession(f"https://127.0.0.1:{port}", connector=aiohttp.TCPConnector(ssl=anybody())) as client,
    ):
        async with client.get("/hello") as answer:
            assert answer.status == 200
            assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
        async with client.ws_connect("/talk") as socket:
            await socket.send_str("hello")
            assert await socket.receive_str() == "hello"


async def test_a_changed_certificate_is_for_new_connections_and_old_ones_live(pair: Path) -> None:
    async with (
        serving([router()], tick_s=0.02, **live(pair)) as (_, port),
        aiohttp.ClientSession(f"https://127.0.0.1:{port}", connector=aiohttp.TCPConnector(ssl=anybody())) as client,
        client.ws_connect("/talk") as socket,
    ):
        assert await served_name(port) == "CN=one"
        exchange(pair, "two")
        async with asyncio.timeout(5):
            while await served_name(port) != "CN=two":
                pass
        await socket.send_str("still here")
        assert await socket.receive_str() == "still here"


async def test_half_a_renewal_and_rubbish_change_nothing(pair: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = ""

    def refused(times: int) -> bool:
        nonlocal said
        said += capsys.readouterr().out
        return said.count("certificate_not_reloaded") == times

    async with serving([router()], tick_s=0.02, **live(pair)) as (_, port):
        exchange(pair, "two", "crt")  # the key is not there yet
        await until(lambda: refused(1))
        assert await served_name(port) == "CN=one"
        (pair / "live.key").write_text("rubbish")
        await until(lambda: refused(2))
        assert await served_name(port) == "CN=one"
        (pair / "live.key").unlink()
        await until(lambda: refused(3))
        assert await served_name(port) == "CN=one"
        exchange(pair, "two", "key")
        async with asyncio.timeout(5):
            while await served_name(port) != "CN=two":
                pass


async def test_old_tls_and_plain_http_are_not_spoken(pair: Path) -> None:
    async with serving([router()], Limits(header_s=0.5), **live(pair)) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" not in await reader.read()
        writer.close()


async def test_a_handshake_that_never_comes_is_cut_off(pair: Path) -> None:
    async with serving([router()], Limits(header_s=0.2), **live(pair)) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()


async def test_a_pair_that_does_not_fit_stops_the_start(pair: Path) -> None:
    settings = Settings(port=0, tls_certificate=pair / "one.crt", tls_key=pair / "two.key")
    with pytest.raises(ssl.SSLError):
        await Server(make_app([], settings), settings).start()


async def test_doors_are_checked_at_the_start() -> None:
    settings = Settings(port=0, host="0.0.0.0")  # noqa: S104 - which is what must be refused
    with pytest.raises(UnsafeDoors):
        await Server(make_app([], settings), settings).start()
