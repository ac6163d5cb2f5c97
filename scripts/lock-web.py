"""Finish web/package-lock.json: no download addresses, and a line for every platform package that the registry does not have.

`npm ci` refuses a lock in which an optional package for another platform is missing, and a partial mirror leaves them out.
Such a line carries a version and no hash; it is installed on that platform only.
"""

import json
import re
import sys
from pathlib import Path

SYSTEMS = r"(android|darwin|linux|win32|freebsd|openharmony|wasm32|aix|sunos|netbsd|openbsd)"
PROCESSORS = r"(arm64|x64|ia32|arm|ppc64|s390x|riscv64|loong64)"


def platform_line(name: str, version: str) -> dict[str, object]:
    line: dict[str, object] = {"version": version, "dev": True, "optional": True}
    if processor := re.search(PROCESSORS, name):
        line["cpu"] = [processor[1]]
    if system := re.search(SYSTEMS, name):
        line["os"] = [system[1]]
    if "musl" in name:
        line["libc"] = ["musl"]
    return line


def finish(file: Path) -> None:
    lock = json.loads(file.read_text())
    packages = lock["packages"]
    for package in list(packages.values()):
        package.pop("resolved", None)
        for name, version in package.get("optionalDependencies", {}).items():
            packages.setdefault(f"node_modules/{name}", platform_line(name, version))
    lock["packages"] = dict(sorted(packages.items()))
    file.write_text(json.dumps(lock, indent=2) + "\n")


if __name__ == "__main__":
    finish(Path(sys.argv[1]))
