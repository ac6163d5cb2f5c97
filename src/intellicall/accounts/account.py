"""Who may call, from which number, to where: the account and what belongs to it. Pure: no SQL, no clock, no network."""

import re
import unicodedata
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import urlsplit

import phonenumbers
from phonenumbers import PhoneNumberType

from intellicall.errors import Code, Refused
from intellicall.event_types import ALL_EVENTS, EventType
from intellicall.telephony.testnet.numbers import is_test_number

SANDBOX_TRUNK = "sandbox"
DISPOSITION_LENGTH = 64
MOST_DISPOSITIONS = 100

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_COSTLY = {
    PhoneNumberType.PREMIUM_RATE,
    PhoneNumberType.SHARED_COST,
    PhoneNumberType.UAN,
    PhoneNumberType.PAGER,
    PhoneNumberType.VOICEMAIL,
}
_SATELLITES = {870, 881, 882, 883}  # ITU-T E.164: Inmarsat, global mobile satellite, international networks
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}", re.ASCII)  # RFC 9110 section 5.6.2
OWN_HEADERS = frozenset(
    {
        *("host", "content-length", "content-type", "content-encoding", "transfer-encoding", "connection", "keep-alive", "upgrade"),
        *("te", "trailer", "expect", "accept", "accept-encoding", "user-agent", "x-intellicall-event"),
        *("webhook-id", "webhook-timestamp", "webhook-signature"),
    }
)
"""Headers, in lower case, that a callback has of its own or that frame it: the account's own header is none of them."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an account's results are pushed, and the one extra header that its receiver asked for."""

    url: str
    header_name: str | None = None
    header_value: str | None = field(default=None, repr=False)


class WhenDiskFull(StrEnum):
    """What becomes of a new call that would be recorded when the disk has no room for it."""

    REFUSE = "refuse"
    UNRECORDED = "unrecorded"


class Retries(StrEnum):
    """After which waits a failed callback is tried again: callbacks/schedule.py."""

    GUIDE = "guide"
    EXTENDED = "extended"


@dataclass(frozen=True, slots=True)
class Account:
    """One customer of the platform: a CRM installation with its agents.

    `default_region` is the ISO 3166-1 alpha-2 country in which numbers without a plus are read. Ring limits and
    `max_length_s` are seconds; `concurrent_calls` counts calls that have not ended; recordings and results are kept for
    `retention_days`. `allowed_networks` restricts the server key; empty means that any address may use it. A `sandbox`
    account reaches the test network's numbers only. `dispositions` are the ones that a call may be given, in the order in
    which agents see them; empty means any text. After a call an agent has `wrap_up_s` seconds before the next one (0: none).
    `events` are the types that are pushed to the callback URL beside the results, or `all` alone. `when_disk_full` says what
    becomes of calls that would be recorded while the disk has no room. `retries` is the schedule of failed callbacks; `alert_url`
    is told when the callback URL fails and when it is well again.
    """

    id: str
    name: str
    enabled: bool
    sandbox: bool
    default_region: str
    concurrent_calls: int
    agent_ring_s: int = 30
    customer_ring_s: int = 45
    max_length_s: int = 14_400
    recording: bool = True
    default_disposition: str = "CRM_CALL"
    retention_days: int = 90
    callback_url: str | None = None
    callback_header_name: str | None = None
    callback_header_value: str | None = field(default=None, repr=False)
    allowed_networks: tuple[Network, ...] = ()
    dispositions: tuple[str, ...] = ()
    wrap_up_s: int = 0
    events: tuple[str, ...] = ()
    when_disk_full: WhenDiskFull = WhenDiskFull.REFUSE
    retries: Retries = Retries.GUIDE
    alert_url: str | None = None

    @property
    def callback(self) -> Endpoint | None:
        """Where results go, or None when the account has no callback URL."""
        if self.callback_url is None:
            return None
        return Endpoint(self.callback_url, self.callback_header_name, self.callback_header_value)

    def wants(self, event: EventType) -> bool:
        """Whether events of this type are pushed to the callback URL."""
        return event in self.events or ALL_EVENTS in self.events


@dataclass(frozen=True, slots=True)
class Agent:
    """A person who calls. `crm_username` is the CRM's own stable name, exact to the letter; `number` (E.164) is the real phone."""

    id: str
    account_id: str
    crm_username: str
    number: str | None = None
    enabled: bool = True


def folded(text: str) -> str:
    """Return a name as searching sees it: without capitals, in one of the ways to write its accents, on every database."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


@dataclass(frozen=True, slots=True)
class CallerId:
    """A number (E.164) that one account may show, and the trunks (by name, in order) that carry calls from it."""

    number: str
    account_id: str
    trunks: tuple[str, ...]


def trunks_for(account: Account, caller_id: CallerId) -> tuple[str, ...]:
    """Return the trunks to try, in order. A sandbox account's calls never leave over anything but the sandbox's trunk."""
    return (SANDBOX_TRUNK,) if account.sandbox else caller_id.trunks


def check_destination(account: Account, e164: str, field_name: str = "to_number") -> None:
    """Raise Refused unless the account may ring this number, be it a customer's or an agent's phone.

    DESTINATION_NOT_ALLOWED: a sandbox account dials outside the test network, or another account dials a premium-rate,
    shared-cost, company-wide (UAN), paging, voicemail, satellite, emergency or short number. INVALID_NUMBER: no numbering plan that
    we know has this number (toll fraud likes unassigned ranges).
    """
    if account.sandbox:
        if not is_test_number(e164):
            raise Refused(Code.DESTINATION_NOT_ALLOWED, field=field_name)
        return
    if is_test_number(e164):
        raise Refused(
            Code.DESTINATION_NOT_ALLOWED, "This is a number of the test network; only sandbox accounts reach it.", field=field_name
        )
    match _reach(e164):
        case _Reach.NOBODY:
            raise Refused(Code.INVALID_NUMBER, "No numbering plan has this number.", field=field_name)
        case _Reach.COSTLY:
            raise Refused(
                Code.DESTINATION_NOT_ALLOWED,
                "Premium, shared-cost, satellite, emergency and short numbers cannot be called.",
                field=field_name,
            )
        case _Reach.SOMEBODY:
            return


class _Reach(Enum):
    """What a number leads to, as far as calling it goes."""

    SOMEBODY = "somebody"
    NOBODY = "nobody"
    COSTLY = "costly"


@lru_cache(maxsize=4096)
def _reach(e164: str) -> _Reach:
    try:
        number = phonenumbers.parse(e164, None)
    except phonenumbers.NumberParseException:
        return _Reach.NOBODY
    kind = phonenumbers.number_type(number)
    if kind in _COSTLY or number.country_code in _SATELLITES or _is_short(e164, number):
        return _Reach.COSTLY
    return _Reach.NOBODY if kind == PhoneNumberType.UNKNOWN else _Reach.SOMEBODY


def _is_short(e164: str, number: phonenumbers.PhoneNumber) -> bool:
    """Whether what follows the country code is an emergency or short number there (+91 112 must not ring the police)."""
    national = e164[1 + len(str(number.country_code)) :]
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(number.country_code or 0, ())
    return len(national) <= 6 and any(
        phonenumbers.is_emergency_number(national, region) or phonenumbers.is_valid_short_number_for_region(number, region)
        for region in regions
    )


def address_allowed(account: Account, address: Address | None) -> bool:
    """Whether the server key may be used from this address. An unknown address is allowed only where all are."""
    if not account.allowed_networks:
        return True
    if address is None:
        return False
    plain = plain_address(address)
    return any(plain.version == network.version and plain in network for network in account.allowed_networks)


def plain_address(address: Address) -> Address:
    """Return the IPv4 address inside an IPv4-mapped IPv6 one (RFC 4291 section 2.5.5.2), anything else unchanged."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def checked(account: Account) -> Account:
    """Return the account when every field is in its range, else raise Refused INVALID_FIELD with the field named."""
    ranges = {
        "concurrent_calls": (1, 100_000),
        "agent_ring_s": (5, 300),
        "customer_ring_s": (5, 300),
        "max_length_s": (10, 86_400),
        "retention_days": (1, 36_500),
        "wrap_up_s": (0, 3_600),
    }
    for name, (low, high) in ranges.items():
        if not low <= getattr(account, name) <= high:
            raise Refused(Code.INVALID_FIELD, f"{name} must be from {low:,} to {high:,}.", field=name)
    if account.default_region not in phonenumbers.SUPPORTED_REGIONS:
        raise Refused(
            Code.INVALID_FIELD, "default_region must be a country of ISO 3166 in two capital letters.", field="default_region"
        )
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", account.name, re.ASCII):
        raise Refused(Code.INVALID_FIELD, "A name has up to 64 letters, digits, dots, dashes and underscores.", field="name")
    check_text(account.default_disposition, "default_disposition", DISPOSITION_LENGTH)
    _check_dispositions(account)
    _check_events(account.events)
    if account.callback is not None:
        check_endpoint(account.callback)
    if account.alert_url is not None:
        _check_url(account.alert_url, "alert_url")
    return account


def _check_dispositions(account: Account) -> None:
    listed = account.dispositions
    if len(listed) > MOST_DISPOSITIONS or len(set(listed)) != len(listed):
        raise Refused(Code.INVALID_FIELD, f"There are at most {MOST_DISPOSITIONS} dispositions, each once.", field="dispositions")
    for text in listed:
        check_text(text, "dispositions", DISPOSITION_LENGTH)
    if listed and account.default_disposition not in listed:
        raise Refused(Code.INVALID_FIELD, "The default disposition must be in the list.", field="default_disposition")


def _check_events(events: tuple[str, ...]) -> None:
    if events != (ALL_EVENTS,) and (len(set(events)) != len(events) or not set(events) <= set(EventType)):
        known = ", ".join(EventType)
        raise Refused(Code.INVALID_FIELD, f"Events are {ALL_EVENTS} alone, or some of {known}, each once.", field="events")


def disposition_for(account: Account, text: str) -> str:
    """Return `text` when a call of this account may be given it, exact to the letter.

    Raises Refused INVALID_FIELD, which names the ones that are allowed (`more["allowed"]`, too).
    """
    check_text(text, "disposition", DISPOSITION_LENGTH)
    if account.dispositions and text not in account.dispositions:
        allowed = ", ".join(account.dispositions)
        raise Refused(
            Code.INVALID_FIELD, f"The dispositions are: {allowed}.", field="disposition", allowed=list(account.dispositions)
        )
    return text


def check_endpoint(endpoint: Endpoint) -> None:
    """Raise Refused INVALID_FIELD unless the URL is an http(s) one without credentials and the header can be sent as it is.

    Whether its address may be reached is decided for each connection, by the courier.
    """
    _check_url(endpoint.url, "callback_url")
    if (endpoint.header_name is None) != (endpoint.header_value is None):
        raise Refused(Code.INVALID_FIELD, "A callback header needs a name and a value.", field="callback_header_name")
    if endpoint.header_name is None or endpoint.header_value is None:
        return
    if not _TOKEN.fullmatch(endpoint.header_name) or endpoint.header_name.lower() in OWN_HEADERS:
        raise Refused(Code.INVALID_FIELD, "This header's name cannot be used.", field="callback_header_name")
    value = endpoint.header_value
    if not (value.isascii() and value.isprintable() and value.strip() == value and 0 < len(value) <= 4_096):
        raise Refused(
            Code.INVALID_FIELD, "A header's value is printable ASCII of at most 4,096 characters.", field="callback_header_value"
        )


def _check_url(url: str, field_name: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    else:
        usable = usable and parts.username is None and parts.password is None and not parts.fragment
    if not usable or len(url) > 2_000 or not url.isascii() or not url.isprintable() or " " in url:
        raise Refused(
            Code.INVALID_FIELD, "A callback URL starts with https:// (or http://) and holds no user name.", field=field_name
        )


def check_text(value: str, name: str, limit: int) -> str:
    """Return `value` when it is 1 to `limit` printable characters without space at its ends, else raise Refused INVALID_FIELD."""
    if not 0 < len(value) <= limit or not value.isprintable() or value.strip() != value:
        raise Refused(Code.INVALID_FIELD, f"{name} has 1 to {limit} printable characters and no space at its ends.", field=name)
    return value
