"""Statements that every call runs, compiled once for each database and then handed to the driver as they are.

SQLAlchemy's own cache still costs a third of a millisecond for each execution at the place where a call's life is written; this
costs a tenth of that. Values and columns go through the same conversion (`UtcTime`, JSON) and errors are wrapped in the same way.
On SQLite what is compiled goes straight to its driver; on a server, whose round trip costs more than all that, through SQLAlchemy.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Dialect, Insert, Select, Update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler

Values = Mapping[str, Any]
Convert = Callable[[Any], Any]


def run_on_sqlite(connection: Connection, statement: str, values: Sequence[Any] = ()) -> list[Any]:
    """Execute it by SQLite's own driver and return its rows as they are. Raises what `Connection.execute` raises."""
    driver: Any = connection.connection.driver_connection
    try:
        rows: list[Any] = driver.execute(statement, values).fetchall()
    except driver.Error as error:
        raise _wrapped(connection, statement, driver, error) from error
    return rows


def _wrapped(connection: Connection, statement: str, driver: Any, error: Exception) -> Exception:
    wrapped = DBAPIError.instance(statement, None, error, driver.Error, hide_parameters=True, dialect=connection.dialect)
    assert isinstance(wrapped, Exception)  # noqa: S101 - an error of the driver is no exit
    return wrapped


@dataclass(frozen=True, slots=True)
class _Compiled:
    text: str
    names: tuple[str, ...]
    converters: tuple[tuple[str, Convert], ...]
    fixed: Values
    by_position: bool

    def converted(self, values: Values) -> Any:
        """Return the values as the driver takes them: a tuple or a dictionary, depending on its style."""
        row = {name: values[name] if name in values else self.fixed[name] for name in self.names}
        for name, convert in self.converters:
            row[name] = convert(row[name])
        return tuple([row[name] for name in self.names]) if self.by_position else row


def _compile(statement: Insert | Update | Select[Any], dialect: Dialect, columns: Sequence[str] | None = None) -> _Compiled:
    compiled = statement.compile(dialect=dialect, column_keys=columns)
    assert isinstance(compiled, SQLCompiler)  # noqa: S101 - what compiling one of these yields
    assert not compiled.post_compile_params  # noqa: S101 - a list of values changes the text: such a statement is not for here
    names = tuple(compiled.positiontup or compiled.binds)
    found = ((name, compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect)) for name in dict.fromkeys(names))
    converters = tuple((name, convert) for name, convert in found if convert)
    given = columns or ()
    fixed = {name: bind.effective_value for name, bind in compiled.binds.items() if not bind.required and name not in given}
    return _Compiled(compiled.string, names, converters, fixed, compiled.positional)


class Statement:
    """One INSERT or UPDATE. `columns` are the columns that it sets; other values are its own named parameters."""

    def __init__(self, statement: Insert | Update, columns: Sequence[str]) -> None:
        self._statement = statement
        self._columns = list(columns)
        self._compiled: dict[str, _Compiled] = {}

    def run(self, connection: Connection, *rows: Values) -> None:
        """Execute it once for each row: every column and parameter by its name. Raises what `Connection.execute` raises."""
        dialect = connection.dialect
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = _compile(self._statement, dialect, self._columns)
        converted = [compiled.converted(row) for row in rows]
        if dialect.name == "sqlite":
            for values in converted:
                run_on_sqlite(connection, compiled.text, values)
        else:
            connection.exec_driver_sql(compiled.text, converted[0] if len(converted) == 1 else converted)


def _row_of(names: Sequence[str]) -> Any:
    return namedtuple("Row", names)


class Query:
    """One SELECT of columns with names of their own; its values are its named parameters."""

    def __init__(self, query: Select[Any]) -> None:
        self.select = query
        self._row = _row_of(query.selected_columns.keys())
        self._compiled: _Compiled | None = None
        self._columns: tuple[tuple[int, Convert], ...] = ()

    def rows(self, connection: Connection, **values: Any) -> list[Any]:
        """Return the rows: tuples, whose members have their columns' names as well. Raises what `Connection.execute` raises."""
        dialect = connection.dialect
        if dialect.name != "sqlite":
            return list(connection.execute(self.select, values))
        compiled = self._compiled or self._compile(dialect)
        found = run_on_sqlite(connection, compiled.text, compiled.converted(values))
        return [self._converted(row) for row in found]

    def row(self, connection: Connection, **values: Any) -> Any:
        """Return the one row, or None. Raises ValueError when there are more."""
        found = self.rows(connection, **values)
        if len(found) > 1:
            raise ValueError("more rows than one")
        return found[0] if found else None

    def _converted(self, row: Sequence[Any]) -> Any:
        if not self._columns:
            return self._row._make(row)
        members = list(row)
        for position, convert in self._columns:
            members[position] = convert(members[position])
        return self._row._make(members)

    def _compile(self, dialect: Dialect) -> _Compiled:
        types = [column.type.dialect_impl(dialect) for column in self.select.selected_columns]
        found = ((position, kind.result_processor(dialect, None)) for position, kind in enumerate(types))
        self._columns = tuple((position, convert) for position, convert in found if convert)
        self._compiled = _compile(self.select, dialect)
        return self._compiled
