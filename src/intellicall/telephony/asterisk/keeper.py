"""Keeping both connections to one engine: they come up together, are lost together, and are made anew for ever."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from intellicall.clock import Clock
from intellicall.telephony.asterisk.ami import AmiLink
from intellicall.telephony.asterisk.connection import AriLink, ConnectionGone, EngineConnection, OnEvent, RequestRefused
from intellicall.telephony.engine import EngineUnavailable

START_WAIT_S = 10.0
RECONNECT_S = (0.05, 0.1, 0.2, 0.4, 0.5)
HUNG_S = 60.0
"""An engine of our own that answers nothing for this long is killed, so that its supervisor starts a new one."""

log = structlog.get_logger()


class Process(Protocol):
    """The engine's process, when it is ours to look after."""

    on_exit: Callable[[], None]
    """Told when it has ended though nobody asked for it."""

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


@dataclass(frozen=True, slots=True)
class Links:
    """Both connections to one engine process, open at the same time."""

    ari: AriLink
    ami: AmiLink

    @property
    def broken(self) -> bool:
        """Return whether either is over."""
        return self.ari.closed.is_set() or self.ami.closed.is_set()

    async def over(self) -> None:
        """Return when either is over."""
        waits = [asyncio.create_task(link.closed.wait()) for link in (self.ari, self.ami)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def abandon(self) -> None:
        self.ari.abandon()
        self.ami.abandon()

    async def close(self) -> None:
        """Close both. What the engine is doing goes on."""
        self.abandon()
        await self.ari.close()
        await self.ami.close()


@dataclass(frozen=True, slots=True)
class Listening:
    """What the keeper tells. `set_up` makes fresh links useful and returns whether the engine process is a new one."""

    event: OnEvent
    set_up: Callable[[Links], Awaitable[bool]]
    ready: Callable[[bool], None]
    lost: Callable[[], None]


class Keeper:
    """One task that keeps the links. `links` are there as soon as they are open, `live` only while the engine takes orders."""

    def __init__(self, where: EngineConnection, process: Process | None, clock: Clock, tells: Listening) -> None:
        self._where = where
        self._process = process
        self._clock = clock
        self._tells = tells
        self._ready = asyncio.Event()
        self._allowed = asyncio.Event()
        self._allowed.set()
        self._task: asyncio.Task[None] | None = None
        self.links: Links | None = None
        self.superseded = False

    @property
    def ready(self) -> bool:
        return self._ready.is_set()

    def live(self) -> Links:
        """Return the links of an engine that takes orders. Raises EngineUnavailable."""
        if self.links is None or not self.ready or self.superseded:
            raise EngineUnavailable("the engine is away")
        return self.links

    async def start(self) -> None:
        """Return when ready, or after `START_WAIT_S`. Raises what made an engine of our own impossible."""
        self._task = asyncio.create_task(self._keep(), name="engine-connection")
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait([ready, self._task], timeout=START_WAIT_S, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._task.done() and not self.superseded:
            await self._task  # there is no engine to be had: say why

    async def stop(self) -> None:
        """Let go of the engine."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
        self._ready.clear()
        if self.links is not None:
            await self.links.close()
            self.links = None

    def supersede(self) -> None:
        """Another platform process leads now: act no more, and do not fight."""
        self.superseded = True
        self.abandon()

    def hold_off(self) -> None:
        """Break the connection and make no new one until `carry_on`."""
        self._allowed.clear()
        self.abandon()

    def carry_on(self) -> None:
        self._allowed.set()

    def abandon(self) -> None:
        """Treat the links as over from this moment; new ones are made."""
        self._ready.clear()
        if self.links is not None:
            self.links.abandon()

    async def _keep(self) -> None:
        if self._process is not None:
            await self._process.start()
        failures = 0
        silent_since = self._clock.monotonic()
        while not self.superseded:
            await self._allowed.wait()
            try:
                links = await self._open()
            except ConnectionGone:
                failures += 1
            else:
                if await self._serve(links):
                    failures = 0
                    silent_since = self._clock.monotonic()
            if self._process is not None and self._clock.monotonic() - silent_since > HUNG_S:
                log.warning("engine hangs and is killed")
                self._process.kill()
                silent_since = self._clock.monotonic()
            await self._clock.sleep(RECONNECT_S[min(failures, len(RECONNECT_S) - 1)])

    async def _open(self) -> Links:
        """Open AMI first: ARI's connection takes the application over from whoever has it. Raises ConnectionGone."""
        ami = await AmiLink.open(self._where)
        try:
            return Links(await AriLink.open(self._where, self._tells.event), ami)
        except BaseException:
            await ami.close()
            raise

    async def _serve(self, links: Links) -> bool:
        """Make the links useful and stay with them until one is over. Returns whether they ever were ready."""
        self.links = links
        was_ready = False
        try:
            restarted = await self._tells.set_up(links)
            if links.broken or self.superseded:
                return False
            self._ready.set()
            was_ready = True
            log.info("engine ready", restarted=restarted)
            self._tells.ready(restarted)
            await links.over()
        except (ConnectionGone, RequestRefused) as error:
            log.info("engine not usable yet", error=str(error))
            return False
        finally:
            self._ready.clear()
            self.links = None
            await links.close()
            if was_ready:
                log.info("engine lost")
                self._tells.lost()
        return True
