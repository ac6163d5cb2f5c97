"""The product imports nothing that only the tests install: `make demo` sets up the product's own dependencies alone."""

import ast
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_library_that_the_product_imports_is_its_own_dependency() -> None:
    declared = {_name(line) for line in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]}
    promised = declared | {needed for name in declared for needed in _needs(name)}
    found = packages_distributions()
    missing = {module for module in _imported() if not {_name(one) for one in found.get(module, [])} & promised}
    assert missing == set()


def _imported() -> set[str]:
    """The top-level modules from elsewhere that the product's source imports."""
    names: set[str] = set()
    for file in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"intellicall"}


def _needs(name: str) -> set[str]:
    """What a library always brings with it."""
    try:
        return {_name(line) for line in requires(name) or [] if "extra ==" not in line}
    except PackageNotFoundError:
        return set()


def _name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower().replace("_", "-")
