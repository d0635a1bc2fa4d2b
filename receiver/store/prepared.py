"""Statements in the driver's own words, compiled once."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

from sqlalchemy import Dialect, Executable, SelectBase
from sqlalchemy.sql.compiler import SQLCompiler

# Far more than there are; what is composed for one question passes through and is forgotten.
KEPT = 1_000

Convert = Callable[[Any], Any]


class Shape(NamedTuple):
    """A statement's text, its parameters in order, and those values that it brings along itself.

    ``lists`` has, by the parameter's name, the names that the values of a list have in ``order``.
    """

    sql: str
    order: tuple[str, ...]
    own: Mapping[str, Any]
    lists: Mapping[str, Sequence[str]]


class Prepared:
    """One statement, as the driver takes it.

    Most of ours touch a few rows: there SQLAlchemy's own way from a statement to its rows takes ten times as long as
    SQLite. What it does each time is done once here: the text, the conversion of values to and from the driver's.
    The driver takes parameters by position (of those for PostgreSQL, psycopg does with ``paramstyle="format"``).
    """

    def __init__(self, dialect: Dialect, statement: Executable, names: tuple[str, ...]) -> None:
        """``names`` are those of the parameters: an INSERT has the columns that are named so."""
        compiled = statement.compile(dialect=dialect, column_keys=list(names))  # type: ignore[attr-defined]
        assert isinstance(compiled, SQLCompiler)
        assert compiled.positional, "parameters go by position"
        assert not compiled.prefetch, "what a column has by default, the caller gives"
        self._compiled = compiled
        self._asked = [name for name, bind in compiled.binds.items() if bind.required]
        self._lists = [name for name in self._asked if compiled.binds[name].expanding]
        self._to_driver: dict[str, Convert] = {}
        for name, bind in compiled.binds.items():
            if convert := bind.type.dialect_impl(dialect).bind_processor(dialect):
                self._to_driver[name] = convert
        types = [column.type for column in statement.selected_columns] if isinstance(statement, SelectBase) else []
        self._from_driver = [type_.dialect_impl(dialect).result_processor(dialect, None) for type_ in types]
        self._converts = any(self._from_driver)
        self._shapes: dict[tuple[int, ...], Shape] = {}

    def bound(self, parameters: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """The text and its parameters."""
        lists = {name: _padded(parameters[name]) for name in self._lists}
        sizes = tuple(map(len, lists.values()))
        shape = self._shapes.get(sizes)
        if shape is None:
            shape = self._shapes[sizes] = self._shape(sizes)
        values = {**shape.own, **parameters}
        for name, convert in self._to_driver.items():
            if name in lists:
                lists[name] = list(map(convert, lists[name]))
            elif name in parameters:
                values[name] = convert(values[name])
        for name, names in shape.lists.items():
            values.update(zip(names, lists[name], strict=True))
        return shape.sql, [values[name] for name in shape.order]

    def many(self, columns: Sequence[str]) -> str:
        """The text for rows of parameters in the order of ``columns``."""
        shape = self._shapes.get(()) or self._shapes.setdefault((), self._shape(()))
        assert shape.order == columns, shape.order
        return shape.sql

    def rows(self, found: Sequence[Any]) -> Sequence[Any]:
        """The rows with their values as SQLAlchemy has them, booleans above all."""
        return [self._row(row) for row in found] if self._converts else found

    def _row(self, row: Sequence[Any]) -> tuple[Any, ...]:
        pairs = zip(row, self._from_driver, strict=True)
        return tuple([convert(value) if convert else value for value, convert in pairs])

    def _shape(self, sizes: tuple[int, ...]) -> Shape:
        lists = {name: [None] * size for name, size in zip(self._lists, sizes, strict=True)}
        state = self._compiled.construct_expanded_state(dict.fromkeys(self._asked) | lists)
        named = {name: state.parameter_expansion[name] for name in self._lists}
        asked = {*self._asked, *(each for names in named.values() for each in names)}
        own = {name: value for name, value in state.parameters.items() if name not in asked}
        for name, convert in (self._to_driver | dict(state.processors)).items():
            if name in own:
                own[name] = convert(own[name])
        assert state.positiontup is not None
        return Shape(state.statement, tuple(state.positiontup), own, named)


def _padded(values: Sequence[Any]) -> Sequence[Any]:
    """The values, the last of them repeated up to a power of two: the same set, and few shapes of a statement."""
    more = (1 << (len(values) - 1).bit_length()) - len(values) if values else 0
    return [*values, *[values[-1]] * more] if more else values


Prepare = Callable[[Executable, tuple[str, ...]], Prepared]
_PREPARE: dict[tuple[str, str, str], Prepare] = {}


def preparing(dialect: Dialect) -> Prepare:
    """Prepares statements for this dialect; all stores whose drivers speak alike share what is prepared."""
    alike = (dialect.name, dialect.driver, dialect.paramstyle)
    return _PREPARE.setdefault(alike, lru_cache(KEPT)(partial(Prepared, dialect)))
