"""Pages in plain words for people who opened a link that cannot become a call. Pure but for the template file."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from intellicall.errors import Code, Refused

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

# The remedies of the catalogue speak to whoever sends requests; here an agent reads, who can fix nothing but the record.
_FOR_AGENTS: Mapping[Code, str] = {
    Code.MISSING_KEY: "Tell your CRM administrator: the Dial button's link has no api_key.",
    Code.INVALID_KEY: "Tell your CRM administrator: the key in the Dial button's link is not valid any more; "
    "the telephony operator has the current one.",
    Code.WRONG_KEY_KIND: "Tell your CRM administrator: the Dial button's link needs the browser key, not the server key. "
    "The server key was shown in a link and should be replaced.",
    Code.MISSING_FIELD: "Tell your CRM administrator: the Dial button's link lacks a parameter.",
    Code.DUPLICATE_FIELD: "Tell your CRM administrator: the Dial button's link has a parameter twice.",
    Code.UNKNOWN_FIELD: "Tell your CRM administrator: a parameter of the Dial button's link has a wrong name.",
    Code.INVALID_FIELD: "Tell your CRM administrator what is written below.",
    Code.BAD_REQUEST: "Click Dial in your CRM again; if it stays, tell your CRM administrator.",
    Code.NUMBER_NOT_ASSIGNED: "Tell your CRM administrator: from_number must be one of the numbers assigned to your account.",
}


def refused_page(refused: Refused, sent: Mapping[str, str], request_id: str, now: datetime) -> str:
    """Return the HTML page for a refused launch. `sent`: what arrived, for people to read, with the key masked already."""
    remedy = _FOR_AGENTS.get(refused.code, refused.kind.remedy)
    return _templates.get_template("refused.html").render(
        title=refused.kind.title,
        detail=refused.detail if refused.detail != refused.kind.title else None,
        remedy=remedy,
        sent=sent,
        field=refused.field,
        report=_report(refused, sent, request_id, now),
    )


def _report(refused: Refused, sent: Mapping[str, str], request_id: str, now: datetime) -> str:
    lines = [f"Dial button, {now:%Y-%m-%d %H:%M:%S} UTC", f"error: {refused.code}", f"meaning: {refused.kind.title}"]
    if refused.field:
        lines.append(f"parameter: {refused.field}")
    lines += [f"{name} = {value!r}" for name, value in sent.items()]
    return "\n".join([*lines, f"request: {request_id}"])
