# ruff: noqa: INP001
"""Development only: serves the built pages, speaks the softphone's socket with a scripted call, and answers SIP REGISTER.

    .venv/bin/python web/dev/mock_server.py --port 8999

No telephony: the pages are seen and clicked through, nobody is called. The launch's ticket names the script,
filled up with underscores to 16 characters: `/softphone/#ticket=talk____________`, `busy`, `slow` (stops at ringing),
`refused`, `already`, `elsewhere`, `signed-out`, `engine`. The demo CRM is at `/`.
"""

import argparse
import asyncio
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

PAGES = Path(__file__).resolve().parents[2] / "src/intellicall/web/pages"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ws: wss:; media-src 'self' http:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
CUSTOMER, CALLER_ID = "+12025550143", "+912240001234"
SIP = {"username": "dev", "password": "dev", "domain": "softphone.invalid", "path": "/softphone/sip"}

State = tuple[float, str]
TALK: tuple[State, ...] = ((0.2, "agent_ringing"), (0.3, "agent_answered"), (0.6, "customer_ringing"), (2.0, "talking"))
SCRIPTS: Mapping[str, tuple[State, ...]] = {"talk": TALK, "slow": TALK[:3], "busy": (*TALK[:3], (1.0, "ended"))}


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def new_call(state: str = "initiated") -> dict[str, Any]:
    return {
        "call_id": "5deb67aa-d54d-4536-9a25-a29813b3bddd",
        "uuid": "dev",
        "state": state,
        "customer_number": CUSTOMER,
        "from_number": CALLER_ID,
        "started_at": now(),
        "answered_at": now() if state == "talking" else None,
        "answer_token": "dev",
        "recording": True,
        "end": None,
    }


def busy_end() -> dict[str, Any]:
    return {
        "status": "BUSY",
        "reason": "customer_busy",
        "ended_by": "customer",
        "title": "The customer's line is busy",
        "remedy": "Try again in a few minutes.",
        "duration": 0,
    }


def hung_up_end(call: Mapping[str, Any]) -> dict[str, Any]:
    answered = call["answered_at"]
    talked = datetime.now(UTC) - datetime.fromisoformat(answered) if answered else timedelta()
    status = "ANSWER" if answered else "CANCELED"
    reason = "agent_hung_up" if answered else "agent_gave_up"
    title = "You hung up" if answered else "You hung up before the customer answered"
    return {
        "status": status,
        "reason": reason,
        "ended_by": "agent",
        "title": title,
        "remedy": "",
        "duration": int(talked.total_seconds()),
    }


def script_of(ticket: str | None) -> str | None:
    return ticket.strip("_") if ticket else None


class Scene:
    """One page's conversation with the scripted platform."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.socket = socket
        self.call: dict[str, Any] = {}
        self.play: asyncio.Task[None] | None = None

    async def say(self, kind: str, **fields: Any) -> None:
        await self.socket.send_str(json.dumps({"type": kind, **fields}))

    async def hello(self, ticket: str | None) -> None:
        if ticket == "signed-out":
            await self.say("signed_out", code="key_revoked", title="You are signed out", remedy="Click Dial in your CRM again.")
            return
        if ticket == "elsewhere":
            await self.say("elsewhere", launch={"ticket": "talk", "to_number": CUSTOMER}, call=None)
            return
        await self.welcome(ticket)
        if ticket == "engine":
            await self.say("engine", ready=False)

    async def welcome(self, ticket: str | None) -> None:
        known = ticket not in (None, "engine")
        launch = {"ticket": ticket, "to_number": CUSTOMER} if known else None
        await self.say(
            "welcome", server_time=now(), agent={"crm_username": "agent.017"}, sip=SIP, launch=launch, call=None, engine_ready=True
        )

    async def dial(self, ticket: str) -> None:
        if ticket in ("refused", "already"):
            await self.refuse(ticket)
            return
        self.call = new_call()
        await self.say("call", call=self.call)
        self.play = asyncio.create_task(self.act(SCRIPTS.get(ticket, ())))

    async def refuse(self, ticket: str) -> None:
        if ticket == "already":
            self.call = new_call("talking")
            title, remedy = "This customer is being called already", "Nothing to do: the call that lives goes on."
            await self.say("refused", code="already_calling", title=title, detail="", remedy=remedy, call=self.call)
            return
        title, remedy = "The account's limit of simultaneous calls is reached", "Wait until a call ends, or ask for a higher limit."
        await self.say("refused", code="call_limit_reached", title=title, detail="5 calls are going on.", remedy=remedy, call=None)

    async def act(self, script: Iterable[State]) -> None:
        for wait, state in script:
            await asyncio.sleep(wait)
            self.call |= {"state": state}
            if state == "talking":
                self.call |= {"answered_at": now()}
            if state == "ended":
                self.call |= {"end": busy_end()}
            await self.say("call", call=self.call)

    async def hang_up(self) -> None:
        if self.play is not None:
            self.play.cancel()
        self.call |= {"state": "ended", "end": hung_up_end(self.call)}
        await self.say("call", call=self.call)

    async def hear(self, message: Mapping[str, Any]) -> None:
        match message["type"]:
            case "hello":
                await self.hello(script_of(message["ticket"]))
            case "ping":
                await self.say("pong")
            case "dial":
                await self.dial(script_of(message["ticket"]) or "")
            case "hang_up":
                await self.hang_up()
            case "take_over":
                await self.welcome("talk")


async def softphone_socket(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    scene = Scene(socket)
    async for frame in socket:
        if frame.type is WSMsgType.TEXT:
            await scene.hear(json.loads(frame.data))
    if scene.play is not None:
        scene.play.cancel()
        with suppress(asyncio.CancelledError):
            await scene.play
    return socket


async def sip_socket(request: web.Request) -> web.WebSocketResponse:
    """Say 200 to every REGISTER, nothing to anything else."""
    socket = web.WebSocketResponse(protocols=("sip",))
    await socket.prepare(request)
    async for frame in socket:
        if frame.type is WSMsgType.TEXT and frame.data.startswith("REGISTER"):
            await socket.send_str(registered(frame.data))
    return socket


def registered(register: str) -> str:
    lines = register.split("\r\n")
    echo = [line for line in lines if line.split(":")[0] in ("Via", "From", "Call-ID", "CSeq")]
    to = next(line for line in lines if line.startswith("To:")) + ";tag=dev"
    contact = next(line for line in lines if line.startswith("Contact:"))
    return "\r\n".join(["SIP/2.0 200 OK", *echo, to, contact, "Content-Length: 0", "", ""])


CUSTOMERS = (
    ("Priya Nair", "Lakeside Textiles", "+12025550101", "tone_1000", "Answers at once and plays a 1000 Hz tone."),
    ("Tom Becker", "Becker & Sons", "+12025550102", "tone_440", "Answers at once and plays a 440 Hz tone."),
    ("Asha Rao", "Monsoon Travels", "+12025550103", "speech", "Answers after three seconds and speaks."),
    ("Echo Desk", "Test network", "+12025550104", "echo", "Says back everything that you say."),
    ("Marta Silva", "Porto Ceramics", "+12025550105", "busy", "Is always busy."),
    ("Noor Khan", "Khan Logistics", "+12025550106", "no_answer", "Rings and never answers."),
)


def callbacks() -> list[dict[str, Any]]:
    rows = (("ANSWER", 0, 84, "customer_hung_up"), ("BUSY", 4, 0, "customer_busy"), ("FAILED", 5, 0, "carrier_failure"))
    return [
        {
            "received_at": now_at(at),
            "headers": {"content-type": "application/json", "webhook-id": f"msg_{at}"},
            "body": {
                "call_id": f"5deb67aa-d54d-4536-9a25-a29813b3bdd{at}",
                "uuid": f"crm-{at}",
                "status": status,
                "duration": talked,
                "customer_number": CUSTOMERS[who][2],
                "agent_number": "+919876543211",
                "crm_username": "agent.017",
                "call_type": "browser" if at else "server",
                "disposition": "CRM_CALL",
                "direction": "outbound",
                "start_time": "2026-07-03T10:00:00Z",
                "end_time": "2026-07-03T10:01:30Z",
                "reason": reason,
                "recording_url": "http://127.0.0.1:1/recordings/crm_0.wav" if talked else None,
            },
        }
        for at, (status, who, talked, reason) in enumerate(rows)
    ]


def now_at(minute: int) -> str:
    return f"2026-07-03T10:{30 - minute:02}:00Z"


async def config(request: web.Request) -> web.Response:
    agents: list[dict[str, Any]] = [{"crm_username": "agent.017", "name": "Maya Iyer", "agent_number": "+919876543211"}]
    agents.append({"crm_username": "agent.018", "name": "Leo Hart", "agent_number": None})
    keys = ("name", "company", "number", "number_name", "description")
    body = {
        "base_url": f"http://{request.host}",
        "browser_key": "dev-browser-key",
        "agents": agents,
        "caller_ids": [CALLER_ID, "+912240005678"],
        "customers": [dict(zip(keys, row, strict=True)) for row in CUSTOMERS],
    }
    return web.json_response(body)


async def dial(_: web.Request) -> web.Response:
    problem = {"title": "The agent's softphone is not open", "remedy": "The agent opens the softphone and leaves the tab open."}
    return web.json_response(problem, status=409)


def page(folder: str, name: str = "index.html") -> Any:
    async def serve(request: web.Request) -> web.StreamResponse:
        path = PAGES / folder / request.match_info.get("path", name)
        if not path.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(path, headers={"Content-Security-Policy": POLICY})

    return serve


async def launch(_: web.Request) -> web.Response:
    return web.Response(status=303, headers={"Location": "/softphone/#ticket=talk____________"})


async def error_page(_: web.Request) -> web.Response:
    return web.Response(text=ERROR_PAGE, content_type="text/html", status=422, headers={"Content-Security-Policy": POLICY})


ERROR_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Not dialed</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="/assets/plain.css"></head>
<body><main class="card"><p class="kicker">Intellicall</p><h1>This is not a phone number that can be dialed</h1>
<p class="lead">Your CRM opened the dial link, but nobody was called.</p>
<p class="remedy">Correct the number in the CRM record, best in the form +919876543210.</p>
<h2>What your CRM sent</h2><dl class="facts"><dt>crm_username</dt><dd>agent.017</dd><dt>api_key</dt><dd>bk_…a1</dd>
<dt>to_number</dt><dd>{phone}</dd><dt>from_number</dt><dd>+912240001234</dd></dl>
<h2>Copy for your administrator</h2><pre class="copy">code: invalid_number
field: to_number
request: 7f3a</pre></main></body></html>"""


def application() -> web.Application:
    app = web.Application()
    app.router.add_get("/softphone/socket", softphone_socket)
    app.router.add_get("/softphone/sip", sip_socket)
    app.router.add_get("/softphone/", page("softphone"))
    app.router.add_get("/softphone/{path:.+}", page("softphone"))
    app.router.add_get("/CRM_API/webphone/launch", launch)
    app.router.add_get("/error", error_page)
    app.router.add_get("/api/config", config)
    app.router.add_get("/api/callbacks", lambda _: asyncio.sleep(0, web.json_response(callbacks())))
    app.router.add_post("/api/dial", dial)
    app.router.add_get("/", page("demo-crm"))
    app.router.add_get("/assets/plain.css", page("assets", "plain.css"))
    app.router.add_get("/{path:.+}", page("demo-crm"))
    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8999)
    web.run_app(application(), host="127.0.0.1", port=parser.parse_args().port)
