"""Trunks and softphone accounts as objects in the engine's memory (PJSIP sorcery), put there over ARI.

No file is written and nothing is reloaded, so calls that are up are not touched. After an engine restart everything is put
there again by the adapter. Objects are sent in the order in which they refer to each other and removed in the reverse one.
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from urllib.parse import quote

from intellicall.telephony.asterisk.dialplan import CLOSED_CONTEXT, TRUNK_PREFIX, trunk_endpoint, trunk_host
from intellicall.telephony.engine import CallerIdStyle, SipAccount, Trunk

PJSIP = "res_pjsip"
SOFTPHONE_PREFIX = "agent-"
SOFTPHONE_CODECS = "alaw,ulaw,opus"
"""Carriers speak A-law and the recording is 8 kHz: the softphone speaks it too, so nothing is transcoded."""
VANISHED_S = 25
"""A far end from which no audio came for this long is gone; its leg ends, so that nobody is kept on a dead line.

Phones and browsers send in silence, too, on hold and muted; one that put us on hold itself (SDP sendonly) is left alone.
"""

KEEPALIVE_S = 15
"""A carrier that we send nothing to (the other side is muted) gets comfort noise (RFC 3389) that often, lest it give up."""


@dataclass(frozen=True, slots=True)
class EngineObject:
    """One sorcery object: module, type, id and attributes."""

    module: str
    kind: str
    name: str
    attributes: tuple[tuple[str, str], ...] = field(repr=False)

    @property
    def uri(self) -> str:
        return f"asterisk/config/dynamic/{self.module}/{self.kind}/{quote(self.name, safe='')}"

    @property
    def body(self) -> dict[str, list[dict[str, str]]]:
        return {"fields": [{"attribute": name, "value": value} for name, value in self.attributes]}


def trunk_objects(trunk: Trunk) -> list[EngineObject]:
    """Return the objects of a trunk: credentials, endpoint and, where it registers, the registration.

    Asterisk offers the agent's codec first where the trunk has it, so that nothing is transcoded, then the trunk's order.

    No `identify`: nothing comes in through a trunk, so a stranger who sends from the carrier's address is a stranger.
    """
    name = trunk_endpoint(trunk)
    objects = []
    if trunk.username:
        credentials = {"auth_type": "digest", "username": trunk.username, "password": trunk.password or ""}
        objects.append(_object(PJSIP, "auth", name, credentials))
    objects.append(_object(PJSIP, "endpoint", name, _trunk_endpoint(trunk, name)))
    if trunk.register:
        objects.append(_object(PJSIP, "registration", name, _registration(trunk, name)))
    return objects


def softphone_objects(account: SipAccount) -> list[EngineObject]:
    """Return the objects of a browser softphone: WebRTC over our WebSocket, one contact, and nothing that it may dial."""
    name = account.username
    return [
        _object(PJSIP, "auth", name, {"auth_type": "digest", "username": name, "password": account.password}),
        _object(
            PJSIP,
            "aor",
            name,
            {"max_contacts": "1", "remove_existing": "yes", "minimum_expiration": "30", "qualify_frequency": "0"},
        ),
        _object(
            PJSIP,
            "endpoint",
            name,
            {
                "transport": "transport-ws",
                "context": CLOSED_CONTEXT,
                "disallow": "all",
                "allow": SOFTPHONE_CODECS,
                "auth": name,
                "aors": name,
                "webrtc": "yes",
                "dtls_auto_generate_cert": "yes",
                "rewrite_contact": "yes",
                "direct_media": "no",
                "allow_transfer": "no",
                "allow_subscribe": "no",
                "identify_by": "username",
                "rtp_timeout": str(VANISHED_S),
                "from_domain": account.domain,
                "redirect_method": "user",
            },
        ),
    ]


def softphone_account(session_id: str, secret: str, domain: str) -> SipAccount:
    """Return the account of a session. The password follows from the installation's secret, so asking twice gives the same."""
    password = hmac.new(secret.encode(), session_id.encode(), hashlib.sha256).hexdigest()[:40]
    return SipAccount(session_id, softphone_endpoint(session_id), password, domain)


def softphone_endpoint(session_id: str) -> str:
    """Return the PJSIP endpoint of a session."""
    return f"{SOFTPHONE_PREFIX}{session_id}"


def _object(module: str, kind: str, name: str, attributes: dict[str, str]) -> EngineObject:
    return EngineObject(module, kind, name, tuple(attributes.items()))


def _trunk_endpoint(trunk: Trunk, name: str) -> dict[str, str]:
    attributes = {
        "transport": f"transport-{trunk.transport.value}",
        "context": CLOSED_CONTEXT,
        "identify_by": "ip",  # that is by nothing, there being no `identify`: naming the endpoint in From opens no door
        "disallow": "all",
        "allow": ",".join(trunk.codecs),
        "direct_media": "no",
        "allow_transfer": "no",
        "allow_subscribe": "no",
        "rtp_symmetric": "yes",
        "rtp_keepalive": str(KEEPALIVE_S),
        "rtp_timeout": str(VANISHED_S),
        "force_rport": "yes",
        "media_encryption": "sdes" if trunk.srtp else "no",
        "send_pai": _yes(trunk.caller_id_style is CallerIdStyle.PAI),
        "send_rpid": _yes(trunk.caller_id_style is CallerIdStyle.RPID),
        "trust_id_outbound": "yes",
        "from_domain": trunk.host,
        "redirect_method": "user",
    }
    if trunk.username:
        attributes["outbound_auth"] = name
        if trunk.caller_id_style is not CallerIdStyle.FROM:
            attributes["from_user"] = trunk.username
    return attributes


def _registration(trunk: Trunk, name: str) -> dict[str, str]:
    attributes = {
        "transport": f"transport-{trunk.transport.value}",
        "server_uri": f"sip:{trunk_host(trunk)}",
        "client_uri": f"sip:{trunk.username}@{trunk_host(trunk).partition(';')[0]}",
        "contact_user": trunk.username or "",
        "retry_interval": "10",
        "forbidden_retry_interval": "300",
        "fatal_retry_interval": "300",
        "max_retries": "1000000",
        "auth_rejection_permanent": "no",
        "max_random_initial_delay": "0",
        "expiration": "600",
    }
    if trunk.username:
        attributes["outbound_auth"] = name
    return attributes


def _yes(value: bool) -> str:  # noqa: FBT001 - the truth itself is the argument
    return "yes" if value else "no"


def is_ours(endpoint: str) -> bool:
    """Return whether an endpoint is one that this module makes."""
    return endpoint.startswith((TRUNK_PREFIX, SOFTPHONE_PREFIX))


def is_trunk(endpoint: str) -> bool:
    """Return whether an endpoint of ours is a trunk's."""
    return endpoint.startswith(TRUNK_PREFIX)


def removals(endpoint: str) -> list[EngineObject]:
    """Return everything that may exist beside an endpoint of ours, in the order in which to remove it."""
    kinds = [(PJSIP, "endpoint"), (PJSIP, "aor"), (PJSIP, "auth")]
    if is_trunk(endpoint):
        kinds = [(PJSIP, "registration"), (PJSIP, "endpoint"), (PJSIP, "auth")]
    return [EngineObject(module, kind, endpoint, ()) for module, kind in kinds]


PLACEHOLDER = EngineObject(
    PJSIP, "endpoint", "intellicall-nobody", (("context", CLOSED_CONTEXT), ("identify_by", "ip"), ("allow", "!all,alaw"))
)
"""An endpoint that nobody can use. With it the event source `endpoint:PJSIP` exists from the start and covers every later one."""
