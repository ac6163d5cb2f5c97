# ruff: noqa: INP001
"""Development only: serves the built pages, speaks the softphone's socket with a scripted call, and answers SIP REGISTER.

    .venv/bin/python web/dev/mock_server.py --port 8999

No telephony: the pages are seen and clicked through, nobody is called. The launch's ticket names the script,
filled up with underscores to 16 characters: `/softphone/#ticket=talk____________`, `busy`, `slow` (stops at ringing),
`refused`, `already`, `elsewhere`, `signed-out`, `engine`, every state of an answered call (`held`, `three_way`, …), `asked` and
`asked-transfer` (another agent calls), `guest` (after Answer), `stubborn` (refuses every order), `silent` (answers none), `digits`
(the customer presses keys). The demo CRM is at `/`.
"""

import argparse
import asyncio
import json
import socket
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web
from live_call import AGENT, ANSWERED, CALLER_ID, CUSTOMER, CUSTOMER_DISPLAY, LiveCall, now

PAGES = Path(__file__).resolve().parents[2] / "src/intellicall/web/pages"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ws: wss:; media-src 'self' http:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SIP = {"username": "dev", "password": "dev", "domain": "softphone.invalid", "path": "/softphone/sip"}
DISPOSITIONS = ["CRM_CALL", "Interested", "Call back later", "Not interested", "Wrong number"]
WRAP_UP_S = 45

State = tuple[float, str]
TALK: tuple[State, ...] = ((0.2, "agent_ringing"), (0.3, "agent_answered"), (0.6, "customer_ringing"), (2.0, "talking"))
SCRIPTS: Mapping[str, tuple[State, ...]] = {"talk": TALK, "slow": TALK[:3], "busy": (*TALK[:3], (1.0, "ended"))}

AGENTS = (
    ("meera.krishnan", "ready", True),
    ("rohan.deshpande", "ready", False),
    ("kavita.subramaniam-iyer.south", "busy", True),
    ("farhan.qureshi", "wrap_up", True),
    ("agent.018", "asleep", False),
    ("leo.hart", "offline", True),
    ("nisha.p", "offline", False),
)


def found(query: str) -> list[dict[str, Any]]:
    keys = ("crm_username", "presence", "has_phone")
    return [dict(zip(keys, row, strict=True)) for row in AGENTS if query.lower() in row[0]]


PAST = (
    (3 * 60, 84, "ANSWER", "customer_hung_up", "The customer hung up.", "Interested", "Wants the brochure by mail.", True),
    (26 * 60, 0, "BUSY", "customer_busy", "The customer's line is busy.", None, None, False),
    (95 * 60, 0, "NO_ANSWER", "customer_no_answer", "The customer did not answer.", "CRM_CALL", None, False),
    (27 * 3600, 1312, "ANSWER", "agent_hung_up", "The agent hung up.", "Call back later", None, True),
    (30 * 3600, 0, "FAILED", "number_unknown", "The number does not exist.", None, None, False),
)


def past(page: int) -> list[dict[str, Any]]:
    return [
        {
            "call_id": f"past-{page}-{at}",
            "customer_display": f"+91 98765 4{page}{at:02}1",
            "from_display": "+91 22 4000 1234",
            "started_at": now(-ago - page * 86_400),
            "duration": duration,
            "status": status,
            "reason": reason,
            "title": title,
            "disposition": disposition,
            "notes": notes,
            "recording_url": f"/recordings/dev-{at}.wav" if recorded else None,
        }
        for at, (ago, duration, status, reason, title, disposition, notes, recorded) in enumerate(PAST)
    ]


def script_of(ticket: str | None) -> str | None:
    return ticket.strip("_") if ticket else None


class Scene:
    """One page's conversation with the scripted platform."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.socket = socket
        self.name = ""
        self.call = LiveCall()
        self.play: asyncio.Task[None] | None = None

    async def say(self, kind: str, **fields: Any) -> None:
        if not self.socket.closed:
            await self.socket.send_str(json.dumps({"type": kind, **fields}))

    async def tell(self) -> None:
        """Tell the call, and wrap-up when it has ended."""
        await self.say("call", call=self.call.fields)
        if self.call.state == "ended" and self.call.answered_at and self.call.seat == "agent":
            await self.wrap_up(now(WRAP_UP_S))

    async def wrap_up(self, until: str | None) -> None:
        await self.say("wrap_up", call_id=self.call.fields["call_id"], until=until, disposition="CRM_CALL", notes=None)

    async def hello(self, ticket: str | None) -> None:
        if ticket == "signed-out":
            await self.say(
                "signed_out", code="session_expired", title="The softphone's session is over", remedy="Click Dial again."
            )
            return
        if ticket == "elsewhere":
            await self.say("elsewhere", launch={"ticket": "talk", "to_number": CUSTOMER}, call=None)
            return
        await self.welcome(ticket)
        if ticket == "engine":
            await self.say("engine", ready=False)

    async def welcome(self, ticket: str | None) -> None:
        known = ticket not in (None, "engine")
        launch = {"ticket": ticket, "to_number": CUSTOMER, "to_display": CUSTOMER_DISPLAY} if known else None
        await self.say(
            "welcome",
            server_time=now(),
            agent={"crm_username": AGENT},
            sip=SIP,
            launch=launch,
            call=None,
            engine_ready=True,
            dispositions=DISPOSITIONS,
            default_disposition="CRM_CALL",
            wrap_up=None,
        )

    async def dial(self, ticket: str) -> None:
        self.name = ticket
        if ticket in ("refused", "already"):
            await self.refuse(ticket)
            return
        self.call = self.starting(ticket)
        await self.tell()
        if ticket == "digits":
            for digit in "4521#":
                await self.say("digit", call_id=self.call.fields["call_id"], participant_id="customer", digit=digit)
        self.play = asyncio.create_task(self.act(SCRIPTS.get(ticket, ())))

    def starting(self, ticket: str) -> LiveCall:
        if ticket.startswith("asked"):
            return LiveCall(
                "transferring" if ticket == "asked-transfer" else "consult_ringing", seat="guest", ask=True, talked_s=125
            )
        if ticket == "guest":
            return LiveCall("consulting", seat="guest", talked_s=125)
        state = ticket if ticket in ANSWERED else "initiated" if ticket in SCRIPTS else "talking"
        return LiveCall(state, talked_s=125)

    async def refuse(self, ticket: str) -> None:
        if ticket == "already":
            self.call = LiveCall("talking", talked_s=125)
            title, remedy = "This customer is being called already", "Nothing to do: the call that lives goes on."
            await self.say("refused", code="already_calling", title=title, detail="", remedy=remedy, call=self.call.fields)
            return
        title, remedy = "The account's limit of simultaneous calls is reached", "Wait until a call ends, or ask for a higher limit."
        await self.say("refused", code="call_limit_reached", title=title, detail="5 calls are going on.", remedy=remedy, call=None)

    async def act(self, script: Iterable[State]) -> None:
        for wait, state in script:
            await asyncio.sleep(wait)
            self.call.state = state
            if state == "talking":
                self.call.answered_at = now()
            if state == "ended":
                self.call.finish("customer_busy", "The customer's line is busy.", "BUSY", "Try again later.")
            await self.tell()

    async def hang_up(self) -> None:
        if self.play is not None:
            self.play.cancel()
        if self.call.answered_at:
            self.call.finish("agent_hung_up", "The agent hung up.")
        else:
            self.call.finish("agent_gave_up", "The agent hung up before the customer answered.", "CANCELED")
        await self.tell()

    async def order(self, message: Mapping[str, Any]) -> None:
        if self.name == "silent":
            return
        if self.name == "stubborn" and message["order"] not in ("end", "leave"):
            title, remedy = "The agent is in another call", "Try again when that call has ended."
            await self.say("refused", code="agent_busy", title=title, detail="", remedy=remedy, call=None, ref=message["ref"])
            return
        await self.call.order(message, self.tell)
        await self.say("done", ref=message["ref"])

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
            case "order":
                await self.order(message)
            case _:
                await self.ask(message)

    async def ask(self, message: Mapping[str, Any]) -> None:
        ref = message.get("ref")
        match message["type"]:
            case "find_agents":
                await self.say("agents", ref=ref, agents=found(message["query"]))
            case "history":
                page = int(message["before"] or 0)
                await self.say("calls", ref=ref, calls=past(page), next=str(page + 1) if page < 2 else None)
            case "note":
                noted = {key: message.get(key) for key in ("call_id", "disposition", "notes")}
                await self.say("noted", ref=ref, **noted)
            case "wrap_up_done":
                await self.wrap_up(None)
            case "redial":
                await self.dial("talk")
                await self.say("done", ref=ref)

    async def close(self) -> None:
        tasks = [task for task in (self.play, self.call.later) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def softphone_socket(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    scene = Scene(socket)
    async for frame in socket:
        if frame.type is WSMsgType.TEXT:
            await scene.hear(json.loads(frame.data))
    await scene.close()
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


def serve(port: int) -> None:
    """Serve until stopped; print the address, once it listens. Port 0 is any free one."""
    listening = socket.create_server(("127.0.0.1", port))
    sys.stdout.write(f"http://127.0.0.1:{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    web.run_app(application(), sock=listening, print=None)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8999)
    serve(parser.parse_args().port)
