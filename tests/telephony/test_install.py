"""Finding and fetching the engine: what is there is used, what cannot be fetched is said in plain words, nothing is left half."""

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from intellicall.telephony.asterisk import config, debian_tree
from intellicall.telephony.asterisk.debian_tree import InstallError, fetch_tree, mirrors
from intellicall.telephony.asterisk.install import (
    REQUIRED_MODULES,
    EngineInstall,
    default_prefix,
    find_installed,
    find_or_fetch,
    main,
)
from intellicall.telephony.testnet import carrier

pytestmark = pytest.mark.asterisk


class Told:
    """Remembers the progress that it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, what: str, share: float | None) -> None:
        self.lines.append(what)


@pytest.fixture
def told() -> Told:
    return Told()


def test_the_engine_is_of_the_right_version_and_complete(engine_install: EngineInstall) -> None:
    said = subprocess.run([*engine_install.argv, "-V"], capture_output=True, text=True, check=True).stdout
    assert said.startswith("Asterisk 22.")
    assert engine_install.version in said
    assert all((engine_install.module_dir / f"{name}.so").exists() for name in REQUIRED_MODULES)
    assert (engine_install.data_dir / "sounds/en/number-not-answering.gsm").is_file()


def test_every_module_that_we_load_is_required_of_an_installation() -> None:
    assert set(config.MODULES) | set(carrier.MODULES) <= set(REQUIRED_MODULES)


def test_what_was_fetched_is_found_again_without_a_download(engine_install: EngineInstall, told: Told) -> None:
    assert find_or_fetch(None, told).argv == engine_install.argv
    assert told.lines == []


def test_the_command_line_says_how_to_start_it(engine_install: EngineInstall, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert f"Asterisk {engine_install.version}: {engine_install.argv[0]}" in capsys.readouterr().out


def test_the_prefix_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("INTELLICALL_ENGINE_PREFIX", raising=False)
    assert default_prefix() == tmp_path / "intellicall" / "engine"
    monkeypatch.setenv("INTELLICALL_ENGINE_PREFIX", str(tmp_path / "mine"))
    assert default_prefix() == tmp_path / "mine"


@pytest.fixture
def machine(tmp_path: Path, engine_install: EngineInstall) -> Path:
    """Return the root of a machine that has this engine installed in the usual places."""
    binary = tmp_path / "usr/sbin/asterisk"
    modules = tmp_path / "usr/lib/some-linux-gnu/asterisk/modules"
    for folder in (binary.parent, modules, tmp_path / "usr/share"):
        folder.mkdir(parents=True)
    binary.write_text(f'#!/bin/sh\nexec {" ".join(engine_install.argv)} "$@"\n')
    binary.chmod(0o755)
    for name in REQUIRED_MODULES:
        (modules / f"{name}.so").symlink_to(engine_install.module_dir / f"{name}.so")
    (tmp_path / "usr/share/asterisk").symlink_to(engine_install.data_dir)
    return tmp_path


def test_an_installed_engine_is_found(machine: Path, engine_install: EngineInstall) -> None:
    found = find_installed(machine)
    assert found is not None
    assert found.argv == (str(machine / "usr/sbin/asterisk"),)
    assert found.version == engine_install.version
    assert not found.private


@pytest.mark.parametrize("flaw", ["old version", "no module", "no sounds", "not executable", "crashes"])
def test_an_installed_engine_that_would_not_do_is_passed_over(machine: Path, flaw: str) -> None:
    binary = machine / "usr/sbin/asterisk"
    if flaw == "old version":
        binary.write_text("#!/bin/sh\necho Asterisk 20.9.3\n")
    elif flaw == "no module":
        (machine / "usr/lib/some-linux-gnu/asterisk/modules/res_srtp.so").unlink()
    elif flaw == "no sounds":
        (machine / "usr/share/asterisk").unlink()
    elif flaw == "not executable":
        binary.chmod(0o644)
    else:
        binary.write_text("#!/bin/sh\nexit 1\n")
    assert find_installed(machine) is None


def test_without_apt_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: Told) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InstallError, match="no apt-get and no dpkg"):
        fetch_tree(tmp_path / "prefix", "nothing", ["nothing"], told)
    assert not (tmp_path / "prefix").exists()


def test_without_the_archives_keys_it_gives_the_line_to_paste(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: Told) -> None:
    monkeypatch.setattr(debian_tree, "KEYRINGS", (tmp_path / "missing.gpg",))
    with pytest.raises(InstallError) as refused:
        fetch_tree(tmp_path / "prefix", "nothing", ["nothing"], told)
    assert refused.value.paste == "sudo apt-get install -y debian-archive-keyring"


def test_without_a_network_it_says_so_and_leaves_no_tree(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: Told) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(InstallError, match="mirror cannot be reached"):
        fetch_tree(tmp_path, "nothing", ["netbase"], told)
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".")]


def test_a_wrong_key_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: Told) -> None:
    """Packages are used only when the archive's signature is right: with another key ring nothing is downloaded."""
    keyring = tmp_path / "others.gpg"
    keyring.write_bytes(b"")
    monkeypatch.setattr(debian_tree, "KEYRINGS", (keyring,))
    with pytest.raises(InstallError, match="signature"):
        fetch_tree(tmp_path / "prefix", "nothing", ["netbase"], told)
    assert not list(tmp_path.rglob("*.deb"))


def test_the_mirror_is_the_machines_own() -> None:
    assert mirrors()
    assert not [mirror for mirror in mirrors() if "security" in mirror]


def test_a_half_unpacked_tree_of_a_killed_fetch_is_never_taken(tmp_path: Path, told: Told) -> None:
    half = tmp_path / f"asterisk-{debian_tree.SUITE}-{debian_tree.FORMAT}-{platform.machine()}"
    (half / "usr").mkdir(parents=True)
    assert debian_tree.find_tree(tmp_path, "asterisk") is None
    (half / debian_tree.STAMP).write_text(json.dumps({}))
    assert debian_tree.find_tree(tmp_path, "asterisk") is not None


def test_a_second_fetch_waits_for_the_first(tmp_path: Path, engine_install: EngineInstall) -> None:
    """While another process holds the lock nothing is fetched; what it leaves is used."""
    tree = f"asterisk-{debian_tree.SUITE}-{debian_tree.FORMAT}-{platform.machine()}"
    done = tmp_path / "done"
    (done / "usr").mkdir(parents=True)
    (done / debian_tree.STAMP).write_text("{}")
    holder = (
        "import fcntl, os, sys, pathlib\n"
        f"lock = open({str(tmp_path / '.asterisk.lock')!r}, 'w'); fcntl.flock(lock, fcntl.LOCK_EX); print('held', flush=True)\n"
        f"sys.stdin.readline(); os.rename({str(done)!r}, {str(tmp_path / tree)!r})\n"
    )
    with subprocess.Popen([sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"

        def progress(what: str, share: float | None) -> None:
            assert what == "Waiting for another process that fetches the same"
            assert first.stdin is not None
            first.stdin.write("\n")
            first.stdin.flush()

        assert fetch_tree(tmp_path, "asterisk", ["asterisk"], progress).root == tmp_path / tree


def test_a_full_or_forbidden_folder_is_named(tmp_path: Path, told: Told) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InstallError, match="cannot be used"):
        fetch_tree(tmp_path / "file", "nothing", ["nothing"], told)
