"""Which addresses and URLs a callback may lead to: a guard against server-side request forgery (OWASP ASVS 5.0 1.3.6).

The decision falls where a socket is made, on the very address that is about to be dialled: a check of the URL or of the
resolver's answer alone is passed by IP literals and by names whose answer changes between check and connect (DNS
rebinding). `ipaddress.is_global` is not the measure: in Python 3.11 it is True for NAT64 and 6to4 forms of loopback, for
site-local and multicast addresses. Sources: IANA special-purpose address registries for IPv4 and IPv6.
"""

import socket
from collections.abc import Callable
from contextvars import ContextVar
from errno import EACCES
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from yarl import URL

AddrInfo = tuple[Any, ...]
"""One entry of getaddrinfo: family, type, protocol, canonical name, socket address."""

_PRIVATE: dict[IPv4Network | IPv6Network, str] = {
    IPv4Network("10.0.0.0/8"): "private",
    IPv4Network("172.16.0.0/12"): "private",
    IPv4Network("192.168.0.0/16"): "private",
    IPv4Network("127.0.0.0/8"): "loopback",
    IPv6Network("::1/128"): "loopback",
    IPv6Network("fc00::/7"): "private",
}
"""Opened by the operator's setting `allow_private_callbacks`."""

_NEVER: dict[IPv4Network | IPv6Network, str] = {
    IPv4Network("168.63.129.16/32"): "cloud metadata",  # Azure
    IPv6Network("fd00:ec2::254/128"): "cloud metadata",  # AWS
    IPv6Network("fd20:ce::254/128"): "cloud metadata",  # Google
    IPv4Network("0.0.0.0/8"): "unspecified",
    IPv4Network("100.64.0.0/10"): "carrier-grade NAT",  # RFC 6598; Alibaba's metadata 100.100.100.200 is in it
    IPv4Network("169.254.0.0/16"): "link-local",  # 169.254.169.254: metadata of most clouds
    IPv4Network("192.0.0.0/24"): "reserved",  # RFC 6890; Oracle's metadata 192.0.0.192 is in it
    IPv4Network("192.0.2.0/24"): "documentation",
    IPv4Network("192.31.196.0/24"): "reserved",  # AS112
    IPv4Network("192.52.193.0/24"): "reserved",  # AMT
    IPv4Network("192.88.99.0/24"): "reserved",  # 6to4 relays, RFC 7526
    IPv4Network("192.175.48.0/24"): "reserved",  # AS112
    IPv4Network("198.18.0.0/15"): "benchmarking",
    IPv4Network("198.51.100.0/24"): "documentation",
    IPv4Network("203.0.113.0/24"): "documentation",
    IPv4Network("224.0.0.0/4"): "multicast",
    IPv4Network("240.0.0.0/4"): "reserved",
    IPv6Network("::/128"): "unspecified",
    IPv6Network("fe80::/10"): "link-local",
    IPv6Network("fec0::/10"): "site-local",
    IPv6Network("ff00::/8"): "multicast",
    IPv6Network("2001::/23"): "reserved",  # IETF protocol assignments: Teredo, ORCHID, benchmarking
    IPv6Network("2001:db8::/32"): "documentation",
    IPv6Network("2002::/16"): "6to4",  # RFC 7526: not to be used any more, whatever it embeds
    IPv6Network("2620:4f:8000::/48"): "reserved",  # AS112
    IPv6Network("3fff::/20"): "documentation",
    IPv6Network("64:ff9b:1::/48"): "local NAT64",  # RFC 8215: what it embeds depends on the network
}
_PUBLIC_V6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052

_SERVICE_PORTS = frozenset(
    (
        *(1433, 1521, 3306, 5432, 5984, 9042, 27017),  # databases
        *(6379, 11211),  # caches
        *(5672, 9092, 15672),  # queues
        *(2375, 2376, 2379, 9200, 9300, 10250),  # clusters
        *(1723, 2049, 3389, 5900, 6000),  # remote disks and desktops
        *(5038, 5039, 5060, 5061, 8088, 8089),  # telephony
        *(4444, 6666, 6667),  # chat, and what likes to hide behind it
    )
)
"""Ports of databases, queues, remote control and telephony: nobody receives callbacks there."""

_refusals: ContextVar[list[str] | None] = ContextVar("callback_address_refusals", default=None)


class AddressRefused(OSError):  # noqa: N818 - a decision, not a defect
    """A socket to this address is not made. The message names the kind of the address, not the address."""

    def __init__(self, kind: str) -> None:
        super().__init__(EACCES, refusal_sentence(kind))


def refusal_sentence(kind: str) -> str:
    """Say in plain words that an address of this kind is refused."""
    return f"the callback URL leads to an address that is not allowed ({kind})"


def refused_kind(address: str, *, allow_private: bool) -> str | None:
    """Return the kind of a forbidden address ("loopback", "link-local", ...), or None when it may be dialled.

    Only canonical literals are understood; anything else (names, `0x7f.1`, other scripts' digits) is refused as "malformed".
    `allow_private` opens private (RFC 1918, RFC 4193) and loopback addresses, never link-local or metadata ones.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return "malformed"
    return _kind(parsed, allow_private=allow_private)


def _kind(address: IPv4Address | IPv6Address, *, allow_private: bool) -> str | None:
    if isinstance(address, IPv6Address):
        embedded = _embedded_v4(address)
        if embedded is not None:
            return _kind(embedded, allow_private=allow_private)
    for network, kind in _NEVER.items():
        if address in network:
            return kind
    for network, kind in _PRIVATE.items():
        if address in network:
            return None if allow_private else kind
    if isinstance(address, IPv6Address) and address not in _PUBLIC_V6:
        return "reserved"
    return None


def _embedded_v4(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that packets to an IPv4-mapped or NAT64 address end at."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return None


def guarded_sockets(*, allow_private: bool) -> Callable[[AddrInfo], socket.socket]:
    """Return a socket factory for `aiohttp.TCPConnector` that raises AddressRefused instead of making a forbidden socket."""

    def make(info: AddrInfo) -> socket.socket:
        family, kind_of_socket, protocol, _, sockaddr = info
        kind = refused_kind(str(sockaddr[0]), allow_private=allow_private)
        if kind is not None:
            noted = _refusals.get()
            if noted is not None:
                noted.append(kind)
            raise AddressRefused(kind)
        return socket.socket(family, kind_of_socket, protocol)

    return make


def note_refusals() -> list[str]:
    """Return a list that collects the kinds refused from here on in this task: libraries above hide the exception itself."""
    noted: list[str] = []
    _refusals.set(noted)
    return noted


def url_fault(url: str, *, allow_private: bool) -> str | None:
    """Return what is wrong with a callback URL, in plain words, or None.

    HTTPS only; plain HTTP where the operator allows private receivers. Ports 80, 443 and 1024 upwards, but for those of
    well-known other services.
    """
    try:
        parsed = URL(url)
        port = parsed.port
    except ValueError:
        return "the callback URL is malformed"
    if parsed.scheme != "https" and not (allow_private and parsed.scheme == "http"):
        return "the callback URL does not start with https://"
    if not parsed.host:
        return "the callback URL names no host"
    if parsed.user is not None or parsed.password is not None:
        return "the callback URL contains a user name or password; use the auth header instead"
    if port is None or port in _SERVICE_PORTS or (port < 1024 and port not in {80, 443}):
        return "the callback URL names a port that callbacks may not use"
    return None
