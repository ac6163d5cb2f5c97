"""Server-side request forgery: every way to write a forbidden address, and names that change their mind."""

import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given
from hypothesis import strategies as st
from tests.callbacks.samples import delivery_to
from tests.support.receiver import Receiver, receiver

from intellicall.callbacks.address_guard import AddressRefused, guarded_sockets, refused_kind, url_fault
from intellicall.callbacks.delivery import Answer
from intellicall.callbacks.transport import HttpTransport


def words(text: str) -> list[str]:
    return text.split()


PRIVATE = words("""
10.0.0.0 10.0.0.1 10.255.255.255 172.16.0.0 172.16.0.1 172.31.255.255 192.168.0.1 192.168.255.255 127.0.0.0 127.0.0.1
127.0.0.53 127.1.2.3 127.255.255.255 ::1 fc00::1 fd00::1 fdff:ffff::1 ::ffff:127.0.0.1 ::ffff:7f00:1 ::ffff:10.0.0.1
::ffff:192.168.1.1 64:ff9b::7f00:1 64:ff9b::10.0.0.1 64:ff9b::192.168.0.1
""")
NEVER = words("""
0.0.0.0 0.0.0.1 0.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 169.254.0.1 169.254.169.254 169.254.170.2
169.254.255.255 168.63.129.16 192.0.0.1 192.0.0.8 192.0.0.170 192.0.0.192 192.0.2.1 192.31.196.1 192.52.193.1
192.88.99.1 192.175.48.1 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 224.0.0.251 239.255.255.250
239.255.255.255 240.0.0.1 250.1.2.3 255.255.255.254 255.255.255.255 :: ::2 ::127.0.0.1 ::7f00:1 ::10.0.0.1
::ffff:0.0.0.0 ::ffff:169.254.169.254 ::ffff:a9fe:a9fe ::ffff:168.63.129.16 ::ffff:100.64.0.1 ::ffff:224.0.0.1
::ffff:0:127.0.0.1 64:ff9b::a9fe:a9fe 64:ff9b::169.254.169.254 64:ff9b::0.0.0.0 64:ff9b::168.63.129.16 64:ff9b:1::7f00:1
64:ff9b:1:ffff::10.0.0.1 100::1 100:0:0:1::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1 2001:10::1
2001:20::1 2001:db8::1 2002:7f00:1::1 2002:a00:1::1 2002:a9fe:a9fe::1 2002:808:808::1 2620:4f:8000::1 3fff::1 4000::1
5f00::1 8000::1 fd00:ec2::254 fd20:ce::254 fe80::1 fe80::a9fe:a9fe fe80::1%1 febf::1 fec0::1 feff::1 ff01::1 ff02::1
ff02::fb ff05::2 ff0e::1
""")
PUBLIC = words("""
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1 168.63.129.15
169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.1 192.167.255.255 192.169.0.0
198.17.255.255 198.20.0.0 223.255.255.255 2001:200::1 2606:4700:4700::1111 2a00:1450:4001::200e ::ffff:8.8.8.8
64:ff9b::8.8.8.8 2003::1
""")
NOT_LITERALS = words("""
localhost localhost. 127.1 127.0.1 2130706433 017700000001 0177.0.0.1 0x7f000001 0x7f.0.0.1 127.0.0.01 127.0.0.1.
①②⑦.⓪.⓪.① １２７.0.0.1 १२७.०.०.१ 127。0。0。1 [::1] 127.0.0.1:80 127.0.0.1/8 ::ffff:127.1 1.1.1 256.1.1.1 fe80::1%
""")


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_opened_by_the_operator_only(address: str) -> None:
    assert refused_kind(address, allow_private=False) in {"private", "loopback"}
    assert refused_kind(address, allow_private=True) is None


@pytest.mark.parametrize("address", NEVER + NOT_LITERALS + [""])
@pytest.mark.parametrize("allow_private", [True, False])
def test_these_are_never_dialled(address: str, allow_private: bool) -> None:
    assert refused_kind(address, allow_private=allow_private) is not None


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_dialled(address: str) -> None:
    assert refused_kind(address, allow_private=False) is None


@given(st.ip_addresses(v=4))
def test_embedding_an_ipv4_address_changes_nothing(address: IPv4Address) -> None:
    direct = refused_kind(str(address), allow_private=False)
    for prefix in (0xFFFF << 32, 0x0064_FF9B << 96):
        assert refused_kind(str(IPv6Address(prefix | int(address))), allow_private=False) == direct


@given(st.ip_addresses())
def test_whatever_python_calls_special_is_refused(address: IPv4Address | IPv6Address) -> None:
    if not address.is_global:
        assert refused_kind(str(address), allow_private=False) is not None


@pytest.mark.parametrize("address", [*PRIVATE, *NEVER, *NOT_LITERALS])
def test_the_factory_makes_no_socket_for_them(address: str) -> None:
    with pytest.raises(AddressRefused):
        guarded_sockets(allow_private=False)((socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)))


@pytest.mark.parametrize(
    ("url", "allowed_by_default", "allowed_privately"),
    [
        ("https://crm.example/results?x=1#f", True, True),
        ("https://crm.example:8443/", True, True),
        ("https://crm.example:80/", True, True),
        ("http://crm.example/", False, True),
        ("http://127.0.0.1:49152/", False, True),
        ("ftp://crm.example/", False, False),
        ("file:///etc/passwd", False, False),
        ("gopher://crm.example/", False, False),
        ("//crm.example/", False, False),
        ("/results", False, False),
        ("", False, False),
        ("https://", False, False),
        ("https:///results", False, False),
        ("https://user@crm.example/", False, False),
        ("https://user:secret@crm.example/", False, False),
        ("https://crm.example:secret@127.0.0.1/", False, False),
        ("https://crm.example:22/", False, False),
        ("https://crm.example:25/", False, False),
        ("https://crm.example:6379/", False, False),
        ("https://crm.example:8088/", False, False),
        ("https://crm.example:5038/", False, False),
        ("https://crm.example:0/", False, False),
        ("https://crm.example:65536/", False, False),
        ("https://crm.example:-1/", False, False),
        ("https://crm.example:abc/", False, False),
        ("https://[::1/", False, False),
    ],
)
def test_urls(url: str, allowed_by_default: bool, allowed_privately: bool) -> None:
    assert (url_fault(url, allow_private=False) is None) is allowed_by_default
    assert (url_fault(url, allow_private=True) is None) is allowed_privately


# What follows goes through the whole client, to a receiver that listens on loopback and must never hear of it.

HOSTS = words("""
127.0.0.1 127.1 127.0.1 2130706433 017700000001 0177.0.0.1 0x7f000001 0x7f.1 0x7f.0.0.1 127.0.0.1. localhost localhost.
LOCALHOST [::ffff:127.0.0.1] [::ffff:7f00:1] [0:0:0:0:0:ffff:7f00:0001] ①②⑦.⓪.⓪.① １２７.0.0.1 127。0。0。1 ⓛocalhost
%31%32%37.0.0.1 ip6-localhost 0.0.0.0 0 [::] 127.0.0.2 [::1] [::127.0.0.1] [64:ff9b::7f00:1]
""")


@pytest.mark.parametrize("host", HOSTS)
async def test_no_form_of_loopback_is_reached(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intellicall.callbacks.transport.url_fault", lambda *_args, **_more: None)  # the sockets alone must hold
    async with receiver() as crm:
        answer = await post(crm, f"http://{host}:{crm.port}/results")
        assert crm.connections == 0
        assert not answer.acknowledged


async def test_a_refusal_says_why_and_not_where() -> None:
    async with receiver() as crm:
        answer = await post(crm, f"https://127.0.0.1:{crm.port}/results")
        assert answer.outcome == "the callback URL leads to an address that is not allowed (loopback)"
        assert (answer.status, crm.connections) == (None, 0)


class Changing(AbstractResolver):
    """A name server whose answer changes from one question to the next: DNS rebinding."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers: Iterator[list[str]] = iter(answers)
        self.asked = 0

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        self.asked += 1
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in next(self._answers)
        ]

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["::ffff:127.0.0.1"], ["169.254.169.254"], ["10.0.0.1", "127.0.0.1"], ["::1", "127.0.0.1"], ["fe80::1"]],
)
async def test_a_name_that_leads_inside_is_refused(addresses: list[str]) -> None:
    async with receiver() as crm:
        answer = await post(crm, f"https://crm.example:{crm.port}/", resolver=Changing(addresses))
        assert "not allowed" in answer.outcome
        assert crm.connections == 0


async def test_a_name_that_changes_between_attempts_is_judged_at_each_connection() -> None:
    """At registration and at the first attempt it was public; the address that is dialled is what counts."""
    resolver = Changing(["203.0.114.1"], ["127.0.0.1"])
    async with receiver() as crm:
        transport = HttpTransport(timeout_s=0.2, resolver=resolver)
        await transport.open()
        url = f"https://crm.example:{crm.port}/"
        try:
            first = await transport.post(delivery_to(url))
            forget_names(transport)
            second = await transport.post(delivery_to(url))
        finally:
            await transport.close()
        assert "not allowed" not in first.outcome
        assert second.outcome == "the callback URL leads to an address that is not allowed (loopback)"
        assert (resolver.asked, crm.connections) == (2, 0)


async def test_private_receivers_are_reached_when_the_operator_allows_it() -> None:
    async with receiver() as crm:
        assert (await post(crm, crm.url, allow_private=True)).acknowledged


def forget_names(transport: HttpTransport) -> None:
    """As after the seconds for which a looked-up name is remembered."""
    connector = transport._session.connector  # type: ignore[union-attr]
    connector.clear_dns_cache()  # type: ignore[union-attr]


async def post(_crm: Receiver, url: str, *, resolver: AbstractResolver | None = None, allow_private: bool = False) -> Answer:
    transport = HttpTransport(allow_private=allow_private, timeout_s=2, resolver=resolver)
    await transport.open()
    try:
        return await transport.post(delivery_to(url))
    finally:
        await transport.close()
