"""Where the telephone engine comes from: a usable installed Asterisk 22, or a private one fetched from Debian.

`python -m intellicall.telephony.asterisk.install --prefix DIR [--with sip-tester]` does the same from a shell.
"""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from intellicall.telephony.asterisk.debian_tree import InstallError, Progress, Tree, fetch_tree, find_tree

MAJOR_VERSION = 22
ENGINE_PACKAGES = ("asterisk", "asterisk-core-sounds-en-gsm", "asterisk-moh-opsound-gsm")
SIPP_PACKAGES = ("sip-tester",)
SOUNDS_PROBE = "sounds/en/number-not-answering"

REQUIRED_MODULES = (  # noqa: SIM905 - one name a line would fill the screen
    "app_dial app_echo app_mixmonitor app_playback app_playtones app_senddtmf app_softhangup app_stack app_stasis "
    "bridge_builtin_features bridge_builtin_interval_features bridge_holding bridge_simple bridge_softmix cel_custom chan_pjsip "
    "codec_alaw codec_gsm codec_opus_open_source codec_resample codec_ulaw format_gsm format_ogg_opus_open_source "
    "format_ogg_vorbis format_pcm format_sln format_wav func_callerid func_channel func_hangupcause func_logic "
    "func_pjsip_endpoint func_strings func_timeout pbx_config res_ari res_ari_applications res_ari_asterisk res_ari_bridges "
    "res_ari_channels res_ari_endpoints res_ari_events res_ari_model res_cdrel_custom res_crypto res_format_attr_opus "
    "res_http_websocket res_musiconhold res_mutestream res_pjproject res_pjsip res_pjsip_acl res_pjsip_authenticator_digest "
    "res_pjsip_caller_id res_pjsip_endpoint_identifier_anonymous res_pjsip_endpoint_identifier_ip "
    "res_pjsip_endpoint_identifier_user res_pjsip_header_funcs res_pjsip_nat res_pjsip_outbound_authenticator_digest "
    "res_pjsip_outbound_registration res_pjsip_pubsub res_pjsip_registrar res_pjsip_rfc3326 res_pjsip_sdp_rtp "
    "res_pjsip_session res_pjsip_transport_websocket res_rtp_asterisk res_sorcery_astdb res_sorcery_config "
    "res_sorcery_memory res_srtp res_stasis res_stasis_answer res_stasis_playback res_stasis_recording res_stasis_snoop "
    "res_timing_pthread res_timing_timerfd res_websocket_client"
).split()


@dataclass(frozen=True, slots=True)
class EngineInstall:
    """How to start an Asterisk, and where its parts are.

    `argv` is what every start begins with (the loader and the binary, or the binary alone); add `-C CONFIGURATION` and the rest.
    `environment` is to be added to the process's environment. `data_dir` holds `documentation/` and `sounds/en/` (English,
    GSM). `version` is the number alone, for example `22.10.1`. `sipp` starts SIPp where it was fetched too.
    """

    argv: tuple[str, ...]
    module_dir: Path
    data_dir: Path
    version: str
    sipp: tuple[str, ...] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    private: bool = False


def default_prefix() -> Path:
    """Return the folder of fetched engines: `INTELLICALL_ENGINE_PREFIX`, or `intellicall/engine` in the user's cache folder."""
    if chosen := os.environ.get("INTELLICALL_ENGINE_PREFIX"):
        return Path(chosen)
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "intellicall" / "engine"


def find_or_fetch(prefix_dir: Path | None, progress: Progress) -> EngineInstall:
    """Return a usable Asterisk 22: an installed one, one fetched earlier into `prefix_dir`, or one fetched now (about 80 MB).

    Blocks for as long as it takes; call it in a thread. None means `default_prefix()`. Raises InstallError in plain words.
    """
    prefix = prefix_dir or default_prefix()
    sipp = find_tree(prefix, "sip-tester")
    return find_installed(sipp=sipp) or _private(fetch_tree(prefix, "asterisk", ENGINE_PACKAGES, progress, _name_sounds), sipp)


def find_existing(prefix_dir: Path | None) -> EngineInstall | None:
    """Return the Asterisk 22 that `find_or_fetch` would return without fetching anything; None when there is none yet.

    Raises InstallError when what was fetched is damaged.
    """
    prefix = prefix_dir or default_prefix()
    tree = find_tree(prefix, "asterisk")
    return find_installed() or (_private(tree, None) if tree else None)


def fetch_sipp(prefix_dir: Path | None, progress: Progress) -> tuple[str, ...]:
    """Return how to start SIPp, the SIP test peer; fetch it into `prefix_dir` first when it is not there."""
    return _sipp_command(fetch_tree(prefix_dir or default_prefix(), "sip-tester", SIPP_PACKAGES, progress))


def find_installed(root: Path = Path("/"), *, sipp: Tree | None = None) -> EngineInstall | None:
    """Return the machine's own Asterisk when it is of the right version and has every module and sound that we need."""
    for folder in ("usr/sbin", "usr/local/sbin", "usr/bin", "opt/asterisk/sbin"):
        binary = root / folder / "asterisk"
        if not os.access(binary, os.X_OK):
            continue
        version = _version((str(binary),))
        modules = _folder_with(root, _MODULE_FOLDERS, lambda at: all((at / f"{name}.so").exists() for name in REQUIRED_MODULES))
        data = _folder_with(root, _DATA_FOLDERS, lambda at: any(at.glob(f"{SOUNDS_PROBE}.*")))
        if version and version.startswith(f"{MAJOR_VERSION}.") and modules and data:
            return EngineInstall((str(binary),), modules, data, version, _sipp_command(sipp) if sipp else None)
    return None


_MODULE_FOLDERS = (
    "usr/lib/*/asterisk/modules",
    "usr/lib/asterisk/modules",
    "usr/lib64/asterisk/modules",
    "usr/local/lib/asterisk/modules",
)
_DATA_FOLDERS = ("usr/share/asterisk", "var/lib/asterisk", "usr/local/share/asterisk")


def _folder_with(root: Path, patterns: Sequence[str], suits: Callable[[Path], bool]) -> Path | None:
    return next((path for pattern in patterns for path in sorted(root.glob(pattern)) if suits(path)), None)


def _private(tree: Tree, sipp: Tree | None) -> EngineInstall:
    argv = tree.command("usr/sbin/asterisk")
    modules = tree.libraries / "asterisk" / "modules"
    missing = [name for name in REQUIRED_MODULES if not (modules / f"{name}.so").exists()]
    environment = {"OPENSSL_MODULES": str(tree.libraries / "ossl-modules")}
    version = _version(argv, environment)
    if missing or version is None:
        raise InstallError(f"The engine in {tree.root} is damaged. Remove that folder and start again.", f"rm -r '{tree.root}'")
    data = tree.root / "usr/share/asterisk"
    return EngineInstall(argv, modules, data, version, _sipp_command(sipp) if sipp else None, environment, private=True)


def _name_sounds(root: Path) -> None:
    """Give the English sounds the name `en`, as their package's installation script would."""
    (root / "usr/share/asterisk/sounds/en").symlink_to("en_US_f_Allison")


def _sipp_command(tree: Tree) -> tuple[str, ...]:
    return tree.command("usr/bin/sipp")


def _version(argv: Sequence[str], environment: dict[str, str] | None = None) -> str | None:
    """Return `22.10.1` out of `Asterisk 22.10.1~dfsg+~cs6…`, or None when it does not even say that."""
    try:
        said = subprocess.run(
            [*argv, "-V"], capture_output=True, text=True, timeout=10, check=False, env=os.environ | (environment or {})
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.match(r"Asterisk (?:certified/)?(\d+(?:\.\d+)*)", said)
    return found[1] if found else None


class _Printer:
    """Progress on standard error: one line that changes where there is a terminal, one line for each step where there is none."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, what: str, share: float | None) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\033[K{what}" + ("" if share is None else f" {share:4.0%}"))
        elif what != self._last:
            sys.stderr.write(f"{what}\n")
        sys.stderr.flush()
        self._last = what


def main(arguments: Sequence[str] | None = None) -> int:
    """Find or fetch from the command line. Prints how to start the engine; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m intellicall.telephony.asterisk.install", description=__doc__)
    parser.add_argument("--prefix", type=Path, default=None, help="folder of the private engine (default: the user's cache folder)")
    parser.add_argument("--with", dest="extras", action="append", default=[], choices=["sip-tester"], help="fetch this as well")
    parsed = parser.parse_args(arguments)
    progress = _Printer()
    try:
        if "sip-tester" in parsed.extras:
            fetch_sipp(parsed.prefix, progress)
        install = find_or_fetch(parsed.prefix, progress)
    except InstallError as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    sys.stderr.write("\r\033[K" if sys.stderr.isatty() else "")
    sys.stdout.write(f"Asterisk {install.version}: {' '.join(install.argv)}\n")
    if install.sipp:
        sys.stdout.write(f"SIPp: {' '.join(install.sipp)}\n")
    return 0


__all__ = ["EngineInstall", "InstallError", "default_prefix", "fetch_sipp", "find_installed", "find_or_fetch"]

if __name__ == "__main__":
    raise SystemExit(main())
