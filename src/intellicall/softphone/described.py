"""What the API's description says of the launch link. It is opened by people, so its refusals are pages in plain words."""

from typing import Any

from starlette.responses import Response

from intellicall.web.openapi import parameter

_SENT = (
    ("crm_username", True, "Your own stable id of the agent, as registered.", "agent.017"),
    ("api_key", True, "The account's browser key.", "icb_3kQ7mZt9VxR2pL8c"),
    ("to_number", False, "The customer's number, as CRMs print it. Without it the softphone opens and waits.", "2025550100"),
    ("from_number", False, "The caller ID: one of the account's numbers.", "+12025550190"),
    ("uuid", False, "Your own id of the call; the result has it.", "lead-4711"),
)
_REFUSALS = (
    (400, "The CRM did not fill in the link, or it could not be understood."),
    (401, "The key is missing, wrong or of the other kind."),
    (403, "The account, the caller ID or the destination is not allowed, or the connection is not encrypted."),
    (404, "The agent is not registered."),
    (422, "A value is missing or is no number."),
    (425, "Prefetching is refused: nothing was dialed."),
    (429, "Too many clicks, or too many wrong keys from one address."),
    (503, "The click could not be stored: nothing was dialed."),
)
_PAGE = {"text/html": {"schema": {"type": "string"}}}

DESCRIBED: dict[str, Any] = {
    "operation_id": "launch",
    "summary": "Open the softphone with a call to make",
    "status_code": 303,
    "response_model": None,
    "response_class": Response,
    "responses": {
        303: {
            "description": "To the softphone, which dials when its page is seen.",
            "headers": {"Location": {"schema": {"type": "string"}, "example": "/softphone/#ticket=Qm9yZWRUb2Rheg"}},
        },
        **{status: {"description": f"A page that says so. {text}", "content": _PAGE} for status, text in _REFUSALS},
    },
    "openapi_extra": {
        "security": [],
        "parameters": [parameter(name, "query", text, example) | {"required": needed} for name, needed, text, example in _SENT],
    },
}
