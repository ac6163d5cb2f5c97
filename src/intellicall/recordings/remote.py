"""The far shelf: where recordings go after their call. The port; `s3.py` is the adapter."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Protocol

from intellicall.recordings.shelf import OpenRecording, Stored


class Fault(StrEnum):
    """Why the store did not do it. `SENTENCES` has each in plain words."""

    UNREACHABLE = "unreachable"
    TOO_SLOW = "too_slow"
    UNAVAILABLE = "unavailable"
    WRONG_KEY = "wrong_key"
    DENIED = "denied"
    NO_BUCKET = "no_bucket"
    MISSING = "missing"
    DIFFERENT = "different"
    NO_FILE = "no_file"
    CHANGED = "changed"

    @classmethod
    def of_status(cls, status: int, said: str = "") -> "Fault":
        """Read an HTTP answer of S3: its status, and the code in what it said."""
        for code, fault in _CODES.items():
            if code in said:
                return fault
        match status:
            case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
                return cls.DENIED
            case HTTPStatus.NOT_FOUND:
                return cls.MISSING
            case HTTPStatus.REQUEST_TIMEOUT:
                return cls.TOO_SLOW
        return cls.UNAVAILABLE


_CODES = {
    "SignatureDoesNotMatch": Fault.WRONG_KEY,
    "InvalidAccessKeyId": Fault.WRONG_KEY,
    "RequestTimeTooSkewed": Fault.WRONG_KEY,
    "NoSuchBucket": Fault.NO_BUCKET,
    "AccessDenied": Fault.DENIED,
    "NoSuchUpload": Fault.MISSING,
    "InvalidPart": Fault.MISSING,
}

SENTENCES = {
    Fault.UNREACHABLE: "The store cannot be reached. Check its address (INTELLICALL_RECORDINGS_S3_ENDPOINT) and the network.",
    Fault.TOO_SLOW: "The store took too long to answer.",
    Fault.UNAVAILABLE: "The store answered that it cannot do this now.",
    Fault.WRONG_KEY: (
        "The store does not accept our signature: INTELLICALL_RECORDINGS_S3_KEY_ID or _SECRET is wrong, or one of the clocks."
    ),
    Fault.DENIED: "The store knows the key but does not allow it this. It has to read, write, list and delete in the bucket.",
    Fault.NO_BUCKET: "There is no bucket of this name on the store (INTELLICALL_RECORDINGS_S3_URL).",
    Fault.MISSING: "The store does not have what it should have.",
    Fault.DIFFERENT: "What the store gave back is not what was sent. It is sent again.",
    Fault.NO_FILE: "The recording's file is not on the disk any more, and the store does not have it either.",
    Fault.CHANGED: "The recording's file on the disk is not what was completed when the call ended. It is left where it is.",
}


class RemoteError(OSError):
    """The store did not do it. `fault` says why; its sentence names no recording, address or key."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(SENTENCES[fault])
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload in parts that goes on: its id on the store, and the ETags of the parts that have arrived, from the first on."""

    id: str
    etags: tuple[str, ...] = ()


Remember = Callable[[Upload], Awaitable[None]]


class Remote(Protocol):
    """Keeps whole recordings by name. Every method raises RemoteError."""

    async def upload(self, name: str, file: Path, begun: Upload | None, remember: Remember) -> None:
        """Send a file, in place of what is there. `begun`: take this one up where it broke off. `remember`: what can be."""
        ...

    async def abort(self, name: str, upload: Upload) -> None:
        """Throw away what has arrived of an upload. No-op when the store knows nothing of it."""
        ...

    async def sha256(self, name: str) -> str | None:
        """Read it all back and return its SHA-256 in hex digits; None when there is none of this name."""
        ...

    async def open(self, name: str) -> OpenRecording | None:
        """Open one for reading; None when there is none of this name."""
        ...

    async def erase(self, name: str) -> None:
        """Remove it. No-op when there is nothing."""
        ...

    def stored(self) -> AsyncIterator[Sequence[Stored]]:
        """Yield everything there that is a recording's, some hundreds at a time."""
        ...

    async def check(self) -> None:
        """Write, read back and remove a small object: whether all of it is allowed, and works."""
        ...
