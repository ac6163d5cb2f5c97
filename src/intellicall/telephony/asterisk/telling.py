"""Handing events to the listener: each call's in their order, a recorded customer's end only when the file is complete."""

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path

import structlog

from intellicall.telephony.asterisk.closing import ClosedFiles
from intellicall.telephony.asterisk.legs import CallLegs
from intellicall.telephony.engine import DigitPressed, EngineEvent, LegEnded, LegEvent, LegNote, Listener, Role, Watcher

FILE_DEADLINE_S = 3.0

log = structlog.get_logger()


class Teller:
    """Between the legs and the listener. `files` is the watch on the recordings folder."""

    def __init__(self, files: ClosedFiles) -> None:
        self.listener: Listener = _ignore
        self.watcher: Watcher = _ignore
        self._files = files
        self._behind: dict[str, list[LegEvent | DigitPressed]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, event: EngineEvent) -> None:
        """Hand on at once. What the listener raises is logged and harms nobody else."""
        try:
            self.listener(event)
        except Exception:
            log.exception("listener failed", event_type=type(event).__name__)

    def note(self, note: LegNote) -> None:
        """Hand on what explains a call, at once. What the watcher raises is logged and harms nobody else."""
        try:
            self.watcher(note)
        except Exception:
            log.exception("watcher failed", event_type=type(note).__name__)

    def tell_of(self, call: CallLegs, event: LegEvent | DigitPressed) -> None:
        """Hand on an event of a call; behind an end that waits for its file when there is one."""
        behind = self._behind.get(call.call_id)
        if behind is not None:
            behind.append(event)
        elif isinstance(event, LegEnded) and event.leg == Role.CUSTOMER and call.recording is not None:
            self._end_of_recorded(call, event, call.recording.name)
        else:
            self.tell(event)

    def expect_recording(self, call: CallLegs) -> None:
        """To be called before the customer is rung: from then on the file may appear."""
        if call.recording is not None:
            self._files.expect(call.recording.name)

    async def stop(self) -> None:
        """Forget what waits."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._behind.clear()

    def _end_of_recorded(self, call: CallLegs, event: LegEnded, name: str) -> None:
        """MixMonitor opens the file when the customer answers, and closes it after each take; so do we between two takes."""
        times = 2 * call.takes - 1 if _may_have_talked(call) else 0
        if self._files.is_closed(name, times):
            self._complete(call, [event])
            return
        self._behind[call.call_id] = [event]
        task = asyncio.create_task(self._when_closed(call, name, times), name="recording-closed")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _when_closed(self, call: CallLegs, name: str, times: int) -> None:
        if not await self._files.wait(name, times, FILE_DEADLINE_S):
            log.warning("recording not closed in time", call_id=call.call_id)
        self._complete(call, self._behind.pop(call.call_id, []))

    def _complete(self, call: CallLegs, events: Sequence[LegEvent | DigitPressed]) -> None:
        if call.recording is not None:
            self._files.forget(call.recording.name)
            if not _may_have_talked(call):
                _remove_empty(call.recording)
        for event in events:
            self.tell(event)


def _may_have_talked(call: CallLegs) -> bool:
    """Whether the customer answered, as far as we know: of a recalled call we may have missed it, so its file counts, too."""
    if call.customer is not None and call.customer.up_at is not None:
        return True
    return call.recalled and call.recording is not None and call.recording.exists()


def _remove_empty(recording: Path) -> None:
    """Remove what an unanswered call left; never a file with audio in it."""
    with contextlib.suppress(FileNotFoundError):
        if recording.stat().st_size == 0:
            recording.unlink()


def _ignore(_: object) -> None:
    """The listener, and the watcher, before one is named."""
