"""What a check has found: a verdict, one sentence, one remedy. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How good it is."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was looked at, what was found in one sentence, what to do in one (empty when it is well)."""

    check: str
    verdict: Verdict
    sentence: str
    remedy: str = ""


def ok(check: str, sentence: str) -> Finding:
    """It is well."""
    return Finding(check, Verdict.OK, sentence)


def warning(check: str, sentence: str, remedy: str) -> Finding:
    """It works, and will not for all or for ever."""
    return Finding(check, Verdict.WARNING, sentence, remedy)


def failed(check: str, sentence: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(check, Verdict.FAILED, sentence, remedy)
