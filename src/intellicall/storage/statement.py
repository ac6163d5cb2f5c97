"""Statements that every call runs, compiled once for each database and then handed to the driver as they are.

SQLAlchemy's own cache still costs a third of a millisecond for each execution at the place where a call's life is written; this
costs a quarter of that. Values go through the same conversion (`UtcTime`, JSON) and errors are wrapped in the same way.
For INSERT and UPDATE; what returns rows goes through `Connection.execute`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Dialect, Insert, Update
from sqlalchemy.sql.compiler import SQLCompiler

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Compiled:
    text: str
    names: tuple[str, ...]
    converters: tuple[tuple[str, Callable[[Any], Any]], ...]
    by_position: bool

    def converted(self, values: Values) -> Any:
        """Return the values as the driver takes them: a tuple or a dictionary, depending on its style."""
        row = {name: values[name] for name in self.names}
        for name, convert in self.converters:
            row[name] = convert(row[name])
        return tuple([row[name] for name in self.names]) if self.by_position else row


class Statement:
    """One INSERT or UPDATE. `columns` are the columns that it sets; other values are its own named parameters."""

    def __init__(self, statement: Insert | Update, columns: Sequence[str]) -> None:
        self._statement = statement
        self._columns = list(columns)
        self._compiled: dict[str, _Compiled] = {}

    def run(self, connection: Connection, *rows: Values) -> None:
        """Execute it once for each row: every column and parameter by its name. Raises what `Connection.execute` raises."""
        compiled = self._compiled.get(connection.dialect.name) or self._compile(connection.dialect)
        converted = [compiled.converted(row) for row in rows]
        connection.exec_driver_sql(compiled.text, converted[0] if len(converted) == 1 else converted)

    def _compile(self, dialect: Dialect) -> _Compiled:
        compiled = self._statement.compile(dialect=dialect, column_keys=self._columns)
        assert isinstance(compiled, SQLCompiler)  # noqa: S101 - what compiling an INSERT or UPDATE yields
        names = tuple(compiled.positiontup or compiled.binds)
        found = ((name, compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect)) for name in names)
        converters = tuple((name, convert) for name, convert in found if convert)
        made = _Compiled(compiled.string, names, converters, compiled.positional)
        self._compiled[dialect.name] = made
        return made
