"""Numbered steps from one schema version to the next, each a function, each run in one transaction.

A step is a function of the connection; SQLite's DDL is transactional, so a kill in the middle leaves the old
schema or the new one. The store that is newer than this program is refused.
"""

from collections.abc import Callable

from sqlalchemy import Connection, func, inspect, select

from receiver.store import schema


class UnknownSchema(Exception):
    """The store was written by a newer version of this program, or before its first release."""


def _first_schema(connection: Connection) -> None:
    schema.metadata.create_all(connection)


# Stores from before the first release have versions up to 4; no step leads away from there.
UNRELEASED = 4
STEPS: tuple[Callable[[Connection], None], ...] = (_first_schema,)
NEWEST = UNRELEASED + len(STEPS)


def migrate(connection: Connection, now: int) -> None:
    """Bring the store to this program's schema, within the caller's transaction; raises UnknownSchema."""
    table = schema.schema_version
    found = UNRELEASED
    if inspect(connection).has_table(table.name):
        found = connection.execute(select(func.max(table.c.version))).scalar() or 0
        if found <= UNRELEASED:
            raise UnknownSchema("the store was written before the first release: begin with a new file")
    if found > NEWEST:
        raise UnknownSchema(
            f"the store has schema version {found}, this program knows versions up to {NEWEST}: "
            "run the newer program, or restore the backup made before the upgrade"
        )
    for version, step in enumerate(STEPS[found - UNRELEASED :], start=found + 1):
        step(connection)
        connection.execute(table.insert(), {"version": version, "migrated_at": now})
