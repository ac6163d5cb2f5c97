"""Every refusal that the platform can answer with, in one table: stable code, HTTP status, plain words, remedy.

A `Refused` is a decision about somebody's request, not a bug. `web.problem` renders it as problem+json (RFC 9457),
the launch pages render it as a page in plain words, the CLI as one sentence. docs/errors.md is generated from this table.
"""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Kind:
    """What a code means to the one who gets it. `remedy` says what to do, to the person who can do it."""

    status: int
    title: str
    remedy: str


class Code(StrEnum):
    """Stable machine-readable codes. Renaming one breaks integrations."""

    # who is asking
    MISSING_KEY = "missing_key"
    INVALID_KEY = "invalid_key"
    WRONG_KEY_KIND = "wrong_key_kind"
    ADDRESS_NOT_ALLOWED = "address_not_allowed"
    ACCOUNT_DISABLED = "account_disabled"
    SESSION_EXPIRED = "session_expired"
    # what was asked
    MALFORMED_JSON = "malformed_json"
    INVALID_FIELD = "invalid_field"
    MISSING_FIELD = "missing_field"
    UNKNOWN_FIELD = "unknown_field"
    DUPLICATE_FIELD = "duplicate_field"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    TEMPLATE_NOT_FILLED = "template_not_filled"
    INVALID_NUMBER = "invalid_number"
    UNKNOWN_AGENT = "unknown_agent"
    NUMBER_NOT_ASSIGNED = "number_not_assigned"
    DESTINATION_NOT_ALLOWED = "destination_not_allowed"
    UUID_CONFLICT = "uuid_conflict"
    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    # what can be done now
    AGENT_OFFLINE = "agent_offline"
    AGENT_BUSY = "agent_busy"
    ALREADY_CALLING = "already_calling"
    CALL_LIMIT_REACHED = "call_limit_reached"
    TOO_MANY_REQUESTS = "too_many_requests"
    NOT_POSSIBLE_NOW = "not_possible_now"
    ENGINE_UNAVAILABLE = "engine_unavailable"
    STORAGE_UNAVAILABLE = "storage_unavailable"
    PLATFORM_STALLED = "platform_stalled"
    RECORDING_DISK_FULL = "recording_disk_full"
    # launches
    LAUNCH_EXPIRED = "launch_expired"
    LAUNCH_SPENT = "launch_spent"
    PREFETCH_REFUSED = "prefetch_refused"
    # things
    NOT_FOUND = "not_found"
    RECORDING_NOT_READY = "recording_not_ready"
    RECORDING_GONE = "recording_gone"
    RANGE_NOT_SATISFIABLE = "range_not_satisfiable"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    # the wire
    BAD_REQUEST = "bad_request"
    BODY_TOO_LARGE = "body_too_large"
    HEADERS_TOO_LARGE = "headers_too_large"
    REQUEST_TIMEOUT = "request_timeout"
    INSECURE_TRANSPORT = "insecure_transport"
    INTERNAL = "internal_error"


KINDS: dict[Code, Kind] = {
    Code.MISSING_KEY: Kind(401, "No key was sent", "Send the server key as `Authorization: Bearer KEY`."),
    Code.INVALID_KEY: Kind(
        401, "The key is not valid", "Check the key; if it was rotated, put the new one into your CRM's settings."
    ),
    Code.WRONG_KEY_KIND: Kind(
        401, "This key is of the other kind", "The browser key belongs into launch links, the server key into API requests."
    ),
    Code.ADDRESS_NOT_ALLOWED: Kind(
        403, "Requests from this address are not allowed", "Ask the operator to add your server's address to the account."
    ),
    Code.ACCOUNT_DISABLED: Kind(403, "The account is disabled", "Ask the operator of the platform."),
    Code.SESSION_EXPIRED: Kind(401, "The softphone's session is over", "Click Dial in your CRM again."),
    Code.MALFORMED_JSON: Kind(400, "The body is not valid JSON", "Send one JSON object, UTF-8, as the guide shows."),
    Code.INVALID_FIELD: Kind(422, "A field has a wrong value", "See `field` and `detail`."),
    Code.MISSING_FIELD: Kind(422, "A required field is missing", "See `field`."),
    Code.UNKNOWN_FIELD: Kind(422, "A field is not known", "Remove it or correct its name; see `field`."),
    Code.DUPLICATE_FIELD: Kind(400, "A field was sent twice", "Send each parameter, header and JSON member once."),
    Code.UNSUPPORTED_MEDIA_TYPE: Kind(415, "The body is not JSON", "Send `Content-Type: application/json`."),
    Code.TEMPLATE_NOT_FILLED: Kind(
        400,
        "Your CRM did not fill in the link",
        "Tell your CRM administrator: the Dial button's URL template has a placeholder that the CRM did not replace.",
    ),
    Code.INVALID_NUMBER: Kind(
        422,
        "This is not a phone number that can be dialed",
        "Correct the number in the CRM record, best in the form +919876543210.",
    ),
    Code.UNKNOWN_AGENT: Kind(
        404,
        "This agent is not registered",
        "Ask your CRM administrator to have this agent ID registered with the telephony platform.",
    ),
    Code.NUMBER_NOT_ASSIGNED: Kind(
        403, "This caller ID does not belong to the account", "Use one of the numbers assigned to your account as from_number."
    ),
    Code.DESTINATION_NOT_ALLOWED: Kind(
        403, "This destination may not be called from this account", "A sandbox account reaches only the documented test numbers."
    ),
    Code.UUID_CONFLICT: Kind(
        409, "This uuid was used for another call", "Send a new uuid for a new call; the same uuid only to repeat the same request."
    ),
    Code.IDEMPOTENCY_CONFLICT: Kind(
        409, "This Idempotency-Key was used for another order", "Send a new key for a new order; the same key only to repeat it."
    ),
    Code.AGENT_OFFLINE: Kind(
        409, "The agent's softphone is not open", "The agent opens the softphone (any Dial click) and leaves the tab open."
    ),
    Code.AGENT_BUSY: Kind(409, "The agent is in another call", "Try again when that call has ended."),
    Code.ALREADY_CALLING: Kind(409, "This customer is being called already", "Nothing to do: the call that lives goes on."),
    Code.CALL_LIMIT_REACHED: Kind(
        429, "The account's limit of simultaneous calls is reached", "Wait until a call ends, or ask for a higher limit."
    ),
    Code.TOO_MANY_REQUESTS: Kind(429, "Too many requests", "Wait as long as Retry-After says."),
    Code.NOT_POSSIBLE_NOW: Kind(
        409, "This is not possible in the present state", "See `detail`; of a call also `state` and `allowed`."
    ),
    Code.ENGINE_UNAVAILABLE: Kind(
        503, "The telephone engine is not available at the moment", "Nothing was dialed. Try again in a few seconds."
    ),
    Code.STORAGE_UNAVAILABLE: Kind(503, "The call could not be stored", "Nothing was dialed. Try again in a few seconds."),
    Code.PLATFORM_STALLED: Kind(
        503,
        "The platform stood still, and your request may have waited too long",
        "Nothing was dialed, since nobody may expect the phone to ring any more. Ask again if it is still wanted.",
    ),
    Code.RECORDING_DISK_FULL: Kind(
        503,
        "There is no room for recordings",
        "Tell the operator: the disk needs room, or the account is set to call unrecorded meanwhile.",
    ),
    Code.LAUNCH_EXPIRED: Kind(410, "This link has expired", "Click Dial in your CRM again."),
    Code.LAUNCH_SPENT: Kind(410, "This click has already made its call", "Click Dial in your CRM again to call again."),
    Code.PREFETCH_REFUSED: Kind(425, "Prefetching this link is refused", "Open the link by a click; nothing was dialed."),
    Code.NOT_FOUND: Kind(404, "There is nothing here", "Check the address."),
    Code.RECORDING_NOT_READY: Kind(
        409, "The call is still going on", "The recording can be fetched when the call has ended and its result was pushed."
    ),
    Code.RECORDING_GONE: Kind(
        410, "The recording is gone", "See `reason`: it was deleted, its time was over, or it could not be completed."
    ),
    Code.RANGE_NOT_SATISFIABLE: Kind(416, "The file is shorter than the range asked for", "Ask for a range within the file."),
    Code.METHOD_NOT_ALLOWED: Kind(405, "This method is not possible here", "See the Allow header."),
    Code.BAD_REQUEST: Kind(400, "The request could not be understood", "See `detail`."),
    Code.BODY_TOO_LARGE: Kind(413, "The body is too large", "Send at most 65,536 bytes."),
    Code.HEADERS_TOO_LARGE: Kind(431, "The request's headers are too large", "Send at most 16,384 bytes of headers, URL included."),
    Code.REQUEST_TIMEOUT: Kind(
        408, "The request was not sent in time", "Send the headers within 5 seconds and the body within 10."
    ),
    Code.INSECURE_TRANSPORT: Kind(403, "The connection is not encrypted", "Use the https address of the platform."),
    Code.INTERNAL: Kind(500, "Something broke on our side", "Try again; if it stays, send the operator the request id."),
}


class Refused(Exception):  # noqa: N818 - a decision, not a defect
    """A request is refused: `code` for machines, `detail` for people, `field` when one input is at fault.

    `more` carries further JSON members of the problem (for example the `call_id` of a call that lives already).
    Never put a phone number, key or token into `detail`.
    """

    def __init__(
        self,
        code: Code,
        detail: str | None = None,
        *,
        field: str | None = None,
        retry_after: int | None = None,
        **more: object,
    ) -> None:
        super().__init__(detail or KINDS[code].title)
        self.code = code
        self.kind = KINDS[code]
        self.detail = detail
        self.field = field
        self.retry_after = retry_after
        self.more = more
