"""The generated dialplan: what Asterisk does with a call by itself, and the variables that tell it what.

The agent's leg is originated into `AGENT_CONTEXT` and waits there in Stasis for the platform. `continue` sends it to
`CUSTOMER_CONTEXT`, from where on nobody else is needed: the trunks are tried in order, the recording is started, the ring
limit and the maximum length are kept, and the end of either leg ends the other.

Only `[0-9+]` reaches a dial string: `call_variables` refuses anything else and the dialplan filters once more.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from intellicall.telephony.asterisk.mending import LETTING_GO_S
from intellicall.telephony.asterisk.quality import QUALITY_VARIABLE
from intellicall.telephony.engine import CallPlan, Trunk

APP = "intellicall"
AGENT_CONTEXT = "intellicall-agent"
CUSTOMER_CONTEXT = "intellicall-customer"
RECORD_CONTEXT = "intellicall-record"
TAKE_CONTEXT = "intellicall-take"
"""Where a recorded customer's leg begins its recording anew in the same file (see mending.py)."""
LIFTED_CONTEXT = "intellicall-lifted"
GUARD_CONTEXT = "intellicall-guard"
CLOSED_CONTEXT = "intellicall-closed"
"""Where endpoints land with whatever they dial themselves: it has no extension, so nothing can be dialed."""

CALL_VARIABLE = "IC_CALL"
CHANNEL_VARIABLES = (CALL_VARIABLE, QUALITY_VARIABLE)
"""Channel variables that every channel event carries (`channelvars` in ari.conf)."""
FILE_VARIABLE = "IC_FILE"
LIMIT_VARIABLE = "IC_MAX"
ENDS_VARIABLE = "IC_ENDS"
"""On a vital leg: the names of the channels that end with it, with `&` between."""

TRUNK_PREFIX = "trunk-"
UNATTENDED_S = 20
"""How long a leg is kept when no platform takes it over."""
KNOCK_S = 0.1
SETUP_GRACE_S = 5

NEVER_REACHED = "(0|3|18|20|27|34|38|41|42|102)?"
"""Causes that Asterisk itself gives when no SIP response came: no such endpoint, no connection, no trust, no answer."""

GUARD_PUSH = {"CHANNEL(hangup_handler_push)": f"{GUARD_CONTEXT},s,1"}
"""The variable that gives a channel its guard: when it ends, the engine itself ends the channels of `ENDS_VARIABLE`."""

_NUMBER = re.compile(r"\+?[0-9]{1,32}")
_SAFE_FILE = re.compile(r"/[\w./~@+=-]*")

_INTO_STASIS = f"""\
 same => n(in),Stasis({APP})
 same => n,GotoIf($["${{STASISSTATUS}}" != "FAILED" | 0${{IC_KNOCKS}} > {UNATTENDED_S / KNOCK_S:.0f}]?out)
 same => n,Set(IC_KNOCKS=$[0${{IC_KNOCKS}} + 1])
 same => n,Wait({KNOCK_S})
 same => n,Goto(in)
 same => n(out),Hangup()"""
"""A leg that comes while no platform listens (between two connections, or two processes) is kept until one does."""

_CUSTOMER = "PJSIP/${IC_VIA_${IC_TRY}}/sip:${FILTER(+0-9,${IC_TO_${IC_TRY}})}@${IC_HOST_${IC_TRY}}"
_CALLER = "${FILTER(+0-9,${IC_FROM_${IC_TRY}})}"
# Few steps: each one is told to ARI and AMI, which costs more than the step itself.
EXTENSIONS_CONF = f"""\
[general]
static=yes
writeprotect=yes
autofallthrough=yes

[{CLOSED_CONTEXT}]

[{AGENT_CONTEXT}]
exten => s,1,Set(TIMEOUT(absolute)={UNATTENDED_S})
{_INTO_STASIS}

[{CUSTOMER_CONTEXT}]
exten => s,1,MSet(TIMEOUT(absolute)=${{IC_ABSOLUTE}},IC_UNTIL=$[${{EPOCH}} + ${{IC_LEFT}}])
 same => n(try),HangupCauseClear()
 same => n,Dial({_CUSTOMER},${{IC_LEFT}},iIS(${{IC_MAX}})f({_CALLER})${{IC_RECORD}})
 same => n,GotoIf($["${{RINGTIME_MS}}${{PROGRESSTIME_MS}}" != "" | ${{IC_TRY}} >= ${{IC_TRIES}}]?over)
 same => n,Set(IC_KEY=${{HANGUPCAUSE_KEYS()}})
 same => n,GotoIf($["${{IC_KEY}}" = ""]?silent)
 same => n,Set(IC_SIP=${{HANGUPCAUSE(${{IC_KEY}},tech)}})
 same => n,GotoIf($["${{IC_SIP:0:5}}" = "SIP 5" | "${{IC_SIP:0:7}}" = "SIP 408"]?next:over)
 same => n(silent),GotoIf($["${{DIALSTATUS}}" != "CHANUNAVAIL" & "${{DIALSTATUS}}" != "CONGESTION"]?over)
 same => n,GotoIf($["${{HANGUPCAUSE}}" =~ "^{NEVER_REACHED}$"]?next:over)
 same => n(next),Set(IC_LEFT=$[${{IC_UNTIL}} - ${{EPOCH}}])
 same => n,GotoIf($[${{IC_LEFT}} < 1]?over)
 same => n,Set(IC_TRY=$[${{IC_TRY}} + 1])
 same => n,Goto(try)
 same => n(over),Hangup()

[{RECORD_CONTEXT}]
exten => s,1,MixMonitor(${{{FILE_VARIABLE}}},D)
 same => n,Return()

[{TAKE_CONTEXT}]
exten => s,1,StopMixMonitor()
 same => n,PlayTones(0/1000)
 same => n,Wait({LETTING_GO_S})
 same => n,StopPlayTones()
 same => n,MixMonitor(${{{FILE_VARIABLE}}},aD)
{_INTO_STASIS}

[{LIFTED_CONTEXT}]
exten => s,1,Set(CHANNEL(hangup_handler_push)={GUARD_CONTEXT},s,1)
{_INTO_STASIS}

[{GUARD_CONTEXT}]
exten => s,1(next),GotoIf($["${{{ENDS_VARIABLE}}}" = ""]?done)
 same => n,SoftHangup(${{SHIFT({ENDS_VARIABLE},&)}})
 same => n,Goto(next)
 same => n(done),Return()
"""


def wire_number(number: str, trunk: Trunk | None) -> str:
    """Return the number as the trunk wants it. Raises ValueError for anything but digits and one leading plus."""
    if not _NUMBER.fullmatch(number):
        raise ValueError("only digits and one leading plus may reach the wire")
    return number.removeprefix("+") if trunk is not None and trunk.strip_plus else number


def trunk_endpoint(trunk: Trunk) -> str:
    """Return the PJSIP endpoint of a trunk.

    The name changes with the trunk's settings: an endpoint is never altered while a call may be using it, but replaced. Any
    trunk name is safe: what is not a letter or digit does not get into the endpoint's.
    """
    name = "".join(c for c in trunk.name if c.isascii() and c.isalnum())[:24]
    settings = hashlib.sha256(repr((trunk, trunk.password)).encode()).hexdigest()[:12]
    return f"{TRUNK_PREFIX}{name}-{settings}"


def trunk_host(trunk: Trunk) -> str:
    """Return the trunk's address as the host part of a SIP URI (RFC 3261 §19.1.1)."""
    host = f"[{trunk.host}]" if ":" in trunk.host else trunk.host
    return f"{host}:{trunk.port};transport={trunk.transport.value}"


def recording_file(recordings_dir: Path, name: str) -> Path:
    """Return the raw file of a recording. Raises ValueError when Asterisk could misread the path."""
    path = recordings_dir / f"{name}.raw"
    if not _SAFE_FILE.fullmatch(str(path)):
        raise ValueError("the recordings folder needs an absolute path of letters, digits and ./_~@+=-")
    return path


def call_variables(plan: CallPlan, trunks: Mapping[str, Trunk], recordings_dir: Path) -> dict[str, str]:
    """Return the channel variables of the agent's leg: everything that `EXTENSIONS_CONF` needs to finish the call."""
    usable = usable_trunks(plan.trunks, trunks)
    variables = {
        f"__{CALL_VARIABLE}": plan.call_id,
        "IC_ABSOLUTE": str(plan.customer_ring_s + plan.max_length_s + SETUP_GRACE_S),
        "IC_LEFT": str(plan.customer_ring_s),
        "IC_TRY": "1",
        f"__{LIMIT_VARIABLE}": str(plan.max_length_s),
        "IC_TRIES": str(len(usable)),
    }
    for position, trunk in enumerate(usable, 1):
        variables[f"IC_TO_{position}"] = wire_number(plan.customer_number, trunk)
        variables[f"IC_FROM_{position}"] = wire_number(plan.caller_id, trunk)
        variables[f"IC_HOST_{position}"] = trunk_host(trunk)
        variables[f"IC_VIA_{position}"] = trunk_endpoint(trunk)
    if plan.recording is not None:
        variables[f"__{FILE_VARIABLE}"] = str(recording_file(recordings_dir, plan.recording))
        variables["IC_RECORD"] = f"U({RECORD_CONTEXT})"
    return variables


def usable_trunks(names: Sequence[str], trunks: Mapping[str, Trunk]) -> list[Trunk]:
    """Return the trunks that exist, in the order asked for."""
    return [trunks[name] for name in names if name in trunks]
