"""The test network's Asterisk configuration: pure text from a port, a range of ports and a folder of sounds."""

from pathlib import Path

from intellicall.telephony.testnet.numbers import NUMBERS

LONGEST_CALL_S = 6 * 3600

MODULES = (  # noqa: SIM905 - one name a line would fill the screen
    "res_timing_pthread res_sorcery_config res_sorcery_memory res_sorcery_astdb res_crypto pbx_config func_timeout res_musiconhold "
    "codec_alaw codec_ulaw codec_gsm format_pcm format_gsm res_rtp_asterisk res_pjproject res_pjsip res_pjsip_session "
    "res_pjsip_pubsub res_pjsip_endpoint_identifier_ip res_pjsip_acl res_pjsip_nat res_pjsip_caller_id res_pjsip_sdp_rtp "
    "res_pjsip_rfc3326 chan_pjsip app_echo app_playback"
).split()

# Answer(,i) answers at once; without `i` Asterisk first waits up to half a second for audio from the caller.
_DIALPLAN = {
    "tone_1000": ("Answer(,i)", "MusicOnHold(tone_1000)"),
    "tone_440": ("Answer(,i)", "MusicOnHold(tone_440)"),
    "tone_700": ("Answer(,i)", "MusicOnHold(tone_700)"),
    "speech": (
        "Ringing()",
        "Wait(3)",
        "Answer(,i)",
        "Playback(hello&demo-congrats&demo-thanks)",
        "Wait(1)",
        "Goto(4)",
    ),
    "echo": ("Answer(,i)", "Echo()", "Goto(2)"),
    "busy": ("PJSIPHangup(486)",),
    "reject": ("PJSIPHangup(603)",),
    "no_answer": ("Ringing()", f"Wait({LONGEST_CALL_S})"),
    "early_media": (
        "Progress()",
        "Wait(0.5)",
        "MusicOnHold(information,1)",
        "Playback(im-sorry&number-not-answering&please-try-call-later,noanswer)",
        "PJSIPHangup(480)",
    ),
    "hangs_up": ("Answer(,i)", "MusicOnHold(tone_440,5)", "Hangup(16)"),
    "silent": ("Answer(,i)", "MusicOnHold(silence)"),
}


def configuration(sip_port: int, rtp_ports: tuple[int, int], sounds: Path) -> dict[str, str]:
    """Return every file of the configuration folder but asterisk.conf, by name."""
    return {
        "modules.conf": "[modules]\nautoload=no\n" + "".join(f"load={name}.so\n" for name in MODULES),
        # Without any channel Asterisk prints everything, and its notices say the numbers that were dialed.
        "logger.conf": "[general]\nqueue_log=no\n[logfiles]\nconsole => error\n",
        "rtp.conf": f"[general]\nrtpstart={rtp_ports[0]}\nrtpend={rtp_ports[1]}\nicesupport=no\n",
        "pjsip.conf": _PJSIP.format(port=sip_port),
        "extensions.conf": _extensions(),
        "musiconhold.conf": _music(sounds),
        "manager.conf": "[general]\nenabled=no\n",
        "http.conf": "[general]\nenabled=no\n",
        "cdr.conf": "[general]\nenable=no\n",
        "cel.conf": "[general]\nenable=no\n",
        "indications.conf": "[general]\ncountry=us\n[us]\ndescription=test\nringcadence=2000,4000\n",
        **dict.fromkeys(("stasis.conf", "pjproject.conf", "features.conf", "acl.conf", "udptl.conf", "ccss.conf"), ""),
    }


def _extensions() -> str:
    lines = ["[general]", "static=yes", "[test-numbers]"]
    for name, steps in _DIALPLAN.items():
        number = NUMBERS[name].number.removeprefix("+")
        lines.append(f"exten => {number},1,Set(TIMEOUT(absolute)={LONGEST_CALL_S})")
        lines += [f"same => n,{step}" for step in _absolute(steps)]
        lines.append(f"exten => +{number},1,Goto({number},1)")
    return "\n".join(lines) + "\n"


def _absolute(steps: tuple[str, ...]) -> list[str]:
    """Count the jumps' targets from the first step, which comes after the length limit."""
    return [f"Goto({int(step[5:-1]) + 1})" if step.startswith("Goto(") else step for step in steps]


def _music(sounds: Path) -> str:
    classes = ("tone_1000", "tone_440", "tone_700", "silence", "information")
    return "[general]\n" + "".join(f"[{name}]\nmode=files\ndirectory={sounds / name}\nsort=alpha\n" for name in classes)


# Only loopback addresses are heard, by the socket's own address, by the access list and by the endpoint's.
_PJSIP = """\
[global]
type=global
user_agent=Intellicall-Test-Network
endpoint_identifier_order=ip
keep_alive_interval=0

[system]
type=system
timer_t1=500
timer_b=32000

[udp]
type=transport
protocol=udp
bind=127.0.0.1:{port}

[tcp]
type=transport
protocol=tcp
bind=127.0.0.1:{port}

[loopback-only]
type=acl
deny=0.0.0.0/0.0.0.0
permit=127.0.0.0/255.0.0.0

[caller]
type=endpoint
context=test-numbers
disallow=all
allow=alaw
allow=ulaw
direct_media=no
media_address=127.0.0.1
bind_rtp_to_media_address=yes
rtp_symmetric=yes
rewrite_contact=yes
100rel=no
timers_sess_expires=600
allow_transfer=no

[caller]
type=identify
endpoint=caller
match=127.0.0.0/8
"""
