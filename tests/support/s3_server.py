"""A real S3 store for tests: Ceph's radosgw out of Debian's packages, which checks signatures.

There is no cluster: users are in SQLite (`dbstore`), objects as well or in files (`posix`). It is our child and dies with us. Seen
with 20.2: `dbstore` gives objects of several parts, and ranges far from the start, back wrong; `posix` takes no dot in the keys of
such, lists new objects with a random size, and crashes when asked which parts have arrived. `python -m tests.support.s3_server`
fetches it, once.
"""

import asyncio
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
from tests.support.databases import die_with_parent
from tests.support.ports import find_free_port

from intellicall.recordings.s3 import Bucket
from intellicall.recordings.s3_parts import Access, signed
from intellicall.telephony.asterisk.debian_tree import Tree, fetch_tree
from intellicall.telephony.asterisk.install import default_prefix

KEY_ID = "TESTKEY"
BUCKET = "recordings"
SECRET = "a secret of the tests"
_START_LIMIT_S = 30.0
_KEPT_PROGRAMS = ("radosgw", "radosgw-admin")
_CONFIGURATION = """[global]
rgw_backend_store = dbstore
rgw_config_store = dbstore
dbstore_db_dir = {folder}/data
dbstore_config_uri = file:{folder}/data/config.db
rgw_data = {folder}/data
run_dir = {folder}/run
admin_socket =
log_file =
log_to_stderr = false
plugin_dir = {plugins}
rgw_multipart_min_part_size = 65536
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
"""
_POSIX = """rgw_filter = posix
rgw_posix_base_path = {folder}/objects
rgw_posix_userdb_dir = {folder}/data
rgw_posix_database_root = {folder}/listings
"""
_numbers = count(1)


@dataclass(frozen=True)
class S3Server:
    """A running store on loopback."""

    port: int

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def new_folder(self) -> Bucket:
        """Return the bucket with a prefix that nobody else has."""
        return Bucket(f"s3://{BUCKET}/calls/kept-{next(_numbers)}", KEY_ID, SECRET, endpoint=self.endpoint)

    def make_bucket(self) -> None:
        """Make the one bucket: with some dozens of them the server's listings fail."""
        access = Access(f"{self.endpoint}/{BUCKET}", "us-east-1", KEY_ID, SECRET)
        url, headers = signed(access, "PUT", "", {}, b"", datetime.now(UTC))
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers, method="PUT")):  # noqa: S310 - our own child
            pass


@pytest.fixture(scope="module")
def s3_server() -> Iterator[S3Server]:
    """A store that keeps objects as files, and so big ones rightly. Its listings are not to be trusted."""
    with _serving(_CONFIGURATION + _POSIX) as server:
        yield server


@pytest.fixture(scope="module")
def listing_s3_server() -> Iterator[S3Server]:
    """A store that keeps objects in SQLite: lists them rightly, and gives parts of them back wrong."""
    with _serving(_CONFIGURATION) as server:
        yield server


@contextmanager
def _serving(configuration: str) -> Iterator[S3Server]:
    tree = _fetch()
    folder = Path(tempfile.mkdtemp(prefix="intellicall-s3-"))
    process: subprocess.Popen[bytes] | None = None
    try:
        _configure(folder, tree, configuration)
        port = find_free_port()
        frontend = f"--rgw_frontends=beast endpoint=127.0.0.1:{port}"
        with (folder / "output").open("wb") as output:
            argv = [*_command(tree, folder, "radosgw"), "-n", "client.rgw.test", "-f", frontend]
            process = subprocess.Popen(argv, stdout=output, stderr=output, preexec_fn=die_with_parent)  # noqa: PLW1509 - one prctl
        _await_ready(process, port, folder)
        server = S3Server(port)
        server.make_bucket()
        yield server
    finally:
        if process is not None:
            process.send_signal(signal.SIGKILL)  # its graceful end takes seconds, and nothing is to be kept
            process.wait(20)
        shutil.rmtree(folder)


@pytest.fixture
def bucket(s3_server: S3Server) -> Bucket:
    """A fresh folder of the store's bucket."""
    return s3_server.new_folder()


@pytest.fixture
def listing_bucket(listing_s3_server: S3Server) -> Bucket:
    """The same on the store that lists."""
    return listing_s3_server.new_folder()


def _configure(folder: Path, tree: Tree, configuration: str) -> None:
    for sub in ("objects", "data", "listings", "run"):
        (folder / sub).mkdir()
    (folder / "ceph.conf").write_text(configuration.format(folder=folder, plugins=tree.libraries / "ceph"))
    user = ["user", "create", "--uid=test", "--display-name=test", f"--access-key={KEY_ID}", f"--secret={SECRET}"]
    subprocess.run([*_command(tree, folder, "radosgw-admin"), *user], check=True, capture_output=True)


def _command(tree: Tree, folder: Path, program: str) -> list[str]:
    loader, _, libraries, binary = tree.command(f"usr/bin/{program}")
    return [loader, "--library-path", f"{libraries}:{libraries}/ceph", binary, "-c", f"{folder}/ceph.conf", "--no-mon-config"]


def _await_ready(process: "subprocess.Popen[bytes]", port: int, folder: Path) -> None:
    deadline = time.monotonic() + _START_LIMIT_S
    while True:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/"):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"radosgw did not start: {(folder / 'output').read_text()[-2000:]}")
        time.sleep(0.02)


def _fetch() -> Tree:
    def progress(what: str, share: float | None) -> None:
        if share == 0.0:
            sys.stderr.write(f"{what}\n")

    return fetch_tree(default_prefix(), "radosgw", ["radosgw"], progress, _prune)


def _prune(root: Path) -> None:
    """Keep what the server needs: a third of the packages' content."""
    for program in [*(root / "usr/bin").iterdir(), *(root / "usr/sbin").iterdir()]:
        if program.name not in _KEPT_PROGRAMS:
            program.unlink()
    for folder in ("usr/lib/systemd", "usr/share"):
        shutil.rmtree(root / folder, ignore_errors=True)


class FaultyWire:
    """A TCP relay before the store that can be made to fail. Change its members at any time; they hold for what comes then."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.up_to: int | None = None  # bytes that the client may still send before every connection is cut
        self.down_to: int | None = None  # the same for what the store answers
        self.status: bytes | None = None  # answered to every request in the store's place
        self.silent = False  # takes everything and answers nothing
        self.twisted = False  # one bit of each bigger piece of an answer is another one
        self.sent = 0  # bytes from the client
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "FaultyWire":
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        store_reader, store_writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._up(reader, store_writer, writer))
                both.create_task(self._down(store_reader, writer))
        except* (ConnectionError, EOFError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            store_writer.transport.abort()

    async def _up(self, reader: asyncio.StreamReader, store: asyncio.StreamWriter, client: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            self.sent += len(piece)
            if self.silent:
                continue
            if self.status is not None:
                client.write(b"HTTP/1.1 " + self.status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                await client.drain()
                raise EOFError
            if self.up_to is not None:
                self.up_to -= len(piece)
                if self.up_to < 0:
                    raise EOFError
            store.write(piece)
            await store.drain()
        raise EOFError

    async def _down(self, store: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        while piece := await store.read(65536):
            if self.down_to is not None:
                self.down_to -= len(piece)
                if self.down_to < 0:
                    raise EOFError
            if self.twisted and len(piece) > 4096:
                piece = piece[:-1] + bytes([piece[-1] ^ 1])
            client.write(piece)
            await client.drain()
        raise EOFError


if __name__ == "__main__":
    _fetch()
