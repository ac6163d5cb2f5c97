"""What the API's description says of each route of callbacks/http.py, by its handler's name: examples, and every error."""

from typing import Any

from intellicall.accounts.signing_secrets import HINT
from intellicall.callbacks.bodies import (
    LONGEST_OVERLAP_H,
    CallbackView,
    DeliveryList,
    DeliveryView,
    NewSecretView,
    Nothing,
    ResendOrder,
    ResentView,
    Rotation,
    WholeDelivery,
)
from intellicall.callbacks.delivery import Kind, State
from intellicall.calls.filters import MOST, USUAL, Position
from intellicall.calls.samples import BEGAN, CALL_ID, results
from intellicall.errors import Code, Refused
from intellicall.web.cursor import broken
from intellicall.web.openapi import Answer, Body, operation, parameter

_DELIVERY_ID = "0b7c4d1e9a52f3846d10c7be"
_NO_DELIVERY = Refused(Code.NOT_FOUND, "There is no such delivery.")
_NO_URL = Refused(Code.NOT_POSSIBLE_NOW, "The account has no callback URL.")
_UNDER_WAY = Refused(Code.NOT_POSSIBLE_NOW, "The delivery is under way already.", state=State.DUE)
_UNKNOWN_QUERY = Refused(Code.UNKNOWN_FIELD, field="page")
_BAD_ID = Refused(Code.INVALID_FIELD, "It is too long.", field="delivery_id")
_NOTHING = Body(Nothing, {"nothing": {}}, required=False)

_SECRETS: list[dict[str, Any]] = [
    {"id": "9c1d6f0a24b8e7d35a60f1c2", "hint": "kX2w", "created_at": "2026-07-03T09:00:00Z", "expires_at": None},
    {"id": "41f7a09be3d86c52d7e1b094", "hint": "t0Qa", "created_at": "2026-01-12T08:30:00Z", "expires_at": "2026-07-04T09:00:00Z"},
]
_NEW_SECRET = "whsec_" + "C2FVsBQIhrscChlQIMV+b5sSYspob7oD"[:-HINT] + "kX2w"
_ENDPOINT: dict[str, Any] = {
    "url": "https://crm.example.com",
    "alert_url": None,
    "events": ["held", "transferred"],
    "policy": "extended",
    "state": "active",
    "paused_since": None,
    "failing_since": None,
    "waiting": 0,
    "undelivered": 0,
    "last_delivered_at": "2026-07-03T10:02:30Z",
    "secrets": _SECRETS[:1],
}
_FAILING = _ENDPOINT | {"state": "failing", "failing_since": "2026-07-03T08:14:09Z", "waiting": 37, "undelivered": 4}
_PAUSED = _ENDPOINT | {"state": "paused", "paused_since": "2026-07-03T10:05:00Z", "waiting": 3}
_NONE = _ENDPOINT | {"url": None, "state": "none", "last_delivered_at": None, "events": [], "policy": "guide"}

_DELIVERED: dict[str, Any] = {
    "id": _DELIVERY_ID,
    "kind": "result",
    "call_id": CALL_ID,
    "event": None,
    "state": "delivered",
    "attempt_count": 2,
    "created_at": "2026-07-03T10:02:39Z",
    "finished_at": "2026-07-03T10:02:41Z",
    "next_attempt_at": None,
}
_DUE = _DELIVERED | {"state": "due", "finished_at": None, "next_attempt_at": "2026-07-03T11:00:00Z"}
_TEST = _DUE | {"id": "77d0e51ab2c94f6830e2d1a5", "kind": "test", "attempt_count": 0}
_ATTEMPTS = [
    {
        "number": 1,
        "at": "2026-07-03T10:02:39.014Z",
        "status": 502,
        "latency_ms": 31,
        "outcome": "answered with HTTP 502",
        "answer": "<html><title>502 Bad Gateway</title></html>\n",
    },
    {
        "number": 2,
        "at": "2026-07-03T10:02:40.051Z",
        "status": 200,
        "latency_ms": 48,
        "outcome": "acknowledged with HTTP 200",
        "answer": '{"ok":true}',
    },
]


def _endpoint(name: str, summary: str, description: str, shown: dict[str, Any]) -> dict[str, Any]:
    answer = Answer(description, CallbackView, {shown["state"]: shown})
    return operation(name, summary, {200: answer}, [_UNKNOWN_QUERY], body=_NOTHING)


OPERATIONS: dict[str, dict[str, Any]] = {
    "show_callback": operation(
        "showCallback",
        "Show the callback URL and how it stands",
        {200: Answer("The endpoint.", CallbackView, {"active": _ENDPOINT, "failing": _FAILING, "none": _NONE})},
        [_UNKNOWN_QUERY],
    ),
    "pause": _endpoint("pauseCallback", "Pause callbacks", "Paused; a second time changes nothing.", _PAUSED),
    "resume": _endpoint("resumeCallback", "Resume callbacks", "Resumed; what waited is sent.", _ENDPOINT),
    "test": operation(
        "testCallback",
        "Send a test",
        {201: Answer("The test is on its way: look at it by its `id`.", DeliveryView, {"test": _TEST})},
        [_UNKNOWN_QUERY, _NO_URL, Code.TOO_MANY_REQUESTS],
        body=_NOTHING,
    ),
    "rotate": operation(
        "rotateCallbackSecret",
        "Make a new signing secret",
        {200: Answer("The new secret.", NewSecretView, {"rotated": {"secret": _NEW_SECRET, "secrets": _SECRETS}})},
        [_UNKNOWN_QUERY, Refused(Code.INVALID_FIELD, "It is too large.", field="overlap_hours")],
        body=Body(
            Rotation,
            {"a_day": {"overlap_hours": 24}, "at_once": {"overlap_hours": 0}, "longest": {"overlap_hours": LONGEST_OVERLAP_H}},
            required=False,
        ),
    ),
    "list_deliveries": operation(
        "listDeliveries",
        "List callbacks",
        {
            200: Answer(
                "A page of them.",
                DeliveryList,
                {
                    "some": {"deliveries": [_DUE, _DELIVERED], "next": Position(BEGAN, _DELIVERY_ID).cursor},
                    "none": {"deliveries": [], "next": None},
                },
            )
        },
        [_UNKNOWN_QUERY, broken()],
        parameters=[
            parameter("state", "query", "Where it stands.", "undelivered", schema={"type": "string", "enum": list(State)}),
            parameter("kind", "query", "What it is.", "result", schema={"type": "string", "enum": list(Kind)}),
            parameter("call_id", "query", "Only what is about this call.", CALL_ID),
            parameter("from", "query", "Made at this time or later: ISO 8601 with its zone.", "2026-07-03T00:00:00+05:30"),
            parameter("to", "query", "Made before this time: ISO 8601 with its zone.", "2026-07-04T00:00:00+05:30"),
            parameter(
                "limit",
                "query",
                "Callbacks on a page.",
                USUAL,
                schema={"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL},
            ),
            parameter("cursor", "query", "`next` of the page before."),
        ],
    ),
    "show_delivery": operation(
        "showDelivery",
        "Show a callback and its attempts",
        {
            200: Answer(
                "The callback.",
                WholeDelivery,
                {"delivered": _DELIVERED | {"body": results()["answered"], "attempts": _ATTEMPTS}},
            )
        },
        [_NO_DELIVERY, _UNKNOWN_QUERY, _BAD_ID],
    ),
    "resend": operation(
        "resendDelivery",
        "Send a callback again",
        {200: Answer("It is due.", DeliveryView, {"due": _DUE})},
        [_NO_DELIVERY, _UNKNOWN_QUERY, _UNDER_WAY, _BAD_ID],
        body=_NOTHING,
    ),
    "resend_results": operation(
        "resendResults",
        "Send the results of a time again",
        {200: Answer("They are due.", ResentView, {"some": {"count": 37, "more": False}})},
        [
            _UNKNOWN_QUERY,
            _NO_URL,
            Refused(Code.INVALID_FIELD, "A time is written with its zone: 2026-07-03T10:00:00Z or …+05:30.", field="from"),
        ],
        body=Body(
            ResendOrder,
            {
                "after_an_outage": {"from": "2026-07-03T08:00:00Z", "to": "2026-07-03T12:00:00Z"},
                "delivered_ones": {"from": "2026-07-03T08:00:00Z", "to": "2026-07-03T12:00:00Z", "state": "delivered"},
            },
        ),
    ),
}
