"""The launch: one click on a CRM's Dial button, from the link's parameters to a call. Pure.

Integration guide, section 2. CRMs paste templates together, so placeholders that were not filled in, missing parameters and
stray spaces are normal visitors; each gets an answer that says what arrived.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from intellicall.accounts import numbers
from intellicall.errors import Code, Refused

PARAMETERS = ("crm_username", "api_key", "to_number", "from_number", "uuid")
CLAIM_WITHIN = timedelta(seconds=60)  # from the click until its page, looked at, says hello
DIAL_WITHIN = timedelta(minutes=5)  # from the click until the call: the first time, a person allows the microphone meanwhile
LONGEST_UUID = 128
LONGEST_USERNAME = 128

_WORDS = {"", "undefined", "null", "none", "nil", "nan", "false", "[object object]"}
_PLACEHOLDER = re.compile(r"[{}]|<%|%>|^%\w+%$|^#\w+#$|^\[[^\]]*\]$|^__\w+__$|^<[^>]*>$|^\$[A-Za-z_][\w.]*$")


@dataclass(frozen=True, slots=True)
class Link:
    """What a launch link says, cleaned. `to_number` and `from_number` are as sent; None where the parameter is absent."""

    crm_username: str
    api_key: str | None = field(repr=False)
    to_number: str | None = field(repr=False)
    from_number: str | None = field(repr=False)
    uuid: str | None


@dataclass(frozen=True, slots=True)
class Launch:
    """A checked click. Numbers are E.164; `customer_as_sent` is what results echo. Times are aware UTC.

    `call_id` is the call that it became. `crm_username` is the CRM's own name of the agent.
    """

    id: str
    account_id: str
    agent_id: str
    crm_username: str
    to_number: str = field(repr=False)
    customer_as_sent: str = field(repr=False)
    from_number: str = field(repr=False)
    uuid: str | None
    created_at: datetime
    claimed_at: datetime | None = None
    spent_at: datetime | None = None
    call_id: str | None = None

    def check_fresh(self, now: datetime) -> None:
        """Raise Refused LAUNCH_SPENT or LAUNCH_EXPIRED unless this click may still become a call."""
        if self.spent_at is not None:
            raise Refused(Code.LAUNCH_SPENT)
        if now - self.created_at > (CLAIM_WITHIN if self.claimed_at is None else DIAL_WITHIN):
            raise Refused(Code.LAUNCH_EXPIRED)


def is_unfilled(text: str) -> bool:
    """Whether a CRM sent its placeholder, or the word that a program writes for nothing."""
    text = text.strip()
    return text.casefold() in _WORDS or _PLACEHOLDER.search(text) is not None


def clean(parameters: Mapping[str, str]) -> Link:
    """Check the form of a link's parameters, decoded as from a query string.

    Raises Refused TEMPLATE_NOT_FILLED (a placeholder or an empty value), MISSING_FIELD (no such parameter) or INVALID_FIELD,
    with the field named. Whether key, agent and numbers are good is not asked here.
    """
    for name in ("crm_username", "api_key"):
        if name in parameters and is_unfilled(parameters[name]):
            raise Refused(Code.TEMPLATE_NOT_FILLED, field=name)
    for name in ("from_number", "to_number"):
        if name in parameters:
            _check_filled(parameters[name], name)
    if "crm_username" not in parameters:
        raise Refused(Code.MISSING_FIELD, "The link does not say who calls.", field="crm_username")
    if "to_number" in parameters and "from_number" not in parameters:
        raise Refused(Code.MISSING_FIELD, "The link does not say which number the customer sees.", field="from_number")
    key = parameters.get("api_key")
    return Link(
        crm_username=_username(parameters["crm_username"]),
        api_key=key.strip() if key is not None else None,
        to_number=parameters.get("to_number"),
        from_number=parameters.get("from_number"),
        uuid=_uuid(parameters.get("uuid")),
    )


def _check_filled(raw: str, name: str) -> None:
    """Raise Refused TEMPLATE_NOT_FILLED by the rules for numbers; what else is wrong with one is said later."""
    try:
        numbers.parse(raw, "ZZ", name)
    except Refused as refused:
        if refused.code is Code.TEMPLATE_NOT_FILLED:
            raise


def _username(raw: str) -> str:
    text = raw.strip()
    if len(text) > LONGEST_USERNAME or not text.isprintable():
        raise Refused(Code.UNKNOWN_AGENT, field="crm_username")
    return text


def _uuid(raw: str | None) -> str | None:
    """Return the CRM's own id of the call; an empty one is none."""
    text = (raw or "").strip()
    if not text:
        return None
    if is_unfilled(text):
        raise Refused(Code.TEMPLATE_NOT_FILLED, field="uuid")
    if len(text) > LONGEST_UUID or not text.isprintable():
        raise Refused(Code.INVALID_FIELD, f"A uuid has at most {LONGEST_UUID} printable characters.", field="uuid")
    return text


def as_sent(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return what the CRM sent for people to read: the key masked, nothing longer than a line."""
    shown = {}
    for name in PARAMETERS:
        if name in parameters:
            value = parameters[name]
            shown[name] = masked(value) if name == "api_key" else _short(value)
    return shown


def masked(key: str) -> str:
    """Return a key with all but its last four characters hidden; a placeholder is no secret and stays readable."""
    if is_unfilled(key):
        return _short(key)
    return "••••" + key.strip()[-4:] if len(key.strip()) > 12 else "••••"


def _short(value: str) -> str:
    text = "".join(character if character.isprintable() else "�" for character in value)
    return text if len(text) <= 200 else text[:200] + "…"
