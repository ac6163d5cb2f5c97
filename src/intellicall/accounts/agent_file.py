"""The operator's list of agents as a CSV file (RFC 4180): read it, and name every bad line. Pure."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass

HEADER = ("crm_username", "number")


@dataclass(frozen=True, slots=True)
class AgentLine:
    """One agent as an operator lists them; `number` as people write it, or None. `line` is where it stands in the file."""

    crm_username: str
    number: str | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that cannot be taken, and why."""

    line: int
    crm_username: str
    problem: str


def read(content: bytes) -> tuple[list[AgentLine], list[BadLine]]:
    """Return the agents of the file and its bad lines; line 1 is the header `crm_username,number` (`number` may be left out).

    UTF-8 with or without byte order mark; comma, or the semicolon that spreadsheets of many countries write.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return [], [BadLine(line, "", "The file is not UTF-8; save it as CSV UTF-8.")]
    lines = text.splitlines(keepends=True)
    delimiter = ";" if lines and ";" in lines[0] else ","
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    header = _header(rows)
    if header is None:
        return [], [BadLine(1, "", "The first line must be: crm_username,number")]
    good, bad = list[AgentLine](), list[BadLine]()
    for number, fields in _numbered(rows, bad):
        if len(fields) != len(header):
            bad.append(BadLine(number, fields[0].strip(), f"{len(fields)} columns instead of {len(header)}."))
            continue
        row = dict(zip(header, (field.strip() for field in fields), strict=True))
        good.append(AgentLine(row["crm_username"], row.get("number") or None, number))
    return good, bad


def _header(rows: Iterator[list[str]]) -> tuple[str, ...] | None:
    try:
        names = tuple(name.strip().lower() for name in next(rows, []))
    except csv.Error:
        return None
    return names if "crm_username" in names and set(names) <= set(HEADER) and len(set(names)) == len(names) else None


def _numbered(rows: Iterator[list[str]], bad: list[BadLine]) -> Iterator[tuple[int, list[str]]]:
    """Yield what is not empty with the number of its line; what is not CSV goes to `bad`, and the rest is not read."""
    number = 1
    try:
        for fields in rows:
            number += 1
            if any(field.strip() for field in fields):
                yield number, fields
    except csv.Error as error:
        bad.append(BadLine(number + 1, "", f"This is not CSV: {error}."))
