"""The engine port on a real Asterisk 22, in the plain lane: the agent's leg waits in Stasis, then the dialplan finishes the call.

One task keeps the connection; its reader turns each event into the port's words at once. Recorded customers' endings wait
for their file, everything else is handed on in the same step.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import structlog

from intellicall.clock import Clock
from intellicall.telephony.asterisk.closing import ClosedFiles
from intellicall.telephony.asterisk.connection import AriLink, ConnectionGone, EngineConnection, Event, RequestRefused
from intellicall.telephony.asterisk.dialplan import APP, CUSTOMER_CONTEXT, recording_file, trunk_endpoint
from intellicall.telephony.asterisk.furnishing import (
    busy,
    channel_uri,
    furnish,
    is_new_process,
    living,
    put,
    recall,
    remove,
    subscribe,
    unless_gone,
)
from intellicall.telephony.asterisk.legs import AgentTrunkFailed, AgentUp, CallLegs, Outcome, agent_channel, channel_call
from intellicall.telephony.asterisk.placing import agent_request
from intellicall.telephony.asterisk.provisioning import (
    softphone_account,
    softphone_endpoint,
    softphone_objects,
    trunk_objects,
)
from intellicall.telephony.asterisk.telling import Teller
from intellicall.telephony.engine import (
    CallPlan,
    EngineLost,
    EngineReady,
    EngineUnavailable,
    LegSeen,
    Listener,
    Role,
    SipAccount,
    SoftphoneLine,
    Trunk,
)

START_WAIT_S = 10.0
RECONNECT_S = (0.05, 0.1, 0.2, 0.4, 0.5)
AUDIO_POLL_S = 0.02
AUDIO_DEADLINE_S = 5.0
HUNG_S = 60.0
"""An engine of our own that answers nothing for this long is killed, so that its supervisor starts a new one."""

log = structlog.get_logger()


class Process(Protocol):
    """The engine's process, when it is ours to look after."""

    @property
    def pid(self) -> int | None: ...

    async def start(self) -> None:
        """Adopt the running engine, or start one."""
        ...

    async def release(self) -> None:
        """Let it run without us."""
        ...

    async def stop(self) -> None:
        """End it and its calls."""
        ...

    def kill(self) -> None:
        """End it at once because it hangs; a new one is started."""
        ...


class AsteriskEngine:
    """`telephony.engine.Engine` on Asterisk 22. Use from one event loop.

    `recordings_dir` is the folder as the engine sees it, and the same folder here. `softphone_secret` seeds the softphones'
    passwords; the same secret gives the same accounts after a restart of the platform.
    """

    def __init__(
        self,
        connection: EngineConnection,
        *,
        recordings_dir: Path,
        clock: Clock,
        softphone_secret: str,
        softphone_domain: str = APP,
        process: Process | None = None,
    ) -> None:
        self._connection = connection
        self._recordings_dir = recordings_dir.absolute()
        self._clock = clock
        self._secret = softphone_secret
        self._domain = softphone_domain
        self._process = process
        self._link: AriLink | None = None
        self._ready = asyncio.Event()
        self._allowed = asyncio.Event()
        self._allowed.set()
        self._superseded = False
        self._trunks: dict[str, Trunk] = {}
        self._trunks_known = False
        self._softphones: dict[str, SipAccount] = {}
        self._plans: dict[str, CallPlan] = {}
        self._calls: dict[str, CallLegs] = {}
        self._doubtful: set[str] = set()
        self._untidy = False
        self._files = ClosedFiles()
        self._teller = Teller(self._files)
        self._keeper: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # -- the port: life ------------------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        return self._ready.is_set()

    @property
    def connection(self) -> EngineConnection:
        """Where the engine is; the softphones' WebSocket proxy needs the same host and port."""
        return self._connection

    @property
    def pid(self) -> int | None:
        """The engine's process id, where it is ours and runs."""
        return self._process.pid if self._process is not None else None

    @property
    def superseded(self) -> bool:
        """Another platform process took over the engine (`ApplicationReplaced`). This one acts no more, and does not fight."""
        return self._superseded

    @property
    def sip_url(self) -> str | None:
        """Where the engine takes SIP over WebSocket (RFC 7118), for the platform's own proxy; None while it is away."""
        return self._connection.url.replace("http", "ws", 1) + "/ws" if self.ready else None

    def listen(self, listener: Listener) -> None:
        self._teller.listener = listener

    async def start(self) -> None:
        """See the port. Raises InstallError or AlreadySupervised when an engine of our own cannot be had at all."""
        self._recordings_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._files.start(self._recordings_dir)
        self._keeper = asyncio.create_task(self._keep_connected(), name="engine-connection")
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait([ready, self._keeper], timeout=START_WAIT_S, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._keeper.done() and not self._superseded:
            await self._keeper  # there is no engine to be had: say why

    async def stop(self) -> None:
        await self._let_go()
        if self._process is not None:
            await self._process.release()

    async def end(self) -> None:
        """Stop and, where the engine is ours, end its process and with it every call. Not of the port: for demos and tests."""
        await self._let_go()
        if self._process is not None:
            await self._process.stop()

    def hold_off(self) -> None:
        """Break the connection and make no new one until `carry_on`. The engine and its calls go on."""
        self._allowed.clear()
        if self._link is not None:
            self._link.abandon()

    def carry_on(self) -> None:
        """Connect again after `hold_off`."""
        self._allowed.set()

    async def _let_go(self) -> None:
        tasks = [*self._tasks, *([self._keeper] if self._keeper else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._keeper = None
        self._ready.clear()
        if self._link is not None:
            await self._link.close()
            self._link = None
        await self._teller.stop()
        self._files.stop()

    # -- the port: orders ----------------------------------------------------------------------------------------------

    async def set_trunks(self, trunks: Sequence[Trunk]) -> None:
        self._trunks = {trunk.name: trunk for trunk in trunks}
        self._trunks_known = True
        if self.ready:
            with contextlib.suppress(EngineUnavailable):
                await self._furnish(self.live_link())

    async def open_softphone(self, session_id: str) -> SipAccount:
        link = self.live_link()
        account = softphone_account(session_id, self._secret, self._domain)
        await self._ask(put(link, softphone_objects(account)))
        self._softphones[session_id] = account
        return account

    async def close_softphone(self, session_id: str) -> None:
        if self._softphones.pop(session_id, None) is not None and self._link is not None:
            endpoint = softphone_endpoint(session_id)
            with contextlib.suppress(ConnectionGone):
                if endpoint in await busy(self._link):
                    self._untidy = True
                else:
                    await remove(self._link, endpoint)

    async def ring_agent(self, plan: CallPlan) -> None:
        link = self.live_link()
        if plan.call_id in self._calls:
            return
        recording = recording_file(self._recordings_dir, plan.recording) if plan.recording is not None else None
        softphone = isinstance(plan.agent, SoftphoneLine)
        call = CallLegs(plan.call_id, softphone=softphone, max_length_s=plan.max_length_s, recording=recording)
        self._calls[plan.call_id] = call
        self._plans[plan.call_id] = plan
        call.ring_until = self._clock.monotonic() + plan.agent_ring_s
        try:
            await self._ring_next(link, call, plan)
        except ConnectionGone as gone:
            self._doubtful.add(agent_channel(plan.call_id, call.agent_tries))
            self._forget(call)
            raise EngineUnavailable("the engine did not answer") from gone
        except ValueError:
            self._forget(call)
            raise

    async def ring_customer(self, plan: CallPlan) -> None:
        link = self.live_link()
        call = self._calls.get(plan.call_id)
        if call is None or call.customer is not None or call.agent.channel is None:
            return
        self._teller.expect_recording(call)
        customer = call.customer_ordered()
        try:
            await link.request(
                "POST",
                f"{channel_uri(call.agent.channel)}/continue",
                query={"context": CUSTOMER_CONTEXT, "extension": "s", "priority": "1"},
            )
        except RequestRefused:  # the agent's leg ended meanwhile; its LegEnded is on its way or was told
            if not call.agent.ended and customer.attempts == 0:
                call.customer = None
        except ConnectionGone as gone:
            raise EngineUnavailable("the engine did not answer") from gone

    async def hang_up(self, call_id: str) -> None:
        call = self._calls.get(call_id)
        link = self.live_link()
        if call is None:
            return
        call.hanging_up = True
        for leg in (call.agent, call.customer):
            if leg is not None and leg.channel is not None:
                await self._ask(unless_gone(link.request("DELETE", channel_uri(leg.channel))))
                return

    async def snapshot(self) -> list[LegSeen]:
        alive = await self._ask(living(self.live_link()))
        return [
            LegSeen(call_id, role, channel["state"] == "Up" and (role is Role.CUSTOMER or self._agent_answered(call_id)))
            for call_id, channels in alive.items()
            for role, channel in channels.items()
        ]

    def _agent_answered(self, call_id: str) -> bool:
        call = self._calls.get(call_id)
        return call is None or call.agent.answered

    # -- ringing the agent ---------------------------------------------------------------------------------------------

    async def _ring_next(self, link: AriLink, call: CallLegs, plan: CallPlan) -> None:
        """Ring the agent's softphone, or the agent's phone through the next trunk. Raises ConnectionGone, ValueError."""
        left = call.ring_until - self._clock.monotonic()
        body = agent_request(plan, call.agent_tries, left, self._trunks, self._recordings_dir)
        if body is None or call.hanging_up:
            self._emit_all(call, call.give_up_agent(self._clock.now()))
            return
        call.agent_tries += 1
        call.agent.channel = channel = agent_channel(plan.call_id, call.agent_tries)
        try:
            await link.request("POST", channel_uri(channel), body=body)
        except RequestRefused:  # no such endpoint, or nobody is registered there
            if call.agent.attempts < call.agent_tries and not call.agent.ended:
                call.agent.channel = None
                self._emit_all(call, call.give_up_agent(self._clock.now()))

    def _try_next_trunk(self, call: CallLegs) -> None:
        plan = self._plans.get(call.call_id)
        link = self._link
        if plan is None or link is None:
            self._emit_all(call, call.give_up_agent(self._clock.now()))
            return

        async def ring() -> None:
            try:
                await self._ring_next(link, call, plan)
            except ConnectionGone:
                self._doubtful.add(agent_channel(call.call_id, call.agent_tries))

        self._spawn(ring(), "agent-next-trunk")

    async def _prove_audio(self, call: CallLegs) -> None:
        """Tell `LegAnswered` once RTP came from the softphone; hang up when none does."""
        deadline = self._clock.monotonic() + AUDIO_DEADLINE_S
        while (channel := call.agent.channel) is not None and (link := self._link) is not None and not call.hanging_up:
            try:
                statistics = await link.request("GET", f"{channel_uri(channel)}/rtp_statistics")
                if statistics and statistics.get("rxcount", 0) > 0:
                    self._emit_all(call, call.agent_answered(self._clock.now()))
                    return
                if self._clock.monotonic() >= deadline:
                    call.no_audio = True
                    await link.request("DELETE", channel_uri(channel))
                    return
            except RequestRefused:
                pass  # not there yet, or gone: the next round tells
            except ConnectionGone:
                return
            await self._clock.sleep(AUDIO_POLL_S)

    # -- events --------------------------------------------------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        kind = event["type"]
        if kind == "ApplicationReplaced":
            self._superseded = True
            log.warning("another platform process took over the engine")
            if self._link is not None:
                self._link.abandon()
            return
        channel = event.get("peer") if kind == "Dial" else event.get("channel")
        if not isinstance(channel, dict) or (owner := channel_call(channel)) is None:
            return
        call = self._calls.get(owner[0])
        if call is not None:
            self._emit_all(call, call.observe(kind, channel, event, datetime.fromisoformat(event["timestamp"])))

    def _emit_all(self, call: CallLegs, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, AgentUp):
                self._agent_up(call, outcome.at)
            elif isinstance(outcome, AgentTrunkFailed):
                self._try_next_trunk(call)
            else:
                self._teller.tell_of(call, outcome)
        if call.over:
            self._forget(call)

    def _agent_up(self, call: CallLegs, at: datetime) -> None:
        if call.softphone:
            self._spawn(self._prove_audio(call), "agent-audio")
        else:
            self._emit_all(call, call.agent_answered(at))

    def _forget(self, call: CallLegs) -> None:
        self._calls.pop(call.call_id, None)
        self._plans.pop(call.call_id, None)
        if self._untidy and self._link is not None:
            self._spawn(self._tidy(self._link), "engine-tidy")

    async def _tidy(self, link: AriLink) -> None:
        """Remove what could not be removed while a call was on it."""
        self._untidy = False
        with contextlib.suppress(ConnectionGone):
            await self._furnish(link)

    # -- the connection ------------------------------------------------------------------------------------------------

    async def _keep_connected(self) -> None:
        if self._process is not None:
            await self._process.start()
        failures = 0
        silent_since = self._clock.monotonic()
        while not self._superseded:
            await self._allowed.wait()
            try:
                link = await AriLink.open(self._connection, self._on_event)
            except ConnectionGone:
                failures += 1
            else:
                if await self._serve(link):
                    failures = 0
                    silent_since = self._clock.monotonic()
            if self._process is not None and self._clock.monotonic() - silent_since > HUNG_S:
                log.warning("engine hangs and is killed")
                self._process.kill()
                silent_since = self._clock.monotonic()
            await self._clock.sleep(RECONNECT_S[min(failures, len(RECONNECT_S) - 1)])

    async def _serve(self, link: AriLink) -> bool:
        """Make one connection useful and stay with it until it is over. Returns whether it ever was ready."""
        self._link = link
        try:
            restarted = await self._set_up(link)
            if link.closed.is_set() or self._superseded:
                return False
            self._ready.set()
            log.info("engine ready", restarted=restarted)
            self._teller.tell(EngineReady(self._clock.now(), restarted=restarted))
            await link.closed.wait()
        except (ConnectionGone, RequestRefused) as error:
            log.info("engine not usable yet", error=str(error))
            return False
        finally:
            was_ready = self._ready.is_set()
            self._ready.clear()
            self._link = None
            await link.close()
            if was_ready:
                log.info("engine lost")
                self._teller.tell(EngineLost(self._clock.now()))
        return True

    async def _set_up(self, link: AriLink) -> bool:
        """Subscribe, furnish, adopt. Returns whether the engine process is one that no platform ever talked to."""
        await subscribe(link)
        restarted = await is_new_process(link)
        if restarted:
            self._doubtful.clear()
        for channel in list(self._doubtful):
            await unless_gone(link.request("DELETE", channel_uri(channel)))
            self._doubtful.discard(channel)
        await self._furnish(link)
        await self._adopt(link)
        return restarted

    async def _furnish(self, link: AriLink) -> None:
        wanted = {trunk_endpoint(trunk): trunk_objects(trunk) for trunk in self._trunks.values()}
        wanted |= {account.username: softphone_objects(account) for account in self._softphones.values()}
        left_for_later = await furnish(link, wanted, keep_trunks=not self._trunks_known)
        self._untidy = self._untidy or left_for_later

    async def _adopt(self, link: AriLink) -> None:
        """Take up the calls that live; forget those that ended while nobody listened."""
        for call_id, channels in (await living(link)).items():
            if call_id not in self._calls:
                self._calls[call_id] = call = await recall(link, call_id, channels)
                self._teller.expect_recording(call)
        alive = await living(link)
        for call in list(self._calls.values()):
            if call.call_id not in alive:
                self._forget(call)
            for role, channel in alive.get(call.call_id, {}).items():
                self._adopt_leg(call, role, channel)

    def _adopt_leg(self, call: CallLegs, role: Role, channel: dict[str, Any]) -> None:
        call.adopt(role, channel, datetime.fromisoformat(channel["creationtime"]))
        in_stasis = channel.get("dialplan", {}).get("app_name") == "Stasis"
        if role is Role.AGENT and call.softphone and in_stasis and not call.agent.answered:
            self._spawn(self._prove_audio(call), "agent-audio")

    def live_link(self) -> AriLink:
        """Return the open connection. Not of the port: for tests that ask Asterisk itself. Raises EngineUnavailable."""
        if self._link is None or not self.ready or self._superseded:
            raise EngineUnavailable("the engine is away")
        return self._link

    async def _ask(self, request: Awaitable[Any]) -> Any:
        try:
            return await request
        except (ConnectionGone, RequestRefused) as error:
            raise EngineUnavailable("the engine did not do it") from error

    def _spawn(self, work: Any, name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
