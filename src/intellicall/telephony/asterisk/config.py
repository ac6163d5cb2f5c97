"""The configuration folder of an Asterisk 22 that works for Intellicall: a pure function from its site to the files' texts.

The same site gives the same bytes, so a restarted platform writes what is there already and can adopt the running engine.
Trunks and softphone accounts are not in these files: they live in the engine's memory and are put there by `provisioning`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from intellicall.telephony.asterisk.bygone import LEG_FIELDS
from intellicall.telephony.asterisk.dialplan import CHANNEL_VARIABLES, EXTENSIONS_CONF
from intellicall.telephony.rtp_ports import parts

MODULES = (
    *("res_timing_timerfd", "res_sorcery_config", "res_sorcery_memory", "res_sorcery_astdb", "res_crypto"),
    *("res_http_websocket", "res_websocket_client", "pbx_config"),
    *("func_callerid", "func_channel", "func_hangupcause", "func_logic", "func_strings", "func_timeout"),
    *("codec_alaw", "codec_ulaw", "codec_resample", "codec_opus_open_source", "res_format_attr_opus"),
    *("format_sln", "format_wav", "format_pcm", "format_gsm", "format_ogg_vorbis", "format_ogg_opus_open_source"),
    *("bridge_simple", "bridge_softmix", "bridge_builtin_features", "bridge_builtin_interval_features"),
    *("bridge_holding", "res_musiconhold", "res_mutestream", "app_softhangup", "app_playtones", "app_senddtmf"),
    *("res_rtp_asterisk", "res_srtp", "res_pjproject", "res_pjsip", "res_pjsip_session", "res_pjsip_pubsub"),
    *("res_pjsip_authenticator_digest", "res_pjsip_outbound_authenticator_digest", "res_pjsip_endpoint_identifier_user"),
    *("res_pjsip_caller_id", "res_pjsip_header_funcs", "res_pjsip_nat", "res_pjsip_rfc3326", "res_pjsip_sdp_rtp"),
    *("res_pjsip_registrar", "res_pjsip_outbound_registration", "res_pjsip_transport_websocket", "res_pjsip_acl"),
    *("chan_pjsip", "app_dial", "app_mixmonitor", "app_stack", "app_stasis"),
    *("res_stasis", "res_stasis_answer", "res_stasis_recording", "res_stasis_playback", "res_stasis_snoop"),
    *("res_ari", "res_ari_model", "res_ari_applications", "res_ari_asterisk", "res_ari_bridges", "res_ari_channels"),
    *("res_cdrel_custom", "cel_custom"),
    *("res_ari_endpoints", "res_ari_events"),
)
"""Loaded in this order. Left out on purpose: messaging, REFER, anonymous endpoints, STIR/SHAKEN, everything that runs programs.

`bridge_native_rtp` too: it passes keys on behind the core's back, and `DigitPressed` would not be told (decision 0010).
"""

NO_ANSWER_AT_ALL_MS = 6400
"""A trunk that answers an INVITE with nothing, not even 100 Trying, is given up after this long (SIP timer B, RFC 3261 §17.1.1.2).

Asterisk 22 wants T1 >= 100 ms and timer B >= 64 × T1: on UDP an unanswered INVITE is repeated after 100, 200, 400 … ms.
"""


RTP_CONF = "rtp.conf"
"""The one file that differs from one start of an engine to the next: see `next_rtp_conf`."""

ENGINE_OPTIONS = {"live_dangerously": "no", "hideconnect": "yes", "transmit_silence": "no", "defaultlanguage": "en"}
"""Section [options] of asterisk.conf."""


@dataclass(frozen=True, slots=True)
class EngineSite:
    """Where one engine listens, and its secret."""

    http_host: str
    http_port: int
    sip_host: str
    sip_port: int
    rtp_port_min: int
    rtp_port_max: int
    ami_port: int
    user: str
    password: str = field(repr=False)
    hold_music: Path
    legs: Path
    external_address: str | None = None
    ca_file: Path | None = None


def configuration(site: EngineSite) -> dict[str, str]:
    """Return every file of the configuration folder but asterisk.conf, by name."""
    return {
        "modules.conf": "[modules]\nautoload=no\n" + "".join(f"load={name}.so\n" for name in MODULES),
        "logger.conf": "[general]\nqueue_log=no\ndateformat=%F %T.%3q\n[logfiles]\nmessages.log => warning,error\n",
        "http.conf": _http(site),
        "ari.conf": _ari(site),
        RTP_CONF: _rtp(site.rtp_port_min, site.rtp_port_max),
        "pjsip.conf": _pjsip(site),
        "sorcery.conf": SORCERY_CONF,
        "extensions.conf": EXTENSIONS_CONF,
        "indications.conf": INDICATIONS_CONF,
        "cdr.conf": "[general]\nenable=no\n",
        "manager.conf": _manager(site),
        "musiconhold.conf": _lines("[general]", "[default]", "mode=files", f"directory={site.hold_music}", "sort=alpha"),
        # Read at start by modules that cannot do without the file; empty means their defaults.
        "pjproject.conf": "[startup]\nlog_level=1\n",
        "features.conf": "[general]\n",
        "acl.conf": "",
        "stasis.conf": STASIS_CONF,
        "websocket_client.conf": "",
        "cel.conf": "[general]\nenable=yes\nevents=ANSWER,HANGUP\n",
        "cel_custom.conf": _lines(f"[{site.legs}]", "separator_character=\\t", "quoting_method=none", f"fields={LEG_FIELDS}"),
        "udptl.conf": "[general]\n",
        "codecs.conf": "",
        "ccss.conf": "[general]\n",
    }


SORCERY_CONF = """\
[res_pjsip]
endpoint=memory
auth=memory
aor=memory
contact=memory

[res_pjsip_outbound_registration]
registration=memory
"""

# Nobody asks for these, yet each would be made into JSON: our dialplan sets a dozen variables on every call's legs.
STASIS_CONF = """\
[declined_message_types]
decline=ast_channel_varset_type
decline=ast_rtp_rtcp_sent_type
decline=ast_rtp_rtcp_received_type
"""

# ITU-T E.180 supplement 2: India.
INDICATIONS_CONF = """\
[general]
country=in

[in]
description=India
ringcadence=400,200,400,2000
dial=400*25
busy=400/750,0/750
ring=400*25/400,0/200,400*25/400,0/2000
congestion=400/250,0/250
callwaiting=400/200,0/100,400/200,0/7500
record=1400/500,0/15000
info=!950/330,!1400/330,!1800/330,0/1000
"""


def next_rtp_conf(written: str, low: int, high: int) -> str:
    """Return `rtp.conf` for an engine that is about to start: the part of the range after the one in `written`, the last engine's.

    `written` is "" when there was none.
    """
    choices = parts(low, high)
    last = next((index for index, (first, _) in enumerate(choices) if f"rtpstart={first}\n" in written), -1)
    return _rtp(*choices[(last + 1) % len(choices)])


def _rtp(low: int, high: int) -> str:
    return f"[general]\nrtpstart={low}\nrtpend={high}\nstrictrtp=yes\nicesupport=yes\n"


def _http(site: EngineSite) -> str:
    return _lines(
        "[general]",
        "servername=-",
        "enabled=yes",
        "enable_static=no",
        "enable_status=no",
        f"bindaddr={site.http_host}",
        f"bindport={site.http_port}",
        "sessionlimit=2000",  # one for each open softphone, which the platform's own limits admit
    )


def _ari(site: EngineSite) -> str:
    return _lines(
        "[general]",
        "enabled=yes",
        "pretty=no",
        "websocket_write_timeout=10000",
        f"channelvars={','.join(CHANNEL_VARIABLES)}",
        f"[{site.user}]",
        "type=user",
        "read_only=no",
        "password_format=plain",
        f"password={site.password}",
    )


def _manager(site: EngineSite) -> str:
    """AMI for what ARI cannot do, by the same user; classes `call` and `reporting`: no originate, no command, no configuration."""
    return _lines(
        "[general]",
        "enabled=yes",
        "webenabled=no",
        f"bindaddr={site.http_host}",
        f"port={site.ami_port}",
        "displayconnects=no",
        "authtimeout=5",
        f"[{site.user}]",
        f"secret={site.password}",
        "deny=0.0.0.0/0.0.0.0",
        "permit=127.0.0.0/255.0.0.0",
        "read=",
        "write=call,reporting",
        "writetimeout=5000",
    )


def _pjsip(site: EngineSite) -> str:
    address = _external(site)
    return _lines(
        "[global]",
        "type=global",
        "user_agent=Intellicall",
        "endpoint_identifier_order=username",
        "allow_sending_180_after_183=yes",
        "[system]",
        "type=system",
        f"timer_t1={NO_ANSWER_AT_ALL_MS // 64}",
        f"timer_b={NO_ANSWER_AT_ALL_MS}",
        *_transport("udp", site.sip_host, site.sip_port, address),
        *_transport("tcp", site.sip_host, site.sip_port, address),
        *_transport("tls", site.sip_host, site.sip_port + 1, [*address, *_tls(site)]),
        *_transport("ws", site.http_host, site.http_port, []),
    )


def _transport(protocol: str, host: str, port: int, more: Iterable[str]) -> list[str]:
    bind = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return [f"[transport-{protocol}]", "type=transport", f"protocol={protocol}", f"bind={bind}", *more]


def _external(site: EngineSite) -> list[str]:
    if site.external_address is None:
        return []
    private = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "fc00::/7", "::1/128")
    return [
        f"external_media_address={site.external_address}",
        f"external_signaling_address={site.external_address}",
        *(f"local_net={network}" for network in private),
    ]


def _tls(site: EngineSite) -> list[str]:
    verify = ["method=tlsv1_2", "verify_server=yes"]
    return [*verify, f"ca_list_file={site.ca_file}"] if site.ca_file else verify


def _lines(*lines: str) -> str:
    return "\n".join(lines) + "\n"


__all__ = ["ENGINE_OPTIONS", "EngineSite", "configuration"]
