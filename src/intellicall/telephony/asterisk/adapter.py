"""The engine port on a real Asterisk 22. A talking call is in the plain lane, where the dialplan finishes it; `arranging` lifts it.

One task keeps the connections; their reader turns each event into the port's words at once. Recorded customers' endings wait
for their file, everything else is handed on in the same step.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from intellicall.clock import Clock
from intellicall.telephony.asterisk import bygone, last_sign
from intellicall.telephony.asterisk.arranging import Arranger
from intellicall.telephony.asterisk.closing import ClosedFiles
from intellicall.telephony.asterisk.connection import AriLink, ConnectionGone, EngineConnection, Event, RequestRefused
from intellicall.telephony.asterisk.dialplan import APP, CUSTOMER_CONTEXT, recording_file, trunk_endpoint
from intellicall.telephony.asterisk.digits import DigitSender
from intellicall.telephony.asterisk.furnishing import (
    Channels,
    busy,
    channel_uri,
    end_orphans,
    furnish,
    is_new_process,
    living,
    put,
    recall,
    remove,
    remove_empty_bridges,
    subscribe,
    unless_gone,
)
from intellicall.telephony.asterisk.keeper import Keeper, Links, Listening, Process
from intellicall.telephony.asterisk.legs import CallLegs, LegUp, Outcome, TrunkFailed, channel_call
from intellicall.telephony.asterisk.provisioning import (
    softphone_account,
    softphone_endpoint,
    softphone_objects,
    trunk_objects,
)
from intellicall.telephony.asterisk.registrations import registrations, trunk_state
from intellicall.telephony.asterisk.ringing import Ground, Ringer
from intellicall.telephony.asterisk.telling import Teller
from intellicall.telephony.engine import (
    Arrangement,
    CallPlan,
    EngineDied,
    EngineLost,
    EngineReady,
    EngineUnavailable,
    LegAnswered,
    LegEnded,
    LegHeard,
    LegNote,
    LegPlan,
    LegSeen,
    LegTried,
    Listener,
    Role,
    SipAccount,
    SoftphoneLine,
    Trunk,
    TrunkState,
    TryFailed,
    Watcher,
)

log = structlog.get_logger()
SWEEP_S = 60.0


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
        if process is not None:
            process.on_exit = self._process_ended
        self._trunks: dict[str, Trunk] = {}
        self._trunk_names: dict[str | None, str] = {}  # by endpoint; also of trunks that are no more, for calls on them
        self._trunks_known = False
        self._softphones: dict[str, SipAccount] = {}
        self._calls: dict[str, CallLegs] = {}
        self._untidy = False
        self._files = ClosedFiles()
        self._teller = Teller(self._files)
        self._tasks: set[asyncio.Task[None]] = set()
        listening = Listening(self._on_event, self._set_up, self._now_ready, self._now_lost)
        self._keeper = Keeper(connection, process, clock, listening)
        ground = Ground(self._keeper, clock, self._tell, self._beside)
        self._arranger = Arranger(ground)
        self._ringer = Ringer(ground, self._known_trunks, self._recordings_dir, self._arranger.place)
        self._digits = DigitSender(connection, self._beside)
        self.on_superseded: Callable[[], None] = lambda: None

    # -- the port: life ------------------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        return self._keeper.ready

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
        return self._keeper.superseded

    @property
    def sip_url(self) -> str | None:
        """Where the engine takes SIP over WebSocket (RFC 7118), for the platform's own proxy; None while it is away."""
        return self._connection.url.replace("http", "ws", 1) + "/ws" if self.ready else None

    def listen(self, listener: Listener) -> None:
        self._teller.listener = listener

    def watch(self, watcher: Watcher) -> None:
        self._teller.watcher = watcher

    async def start(self) -> None:
        """See the port. Raises InstallError or AlreadySupervised when an engine of our own cannot be had at all."""
        self._recordings_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._files.start(self._recordings_dir)
        self._beside(self._sweep(), "engine-sweep")
        self._beside(self._note_life(), "engine-alive")
        await self._keeper.start()

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
        self._keeper.hold_off()

    def carry_on(self) -> None:
        """Connect again after `hold_off`."""
        self._keeper.carry_on()

    def live_link(self) -> AriLink:
        """Return the open connection. Not of the port: for tests that ask Asterisk itself. Raises EngineUnavailable."""
        return self._keeper.live().ari

    async def _let_go(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._keeper.stop()
        await self._teller.stop()
        self._files.stop()

    # -- the port: orders ----------------------------------------------------------------------------------------------

    async def set_trunks(self, trunks: Sequence[Trunk]) -> None:
        self._trunks = {trunk.name: trunk for trunk in trunks}
        self._trunk_names |= {trunk_endpoint(trunk): trunk.name for trunk in trunks}
        self._trunks_known = True
        if self.ready:
            with contextlib.suppress(EngineUnavailable):
                await self._furnish(self.live_link())

    async def trunk_states(self) -> dict[str, TrunkState]:
        registered = await self._ask(registrations(self._keeper.live().ami))
        return {trunk.name: trunk_state(trunk, registered) for trunk in self._trunks.values()}

    async def open_softphone(self, session_id: str) -> SipAccount:
        link = self.live_link()
        account = softphone_account(session_id, self._secret, self._domain)
        await self._ask(put(link, softphone_objects(account)))
        self._softphones[session_id] = account
        return account

    async def close_softphone(self, session_id: str) -> None:
        links = self._keeper.links
        if self._softphones.pop(session_id, None) is not None and links is not None:
            endpoint = softphone_endpoint(session_id)
            with contextlib.suppress(ConnectionGone):
                if endpoint in await busy(links.ari):
                    self._untidy = True
                else:
                    await remove(links.ari, endpoint)

    async def ring_agent(self, plan: CallPlan) -> None:
        self._keeper.live()
        if plan.call_id in self._calls:
            return
        recording = recording_file(self._recordings_dir, plan.recording) if plan.recording is not None else None
        softphone = isinstance(plan.agent, SoftphoneLine)
        call = CallLegs(plan.call_id, softphone=softphone, max_length_s=plan.max_length_s, recording=recording)
        self._calls[plan.call_id] = call
        try:
            await self._ringer.ring(call, call.agent, plan, plan.agent_ring_s)
        except (EngineUnavailable, ValueError):
            self._forget(call)
            raise

    async def ring_customer(self, plan: CallPlan) -> None:
        link = self.live_link()
        call = self._calls.get(plan.call_id)
        if call is None or call.customer is not None or call.agent.channel is None:
            return
        self._teller.expect_recording(call)
        customer = call.customer_ordered()
        call.agent.in_stasis = False
        try:
            await link.request(
                "POST",
                f"{channel_uri(call.agent.channel)}/continue",
                query={"context": CUSTOMER_CONTEXT, "extension": "s", "priority": "1"},
            )
        except RequestRefused:  # the agent's leg ended meanwhile; its LegEnded is on its way or was told
            if not call.agent.ended and customer.attempts == 0:
                del call.legs[Role.CUSTOMER]
        except ConnectionGone as gone:
            raise EngineUnavailable("the engine did not answer") from gone

    async def ring(self, plan: LegPlan) -> None:
        self._keeper.live()
        call = self._calls.get(plan.call_id)
        if call is None or call.hanging_up or plan.leg in call.legs:
            return
        leg = call.further(plan.leg, softphone=isinstance(plan.line, SoftphoneLine))
        try:
            await self._ringer.ring(call, leg, plan, plan.ring_s)
        except (EngineUnavailable, ValueError):
            call.legs.pop(plan.leg, None)
            raise

    async def arrange(self, call_id: str, arrangement: Arrangement) -> None:
        self._keeper.live()
        call = self._calls.get(call_id)
        if call is not None:
            await self._ask(self._arranger.arrange(call, arrangement))

    async def send_digits(self, call_id: str, leg: str, digits: str) -> None:
        self._keeper.live()
        call = self._calls.get(call_id)
        await self._digits.send(call.legs.get(leg) if call is not None else None, digits)

    async def hang_up(self, call_id: str) -> None:
        call = self._calls.get(call_id)
        link = self.live_link()
        if call is None:
            return
        call.hanging_up = True
        alone = not call.lifted and call.agent.channel is not None  # then the engine ends the customer with the agent
        legs = [leg for leg in call.legs.values() if not (alone and leg is call.customer)]
        channels = [leg.channel for leg in legs if leg.channel is not None]
        await asyncio.gather(*(self._ask(unless_gone(link.request("DELETE", channel_uri(channel)))) for channel in channels))

    async def snapshot(self) -> list[LegSeen]:
        alive = await self._ask(self._living(self.live_link()))
        return [
            LegSeen(call_id, leg, channel["state"] == "Up" and self._answered(call_id, leg))
            for call_id, channels in alive.items()
            for leg, channel in channels.items()
        ]

    async def missed(self, call_ids: Collection[str]) -> list[LegAnswered | LegEnded]:
        alive = await self._ask(living(self.live_link()))
        lines = await asyncio.to_thread(bygone.read, self._recordings_dir, frozenset(call_ids))
        return bygone.told(lines, {(call_id, leg) for call_id, channels in alive.items() for leg in channels})

    def _answered(self, call_id: str, leg_id: str) -> bool:
        call = self._calls.get(call_id)
        leg = call.legs.get(leg_id) if call is not None else None
        return leg is None or leg_id == Role.CUSTOMER or leg.answered

    def _known_trunks(self) -> Mapping[str, Trunk]:
        return self._trunks

    # -- events --------------------------------------------------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        kind = event["type"]
        if kind == "ApplicationReplaced":
            log.warning("another platform process took over the engine")
            self._keeper.supersede()
            self.on_superseded()
            return
        channel = event.get("peer") if kind == "Dial" else event.get("channel")
        if not isinstance(channel, dict) or (owner := channel_call(channel)) is None:
            return
        call = self._calls.get(owner[0])
        late = self._ringer.is_late(channel["id"], gone=kind == "ChannelDestroyed")
        if call is not None and not late:
            self._tell(call, call.observe(kind, channel, event, datetime.fromisoformat(event["timestamp"])))

    def _tell(self, call: CallLegs, outcomes: Iterable[Outcome]) -> None:
        changed = False
        for outcome in outcomes:
            if isinstance(outcome, LegUp):
                self._ringer.up(call, call.legs[outcome.leg], outcome.at)
            elif isinstance(outcome, TrunkFailed):
                self._ringer.try_next_trunk(call, call.legs[outcome.leg])
            elif isinstance(outcome, LegTried | TryFailed | LegHeard):
                self._note(outcome)
            else:
                changed = changed or isinstance(outcome, LegAnswered | LegEnded)
                self._teller.tell_of(call, outcome)
        self._arranger.happened(call, changed=changed)
        if call.over:
            self._forget(call)

    def _note(self, note: LegNote) -> None:
        if not isinstance(note, LegHeard):
            note = replace(note, trunk=self._trunk_names.get(note.trunk))
        self._teller.note(note)

    def _forget(self, call: CallLegs) -> None:
        if self._calls.pop(call.call_id, None) is None:
            return
        self._ringer.forget(call)
        self._arranger.forget(call)
        if self._untidy and self._keeper.links is not None:
            self._beside(self._tidy(self._keeper.links.ari), "engine-tidy")

    async def _tidy(self, link: AriLink) -> None:
        """Remove what could not be removed while a call was on it."""
        self._untidy = False
        with contextlib.suppress(ConnectionGone):
            await self._furnish(link)

    async def _sweep(self) -> None:
        """Every minute, for ever: clear what belongs to no call and no softphone."""
        while True:
            await self._clock.sleep(SWEEP_S)
            with contextlib.suppress(EngineUnavailable, ConnectionGone, RequestRefused):
                await self.sweep()

    async def _note_life(self) -> None:
        while True:
            if self.ready:
                await asyncio.to_thread(last_sign.touch, self._recordings_dir)
            await self._clock.sleep(last_sign.TOUCH_S)

    async def sweep(self) -> None:
        """Clear what belongs to no call and no softphone, now. Raises EngineUnavailable, ConnectionGone, RequestRefused."""
        link = self.live_link()
        if orphans := await end_orphans(link, self._calls.keys()):
            log.warning("orphaned legs ended", count=orphans)
        await remove_empty_bridges(link, self._calls.keys())
        await self._furnish(link)
        await asyncio.to_thread(bygone.rotate, self._recordings_dir)

    # -- the connection ------------------------------------------------------------------------------------------------

    def _now_ready(self, restarted: bool) -> None:  # noqa: FBT001 - the truth itself is the argument
        self._teller.tell(EngineReady(self._clock.now(), restarted, last_sign.before(self._recordings_dir)))

    def _process_ended(self) -> None:
        """The connections are over, too, whether or not that was noticed yet."""
        self._keeper.abandon()
        for call in list(self._calls.values()):
            self._forget(call)
        self._teller.tell(EngineDied(self._clock.now()))

    def _now_lost(self) -> None:
        self._teller.tell(EngineLost(self._clock.now()))

    async def _set_up(self, links: Links) -> bool:
        """Subscribe, furnish, adopt. Returns whether the engine process is one that no platform ever talked to."""
        await subscribe(links.ari)
        restarted = await is_new_process(links.ari)
        if restarted:
            await asyncio.to_thread(last_sign.bury, self._recordings_dir)
        await self._ringer.end_doubtful(links.ari, restarted=restarted)
        await self._furnish(links.ari)
        await self._adopt(links.ari)
        await remove_empty_bridges(links.ari, self._calls.keys())
        return restarted

    async def _furnish(self, link: AriLink) -> None:
        wanted = {trunk_endpoint(trunk): trunk_objects(trunk) for trunk in self._trunks.values()}
        wanted |= {account.username: softphone_objects(account) for account in self._softphones.values()}
        left_for_later = await furnish(link, wanted, keep_trunks=not self._trunks_known)
        self._untidy = self._untidy or left_for_later

    async def _living(self, link: AriLink) -> dict[str, Channels]:
        found = {
            call_id: {leg: channel for leg, channel in channels.items() if not self._ringer.is_late(channel["id"])}
            for call_id, channels in (await living(link)).items()
        }
        return {call_id: channels for call_id, channels in found.items() if channels}

    async def _adopt(self, link: AriLink) -> None:
        """Take up the calls that live; forget those that ended while nobody listened."""
        for call_id, channels in (await self._living(link)).items():
            if call_id not in self._calls:
                self._calls[call_id] = call = await recall(link, call_id, channels)
                call.recalled = True
                self._teller.expect_recording(call)
        alive = await self._living(link)
        for call in list(self._calls.values()):
            channels = alive.get(call.call_id, {})
            if not channels:
                self._forget(call)
                continue
            for leg_id, channel in channels.items():
                self._adopt_leg(call, leg_id, channel)
            call.lose(set(channels))
            self._arranger.unknown(call)

    def _adopt_leg(self, call: CallLegs, leg_id: str, channel: dict[str, Any]) -> None:
        leg = call.adopt(leg_id, channel, datetime.fromisoformat(channel["creationtime"]))
        if leg.softphone and leg.in_stasis and leg.up_at is not None and not leg.answered:
            self._ringer.prove_audio(call, leg)

    async def _ask(self, request: Awaitable[Any]) -> Any:
        try:
            return await request
        except (ConnectionGone, RequestRefused) as error:
            raise EngineUnavailable("the engine did not do it") from error

    def _beside(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
