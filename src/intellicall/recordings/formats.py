"""In which forms a recording is handed out, and which one a request means. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class Format(StrEnum):
    """By the suffix of the link. WAV is what is kept; the others are made of it when somebody asks."""

    WAV = "wav"
    OPUS = "opus"
    MP3 = "mp3"


@dataclass(frozen=True, slots=True)
class Kind:
    """Media types (the first one is answered with; all are understood in Accept), and libsndfile's names where it is made."""

    media_types: tuple[str, ...]
    container: str = ""
    encoding: str = ""


KINDS: dict[Format, Kind] = {
    Format.WAV: Kind(("audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave")),
    Format.OPUS: Kind(("audio/ogg", "audio/opus", "application/ogg"), "OGG", "OPUS"),  # RFC 7845
    Format.MP3: Kind(("audio/mpeg", "audio/mp3"), "MP3", "MPEG_LAYER_III"),
}


def split(file: str) -> tuple[str, Format | None]:
    """Return the name and the format of a link's last part; None for a suffix that is none of ours."""
    name, dot, suffix = file.rpartition(".")
    try:
        return name, Format(suffix) if dot else None
    except ValueError:
        return name, None


def negotiated(accept: str | None) -> Format:
    """Return the format that an Accept header wants most (RFC 9110 section 12.5.1): WAV where it leaves the choice, or wants none.

    A range with a star says that others will do, too: it is content with WAV.
    """
    wanted = dict(_preferences(accept or ""))
    others = max(wanted.get("*/*", 0.0), wanted.get("audio/*", 0.0))

    def weight(form: Format) -> float:
        named = [wanted[media_type] for media_type in KINDS[form].media_types if media_type in wanted]
        return max(named, default=others if form is Format.WAV else 0.0)

    return max(Format, key=weight)  # the first of equals


def _preferences(accept: str) -> list[tuple[str, float]]:
    """Media types in lower case with their weights. Parameters other than `q` are not looked at."""
    found = []
    for member in accept.split(","):
        media_type, *parameters = (part.strip().lower() for part in member.split(";"))
        weight = next((one[2:] for one in parameters if one.startswith("q=")), "1")
        found.append((media_type, _weight(weight)))
    return found


def _weight(text: str) -> float:
    """A weight from 0 to 1; what is none counts as 0."""
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0.0 <= value <= 1.0 else 0.0
