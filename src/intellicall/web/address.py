"""Whose request it is and how it travelled: the client's address and whether the way was encrypted. Pure.

What a client writes into `X-Forwarded-For` is only its own claim; the hops that our configured proxies added are facts.
"""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from intellicall.settings import Settings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Scope = Mapping[str, Any]


class UnsafeDoors(Exception):  # noqa: N818 - a state of the settings, told to the operator in plain words
    """The settings would serve the platform unencrypted to the network."""


def parse_address(text: str) -> Address | None:
    """Return the address in one hop of X-Forwarded-For: plain, with a port, or bracketed; None when it is none.

    IPv4-mapped IPv6 addresses (RFC 4291 section 2.5.5.2) become IPv4. Zone identifiers are not accepted.
    """
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    if "%" in text or not text.isascii():
        return None
    try:
        return plain_address(ip_address(text))
    except ValueError:
        return None


def plain_address(address: Address) -> Address:
    """Return the IPv4 address inside an IPv4-mapped IPv6 one, anything else unchanged."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def is_trusted(address: Address | None, proxies: Sequence[Network]) -> bool:
    """Whether the address belongs to one of the configured proxies."""
    return address is not None and any(address.version == network.version and address in network for network in proxies)


def peer_address(scope: Scope) -> Address | None:
    """Return the address at the other end of the connection itself, or None when there is none (a Unix socket)."""
    client = scope.get("client")
    return parse_address(client[0]) if client else None


def client_address(scope: Scope, proxies: Sequence[Network]) -> Address | None:
    """Return the address of the one who asks: the peer, or the right-most forwarded hop that no configured proxy is.

    A hop that is no address ends the search: the proxy that named it is the last one known.
    """
    current = peer_address(scope)
    hops = _list_header(scope, b"x-forwarded-for")
    while hops and is_trusted(current, proxies):
        hop = parse_address(hops.pop())
        if hop is None:
            break
        current = hop
    return current


def travelled_encrypted(scope: Scope, proxies: Sequence[Network]) -> bool:
    """Whether the request came over TLS, through a configured proxy that says so, or never left this machine."""
    if scope.get("scheme") in ("https", "wss"):
        return True
    peer = peer_address(scope)
    protocols = _list_header(scope, b"x-forwarded-proto")
    if is_trusted(peer, proxies) and (protocols or _list_header(scope, b"x-forwarded-for")):
        return bool(protocols) and protocols[-1].lower() in ("https", "wss")
    return peer is None or peer.is_loopback


def is_loopback(host: str) -> bool:
    """Whether a listening address can be reached from this machine only."""
    address = parse_address(host) if host.count(":") != 1 else None
    return host == "localhost" or (address is not None and address.is_loopback)


def check_doors(settings: Settings) -> None:
    """Raise UnsafeDoors, in plain words, unless what the settings open to the network is encrypted.

    Browsers give no microphone to a page that came unencrypted, and the integration guide (section 7) promises encryption.
    """
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        raise UnsafeDoors("A TLS certificate and its key belong together: set both tls_certificate and tls_key, or none.")
    if settings.tls_certificate is not None or is_loopback(settings.host) or settings.trusted_proxies:
        return
    raise UnsafeDoors(
        f"The platform would listen on {settings.host} without encryption. Set tls_certificate and tls_key, or listen on "
        "127.0.0.1, or name the HTTPS proxy in front of it in trusted_proxies."
    )


def _list_header(scope: Scope, name: bytes) -> list[str]:
    """Return the members of a comma-separated header, all its lines in order; empty members left out (RFC 9110, 5.6.1)."""
    lines = [value.decode("latin-1") for key, value in scope["headers"] if key == name]
    return [member.strip() for line in lines for member in line.split(",") if member.strip()]
