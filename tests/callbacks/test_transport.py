"""One request to receivers of every kind of badness."""

import asyncio
import ssl
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.callbacks.samples import AUTH, delivery_to
from tests.support.receiver import Behaviour, answers, drips, floods, hangs, receiver, resets, sends

from intellicall.callbacks.delivery import ANSWER_KEPT, Answer
from intellicall.callbacks.transport import HttpTransport


async def post(url: str, timeout_s: float = 5, header: tuple[str, str] | None = AUTH, trusted: Path | None = None) -> Answer:
    context = ssl.create_default_context(cafile=str(trusted)) if trusted else None
    transport = HttpTransport(allow_private=True, timeout_s=timeout_s, ssl_context=context)
    await transport.open()
    try:
        return await transport.post(delivery_to(url, header))
    finally:
        await transport.close()


@pytest.mark.parametrize(
    ("behaviour", "acknowledged", "outcome"),
    [
        (answers(200), True, "acknowledged with HTTP 200"),
        (answers(201), True, "acknowledged with HTTP 201"),
        (sends(b"HTTP/1.1 204 No Content\r\n\r\n"), True, "acknowledged with HTTP 204"),
        (sends(b"HTTP/1.0 200 OK\r\n\r\nbody until the end"), True, "acknowledged with HTTP 200"),
        (sends(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), True, "acknowledged with HTTP 200"),
        (sends(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nbroken off"), True, "acknowledged with HTTP 200"),
        (sends(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope"), True, "acknowledged with HTTP 200"),
        (answers(301, headers={"Location": "/else"}), False, "answered with redirect HTTP 301; not followed"),
        (answers(302, headers={"Location": "/else"}), False, "answered with redirect HTTP 302; not followed"),
        (answers(304, b""), False, "answered with redirect HTTP 304; not followed"),
        (answers(307, headers={"Location": "http://169.254.169.254/"}), False, "answered with redirect HTTP 307; not followed"),
        (answers(308, headers={"Location": "http://169.254.169.254/"}), False, "answered with redirect HTTP 308; not followed"),
        (answers(400), False, "answered with HTTP 400"),
        (answers(401), False, "answered with HTTP 401"),
        (answers(410), False, "answered with HTTP 410"),
        (answers(429, headers={"Retry-After": "1"}), False, "answered with HTTP 429"),
        (answers(500), False, "answered with HTTP 500"),
        (answers(503), False, "answered with HTTP 503"),
        (resets, False, "the receiver"),
        (sends(b""), False, "the receiver closed the connection without an answer"),
        (sends(b"HTTP/1.1 200 OK\r\n"), False, "the receiver"),
        (sends(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), False, "the receiver's answer is not HTTP"),
        (sends(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n"), False, "the receiver's answer is not HTTP"),
        (sends(b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 10_000 + b"\r\n"), False, "the receiver's answer is not HTTP"),
    ],
)
async def test_what_counts_as_an_acknowledgement(behaviour: Behaviour, acknowledged: bool, outcome: str) -> None:
    async with receiver(behaviour) as crm:
        answer = await post(crm.url)
        assert answer.outcome.startswith(outcome)
        assert answer.acknowledged is acknowledged
        assert len(crm.requests) == crm.connections == 1


@pytest.mark.parametrize("behaviour", [hangs, drips(b"HTTP/1.1 200 "), drips(b"HTTP/1.1 200 OK\r\nX-Slow: ")])
async def test_no_answer_within_the_time_limit(behaviour: Behaviour) -> None:
    async with receiver(behaviour) as crm:
        began = time.monotonic()
        answer = await post(crm.url, timeout_s=0.5)
        assert 0.4 < time.monotonic() - began < 5  # on a busy machine
        assert answer.outcome == "no answer within 0.5 s"


async def test_a_receiver_that_accepts_and_says_nothing_in_tls() -> None:
    async with receiver(hangs) as crm:
        answer = await post(crm.url.replace("http:", "https:"), timeout_s=0.5)
        assert answer.outcome == "no answer within 0.5 s"


async def test_the_status_counts_though_the_body_never_ends() -> None:
    async with receiver(drips(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")) as crm:
        began = time.monotonic()
        answer = await post(crm.url, timeout_s=60)
        assert answer.acknowledged
        assert time.monotonic() - began < 30


@pytest.mark.parametrize("head", [b"HTTP/1.1 500 No\r\nContent-Length: 9999999999\r\n\r\n", b"HTTP/1.1 500 No\r\n\r\n"])
async def test_a_huge_answer_is_neither_read_nor_kept(head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intellicall.callbacks.transport.BODY_TIME_S", 60)
    sent: list[int] = []
    async with receiver(floods(head, sent)) as crm:
        began = time.monotonic()
        answer = await post(crm.url, timeout_s=60)
        assert time.monotonic() - began < 30  # it is the size that ends it, not the time
        assert answer.body == b"x" * ANSWER_KEPT
    assert sum(sent) < ANSWER_KEPT + 8_000_000  # what the kernel's buffers take besides


@pytest.mark.parametrize("length", [ANSWER_KEPT, ANSWER_KEPT + 1, 100_000_000])
async def test_two_kb_of_an_answer_are_read_and_nobody_waits_for_the_rest(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intellicall.callbacks.transport.BODY_TIME_S", 60)
    head = f"HTTP/1.1 500 No\r\nContent-Length: {length}\r\n\r\n".encode()

    async def says_two_kb_and_hangs(writer: asyncio.StreamWriter) -> None:
        writer.write(head + b"x" * ANSWER_KEPT)
        await hangs(writer)

    async with receiver(says_two_kb_and_hangs) as crm:
        began = time.monotonic()
        answer = await post(crm.url, timeout_s=60)
        assert answer.body == b"x" * ANSWER_KEPT
        assert time.monotonic() - began < 30


@pytest.mark.parametrize("status", [429, 503, 500])
async def test_only_a_429_and_a_503_can_ask_for_a_wait(status: int) -> None:
    async with receiver(answers(status, headers={"Retry-After": "7"})) as crm:
        assert (await post(crm.url)).retry_after == (None if status == 500 else "7")


@pytest.mark.parametrize("name", ["Webhook-Id", "WEBHOOK-SIGNATURE", "webhook-timestamp", "X-Intellicall-Event", "Expect", "TE"])
async def test_the_accounts_header_replaces_none_of_ours(name: str) -> None:
    async with receiver() as crm:
        answer = await post(crm.url, header=(name, "forged"))
        assert answer.outcome == "the account's auth header has a name that is used for something else"
        assert crm.requests == []


async def test_no_such_host_and_no_listener() -> None:
    assert (await post("http://nothing.invalid/")).outcome == "the receiver's host name could not be found"
    async with receiver() as crm:
        pass
    assert (await post(crm.url)).outcome == "the receiver refused the connection"


@pytest.mark.parametrize(
    "header", [("X-Token", "line\r\nX-Other: injected"), ("X-Token\r\nX-Other", "x"), ("Content-Type", "text/plain"), ("Host", "x")]
)
async def test_a_header_that_cannot_be_sent_is_a_failed_attempt(header: tuple[str, str]) -> None:
    async with receiver() as crm:
        answer = await post(crm.url, header=header)
        assert not answer.acknowledged
        assert crm.requests == []


async def test_cookies_of_a_receiver_are_not_kept() -> None:
    transport = HttpTransport(allow_private=True)
    await transport.open()
    async with receiver(answers(200, headers={"Set-Cookie": "session=1; Path=/"})) as crm:
        for _ in range(2):  # by name: cookies of bare addresses are ignored anyway
            assert (await transport.post(delivery_to(f"http://localhost:{crm.port}/"))).acknowledged
        assert all("cookie" not in request.headers for request in crm.requests)
        assert crm.connections == 1  # kept alive
        await transport.close()


async def test_environment_proxies_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiver() as crm, receiver() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert (await post(crm.url)).acknowledged
        assert proxy.connections == 0


async def test_requests_at_once_do_not_mix_up_their_refusals() -> None:
    transport = HttpTransport(timeout_s=2)
    await transport.open()
    urls = ["https://127.0.0.1:1024/", "https://169.254.169.254/", "https://10.0.0.1/", "https://nothing.invalid/"]
    found = await asyncio.gather(*(transport.post(delivery_to(url)) for url in urls))
    await transport.close()
    assert [answer.outcome.rpartition("(")[2] for answer in found] == [
        "loopback)",
        "link-local)",
        "private)",
        "the receiver's host name could not be found",
    ]


def certificate(folder: Path, *, host: str = "127.0.0.1", days: int = 1) -> Path:
    """A self-signed certificate and its key in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    subject = x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=10))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([subject]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{host}{days}.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


def serving(pem: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    return context


async def test_https_with_a_certificate_of_a_trusted_authority(tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    async with receiver(tls=serving(pem)) as crm:
        assert (await post(crm.url, trusted=pem)).acknowledged


@pytest.mark.parametrize(
    ("host", "days", "trust", "reason"),
    [
        ("127.0.0.1", 1, False, "self-signed certificate"),
        ("127.0.0.1", -1, True, "certificate has expired"),
        ("crm.example", 1, True, "IP address mismatch, certificate is not valid for '127.0.0.1'."),
    ],
)
async def test_a_bad_certificate_is_a_failed_attempt(tmp_path: Path, host: str, days: int, trust: bool, reason: str) -> None:
    pem = certificate(tmp_path, host=host, days=days)
    async with receiver(tls=serving(pem)) as crm:
        answer = await post(crm.url, trusted=pem if trust else None)
        assert answer.outcome == f"the receiver's certificate is not valid ({reason})"
        assert crm.requests == []


async def test_plain_http_behind_an_https_url() -> None:
    async with receiver(sends(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as crm:
        answer = await post(crm.url.replace("http:", "https:"), timeout_s=1)
        assert not answer.acknowledged
        assert crm.requests == []
