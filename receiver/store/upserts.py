"""Statements for many rows at once."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Dialect, Insert, Table, Update, bindparam
from sqlalchemy.dialects.sqlite import insert

# SQLite allows 32,766 parameters a statement; chunks keep the few shapes of a statement in the compile cache.
CHUNK = 500


class Bulk:
    """A statement that is carried out for many rows, each a tuple in the order of ``columns``.

    Compiled once: SQLAlchemy's handling of each row's parameters costs more than SQLite's insert of the row.
    """

    def __init__(self, statement: Insert | Update, columns: Sequence[str]) -> None:
        """``columns`` names the statement's parameters in the order in which the rows hold them."""
        self._statement = statement
        self.columns = tuple(columns)
        self._compiled = cache(self._compile)

    def sql(self, dialect: Dialect) -> str:
        """The statement's text, with parameters in the order of ``columns``."""
        return self._compiled(dialect)

    def _compile(self, dialect: Dialect) -> str:
        compiled = self._statement.compile(dialect=dialect)
        assert compiled.positiontup == list(self.columns), compiled.positiontup
        return str(compiled)


def inserting(table: Table) -> Bulk:
    """Insert rows."""
    return Bulk(_insert(table), [column.name for column in table.columns])


def upserting(table: Table) -> Bulk:
    """Insert rows, or overwrite those with the same primary key."""
    statement = _insert(table)
    keys = [column.name for column in table.primary_key.columns]
    overwritten = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
    statement = statement.on_conflict_do_update(index_elements=keys, set_=overwritten)
    return Bulk(statement, [column.name for column in table.columns])


def adding(table: Table, column: str) -> Bulk:
    """Insert rows, or add their ``column`` to that of the row with the same primary key."""
    statement = _insert(table)
    statement = statement.on_conflict_do_update(
        index_elements=[key.name for key in table.primary_key.columns],
        set_={column: table.c[column] + statement.excluded[column]},
    )
    return Bulk(statement, [each.name for each in table.columns])


def _insert(table: Table) -> Any:
    return insert(table).values({column.name: bindparam(column.name) for column in table.columns})


def chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The values in pieces that fit one statement."""
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]
