"""The one route of the recordings room: the unguessable link that a call's result carries. The link is the permission."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

import structlog
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel

from intellicall.clock import Clock
from intellicall.errors import Code, Refused
from intellicall.ids import RECORDING_PREFIX
from intellicall.recordings import access, store
from intellicall.recordings.access import Access, What
from intellicall.recordings.encoder import Encoder, NothingThere
from intellicall.recordings.formats import KINDS, Format, negotiated, split
from intellicall.recordings.ranges import NotSatisfiable, Span, wanted
from intellicall.recordings.recording import Recording, State, is_name
from intellicall.recordings.remote import RemoteError
from intellicall.recordings.shelf import OpenRecording, Shelf
from intellicall.storage.database import Database, StorageUnavailable
from intellicall.web.address import Network, client_address
from intellicall.web.application import request_id_of
from intellicall.web.openapi import Answer, operation, parameter
from intellicall.web.problem import problem_response

log = structlog.get_logger()

COME_BACK_S = 5
_NOBODY = RECORDING_PREFIX + "0" * 40
"""Looked up in place of what cannot be a name, so that it takes as long as a name that is unknown."""

_HEADERS = {
    "Accept-Ranges": "bytes",
    "Cache-Control": "private, no-store",
    "Cross-Origin-Resource-Policy": "cross-origin",  # an <audio> element on the CRM's pages plays it
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}
_AUDIO = {kind.media_types[0]: {"schema": {"type": "string", "contentMediaType": kind.media_types[0]}} for kind in KINDS.values()}


class Pending(BaseModel):
    """Nothing can be read yet."""

    recording: str


_EXAMPLE = RECORDING_PREFIX + "Xk2vQ9Tn4RcJ7pLzW5hYd8sBgA1eUfK3oNi6qVt.wav"
_DESCRIBED = operation(
    "downloadRecording",
    "Download a recording",
    {
        200: Answer("The file.", content=_AUDIO),
        202: Answer(
            "The file is being completed, or made in the format asked for: come back after `Retry-After` seconds.",
            Pending,
            {"pending": {"recording": "pending"}},
            {"Retry-After": "Seconds to wait before asking again."},
        ),
        206: Answer("The part of the file that `Range` asks for.", content=_AUDIO),
        304: Answer("The file has not changed."),
    },
    [
        Code.NOT_FOUND,
        Refused(Code.RECORDING_NOT_READY, retry_after=COME_BACK_S),
        Refused(Code.RECORDING_GONE, reason="deleted"),
        Code.RANGE_NOT_SATISFIABLE,
        Code.STORAGE_UNAVAILABLE,
        Code.RECORDING_DISK_FULL,
    ],
    parameters=[
        parameter("Accept", "header", "`audio/ogg` or `audio/mpeg`: Opus or MP3 from the `.wav` link, too.", "audio/mpeg"),
        parameter("Range", "header", "A part of the file.", "bytes=0-1023"),
        parameter("If-Range", "header", "The file's `ETag`; another one gets the whole file."),
        parameter("If-None-Match", "header", "The file's `ETag`, when you have it already."),
    ],
    public=True,
)
RecordingFile = Annotated[
    str,
    Path(
        description="The end of the call's `recording_url`; with `.opus` or `.mp3` in place of `.wav` the same, smaller.",
        examples=[_EXAMPLE],
    ),
]

PART_QUERY = "part=true"
"""Behind the link: what there is of a recording of which a part is missing."""
WantsPart = Annotated[
    bool,
    Query(description="Of a recording that lacks a part (`incomplete`, `disk_full`): what there is, in place of 410."),
]


@dataclass(frozen=True, slots=True)
class Door:
    """What the link's route works with. `proxies`: the networks of configured reverse proxies."""

    database: Database
    shelf: Shelf
    encoder: Encoder
    clock: Clock
    proxies: Sequence[Network] = ()


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a request is about. `varies`: the answer depends on Accept. `part`: what there is of it will do."""

    name: str
    form: Format
    varies: bool
    part: bool = False


def router(door: Door) -> APIRouter:
    """Return `GET` and `HEAD /recordings/{name}.wav`, `.opus` and `.mp3`.

    Refuses with NOT_FOUND, RECORDING_NOT_READY, RECORDING_GONE, RANGE_NOT_SATISFIABLE, RECORDING_DISK_FULL.
    """
    routes = APIRouter()

    @routes.api_route("/recordings/{file}", methods=["GET", "HEAD"], tags=["recordings"], response_class=Response, **_DESCRIBED)
    async def recording(file: RecordingFile, request: Request, *, part: WantsPart = False) -> Response:
        """Download a call's recording: stereo, left is the customer, right is what the customer heard.

        `.wav` is the recording; `.opus`, `.mp3` and `Accept` get the same in another format, made when it is asked for. Range
        requests are answered with one part (206). 409: the call goes on. 410: it is gone, and `reason` says why. A recording of
        which a part is missing is 410 as well, unless `part=true` says that you know.
        """
        asked = replace(_asked(file, request), part=part)
        found = await _find(door, asked)
        asked = replace(asked, part=found.state is State.INCOMPLETE)
        opened = await _open(door, found, asked)
        if opened is None:
            return JSONResponse({"recording": "pending"}, 202, _HEADERS | {"Retry-After": str(COME_BACK_S)})
        try:
            return _answer(door, request, asked, opened)
        except NotSatisfiable:
            opened.close()
            unsatisfied = {"Content-Range": f"bytes */{opened.size}"}  # RFC 9110 section 15.5.17
            return problem_response(Refused(Code.RANGE_NOT_SATISFIABLE), request_id_of(request), unsatisfied)

    return routes


def _asked(file: str, request: Request) -> _Asked:
    name, form = split(file)
    if form is None or not is_name(name):
        return _Asked(_NOBODY, Format.WAV, varies=False)
    accepted = negotiated(",".join(request.headers.getlist("accept")))
    return _Asked(name, accepted if form is Format.WAV else form, varies=form is Format.WAV)


async def _find(door: Door, asked: _Asked) -> Recording:
    """Return what can be read, now or soon. Raises Refused."""
    found = await door.database.read(partial(store.find, name=asked.name))
    if found is None or found.state is State.NONE:
        raise Refused(Code.NOT_FOUND)
    match found.state:
        case State.RECORDING:
            raise Refused(Code.RECORDING_NOT_READY, retry_after=COME_BACK_S)
        case State.READY | State.PENDING:
            return found
        case State.ERASING | State.ERASED:
            raise Refused(Code.RECORDING_GONE, reason=found.reason or What.RETENTION)
        case State.INCOMPLETE if asked.part:
            return found
        case State.INCOMPLETE:
            kept = f"A part of the audio is missing. `?{PART_QUERY}` has what there is: {found.seconds or 0:.1f} s."
            raise Refused(Code.RECORDING_GONE, kept, reason="failed")
        case _:
            raise Refused(Code.RECORDING_GONE, reason="failed")


async def _open(door: Door, found: Recording, asked: _Asked) -> OpenRecording | None:
    """None: come back later."""
    if found.state is State.PENDING:
        return None
    try:
        if asked.form is Format.WAV:
            opened = await _source(door, found)
        else:
            return await door.encoder.open(found.name, asked.form, partial(_source, door, found))
    except NothingThere:
        opened = None
    except RemoteError as error:
        log.warning("recording_store_failed", call_id=found.call_id, fault=error.fault)
        raise Refused(Code.STORAGE_UNAVAILABLE, "The recording is kept on a store that cannot be read at the moment.") from None
    if opened is None:
        log.error("recording_file_missing", call_id=found.call_id)
        raise Refused(Code.RECORDING_GONE, reason="failed")
    return opened


async def _source(door: Door, found: Recording) -> OpenRecording | None:
    """Open the WAV file. What lacks a part may not have been made into one yet: the disk did not let us. Raises Refused."""
    opened = await door.shelf.open(found.name)
    if opened is None and found.state is State.INCOMPLETE:
        try:
            await door.shelf.seal(found.name)
        except OSError as error:
            log.warning("recording_part_not_made", call_id=found.call_id, error=type(error).__name__)
            raise Refused(Code.STORAGE_UNAVAILABLE, "The disk does not let us put the part together at the moment.") from None
        opened = await door.shelf.open(found.name)
    return opened


def _answer(door: Door, request: Request, asked: _Asked, opened: OpenRecording) -> Response:
    media_type = KINDS[asked.form].media_types[0]
    named = "recording-part" if asked.part else "recording"
    headers = _HEADERS | {"ETag": opened.etag, "Content-Disposition": f'attachment; filename="{named}.{asked.form}"'}
    if asked.varies:
        headers["Vary"] = "Accept"
    if _matches(request.headers.get("if-none-match"), opened.etag):
        opened.close()
        return Response(status_code=304, headers=headers)
    span = _span(request, opened)
    part = span or Span(0, opened.size)
    headers["Content-Length"] = str(part.length)
    if span is not None:
        headers["Content-Range"] = span.content_range(opened.size)
    status = 200 if span is None else 206
    if request.method == "HEAD":
        opened.close()
        return Response(status_code=status, headers=headers, media_type=media_type)
    address = client_address(request.scope, door.proxies)
    began = Access(door.clock.now(), str(address) if address else None, What(asked.form), 0)
    return _Download(opened, part, partial(_note, door, asked.name, began), status, headers, media_type)


async def _note(door: Door, name: str, began: Access, sent: int) -> None:
    """Put the download into the recording's access log. Whoever downloads does not wait for it."""
    try:
        await door.database.write(partial(access.note, name=name, access=replace(began, bytes=sent)))
    except StorageUnavailable:
        log.warning("recording_access_not_noted")


def _span(request: Request, opened: OpenRecording) -> Span | None:
    """The part asked for. If-Range that is not our strong tag means: the file that the client knows is another one."""
    if_range = request.headers.get("if-range")
    if request.method != "GET" or (if_range is not None and if_range.strip() != opened.etag):
        return None  # RFC 9110 section 14.2: Range is defined for GET alone
    return wanted(request.headers.get("range"), opened.size)


def _matches(header: str | None, etag: str) -> bool:
    """If-None-Match, compared weakly (RFC 9110 section 13.1.2)."""
    if header is None:
        return False
    return header.strip() == "*" or etag in [tag.strip().removeprefix("W/") for tag in header.split(",")]


class _Download(StreamingResponse):
    """Streams a part of a recording; closes the file and tells how many bytes were sent however the client leaves."""

    def __init__(
        self,
        opened: OpenRecording,
        part: Span,
        note: Callable[[int], Awaitable[None]],
        status: int,
        headers: dict[str, str],
        media_type: str,
    ) -> None:
        super().__init__(self._pieces(opened, part), status_code=status, headers=headers, media_type=media_type)
        self._opened = opened
        self._note = note
        self._sent = 0

    async def _pieces(self, opened: OpenRecording, part: Span) -> AsyncIterator[bytes]:
        async for piece in opened.read(part.start, part.length):
            self._sent += len(piece)
            yield piece

    async def __call__(self, scope: object, receive: object, send: object) -> None:
        try:
            await super().__call__(scope, receive, send)  # type: ignore[arg-type]
        finally:
            self._opened.close()
            if self._sent:
                await self._note(self._sent)
