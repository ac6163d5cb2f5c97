"""The composition root: the only file that knows every adapter. It builds one platform process and takes it down again."""

import asyncio
import contextlib
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI

from intellicall.accounts import store as accounts
from intellicall.callbacks import store as deliveries
from intellicall.callbacks.courier import Courier
from intellicall.callbacks.feed_http import FeedApi
from intellicall.callbacks.feed_http import router as feed_router
from intellicall.callbacks.http import CallbackApi
from intellicall.callbacks.http import router as callbacks_router
from intellicall.callbacks.lifecycle import Lifecycle
from intellicall.callbacks.timeline import delivery_entries
from intellicall.callbacks.transport import HttpTransport
from intellicall.callbacks.webhooks import alerts
from intellicall.calls.about import ABOUT, TAGS, TITLE
from intellicall.calls.agents_http import AgentsApi
from intellicall.calls.agents_http import router as agents_router
from intellicall.calls.attendance import Attendance
from intellicall.calls.calls import Calls
from intellicall.calls.conductor import Surroundings
from intellicall.calls.desk import Desk
from intellicall.calls.door import Door
from intellicall.calls.events_http import EventsApi
from intellicall.calls.events_http import router as events_router
from intellicall.calls.events_hub import EventHub
from intellicall.calls.guests import free_softphone
from intellicall.calls.http import CallsApi
from intellicall.calls.http import router as calls_router
from intellicall.calls.journal import Journal
from intellicall.calls.orders_http import OrdersApi
from intellicall.calls.recorded import teller
from intellicall.calls.recording_http import RecordingApi
from intellicall.calls.recording_http import router as recording_router
from intellicall.calls.result import Entry
from intellicall.calls.timeline import TimelineSource, call_entries
from intellicall.calls.timeline_http import TimelineApi
from intellicall.calls.timeline_http import router as timeline_router
from intellicall.calls.webhooks import webhooks
from intellicall.clock import Clock, SystemClock
from intellicall.operation import doctor
from intellicall.operation.finding import Finding
from intellicall.operation.http import MetricsDoor
from intellicall.operation.http import router as metrics_router
from intellicall.operation.onlookers import Onlookers
from intellicall.recordings.completing import Completer
from intellicall.recordings.disk import DiskShelf
from intellicall.recordings.encoder import Encoder
from intellicall.recordings.erasing import Eraser
from intellicall.recordings.http import Door as RecordingsDoor
from intellicall.recordings.http import router as recordings_router
from intellicall.recordings.moving import Mover
from intellicall.recordings.news import Telling
from intellicall.recordings.retention import erase_hourly
from intellicall.recordings.s3 import s3_shelf
from intellicall.recordings.shelf import Shelf
from intellicall.recordings.shelves import Shelves
from intellicall.recordings.space import Space
from intellicall.recordings.sweeping import Sweeper, Swept
from intellicall.settings import EngineMode, Settings
from intellicall.softphone.http import Softphone
from intellicall.softphone.http import make_router as softphone_router
from intellicall.softphone.sessions import SoftphoneSessions
from intellicall.softphone.sip_proxy import SipProxy
from intellicall.storage.database import Database, StorageUnavailable
from intellicall.storage.migrate import UnknownSchema, migrate
from intellicall.telephony.asterisk.adapter import AsteriskEngine
from intellicall.telephony.asterisk.debian_tree import InstallError, Progress
from intellicall.telephony.asterisk.embedded import embedded_engine, external_engine, write_operator_folder
from intellicall.telephony.asterisk.examining import examine as examine_engine
from intellicall.telephony.asterisk.install import EngineInstall, find_or_fetch
from intellicall.telephony.asterisk.process import AlreadySupervised, EngineDirs, EngineProcess
from intellicall.telephony.engine import DigitPressed, Engine, EngineEvent, Trunk
from intellicall.telephony.scripted.engine import BEHAVIOURS, ScriptedEngine
from intellicall.telephony.testnet.network import TestNetwork
from intellicall.telephony.testnet.numbers import NUMBERS
from intellicall.web.address import Network, UnsafeDoors
from intellicall.web.api_docs import router as api_docs_router
from intellicall.web.application import make_app
from intellicall.web.health import router as health_router
from intellicall.web.listening import Held, nothing_held
from intellicall.web.openapi import Description
from intellicall.web.server import Server

log = structlog.get_logger()

PAGES = Path(__file__).parent / "web" / "pages"
TRUNKS_EVERY_S = 2.0
MEND_EVERY_S = 10.0
BEGIN_AGAIN_S = 5.0
TIMELINE_SOURCES: tuple[TimelineSource, ...] = (call_entries, delivery_entries)
"""What a call's timeline is read from, beside what was traced."""
LEAD_EVERY_S = 0.5
CANNOT_START = (StorageUnavailable, UnknownSchema, InstallError, AlreadySupervised, UnsafeDoors, OSError)
"""What makes a start impossible, with a sentence for people."""


class Platform:
    """One running platform process: built by `start`, taken down by `stop`, in the caller's event loop."""

    def __init__(
        self, settings: Settings, clock: Clock | None = None, engine: Engine | None = None, held: Held = nothing_held
    ) -> None:
        """`held` asks for the sockets that the platform before this one listened on."""
        self.settings = settings
        self._held = held
        self.clock = clock or SystemClock()
        self._given_engine = engine
        self._stack = contextlib.AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._test_network: TestNetwork | None = None
        self.port = 0
        self.overtaken = asyncio.Event()
        """Set when another platform process leads: this one has stopped acting and has to go, leaving everything as it is."""

    async def start(self) -> None:
        """Open everything in the order in which it is needed; the doors come last. Undoes itself when something fails."""
        try:
            await self._build()
        except BaseException:
            await self.stop()
            raise

    async def _build(self) -> None:
        self._make_folders()
        await asyncio.to_thread(migrate, self.settings.sql_url)
        self._build_rooms()
        await self._open_rooms()
        self.application = self._make_application()
        self.server = Server(self.application, self.settings)
        await self._take_lead()
        self.engine.listen(self._engine_said)
        self.engine.watch(self.onlookers.note)
        self._stack.push_async_callback(self.engine.stop)
        self._stack.push_async_callback(self.calls.close)  # while the engine takes their last orders
        await self._apply_trunks()
        await self.engine.start()
        await self.calls.recover()
        self.onlookers.taken_up(self.calls.ids())
        self._stack.push_async_callback(self._end_tasks)
        for work in (
            self._keep_lead,
            self.calls.janitor,
            self.onlookers.tracing.run,
            self.onlookers.looking.run,
            self._follow_trunks,
            self._retain,
            self._mend_recordings,
            self._move_recordings,
            self._sweep_recordings,
            self._watch_space,
        ):
            self._tasks.append(asyncio.get_running_loop().create_task(self._steadily(work), name=work.__name__))
        await self._open_doors()

    async def _take_lead(self) -> None:
        """From now on we act, and no platform process that was there before: before the engine is touched."""
        loop = asyncio.get_running_loop()

        def told() -> None:
            loop.call_soon_threadsafe(self.overtaken.set)

        self.database.leadership.told = told
        if isinstance(self.engine, AsteriskEngine):
            self.engine.on_superseded = self.overtaken.set
        await self.database.take_lead()

    async def _keep_lead(self) -> None:
        """Find out within a second, also with nothing to do, that another process leads."""
        while True:
            await self.clock.sleep(LEAD_EVERY_S)
            with contextlib.suppress(StorageUnavailable):
                await self.database.prove_lead(LEAD_EVERY_S)

    def describe(self) -> dict[str, Any]:
        """Return the API's description (OpenAPI 3.1) of a platform that is never started."""
        self._make_folders()
        self._build_rooms()
        try:
            return self._make_application().openapi()
        finally:
            self.encoder.stop()
            self.disk.close()
            self.database.close()

    def _make_folders(self) -> None:
        for folder in (self.settings.data_dir, self.settings.recordings_dir, self.settings.log_dir):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _build_rooms(self) -> None:
        settings = self.settings
        self.database = Database(settings.sql_url)
        self.disk = DiskShelf(settings.recordings_dir)
        self.s3 = s3_shelf(settings)
        self.shelf: Shelf = Shelves(self.disk, self.s3) if self.s3 else self.disk
        self.space = Space(settings.recordings_dir, [settings.data_dir], settings.disk_warn_mb, settings.disk_stop_mb)
        self.encoder = Encoder(settings.formats_dir, settings.formats_cache_mb, self.space)
        self.engine = self._given_engine or make_engine(settings, self.clock)
        lifecycle = Lifecycle()
        transport = HttpTransport(allow_private=settings.allow_private_callbacks)
        self.courier = Courier(self.database, self.clock, transport, lifecycle)
        journal = Journal([deliveries.project, lifecycle.project])
        self.telling = Telling(teller(journal, self.clock), self._events_stored)
        self.completer = Completer(self.database, self.shelf, self.clock, self.telling)
        self.eraser = Eraser(self.database, self.shelf, self.encoder, self.clock, self.telling)
        around = Surroundings(
            database=self.database,
            journal=journal,
            engine=self.engine,
            shelf=self.shelf,
            clock=self.clock,
            recording_url=self._recording_url,
            changed=self._call_changed,
            pressed=self._key_pressed,
            space=self.space,
        )
        self.hub = EventHub(self.database, self.clock)
        self.calls = Calls(around)
        self.sessions = SoftphoneSessions(self.engine, self.clock, sip_url=self._sip_url)
        self.sessions.desk = Desk(self.calls, self.sessions)
        self.attendance = Attendance(self.calls, self.sessions)
        self.onlookers = Onlookers(self.calls, self.sessions, self.space, self.courier)
        self.calls.watch_engine(self.sessions.engine_changed)
        self.proxy = SipProxy(self._sip_url)

    async def _open_rooms(self) -> None:
        self._stack.callback(self.database.close)
        self._stack.callback(self.disk.close)
        if self.s3:
            self._stack.push_async_callback(self.s3.close)
        self._stack.push_async_callback(self.encoder.close)
        self.space.look(self.clock.monotonic())
        await self.courier.start()
        for closing in (self.onlookers.tracing.close, self.courier.stop, self.sessions.stop, self.proxy.close):
            self._stack.push_async_callback(closing)

    def _sip_url(self) -> str | None:
        """Where the engine takes SIP from softphones; the scripted engine does not."""
        return self.engine.sip_url if isinstance(self.engine, AsteriskEngine) else None

    def _recording_url(self, name: str) -> str:
        return f"{self.public_url}/recordings/{name}.wav"

    def _make_application(self) -> FastAPI:
        proxies = list(self.settings.trusted_proxies)
        door = Door(self.clock, proxies)
        orders = OrdersApi(self.calls, door, free_softphone(self.calls, self.sessions))
        softphone = Softphone(
            self.database,
            self.sessions,
            self.proxy,
            self.clock,
            lambda: self.public_url,
            PAGES,
            proxies,
        )
        routers: list[APIRouter] = [
            calls_router(CallsApi(self.calls, self.sessions, door), orders),
            timeline_router(TimelineApi(self.calls, door, TIMELINE_SOURCES, self.onlookers.tracing.unsaved)),
            agents_router(AgentsApi(self.database, self.clock, self.sessions, door)),
            events_router(EventsApi(self.database, self.hub, door)),
            feed_router(FeedApi(self.database, self.clock, door)),
            callbacks_router(CallbackApi(self.database, self.clock, door, self.courier)),
            recording_router(RecordingApi(self.database, self.eraser, door, self._recording_url)),
            recordings_router(RecordingsDoor(self.database, self.shelf, self.encoder, self.clock, proxies)),
            softphone_router(softphone),
            health_router(
                lambda: {"engine": self.engine.ready, "database": self.database.health().ok}, self.onlookers.looking.detail
            ),
            metrics_router(self._metrics_door(proxies)),
            api_docs_router(PAGES),
        ]
        return make_app(routers, self.settings, Description(TITLE, ABOUT, TAGS, [*webhooks.routes, *alerts.routes]))

    def _metrics_door(self, proxies: Sequence[Network]) -> MetricsDoor:
        onlookers = self.onlookers
        return MetricsDoor(onlookers.metrics, onlookers.looking, list(self.settings.metrics_networks), proxies)

    async def _open_doors(self) -> None:
        self.port = await self.server.start(self._held)
        self._stack.push_async_callback(self.server.stop)
        self.hub.start()
        self._stack.push_async_callback(self.hub.stop)  # the server waits for answers that go on
        log.info("platform_ready", port=self.port, engine_ready=self.engine.ready)

    @property
    def public_url(self) -> str:
        """The one address that every link starts with, without a slash at its end."""
        scheme = "https" if self.settings.tls_certificate else "http"
        port = self.port or self.settings.port  # calls that are taken up may end before the doors are open
        return (self.settings.public_url or f"{scheme}://localhost:{port}").rstrip("/")

    async def stop(self) -> None:
        """Close the doors, then everything behind them, in reverse order. The engine and its calls go on."""
        await self._stack.aclose()
        log.info("platform_stopped")

    def _engine_said(self, event: EngineEvent) -> None:
        """The calls first: nothing that looks on is in their way."""
        self.calls.engine_event(event)
        self.onlookers.engine_event(event)

    def _call_changed(self, entry: Entry) -> None:
        """After each change of a call is stored: tell the agents' pages, those who follow events, and the courier."""
        self._events_stored(entry.request.account_id)
        self.attendance.changed(entry)
        if not entry.call.live:
            self.courier.wake(entry.request.account_id)
        self.onlookers.changed(entry)

    def _events_stored(self, account_id: str) -> None:
        self.hub.wake(account_id)
        self.courier.wake_events(account_id)

    def _key_pressed(self, entry: Entry, event: DigitPressed) -> None:
        """Digits go to the agents' pages and nowhere else: they may be part of a card number."""
        self.attendance.pressed(entry, event)

    async def _apply_trunks(self) -> int:
        version, trunks = await self.database.read(
            lambda connection: (accounts.trunks_version(connection), accounts.trunks(connection))
        )
        await self.engine.set_trunks([*trunks, *await self._sandbox_trunks()])
        return version

    async def _sandbox_trunks(self) -> list[Trunk]:
        if not self.settings.sandbox or self.settings.engine is EngineMode.SCRIPTED:
            return []
        if self._test_network is None:
            install = await asyncio.to_thread(find_or_fetch, self.settings.engine_prefix, _report)
            network = TestNetwork(install, self.settings.testnet_dir)
            await network.start()
            self._stack.push_async_callback(network.engine.release)
            self._test_network = network
        return [self._test_network.trunk]

    async def _follow_trunks(self) -> None:
        """Take over what the operator changes in the trunks while we run."""
        version = await self.database.read(accounts.trunks_version)
        while True:
            await self.clock.sleep(TRUNKS_EVERY_S)
            now = await self.database.read(accounts.trunks_version)
            if now != version:
                version = await self._apply_trunks()
                log.info("trunks_changed", version=version)

    async def _retain(self) -> None:
        await erase_hourly(self.database, self.eraser, self.clock)

    async def _mend_recordings(self) -> None:
        """Complete what could not be completed at its call's end; erase what the operator's command, or a crash, left to us."""
        while True:
            await self.completer.complete()
            await self.eraser.finish()
            await self.clock.sleep(MEND_EVERY_S)

    async def _move_recordings(self) -> None:
        if self.s3 is None:
            await asyncio.Event().wait()
            return
        keep_local = timedelta(days=self.settings.recordings_s3_keep_local_days)
        await Mover(self.database, self.disk, self.s3, self.clock, keep_local).run()

    async def _sweep_recordings(self) -> None:
        shelves: dict[str, Swept] = {"disk": self.disk} | ({"s3": self.s3} if self.s3 else {})
        await Sweeper(self.database, shelves, self.clock).run()

    async def _watch_space(self) -> None:
        await self.space.watch(self.clock)

    async def _steadily(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Keep a background task alive: what breaks it is logged, and it begins again a little later."""
        while True:
            try:
                await work()
            except Exception:
                log.exception("background_task_broke", task=work.__name__)
            await self.clock.sleep(BEGIN_AGAIN_S)

    async def _end_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def describe_api() -> dict[str, Any]:
    """Return the API's description as every platform of this version serves it. Starts nothing."""
    with tempfile.TemporaryDirectory() as folder:
        return Platform(Settings(state_dir=Path(folder), engine=EngineMode.SCRIPTED)).describe()


def _report(what: str, share: float | None) -> None:
    log.info("engine_install", step=what, share=share)


def make_engine(settings: Settings, clock: Clock) -> Engine:
    """Return the engine that the settings name."""
    match settings.engine:
        case EngineMode.EMBEDDED:
            return embedded_engine(settings, clock)
        case EngineMode.EXTERNAL:
            return external_engine(settings, clock)
        case EngineMode.SCRIPTED:
            return scripted_engine(clock, settings.recordings_dir)


def scripted_engine(clock: Clock, recordings_dir: Path) -> ScriptedEngine:
    """Return the scripted engine with the test network's numbers."""
    script = {
        number.number: BEHAVIOURS[_SCRIPTED.get(name, name)]
        for name, number in NUMBERS.items()
        if _SCRIPTED.get(name, name) in BEHAVIOURS
    }
    return ScriptedEngine(clock, script, recordings_dir)


_SCRIPTED = {
    "tone_1000": "answers",
    "tone_440": "answers",
    "tone_700": "answers",
    "speech": "answers_after_3s",
    "echo": "answers",
    "silent": "answers",
}


async def diagnose(settings: Settings) -> list[Finding]:
    """Look at everything that a call needs, with a platform running or without. Changes nothing."""
    return await doctor.examine(settings, examine_engine)


def find_engine(settings: Settings, progress: Progress) -> EngineInstall:
    """Return the telephone engine's installation, fetched first when there is none. Blocks. Raises InstallError in plain words."""
    return find_or_fetch(settings.engine_prefix, progress)


def engine_pid(settings: Settings) -> int | None:
    """Return the process id of the embedded engine of this state folder, or None."""
    return _engine_process(settings, settings.engine_dir).running_pid()


async def stop_engines(settings: Settings) -> None:
    """End the embedded engine and the test network of this state folder, and every call on them. The platform must be down."""
    for folder in (settings.engine_dir, settings.testnet_dir):
        process = _engine_process(settings, folder)
        if process.running_pid() is not None:
            await process.start()
            await process.stop()


@cache
def _install(prefix: Path | None) -> EngineInstall:
    return find_or_fetch(prefix, _report)


def _engine_process(settings: Settings, folder: Path) -> EngineProcess:
    return EngineProcess(_install(settings.engine_prefix), EngineDirs.below(folder))


__all__ = [
    "Platform",
    "describe_api",
    "diagnose",
    "engine_pid",
    "find_engine",
    "make_engine",
    "scripted_engine",
    "stop_engines",
    "write_operator_folder",
]
