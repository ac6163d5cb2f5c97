"""What is pushed to an account's alert URL, as a schema for the API's description; tests hold what is sent against it."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Response
from fastapi.openapi.models import Example
from pydantic import BaseModel, ConfigDict, Field

from intellicall.callbacks.endpoint import News
from intellicall.calls.webhooks import WebhookId, WebhookSignature, WebhookTimestamp


class AlertPush(BaseModel):
    """The callback URL takes nothing any more, or takes results again."""

    model_config = ConfigDict(extra="forbid")

    type: News
    at: str = Field(description="When it was found: ISO 8601 in UTC, with milliseconds.")
    callback_url: str | None = Field(description="Its host only: the rest may hold a token.")
    failing_since: str = Field(description="Since when every attempt has failed, or had.")
    last_outcome: str = Field(description="What came of the last attempt, in plain words.")


_FAILING: dict[str, Any] = {
    "type": "endpoint_failing",
    "at": "2026-07-03T09:14:11.502Z",
    "callback_url": "crm.example.com",
    "failing_since": "2026-07-03T08:14:09.117Z",
    "last_outcome": "answered with HTTP 502",
}
_RECOVERED = _FAILING | {
    "type": "endpoint_recovered",
    "at": "2026-07-03T09:40:00.020Z",
    "last_outcome": "acknowledged with HTTP 200",
}
_EXAMPLES: dict[str, Example] = {sample["type"]: {"value": sample} for sample in (_FAILING, _RECOVERED)}

alerts = APIRouter(tags=["webhooks"])
"""For the application's `webhooks`: never called, only described."""


@alerts.post("alert", status_code=200, response_class=Response)
def alert(
    body: Annotated[AlertPush, Body(openapi_examples=_EXAMPLES)],
    x_intellicall_event: Annotated[News, Header(description="The `type`.")],
    webhook_id: WebhookId,
    webhook_timestamp: WebhookTimestamp,
    webhook_signature: WebhookSignature,
) -> None:
    """The callback URL has failed for an hour, or 20 results in a row; or it takes results again. Sent to the account's alert URL.

    What could not be delivered meanwhile is in the feed (`GET /results`) and can be sent again (`POST /deliveries/resend`).
    """
