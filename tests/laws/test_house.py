"""The laws of the house that a machine can check, so that nobody has to remember them."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "intellicall"
PYTHON = sorted(p for p in SOURCE.rglob("*.py") if "migrations/versions" not in p.as_posix())
TYPESCRIPT = sorted(p for folder in ("softphone", "demo-crm", "shared") for p in (ROOT / "web" / folder).rglob("*.ts*"))
LONGEST_FUNCTION = 60
LONGEST_FILE = 500
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "service", "base", "misc"}
ROOMS = ("accounts", "calls", "callbacks", "recordings", "softphone")


def functions(file: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def test_functions_are_small() -> None:
    long = [f"{f.relative_to(ROOT)}:{name} {n}" for f in PYTHON for name, n in functions(f) if n > LONGEST_FUNCTION]
    assert long == []
    lengths = sorted(n for f in PYTHON for _, n in functions(f))
    assert lengths[len(lengths) // 2] <= 10


@pytest.mark.parametrize("files", [PYTHON, TYPESCRIPT], ids=["python", "typescript"])
def test_files_are_small(files: list[Path]) -> None:
    assert files
    sizes = {f.relative_to(ROOT).as_posix(): len(f.read_text().splitlines()) for f in files}
    assert {name: n for name, n in sizes.items() if n > LONGEST_FILE} == {}


def test_no_module_is_a_drawer_for_everything() -> None:
    named = {f.relative_to(ROOT).as_posix() for f in [*PYTHON, *TYPESCRIPT] if f.stem in BANNED_NAMES}
    assert named == set()


def test_sql_is_in_the_stores_alone() -> None:
    """A room's statements are made in its `store.py` or what stands beside it for size, never in a use case or a route."""
    verbs = re.compile(r"\b(select|insert|update|delete)\(\s*[a-z]")
    outside = [
        f.relative_to(SOURCE).as_posix()
        for room in ROOMS
        for f in (SOURCE / room).glob("*.py")
        if f.name not in STORES and "from sqlalchemy import" in f.read_text() and verbs.search(f.read_text())
    ]
    assert outside == []


STORES = {
    "store.py",
    "traces.py",
    "tally.py",
    "timeline.py",
    "history.py",
    "journal.py",
    "tables.py",
    "changes.py",
    "retention.py",
    "access.py",
    "moves.py",
    "feed.py",
    "delivery_log.py",
    "endpoint_store.py",
}


def test_the_call_is_pure() -> None:
    """The call, its table and its blame import each other and the standard library's data types, nothing else."""
    imported = set()
    for name in ("call.py", "table.py", "blame.py"):
        for node in ast.walk(ast.parse((SOURCE / "calls" / name).read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module or "")
    assert imported == {"dataclasses", "datetime", "enum", "intellicall.calls.table", "intellicall.calls.blame"}


def test_every_lint_exception_in_the_code_has_its_reason() -> None:
    bare = [
        f"{f.relative_to(ROOT)}:{number}"
        for f in PYTHON
        for number, line in enumerate(f.read_text().splitlines(), 1)
        if "# noqa" in line and not re.search(r"# noqa: [A-Z]+[0-9]+(, [A-Z]+[0-9]+)*\s+(- \S|#)", line)
    ]
    assert bare == []


def test_links_between_the_documents_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_locks_carry_hashes_and_no_addresses() -> None:
    for name in ("requirements.lock", "requirements-dev.lock", "web/package-lock.json"):
        text = (ROOT / name).read_text()
        assert not re.search(r'"resolved"|--index-url|--find-links|@ (https?|file):', text), name
        assert "sha256:" in text or "sha512-" in text, name


def test_nothing_committed_names_a_place_of_one_machine() -> None:
    """No absolute path of a developer's machine and no registry's host in what is tracked."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    hosts = ["deb.debian" + ".org", "registry.npm" + "js.org", "pypi" + ".org", "files.python" + "hosted.org"]
    places = ["/" + "work/", "/" + "root/"]
    found = [
        f"{name}: {word}"
        for name in tracked
        if name and (ROOT / name).is_file() and (ROOT / name).suffix not in (".png", ".wav", ".gsm")
        for word in hosts + places
        if word in (ROOT / name).read_text(errors="replace")
    ]
    assert found == []
