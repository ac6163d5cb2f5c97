"""Phone numbers, from whatever a CRM puts into a link to E.164. Pure.

Whatever comes in, what goes out is one plus and ASCII digits, or `Refused`. CRMs send brackets, dots, no-break spaces,
`tel:` URIs (RFC 3966), a space where a plus was not encoded, extensions, and templates that they did not fill in.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

import phonenumbers
from phonenumbers import PhoneNumberFormat, ValidationResult

from intellicall.errors import Code, Refused
from intellicall.telephony.testnet.numbers import is_test_number

LONGEST = 128  # characters of a raw value; a tel: URI with parameters is longer than any number

_WORDS = {"", "undefined", "null", "none", "nil", "nan", "false", "object object"}
_PLACEHOLDER = re.compile(
    r"[{}]|<[%/A-Za-z].*>|%[A-Za-z_][\w.]*%|#[A-Za-z_][\w.]*#|__\w+__|\[\[.*\]\]|\[[A-Za-z_][\w. ]*\]|\$[A-Za-z_][\w.]*", re.ASCII
)
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_SCHEME = re.compile(r"\s*(?:tel|callto):(?://)?", re.IGNORECASE)
_EXTENSION = re.compile(r"[\s,.-]*(?:extension|extn|ext|x)[\s.:]*([0-9]{1,8})\s*$", re.IGNORECASE)
_CONTEXT = re.compile(r";phone-context=(\+[0-9.()-]+)", re.IGNORECASE)
_EXT_PARAMETER = re.compile(r";ext=([0-9.()-]{1,16})", re.IGNORECASE)
_SPACE_FOR_PLUS = re.compile(r" [ (]*[0-9]")
_E164 = re.compile(r"\+[1-9][0-9]{3,14}")
_SEPARATORS = set("-‐‑‒–—―−－()[]（）/.·\t")
_PLUSES = set("+＋")


@dataclass(frozen=True, slots=True)
class Number:
    """A number that can be dialed.

    `e164`: plus and digits, what the engine gets. `as_sent`: what the CRM wrote, reduced to its digits and one leading plus
    (`9876543210` stays `9876543210`), what results echo. `extension`: digits that the CRM wrote after `x` or `ext`; they are not
    dialed, the agent may key them in.
    """

    e164: str
    as_sent: str
    extension: str | None = None


def parse(raw: str, region: str, field: str = "to_number") -> Number:
    """Read a number as a CRM sends it; numbers without a plus are read in `region` (ISO 3166-1 alpha-2).

    Raises Refused TEMPLATE_NOT_FILLED when the CRM sent its placeholder or nothing, INVALID_NUMBER when it is no number that any
    numbering plan could have. A plus that arrived as a space (`+` unencoded in a query) is understood, `00` is too.
    Whether the number may be called is another question: `account.check_destination`.
    """
    text = unquote(raw) if _PERCENT.search(raw) else raw
    scheme = _SCHEME.match(text)
    body = text[scheme.end() :] if scheme else text
    if _is_unfilled(body) or _PLACEHOLDER.search(raw) or _PLACEHOLDER.search(text):
        raise Refused(Code.TEMPLATE_NOT_FILLED, field=field)
    if len(raw) <= LONGEST:
        body, extension = _without_parameters(body) if scheme else _without_extension(body)
        sent = _reduced(body)
        # A space stands for a plus only where the CRM wrote nothing before it; `tel: 98...` is a space.
        candidates = tuple(_candidates(sent, space_for_plus=scheme is None and bool(_SPACE_FOR_PLUS.match(body))))
        found = _first_valid(candidates, region) if sent else None
        if found is not None:
            return Number(found[0], found[1], extension)
    raise Refused(Code.INVALID_NUMBER, field=field)


def display(e164: str) -> str:
    """Return the number as people write it (`+91 98765 43210`); what cannot be read comes back unchanged."""
    try:
        return phonenumbers.format_number(phonenumbers.parse(e164, None), PhoneNumberFormat.INTERNATIONAL)
    except phonenumbers.NumberParseException:
        return e164


def _is_unfilled(body: str) -> bool:
    """Whether nothing, or the word that a program writes for nothing, was sent."""
    return body.strip(" +()[]-./\t ").casefold() in _WORDS


def _without_parameters(body: str) -> tuple[str, str | None]:
    """Split what follows `tel:` (RFC 3966) into number and extension; a global phone-context is the number's beginning."""
    number, semicolon, rest = body.partition(";")
    context = _CONTEXT.search(semicolon + rest)
    if context and "+" not in number:
        number = context[1] + number
    extension = _EXT_PARAMETER.search(semicolon + rest)
    if extension:
        return number, re.sub(r"[^0-9]", "", extension[1]) or None
    return _without_extension(number)


def _without_extension(body: str) -> tuple[str, str | None]:
    """Split `(022) 2345-6789 x12` into number and extension."""
    extension = _EXTENSION.search(body)
    return (body[: extension.start()], extension[1]) if extension else (body, None)


def _reduced(body: str) -> str:
    """Return ASCII digits with at most a leading plus; empty when anything else than a separator is in it."""
    digits: list[str] = []
    for character in body:
        category = unicodedata.category(character)
        if category == "Nd":
            digits.append(str(unicodedata.decimal(character)))
        elif character in _PLUSES and not digits:
            digits.append("+")
        elif character not in _SEPARATORS and category not in ("Zs", "Cf"):
            return ""
    return "".join(digits)


def _candidates(sent: str, *, space_for_plus: bool) -> list[tuple[str, str]]:
    """Return the ways to read it, best first, each as what to read and what it is echoed as."""
    ways = [(sent, sent)]
    if space_for_plus and not sent.startswith("+"):
        ways.insert(0, ("+" + sent, "+" + sent))
    if sent.startswith("00"):
        ways.append(("+" + sent[2:], sent))
    return ways


@lru_cache(maxsize=4096)
def _first_valid(candidates: tuple[tuple[str, str], ...], region: str) -> tuple[str, str] | None:
    """Return E.164 and echo of the first way that is a number in use, else of the first that could be one."""
    possible: tuple[str, str] | None = None
    for text, echo in candidates:
        try:
            number = phonenumbers.parse(text, region)
        except phonenumbers.NumberParseException:
            continue
        e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
        if not _E164.fullmatch(e164):
            continue
        if is_test_number(e164) or phonenumbers.is_valid_number(number):
            return e164, echo
        if possible is None and phonenumbers.is_possible_number_with_reason(number) == ValidationResult.IS_POSSIBLE:
            possible = e164, echo
    return possible
