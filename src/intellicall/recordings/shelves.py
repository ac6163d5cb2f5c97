"""The shelf of a platform that has a second one: recordings are completed on the disk, and read from wherever they are."""

from intellicall.recordings.disk import DiskShelf
from intellicall.recordings.remote import Remote
from intellicall.recordings.shelf import OpenRecording, Sealed


class Shelves:
    """The disk, and what is behind it: `shelf.Shelf`. What the far one does not do raises `remote.RemoteError`, an OSError."""

    def __init__(self, disk: DiskShelf, remote: Remote) -> None:
        self._disk = disk
        self._remote = remote

    async def seal(self, name: str) -> Sealed | None:
        return await self._disk.seal(name)

    async def written(self, name: str) -> float:
        return await self._disk.written(name)

    async def open(self, name: str) -> OpenRecording | None:
        """The disk first: its file goes only when the other copy was found good, so one that is gone there is here."""
        return await self._disk.open(name) or await self._remote.open(name)

    async def erase(self, name: str) -> None:
        await self._disk.erase(name)
        await self._remote.erase(name)
