"""The hub of live events: reads what was committed once for each account, and hands it to all of the account's open streams.

A stream begins at a position of the journal. It reads SQL page by page until it has caught up, then takes what the account's
channel finds; it enters the channel before its last page, and lets pass what it has told already, so nothing is missed or told
twice. A channel reads when it is woken (a call has changed) and, in case nobody woke it, every TICK_S. A reader that does not take
what waits for it is cut; it comes back with the id of the last event that it has.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import orjson
import structlog
from sqlalchemy import Connection

from intellicall.calls import journal
from intellicall.calls.events import Event, cursor_of, event_of
from intellicall.calls.journal import JournalEntry
from intellicall.clock import Clock
from intellicall.errors import Code, Refused
from intellicall.storage.database import Database, StorageUnavailable

log = structlog.get_logger()

STREAMS = 20
"""Streams that one account may have open."""
BUFFER_BYTES = 524_288
"""What may wait for one slow reader."""
TICK_S = 5.0
"""How often keys are checked again, and SQL is asked for what nobody woke us for."""
HEARTBEAT_TICKS = 3
PAGE = 200
"""Entries read at once by a stream that catches up."""
BATCH = 50
"""Entries read at once by a channel: on SQLite these few are read on the event loop."""
STORAGE_RETRY_S = 1.0
RETRY_MS = 2_000
"""After how long a client that lost its stream is asked to come back."""

Check = Callable[[Connection], object]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events a stream is about: of one call, or of all; of some types, or (empty) of all."""

    call_id: str | None = None
    types: frozenset[str] = frozenset()

    def fits(self, event: Event) -> bool:
        """Whether the stream is about this event."""
        return self.call_id in (None, event.call_id) and (not self.types or event.type in self.types)


@dataclass(frozen=True, slots=True)
class _Told:
    """A journal entry on its way to the wire: the event that it is, if it is one, and its bytes."""

    position: int
    event: Event | None = None
    frame: bytes = b""


@dataclass(frozen=True, slots=True)
class _Heartbeat:
    """All up to here has been handed out."""

    position: int


@dataclass(slots=True, eq=False)
class _Channel:
    """What the streams of one account share. All up to `position` was read and handed out; that is known once `ready`."""

    account_id: str
    streams: "set[Stream]" = field(default_factory=set)
    position: int = 0
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Stream:
    """One open stream: `pieces` goes over the wire. Whoever opened it must `close` it."""

    def __init__(self, hub: "EventHub", channel: _Channel, wanted: Wanted, check: Check, position: int) -> None:
        self.check = check
        self.over = False
        self._hub = hub
        self._channel = channel
        self._wanted = wanted
        self._position = position  # all up to here is told
        self._waiting: deque[_Told | _Heartbeat] = deque()
        self._waiting_bytes = 0
        self._more = asyncio.Event()
        self._entered = False

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield the stream's bytes until it is over. The first piece comes at once: from when on, and when to come back."""
        yield f"retry: {RETRY_MS}\nid: {cursor_of(self._position)}\n\n".encode()
        for enters in (False, True):
            if enters:
                await self._channel.ready.wait()
                self._entered = True
            behind = True
            while behind and not self.over:
                piece, behind = await self._next_page()
                if piece:
                    yield piece
        while not self.over:
            self._more.clear()
            if not self._waiting:
                await self._more.wait()
            waiting, self._waiting, self._waiting_bytes = self._waiting, deque(), 0
            if piece := self._wire(waiting):
                yield piece

    async def _next_page(self) -> tuple[bytes, bool]:
        """Return the next bytes out of SQL, and whether there may be more."""
        page = await self._hub.page(self._channel.account_id, self._position, self._wanted.call_id)
        return self._wire(_told(page)), len(page) == PAGE

    def _wire(self, told: Iterable[_Told | _Heartbeat]) -> bytes:
        """Return the bytes of what is wanted and was not told before."""
        frames = []
        for one in told:
            if isinstance(one, _Heartbeat):
                frames.append(b": still here\nid: %b\n\n" % cursor_of(max(one.position, self._position)).encode())
            elif one.position > self._position and one.event and self._wanted.fits(one.event):
                frames.append(one.frame)
            self._position = max(self._position, one.position)
        return b"".join(frames)

    def offer(self, batch: Iterable[_Told | _Heartbeat]) -> None:
        """Take what the channel has found. A stream whose reader lets too much wait is over."""
        if not self._entered or self.over:
            return
        for one in batch:
            self._waiting.append(one)
            if isinstance(one, _Told) and one.event and self._wanted.fits(one.event):
                self._waiting_bytes += len(one.frame)
        if self._waiting_bytes > BUFFER_BYTES:
            log.info("event_stream_cut", account_id=self._channel.account_id)
            self.end()
        self._more.set()

    def end(self) -> None:
        """Let the stream end as soon as its reader has taken what is on the wire."""
        self.over = True
        self._waiting.clear()
        self._more.set()

    def close(self) -> None:
        """Forget the stream."""
        self.end()
        self._hub.forget(self._channel, self)


class EventHub:
    """Every open stream of this platform process."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._channels: dict[str, _Channel] = {}
        self._ticker: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self) -> None:
        """Begin to look after the streams that will be opened."""
        self._ticker = asyncio.get_running_loop().create_task(self._tick_forever(), name="events-tick")

    async def stop(self) -> None:
        """End every stream; one that is opened now ends at once. To be called before the server stops, which waits for them."""
        self._stopping = True
        for channel in self._channels.values():
            for stream in channel.streams:
                stream.end()
        tasks = [channel.task for channel in self._channels.values()]
        await _cancel([task for task in (self._ticker, *tasks) if task])

    def wake(self, account_id: str) -> None:
        """Look at once for what has happened to the account's calls. Never blocks; from the event loop's thread only."""
        if channel := self._channels.get(account_id):
            channel.woken.set()

    def open(self, account_id: str, position: int, wanted: Wanted, check: Check) -> Stream:
        """Open a stream of what happens after `position`. `check` raises Refused when the reader may read no more.

        Raises Refused TOO_MANY_REQUESTS.
        """
        channel = self._channels.get(account_id) or self._open_channel(account_id)
        if len(channel.streams) >= STREAMS:
            raise Refused(Code.TOO_MANY_REQUESTS, f"{STREAMS} streams of events are open, which is the most.", retry_after=10)
        stream = Stream(self, channel, wanted, check, position)
        channel.streams.add(stream)
        if self._stopping:
            stream.end()
        return stream

    def _open_channel(self, account_id: str) -> _Channel:
        channel = self._channels[account_id] = _Channel(account_id)
        channel.task = asyncio.get_running_loop().create_task(self._follow(channel), name="events-channel")
        return channel

    def forget(self, channel: _Channel, stream: Stream) -> None:
        """Let a stream go; the last one of an account takes the channel with it."""
        channel.streams.discard(stream)
        if not channel.streams and self._channels.get(channel.account_id) is channel:
            del self._channels[channel.account_id]
            if channel.task is not None:
                channel.task.cancel()

    async def page(self, account_id: str, position: int, call_id: str | None) -> list[JournalEntry]:
        """Return the next entries after `position`, for a stream that catches up; waits while the database is away."""
        work = partial(journal.read_after, account_id=account_id, position=position, most=PAGE, call_id=call_id)
        return await self._patiently(work, at_once=False)

    async def _patiently(self, work: Callable[[Connection], T], *, at_once: bool = True) -> T:
        read = self._database.glance if at_once else self._database.read
        while True:
            try:
                return await read(work)
            except StorageUnavailable:
                await self._clock.sleep(STORAGE_RETRY_S)

    async def _follow(self, channel: _Channel) -> None:
        """Read and hand out, for ever. Whatever breaks it ends the channel's streams: their readers come back."""
        try:
            channel.position = await self._patiently(journal.last_position)
            channel.ready.set()
            while True:  # at once for the first time: what was committed since then may have woken nobody
                channel.woken.clear()
                more = await self._look(channel)
                await (asyncio.sleep(0) if more else channel.woken.wait())
        except Exception as error:  # noqa: BLE001 - one account's channel must not take the others with it
            log.warning("events_channel_broke", account_id=channel.account_id, error=type(error).__name__)
            channel.ready.set()
            for stream in channel.streams:
                stream.end()
            if self._channels.get(channel.account_id) is channel:
                del self._channels[channel.account_id]

    async def _look(self, channel: _Channel) -> bool:
        """Hand out the next entries; True when there may be more."""
        work = partial(journal.read_after, account_id=channel.account_id, position=channel.position, most=BATCH)
        found = await self._patiently(work)
        if found:
            channel.position = found[-1].position or 0
            batch = _told(found)
            for stream in channel.streams:
                stream.offer(batch)
        return len(found) == BATCH

    async def _tick_forever(self) -> None:
        tick = 0
        while True:
            await self._clock.sleep(TICK_S)
            tick += 1
            await self._check_readers()
            for channel in self._channels.values():
                channel.woken.set()
                if tick % HEARTBEAT_TICKS == 0:
                    for stream in channel.streams:
                        stream.offer([_Heartbeat(channel.position)])

    async def _check_readers(self) -> None:
        """End the streams whose keys are revoked, have expired, or may not be used from there any more."""
        streams = [stream for channel in self._channels.values() for stream in channel.streams]
        if not streams:
            return
        try:
            for stream in await self._database.read(lambda connection: _refused(connection, streams)):
                stream.end()
        except StorageUnavailable:
            log.warning("events_keys_unchecked")


def _told(entries: Sequence[JournalEntry]) -> list[_Told]:
    told = []
    for entry in entries:
        event = event_of(entry)
        told.append(_Told(entry.position or 0, event, frame_of(event) if event else b""))
    return told


def frame_of(event: Event) -> bytes:
    """Return the event in the form of HTML's `text/event-stream`."""
    head = f"id: {cursor_of(event.position)}\nevent: {event.type}\ndata: ".encode()
    return b"%b%b\n\n" % (head, orjson.dumps(event.as_json()))


def _refused(connection: Connection, streams: Sequence[Stream]) -> list[Stream]:
    refused = []
    for stream in streams:
        try:
            stream.check(connection)
        except Refused:
            refused.append(stream)
    return refused


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
