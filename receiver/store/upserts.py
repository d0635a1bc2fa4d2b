"""Insert or overwrite, in bulk."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Executable, Table, bindparam
from sqlalchemy.dialects.sqlite import Insert, insert

# SQLite allows 32,766 parameters a statement; chunks keep the few shapes of a statement in the compile cache.
CHUNK = 500


def upsert(table: Table, *, key: Sequence[str] | None = None) -> Executable:
    """A statement that inserts a row, or overwrites the one with the same ``key`` (the primary key by default)."""
    statement = _insert(table)
    names = list(key) if key else [column.name for column in table.primary_key.columns]
    overwritten = {
        column.name: statement.excluded[column.name] for column in table.columns if column.name not in (*names, "id")
    }
    return statement.on_conflict_do_update(index_elements=names, set_=overwritten)


def adding(table: Table, column: str) -> Executable:
    """A statement that inserts a row, or adds its ``column`` to that of the row with the same primary key."""
    statement = _insert(table)
    return statement.on_conflict_do_update(
        index_elements=[key.name for key in table.primary_key.columns],
        set_={column: table.c[column] + statement.excluded[column]},
    )


def _insert(table: Table) -> Insert:
    return insert(table).values({column.name: bindparam(column.name) for column in table.columns})


def chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The values in pieces that fit one statement."""
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]
