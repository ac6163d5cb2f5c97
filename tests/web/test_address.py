"""Whose address it is and whether the way was encrypted: the whole table of fault G4, and the doors."""

from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intellicall.settings import Settings
from intellicall.web.address import UnsafeDoors, check_doors, client_address, parse_address, travelled_encrypted

PROXIES = [ip_network("10.0.0.0/8"), ip_network("127.0.0.1/32"), ip_network("2001:db8:1::/64")]


def scope(peer: str | None, *forwarded: str, proto: str | None = None, scheme: str = "http", **headers: str) -> dict[str, Any]:
    lines = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    if proto is not None:
        lines.append((b"x-forwarded-proto", proto.encode()))
    lines += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"client": (peer, 1234) if peer else None, "headers": lines, "scheme": scheme}


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        # nobody asked for forwarding, or not by a proxy of ours: the peer it is
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("203.0.113.9", ["127.0.0.1"], "203.0.113.9"),
        ("203.0.113.9", ["10.0.0.1, 198.51.100.1"], "203.0.113.9"),
        ("127.0.0.2", ["198.51.100.1"], "127.0.0.2"),
        # one proxy
        ("10.1.2.3", ["198.51.100.1"], "198.51.100.1"),
        ("10.1.2.3", ["127.0.0.1, 198.51.100.1"], "198.51.100.1"),
        ("10.1.2.3", ["192.0.2.7, 198.51.100.1"], "198.51.100.1"),
        ("10.1.2.3", ["192.0.2.7", "198.51.100.1"], "198.51.100.1"),
        ("10.1.2.3", [], "10.1.2.3"),
        ("10.1.2.3", [""], "10.1.2.3"),
        ("10.1.2.3", [" , ,198.51.100.1 ,"], "198.51.100.1"),
        # a chain of proxies: the right-most hop that is none of them
        ("10.1.2.3", ["192.0.2.7, 198.51.100.1, 10.9.9.9"], "198.51.100.1"),
        ("10.1.2.3", ["192.0.2.7, 198.51.100.1", "10.9.9.9, 10.9.9.8"], "198.51.100.1"),
        ("10.1.2.3", ["10.9.9.7, 10.9.9.8"], "10.9.9.7"),
        # what is no address ends the search at the last one known
        ("10.1.2.3", ["198.51.100.1, unknown"], "10.1.2.3"),
        ("10.1.2.3", ["198.51.100.1, _hidden, 10.9.9.9"], "10.9.9.9"),
        ("10.1.2.3", ["198.51.100.1;evil"], "10.1.2.3"),
        ("10.1.2.3", ["1.2.3"], "10.1.2.3"),
        ("10.1.2.3", ["0x7f000001"], "10.1.2.3"),
        ("10.1.2.3", ["2130706433"], "10.1.2.3"),
        ("10.1.2.3", ["127.0.0.01"], "10.1.2.3"),
        ("10.1.2.3", ["①②⑦.⓪.⓪.①".encode().decode("latin-1")], "10.1.2.3"),
        # ports and brackets, as some proxies write them
        ("10.1.2.3", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.1.2.3", ["[2001:db8::9]:4711"], "2001:db8::9"),
        ("10.1.2.3", ["[2001:db8::9]"], "2001:db8::9"),
        ("10.1.2.3", ["2001:db8::9"], "2001:db8::9"),
        ("10.1.2.3", ["fe80::1%eth0"], "10.1.2.3"),
        # IPv4-mapped IPv6 is IPv4, as peer, as hop and as proxy
        ("::ffff:203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("::ffff:10.1.2.3", ["198.51.100.1"], "198.51.100.1"),
        ("10.1.2.3", ["198.51.100.1, ::ffff:10.9.9.9"], "198.51.100.1"),
        ("10.1.2.3", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("10.1.2.3", ["::ffff:c633:6401"], "198.51.100.1"),
        # IPv6 proxies
        ("2001:db8:1::5", ["198.51.100.1"], "198.51.100.1"),
        ("2001:db8:2::5", ["198.51.100.1"], "2001:db8:2::5"),
    ],
)
def test_client_address(peer: str, forwarded: list[str], expected: str) -> None:
    assert client_address(scope(peer, *forwarded), PROXIES) == ip_address(expected)


@pytest.mark.parametrize("header", ["forwarded", "x_real_ip", "x_client_ip", "true_client_ip", "cf_connecting_ip", "x_forwarded"])
def test_other_headers_are_not_believed_even_from_a_proxy(header: str) -> None:
    assert client_address(scope("10.1.2.3", **{header: "198.51.100.1"}), PROXIES) == ip_address("10.1.2.3")


def test_without_proxies_nothing_is_believed() -> None:
    assert client_address(scope("127.0.0.1", "198.51.100.1"), []) == ip_address("127.0.0.1")
    assert client_address(scope(None, "198.51.100.1"), PROXIES) is None


@given(st.lists(st.text(max_size=40), max_size=4), st.ip_addresses())
def test_a_stranger_cannot_choose_an_address(forwarded: list[str], stranger: Any) -> None:
    """Whatever a client writes, a proxy appends the address that it saw, and that one counts."""
    plain = parse_address(str(stranger))
    if plain is None or any(plain.version == network.version and plain in network for network in PROXIES):
        return
    written = ",".join(value.encode("ascii", "ignore").decode() for value in forwarded)
    assert client_address(scope("10.1.2.3", f"{written}, {stranger}"), PROXIES) == plain
    assert client_address(scope(str(stranger), written), PROXIES) == plain


@pytest.mark.parametrize(
    ("request_scope", "encrypted"),
    [
        (scope("203.0.113.9", scheme="https"), True),
        (scope("203.0.113.9", scheme="wss"), True),
        (scope("203.0.113.9"), False),
        (scope("203.0.113.9", scheme="ws"), False),
        (scope("203.0.113.9", proto="https"), False),  # says a stranger
        (scope("10.1.2.3", proto="https"), True),
        (scope("10.1.2.3", proto="wss"), True),
        (scope("10.1.2.3", proto="http"), False),
        (scope("10.1.2.3", proto="https, http"), False),  # the last hop was not
        (scope("10.1.2.3"), False),
        (scope("10.1.2.3", "198.51.100.1"), False),
        (scope("127.0.0.1"), True),
        (scope("::1"), True),
        (scope("::ffff:127.0.0.1"), True),
        (scope("127.0.0.1", "198.51.100.1"), False),  # a proxy on this machine that tells no protocol
        (scope("127.0.0.1", "198.51.100.1", proto="https"), True),
        (scope("127.0.0.1", proto="http"), False),
        (scope(None), True),
    ],
)
def test_travelled_encrypted(request_scope: dict[str, Any], *, encrypted: bool) -> None:
    assert travelled_encrypted(request_scope, PROXIES) is encrypted


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.9.9.9"])
def test_loopback_needs_no_certificate(host: str) -> None:
    check_doors(Settings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "phone.example", "127.0.0.1.example"])  # noqa: S104
def test_the_network_does(host: str) -> None:
    with pytest.raises(UnsafeDoors, match="encryption"):
        check_doors(Settings(host=host))
    check_doors(Settings(host=host, trusted_proxies=[ip_network("10.0.0.0/8")]))
    check_doors(Settings(host=host, tls_certificate=Path("a.crt"), tls_key=Path("a.key")))


def test_half_a_pair_is_told() -> None:
    with pytest.raises(UnsafeDoors, match="together"):
        check_doors(Settings(tls_certificate=Path("a.crt")))
