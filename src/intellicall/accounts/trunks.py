"""What a trunk's fields may hold. Pure. The trunk itself is the engine port's (`telephony.engine.Trunk`)."""

import re

from intellicall.errors import Code, Refused
from intellicall.telephony.engine import Trunk

CODECS = ("alaw", "ulaw", "g722", "opus", "gsm", "g729")


def check_trunk(trunk: Trunk) -> None:
    """Raise Refused INVALID_FIELD when a field could not be written into the engine's configuration as it is."""
    problems = {
        "name": not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,31}", trunk.name, re.ASCII),
        "host": not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,253}[A-Za-z0-9])?|\[[0-9a-fA-F:.]{2,45}\]", trunk.host, re.ASCII),
        "port": not 1 <= trunk.port <= 65_535,
        "username": trunk.username is not None and not re.fullmatch(r"[A-Za-z0-9.!%*_+`'~@-]{1,128}", trunk.username, re.ASCII),
        "password": trunk.password is not None and not re.fullmatch(r"[!-:<-~]{1,128}", trunk.password, re.ASCII),
        "codecs": not trunk.codecs or len(set(trunk.codecs)) != len(trunk.codecs) or not set(trunk.codecs) <= set(CODECS),
        "register": trunk.register and not (trunk.username and trunk.password),
    }
    words = {
        "name": "A trunk's name has up to 32 small letters, digits and dashes.",
        "host": "The host is a name or an address (IPv6 in brackets).",
        "port": "The port is 1 to 65535.",
        "username": "The user name has up to 128 letters, digits and .!%*_+`'~@-",
        "password": "The password has up to 128 printable ASCII characters without spaces and semicolons.",
        "codecs": f"Codecs are one or more of {', '.join(CODECS)}, each once.",
        "register": "Registration needs a user name and a password.",
    }
    for name, wrong in problems.items():
        if wrong:
            raise Refused(Code.INVALID_FIELD, words[name], field=name)
