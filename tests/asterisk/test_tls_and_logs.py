"""A TLS trunk is believed only with a certificate that a known authority signed; logs name nobody."""

import datetime as dt
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.asterisk.conftest import MakeCall
from tests.support.asterisk_engines import EngineHome, RealEngine
from tests.support.engines import TestCall, plan
from tests.support.sip_peer import always, sip_peer

from intellicall.telephony.engine import Cause, PhoneLine, Role, Transport
from intellicall.telephony.testnet.network import TestNetwork

pytestmark = pytest.mark.asterisk


def certificate(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    """Make a self-signed certificate for 127.0.0.1; return its file and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, secret = folder / f"{name}.pem", folder / f"{name}.key"
    chain.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, secret)
    return chain, context


async def test_a_tls_trunk_needs_a_certificate_that_can_be_trusted(
    engine_install: object, test_network: TestNetwork, short_tmp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, good = certificate(tmp_path, "good")
    _, bad = certificate(tmp_path, "bad")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    async with EngineHome(short_tmp / "tls").engine() as real:
        try:
            async with (
                sip_peer(always("486 Busy Here"), Transport.TLS, good) as trusted,
                sip_peer(always("200 OK"), Transport.TLS, bad) as stranger,
            ):
                await real.engine.set_trunks([test_network.trunk, trusted.trunk("good"), stranger.trunk("bad")])
                made = await TestCall(real.engine, real.heard, plan(trunks=("bad", "good"))).to_customer()
                assert (await made.ended(Role.CUSTOMER)).cause is Cause.BUSY
                assert "SIP/2.0/TLS " in trusted.of("INVITE")[0].headers["via"]
                assert stranger.requests == []
        finally:
            await real.engine.end()


async def test_the_engines_logs_name_no_number(real: RealEngine, call: MakeCall, engine_home: EngineHome) -> None:
    for number in ("+12025550104", "+12025550106", "+12025550107", "+12025550100"):
        made = await call(customer_number=number, customer_ring_s=1, max_length_s=1, recording=f"crm_{number[1:]}x").to_customer()
        await made.over()
    refused = await call(agent=PhoneLine("+12025550105", ("sandbox",))).ring_agent()
    await refused.ended(Role.AGENT)
    logs = [path for path in (engine_home.settings.engine_dir / "log").rglob("*") if path.is_file()]
    assert logs
    for path in logs:
        text = path.read_text(errors="replace")
        assert "202555" not in text, path.name
        assert "1140000000" not in text, path.name
