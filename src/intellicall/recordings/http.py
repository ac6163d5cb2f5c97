"""The one route of the recordings room: the unguessable link that a call's result carries. The link is the permission."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated

import structlog
from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import StreamingResponse

from intellicall.errors import Code, Refused
from intellicall.ids import RECORDING_PREFIX
from intellicall.recordings import store
from intellicall.recordings.ranges import NotSatisfiable, Span, wanted
from intellicall.recordings.recording import State, is_name
from intellicall.recordings.shelf import OpenRecording, Shelf
from intellicall.storage.database import Database
from intellicall.web.application import request_id_of
from intellicall.web.openapi import Answer, operation, parameter
from intellicall.web.problem import problem_response

log = structlog.get_logger()

SUFFIX = ".wav"
_NOBODY = RECORDING_PREFIX + "0" * 40
"""Looked up in place of what cannot be a name, so that it takes as long as a name that is unknown."""

_HEADERS = {
    "Accept-Ranges": "bytes",
    "Cache-Control": "private, no-store",
    "Content-Disposition": 'attachment; filename="recording.wav"',
    "Cross-Origin-Resource-Policy": "cross-origin",  # an <audio> element on the CRM's pages plays it
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}
_MEDIA_TYPE = "audio/wav"
_AUDIO = {_MEDIA_TYPE: {"schema": {"type": "string", "contentMediaType": _MEDIA_TYPE}}}
_EXAMPLE = RECORDING_PREFIX + "Xk2vQ9Tn4RcJ7pLzW5hYd8sBgA1eUfK3oNi6qVt" + SUFFIX
_DESCRIBED = operation(
    "downloadRecording",
    "Download a recording",
    {
        200: Answer("The file.", content=_AUDIO),
        206: Answer("The part of the file that `Range` asks for.", content=_AUDIO),
        304: Answer("The file has not changed."),
    },
    [
        Code.NOT_FOUND,
        Refused(Code.RECORDING_NOT_READY, retry_after=5),
        Code.RANGE_NOT_SATISFIABLE,
        Code.STORAGE_UNAVAILABLE,
    ],
    parameters=[
        parameter("Range", "header", "A part of the file.", "bytes=0-1023"),
        parameter("If-Range", "header", "The file's `ETag`; another one gets the whole file."),
        parameter("If-None-Match", "header", "The file's `ETag`, when you have it already."),
    ],
    public=True,
)
RecordingFile = Annotated[str, Path(description="The end of the call's `recording_url`.", examples=[_EXAMPLE])]


def router(database: Database, shelf: Shelf) -> APIRouter:
    """Return `GET` and `HEAD /recordings/{name}.wav`. Refuses with NOT_FOUND, RECORDING_NOT_READY, RANGE_NOT_SATISFIABLE."""
    routes = APIRouter()

    @routes.api_route("/recordings/{file}", methods=["GET", "HEAD"], tags=["recordings"], response_class=Response, **_DESCRIBED)
    async def recording(file: RecordingFile, request: Request) -> Response:
        """Download a call's recording: stereo WAV, left is the customer, right is what the customer heard.

        Range requests are answered with one part (206). 404: no such recording, or its time is over. 409: the call goes on.
        """
        opened = await _open(database, shelf, file)
        try:
            return _answer(request, opened)
        except NotSatisfiable:
            opened.close()
            unsatisfied = {"Content-Range": f"bytes */{opened.size}"}  # RFC 9110 section 15.5.17
            return problem_response(Refused(Code.RANGE_NOT_SATISFIABLE), request_id_of(request), unsatisfied)

    return routes


async def _open(database: Database, shelf: Shelf, file: str) -> OpenRecording:
    name = file.removesuffix(SUFFIX)
    named = file.endswith(SUFFIX) and is_name(name)
    found = await database.read(partial(store.find, name=name if named else _NOBODY))
    if found is None or not named:
        raise Refused(Code.NOT_FOUND)
    if found.state is State.RECORDING:
        raise Refused(Code.RECORDING_NOT_READY, retry_after=5)
    opened = await shelf.open(name) if found.state is State.READY else None
    if opened is None:
        if found.state is State.READY:
            log.error("recording_file_missing", call_id=found.call_id)
        raise Refused(Code.NOT_FOUND)
    return opened


def _answer(request: Request, opened: OpenRecording) -> Response:
    headers = _HEADERS | {"ETag": opened.etag}
    if _matches(request.headers.get("if-none-match"), opened.etag):
        opened.close()
        return Response(status_code=304, headers=headers)
    span = _span(request, opened)
    whole = Span(0, opened.size)
    part = span or whole
    headers["Content-Length"] = str(part.length)
    if span is not None:
        headers["Content-Range"] = span.content_range(opened.size)
    status = 200 if span is None else 206
    if request.method == "HEAD":
        opened.close()
        return Response(status_code=status, headers=headers, media_type=_MEDIA_TYPE)
    return _Download(opened, part, status, headers)


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
    """Streams a part of a recording and closes the file however the client leaves."""

    def __init__(self, opened: OpenRecording, part: Span, status: int, headers: dict[str, str]) -> None:
        super().__init__(_pieces(opened, part), status_code=status, headers=headers, media_type=_MEDIA_TYPE)
        self._opened = opened

    async def __call__(self, scope: object, receive: object, send: object) -> None:
        try:
            await super().__call__(scope, receive, send)  # type: ignore[arg-type]
        finally:
            self._opened.close()


async def _pieces(opened: OpenRecording, part: Span) -> AsyncIterator[bytes]:
    async for piece in opened.read(part.start, part.length):
        yield piece
