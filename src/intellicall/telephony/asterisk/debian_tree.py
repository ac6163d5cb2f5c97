"""Fetch Debian packages with all they need into one private folder, without installing anything and without root.

apt does the choosing, the download and the checking of signatures, with state folders of its own, so the machine's package
database is neither read nor changed. The mirror and every `Acquire` setting (proxies, certificates) are the machine's own.
Each package is unpacked with `dpkg -x`; what only maintainers and readers need (documentation, translations, interpreters)
is removed again. Tried on Debian 12 (apt 2.6) with suite forky.
"""

import contextlib
import fcntl
import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

SUITE = "forky"
FORMAT = 1  # raise it when what a tree contains changes; older trees stay where they are
STAMP = ".complete.json"
NEEDED_BYTES = 900_000_000  # downloads and the unpacked tree side by side
KEYRINGS = (Path("/usr/share/keyrings/debian-archive-keyring.gpg"), Path("/usr/share/keyrings/debian-archive-keyring.pgp"))
PRUNED = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/lintian",
    "usr/share/perl",
    "usr/share/perl5",
    "usr/lib/python3*",
    "usr/lib/*/perl*",
    "usr/lib/*/gconv",
    "usr/bin/perl*",
    "usr/bin/python3*",
)

Progress = Callable[[str, float | None], None]
"""Told what happens in plain words, and how much of it is done (0 to 1) where that is known."""


class InstallError(Exception):
    """Something that the person at the keyboard has to mend. `paste` is the one line that mends it, where there is one."""

    def __init__(self, problem: str, paste: str | None = None) -> None:
        super().__init__(f"{problem}\nPaste this line:\n  {paste}" if paste else problem)
        self.problem = problem
        self.paste = paste


@dataclass(frozen=True, slots=True)
class Tree:
    """A complete unpacked folder: a file system root with `usr/…` below it."""

    root: Path

    @property
    def libraries(self) -> Path:
        """The multiarch library folder, whatever this machine's architecture calls it."""
        return self.loader.parent

    @property
    def loader(self) -> Path:
        """The dynamic loader that belongs to the tree's own C library."""
        found = sorted(self.root.glob("usr/lib/*-linux-gnu*/ld-linux*.so.*"))
        if not found:
            raise InstallError(f"The folder {self.root} is damaged: it has no dynamic loader. Remove it and try again.")
        return found[0]

    def command(self, binary: str) -> tuple[str, ...]:
        """How to start one of the tree's programs (`usr/sbin/asterisk`) with the tree's own loader and libraries."""
        return (str(self.loader), "--library-path", str(self.libraries), str(self.root / binary))


def find_tree(prefix: Path, name: str) -> Tree | None:
    """Return the complete tree `name` in `prefix`, or None when it was not fetched yet."""
    root = _tree_path(prefix, name)
    return Tree(root) if (root / STAMP).is_file() else None


def fetch_tree(
    prefix: Path, name: str, packages: Sequence[str], progress: Progress, finish: Callable[[Path], None] | None = None
) -> Tree:
    """Return the tree `name` in `prefix`; fetch it first when it is not there. `finish` is run on its root before it counts.

    Two callers at once are safe: the second waits for the first and uses its result. An interrupted fetch leaves nothing that
    could be taken for a tree; its downloads are used again. Raises InstallError in plain words.
    """
    if found := find_tree(prefix, name):
        return found
    _check_tools()
    try:
        prefix.mkdir(parents=True, exist_ok=True)
        with _locked(prefix / f".{name}.lock", progress):
            return find_tree(prefix, name) or _fetch(prefix, name, packages, progress, finish)
    except OSError as error:
        raise InstallError(f"The folder {prefix} cannot be used: {error.strerror or error}. Choose another one.") from error


def _tree_path(prefix: Path, name: str) -> Path:
    return prefix.absolute() / f"{name}-{SUITE}-{FORMAT}-{platform.machine()}"


def _fetch(prefix: Path, name: str, packages: Sequence[str], progress: Progress, finish: Callable[[Path], None] | None) -> Tree:
    for leftover in prefix.glob(f".{name}.unpacking-*"):
        shutil.rmtree(leftover)
    if shutil.disk_usage(prefix).free < NEEDED_BYTES:
        raise InstallError(
            f"The disk of {prefix} has less than {NEEDED_BYTES // 1_000_000} MB free. Make room or choose another folder."
        )
    downloads = prefix.absolute() / f".{name}.downloads"
    archives = _download(downloads, name, packages, progress)
    unpacking = Path(tempfile.mkdtemp(prefix=f".{name}.unpacking-", dir=prefix.absolute()))
    try:
        unpacking.chmod(0o755)
        _unpack(archives, name, unpacking, progress)
        _prune(unpacking)
        if finish:
            finish(unpacking)
        stamp = {"suite": SUITE, "packages": sorted(archive.stem for archive in archives)}
        (unpacking / STAMP).write_text(json.dumps(stamp, indent=1) + "\n")
        target = _tree_path(prefix, name)
        shutil.rmtree(target, ignore_errors=True)  # what is there without a stamp, somebody has begun to delete
        unpacking.rename(target)
    except BaseException:
        shutil.rmtree(unpacking, ignore_errors=True)
        raise
    shutil.rmtree(downloads)
    return Tree(target)


@contextlib.contextmanager
def _locked(path: Path, progress: Progress) -> Iterator[None]:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("Waiting for another process that fetches the same", None)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _check_tools() -> None:
    missing = [tool for tool in ("apt-get", "dpkg") if shutil.which(tool) is None]
    if missing:
        raise InstallError(
            f"Fetching the engine needs Debian 12 or later: this machine has no {' and no '.join(missing)}. "
            "Install Asterisk 22 with your system's own tools instead; it is found by itself."
        )
    _keyring()


def _keyring() -> Path:
    for keyring in KEYRINGS:
        if keyring.is_file():
            return keyring
    raise InstallError(
        "The keys of the Debian archive, which the engine's packages are checked with, are not installed.",
        "sudo apt-get install -y debian-archive-keyring",
    )


def mirrors() -> list[str]:
    """Return the Debian mirrors in this machine's apt configuration, without the security archive, likeliest first."""
    form = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)"
    answer = subprocess.run(
        ["apt-get", "indextargets", "--no-release-info", "--format", form], capture_output=True, text=True, check=False
    )
    found: dict[str, None] = {}
    for line in answer.stdout.splitlines():
        uri, release, component = line.split("|")
        if component == "main" and "security" not in release and uri.rstrip("/").endswith("/debian"):
            found.setdefault(uri.rstrip("/"))
    return list(found)


def _apt_configuration(folder: Path, mirror: str) -> Path:
    """Write an apt configuration that knows nothing of the machine but how it reaches its mirror; return its path."""
    for sub in ("lists/partial", "archives/partial", "etc"):
        (folder / sub).mkdir(parents=True, exist_ok=True)
    (folder / "status").write_text("")
    sources = f"Types: deb\nURIs: {mirror}\nSuites: {SUITE}\nComponents: main\nTargets: Packages\nSigned-By: {_keyring()}\n"
    (folder / "etc/debian.sources").write_text(sources)
    settings = {
        "Dir::Etc::main": "/dev/null",
        "Dir::Etc::parts": "/dev/null",
        "Dir::Etc::sourcelist": str(folder / "etc/debian.sources"),
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::State": str(folder),
        "Dir::State::lists": str(folder / "lists"),
        "Dir::State::status": str(folder / "status"),
        "Dir::Cache": str(folder),
        "Dir::Cache::archives": str(folder / "archives"),
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "APT::Update::Error-Mode": "any",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "Debug::NoLocking": "true",
    }
    machine = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=False).stdout
    path = folder / "apt.conf"
    path.write_text(machine + "".join(f'{key} "{value}";\n' for key, value in settings.items()))
    return path


def _download(folder: Path, name: str, packages: Sequence[str], progress: Progress) -> list[Path]:
    """Download the packages and everything that they need; return the archives. apt checks the signatures."""
    candidates = mirrors()
    if not candidates:
        raise InstallError(
            "apt on this machine is not configured with a Debian mirror. Add one to its sources, or install Asterisk 22 yourself."
        )
    failures: list[InstallError] = []
    for mirror in candidates:
        configuration = _apt_configuration(folder, mirror)
        try:
            _apt(configuration, ["update"], f"Reading the list of packages for {name}", progress)
            _apt(
                configuration, ["autoclean"], f"Reading the list of packages for {name}", progress
            )  # of an earlier, interrupted try
            _apt(configuration, ["--yes", "--download-only", "install", *packages], f"Downloading {name}", progress)
        except InstallError as error:
            failures.append(error)
        else:
            return sorted((folder / "archives").glob("*.deb"))
    raise failures[0]


def _apt(configuration: Path, arguments: Sequence[str], what: str, progress: Progress) -> None:
    progress(what, 0.0)
    reader, writer = os.pipe()
    with tempfile.TemporaryFile("w+") as output, os.fdopen(reader) as status:
        environment = os.environ | {"APT_CONFIG": str(configuration), "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
        command = ["apt-get", "-qq", "-o", f"APT::Status-Fd={writer}", *arguments]
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, pass_fds=(writer,)
        ) as process:
            os.close(writer)
            for line in status:
                if match := re.match(r"dlstatus:\d+:([\d.]+):", line):
                    progress(what, min(1.0, float(match[1]) / 100))
        if process.returncode:
            output.seek(0)
            raise _apt_failure(output.read())


def _apt_failure(output: str) -> InstallError:
    lines = [line[2:].strip() for line in output.splitlines() if line.startswith("E:")] or output.splitlines()[-2:]
    said = " ".join(lines[:2])[:400]
    if re.search(
        r"Temporary failure resolving|Could not (resolve|connect)|Connection (failed|timed out|refused)|unreachable", output
    ):
        problem = "The packages could not be downloaded: the Debian mirror cannot be reached. Check the network and start again."
    elif re.search(r"NO_PUBKEY|not signed|signature|EXPKEYSIG", output):
        problem = "The Debian archive's signature could not be checked, so nothing was used. Renew the archive's keys."
        return InstallError(f"{problem} apt said: {said}", "sudo apt-get install -y debian-archive-keyring")
    else:
        problem = "The packages could not be downloaded."
    return InstallError(f"{problem} apt said: {said}")


def _unpack(archives: Sequence[Path], name: str, root: Path, progress: Progress) -> None:
    def unpack(archive: Path) -> None:
        done = subprocess.run(["dpkg", "-x", archive, root], capture_output=True, text=True, check=False)
        if done.returncode:
            raise InstallError(f"The package {archive.name} could not be unpacked: {done.stderr.strip()[-300:]}")

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
        for count, _ in enumerate(pool.map(unpack, archives), 1):
            progress(f"Unpacking {name}", count / len(archives))


def _prune(root: Path) -> None:
    for pattern in PRUNED:
        for path in root.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


__all__ = ["InstallError", "Progress", "Tree", "fetch_tree", "find_tree", "mirrors"]
