"""The demo CRM: a small customer list with a Dial button, as somebody's own CRM would have it, and a receiver of results.

It knows Intellicall only as the integration guide describes it: a launch link, `POST /calls`, and a callback URL.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

KEPT = 500


@dataclass(frozen=True, slots=True)
class CrmConfig:
    """What the administrator of this CRM was given at onboarding, and its customers."""

    base_url: str
    browser_key: str
    server_key: str
    callback_token: str
    callback_secret: str
    agents: list[dict[str, str]]
    caller_ids: list[str]
    customers: list[dict[str, str]]


@dataclass(slots=True)
class DemoCrm:
    """The CRM's server. `callbacks` holds what was received, newest first, kept in `file` through restarts."""

    file: Path
    pages: Path
    config: CrmConfig | None = None
    callbacks: list[dict[str, Any]] = field(default_factory=list)
    _runner: web.AppRunner | None = None

    async def start(self, port: int) -> int:
        """Listen on loopback; 0 finds a free port. Returns the port."""
        if self.file.exists():
            self.callbacks = [json.loads(line) for line in self.file.read_text().splitlines()][-KEPT:][::-1]
        app = web.Application()
        app.add_routes(
            [
                web.get("/", self._page),
                web.get("/api/config", self._config),
                web.get("/api/callbacks", self._list),
                web.post("/api/dial", self._dial),
                web.post("/callback", self._receive),
                web.static("/assets", self.pages / "assets"),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Close the doors."""
        if self._runner:
            await self._runner.cleanup()

    async def _page(self, _request: web.Request) -> web.StreamResponse:
        base = self.config.base_url if self.config else ""
        policy = f"default-src 'self'; media-src {base}; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"
        return web.FileResponse(self.pages / "index.html", headers={"Content-Security-Policy": policy, "Cache-Control": "no-store"})

    async def _config(self, _request: web.Request) -> web.Response:
        config = self._known()
        shown: Mapping[str, Any] = {
            "base_url": config.base_url,
            "browser_key": config.browser_key,
            "agents": config.agents,
            "caller_ids": config.caller_ids,
            "customers": config.customers,
        }
        return web.json_response(shown)

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response(self.callbacks)

    async def _receive(self, request: web.Request) -> web.Response:
        """Take a call result, if it carries our token (guide, section 5: "Auth") and is signed with our secret."""
        config, body = self._known(), await request.read()
        if request.headers.get("X-Demo-Token") != config.callback_token:
            return web.json_response({"error": "unknown sender"}, status=401)
        try:
            Webhook(config.callback_secret).verify(body, {name.lower(): value for name, value in request.headers.items()})
        except WebhookVerificationError as error:
            return web.json_response({"error": f"the signature does not fit: {error}"}, status=401)
        entry = {
            "received_at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "headers": {name: value for name, value in request.headers.items() if name != "X-Demo-Token"},
            "signature": "verified",
            "body": json.loads(body),
        }
        self.callbacks.insert(0, entry)
        del self.callbacks[KEPT:]
        with self.file.open("a") as kept:
            kept.write(json.dumps(entry) + "\n")
        return web.json_response({"ok": True})

    async def _dial(self, request: web.Request) -> web.Response:
        """The server-to-server way (guide, section 4): the key stays in this backend."""
        config = self._known()
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {config.server_key}"}) as session,
            session.post(f"{config.base_url}/calls", json=await request.json()) as answer,
        ):
            return web.json_response(await answer.json(content_type=None), status=answer.status)

    def _known(self) -> CrmConfig:
        if self.config is None:
            raise web.HTTPServiceUnavailable(text="the demo is still starting")
        return self.config
