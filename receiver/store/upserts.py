"""Statements for many rows at once."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Insert, Table, Update, bindparam
from sqlalchemy.dialects.sqlite import insert

# SQLite allows 32,766 parameters a statement; chunks keep few shapes of one.
CHUNK = 500


class Bulk(NamedTuple):
    """A statement that is carried out for many rows, each a tuple in the order of ``columns``, its parameters.

    The rows go to the driver as they are: SQLAlchemy's handling of each one's parameters costs more than SQLite's
    insert of the row.
    """

    statement: Insert | Update
    columns: tuple[str, ...]


def inserting(table: Table) -> Bulk:
    """Insert rows."""
    return Bulk(_insert(table), tuple(column.name for column in table.columns))


def upserting(table: Table) -> Bulk:
    """Insert rows, or overwrite those with the same primary key."""
    statement = _insert(table)
    keys = [column.name for column in table.primary_key.columns]
    overwritten = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
    statement = statement.on_conflict_do_update(index_elements=keys, set_=overwritten)
    return Bulk(statement, tuple(column.name for column in table.columns))


def adding(table: Table, column: str) -> Bulk:
    """Insert rows, or add their ``column`` to that of the row with the same primary key."""
    statement = _insert(table)
    statement = statement.on_conflict_do_update(
        index_elements=[key.name for key in table.primary_key.columns],
        set_={column: table.c[column] + statement.excluded[column]},
    )
    return Bulk(statement, tuple(each.name for each in table.columns))


def _insert(table: Table) -> Any:
    return insert(table).values({column.name: bindparam(column.name) for column in table.columns})


def chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The values in pieces that fit one statement."""
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]
