"""How much a browser loads for the softphone."""

import gzip
from pathlib import Path


def softphone_kb(pages: Path) -> float:
    """Return the gzipped size of the softphone's page and of every script, style and image it names, in kB of 1000 bytes.

    Raises FileNotFoundError when the pages were not built.
    """
    folder = pages / "softphone"
    files = [folder / "index.html", *(path for path in (folder / "assets").rglob("*") if path.suffix != ".map" and path.is_file())]
    return sum(len(gzip.compress(path.read_bytes(), 6)) for path in files) / 1000
