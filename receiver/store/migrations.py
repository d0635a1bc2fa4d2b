"""Numbered steps from one schema version to the next, each a function, each run in one transaction.

A step is a function of the connection; SQLite's DDL is transactional, so a kill in the middle leaves the old
schema or the new one. The store that is newer than this program is refused.
"""

from collections.abc import Callable

from sqlalchemy import Connection, func, inspect, select

from receiver.store import schema


class NewerSchema(Exception):
    """The store was written by a newer version of this program."""


def _first_schema(connection: Connection) -> None:
    schema.metadata.create_all(connection)


STEPS: tuple[Callable[[Connection], None], ...] = (_first_schema,)


def migrate(connection: Connection, now: int) -> None:
    """Bring the store to this program's schema, within the caller's transaction; raises NewerSchema."""
    table = schema.schema_version
    found = 0
    if inspect(connection).has_table(table.name):
        found = connection.execute(select(func.max(table.c.version))).scalar() or 0
    if found > len(STEPS):
        raise NewerSchema(
            f"the store has schema version {found}, this program knows versions up to {len(STEPS)}: "
            "run the newer program, or restore the backup made before the upgrade"
        )
    for version, step in enumerate(STEPS[found:], start=found + 1):
        step(connection)
        connection.execute(table.insert(), {"version": version, "migrated_at": now})
