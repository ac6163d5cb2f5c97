"""A call's recording for the account's backend: what became of it, who has had it, and its deletion."""

from collections.abc import Callable
from typing import Any, Literal

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from intellicall.calls import store
from intellicall.calls.described import NO_CALL
from intellicall.calls.door import Door
from intellicall.calls.orders_http import CallId
from intellicall.calls.result import Entry, iso
from intellicall.calls.samples import CALL_ID, RECORDING_URL, SHA256
from intellicall.errors import Code, Refused
from intellicall.recordings import access, recording
from intellicall.recordings import store as recordings
from intellicall.recordings.access import Access, What
from intellicall.recordings.erasing import Eraser
from intellicall.recordings.http import PART_QUERY
from intellicall.recordings.outcome import Outcome
from intellicall.recordings.recording import Recording
from intellicall.storage.database import Database
from intellicall.web.openapi import Answer, operation
from intellicall.web.request import read_query

NO_RECORDING = Refused(Code.NOT_FOUND, "This call has no recording.")


class AccessView(BaseModel):
    """One download, all its parts together, or the deletion."""

    at: str
    address: str | None = Field(description="Whose; null: a command on the platform's machine, or its retention.")
    what: What
    bytes: int


class RecordingView(BaseModel):
    """A call's recording. Seconds and bytes are those of the WAV file."""

    call_id: str
    state: Outcome | Literal["recording"] = Field(description="What became of it; `recording`: the call goes on.")
    recording_url: str | None
    part_url: str | None = Field(description="What there is of a recording that lacks a part (`incomplete`, `disk_full`).")
    seconds: float | None
    bytes: int | None
    sha256: str | None = Field(description="Of the WAV file, in hex digits.")
    where: Literal["disk", "s3"] | None = Field(description="Where the file is kept; null: nothing is.")
    accesses: list[AccessView] = Field(description="Oldest first; the last 1,000.")


_SHOWN = {
    "call_id": CALL_ID,
    "state": Outcome.READY,
    "recording_url": RECORDING_URL,
    "part_url": None,
    "seconds": 150.0,
    "bytes": 4_800_044,
    "sha256": SHA256,
    "where": "disk",
    "accesses": [{"at": "2026-07-03T10:05:00Z", "address": "198.51.100.7", "what": What.MP3, "bytes": 1_190_880}],
}
_DELETED = _SHOWN | {"state": Outcome.DELETED, "recording_url": None, "where": None}
_PART = _SHOWN | {
    "state": Outcome.INCOMPLETE,
    "recording_url": None,
    "part_url": f"{RECORDING_URL}?{PART_QUERY}",
    "seconds": 97.4,
    "bytes": None,
    "sha256": None,
}
_OFF = _DELETED | {"state": Outcome.OFF, "seconds": None, "bytes": None, "sha256": None, "accesses": []}
_SHOW = operation(
    "showRecording",
    "Show a call's recording and who has had it",
    {
        200: Answer(
            "The recording.", RecordingView, {"ready": _SHOWN, "incomplete": _PART, "deleted": _DELETED, "not_recorded": _OFF}
        )
    },
    [NO_CALL, Refused(Code.UNKNOWN_FIELD, field="page")],
)
_DELETE = operation(
    "deleteRecording",
    "Delete a call's recording",
    {204: Answer("Nobody can have it any more, in any format; its link answers 410 from now on. It is erased everywhere.")},
    [NO_CALL, Refused(Code.RECORDING_NOT_READY, retry_after=5), Refused(Code.UNKNOWN_FIELD, field="page")],
)


class RecordingApi:
    """The handlers."""

    def __init__(self, database: Database, eraser: Eraser, door: Door, link: Callable[[str], str]) -> None:
        self._link = link
        self._database = database
        self._eraser = eraser
        self._door = door

    async def show_recording(self, request: HttpRequest, call_id: CallId) -> JSONResponse:
        """Show what became of a call's recording, and its access log: every download and the deletion."""
        check = self._door.visitor(request)
        read_query(request, allowed=())

        def shown(connection: Connection) -> dict[str, Any]:
            entry, kept = _find(connection, check(connection).id, call_id)
            part = self._link(kept.name) if kept and kept.state is recording.State.INCOMPLETE and kept.seconds else None
            return _view(entry, kept, part, access.accesses(connection, kept.name) if kept else [])

        return JSONResponse(await self._database.read(shown))

    async def delete_recording(self, request: HttpRequest, call_id: CallId) -> Response:
        """Erase a call's recording for good, wherever it is kept. To delete what is deleted is no error."""
        check = self._door.visitor(request)
        read_query(request, allowed=())
        _, kept = await self._database.read(lambda connection: _find(connection, check(connection).id, call_id))
        if kept is None or kept.state is recording.State.NONE:
            raise NO_RECORDING
        if kept.state is recording.State.RECORDING:
            raise Refused(Code.RECORDING_NOT_READY, retry_after=5)
        address = self._door.address(request)
        await self._eraser.erase(kept, What.DELETED, str(address) if address else None)
        return Response(status_code=204)


def router(api: RecordingApi) -> APIRouter:
    """Return `GET` and `DELETE /calls/{call_id}/recording`."""
    routes = APIRouter(tags=["recordings"])
    routes.get("/calls/{call_id}/recording", **_SHOW)(api.show_recording)
    routes.delete("/calls/{call_id}/recording", response_class=Response, **_DELETE)(api.delete_recording)
    return routes


def _find(connection: Connection, account_id: str, call_id: str) -> tuple[Entry, Recording | None]:
    entry = store.find(connection, call_id, account_id) if call_id.isprintable() else None
    if entry is None:
        raise NO_CALL
    return entry, recordings.of_call(connection, call_id)


def _view(entry: Entry, kept: Recording | None, part: str | None, accesses: list[Access]) -> dict[str, Any]:
    gone = kept is None or kept.state in (recording.State.ERASING, recording.State.ERASED, recording.State.NONE)
    return {
        "call_id": entry.call.id,
        "state": Outcome.DELETED if kept and kept.reason else entry.recording or "recording",
        "recording_url": entry.recording_url,
        "part_url": f"{part}?{PART_QUERY}" if part else None,
        "seconds": kept.seconds if kept else None,
        "bytes": kept.bytes if kept else None,
        "sha256": kept.sha256 if kept else None,
        "where": None if kept is None or gone else "s3" if kept.place is recording.Place.S3 else "disk",
        "accesses": [{"at": iso(one.at), "address": one.address, "what": one.what, "bytes": one.bytes} for one in accesses],
    }
