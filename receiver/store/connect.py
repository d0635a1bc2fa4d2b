"""Opening the store: one process a file, durable settings set and read back, the schema brought up to date."""

import fcntl
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, Engine, Executable, RowMapping, Table, create_engine, event, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from receiver.store import migrations, schema
from receiver.store.upserts import Bulk

# Long enough for a checkpoint or a backup that holds the file, far below Alertmanager's patience.
BUSY_TIMEOUT = 5_000


class StoreUnavailable(Exception):
    """The store can't be opened, read or written; the text says what to do and holds no row."""


class Tx:
    """One transaction: what transitions read and write through."""

    def __init__(self, connection: Connection, ids: Mapping[str, Iterator[int]]) -> None:
        """Wrap a connection that is within a transaction; ``ids`` hands out new row ids by table."""
        self._connection = connection
        self._ids = ids

    def rows(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Sequence[RowMapping]:
        """All rows of a query."""
        return self._connection.execute(statement, parameters).mappings().all()

    def tuples(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Sequence[Any]:
        """All rows of a query as tuples, for where there are many."""
        return self._connection.execute(statement, parameters).all()

    def scalar(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Any:
        """The first column of the first row; None when there is no row."""
        return self._connection.execute(statement, parameters).scalar()

    def run(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> int:
        """Carry out a statement; how many rows it touched."""
        return self._connection.execute(statement, parameters).rowcount

    def bulk(self, statement: Bulk, rows: Sequence[tuple[Any, ...]]) -> None:
        """Carry out a statement for every row."""
        if rows:
            self._connection.exec_driver_sql(statement.sql(self._connection.dialect), list(rows))

    def new_id(self, table: Table) -> int:
        """A row id not used before. Known before the insert, so that rows and their references go in bulk."""
        return next(self._ids[table.name])


class Store:
    """An open store. ``write`` belongs to the one writer thread, ``read`` to any other."""

    def __init__(self, url: str, clock: Callable[[], int]) -> None:
        """Open and migrate ``sqlite:///path``, or ``sqlite://`` in memory; raises StoreUnavailable."""
        parsed = make_url(url)
        self._path = Path(parsed.database) if parsed.database and parsed.database != ":memory:" else None
        self._lock = _lock(self._path) if self._path else None
        try:
            self._engine = _engine(url, in_memory=self._path is None)
            with self._engine.begin() as connection:
                migrations.migrate(connection, clock())
                self._ids = {name: count(_next_id(connection, table)) for name, table in _NUMBERED.items()}
        except (DBAPIError, sqlite3.Error, migrations.UnknownSchema) as error:
            self.close()
            raise StoreUnavailable(f"can't open the store: {describe(error)}") from None
        # Readers wait for nobody and can't write; in memory there is only the one connection.
        self._readers = _engine(url, read_only=True) if self._path else self._engine

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """A read-write transaction, committed durably at the end, rolled back on an exception."""
        with self._engine.begin() as connection:
            yield Tx(connection, self._ids)

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """A consistent snapshot for reading."""
        with self._readers.begin() as connection:
            yield Tx(connection, {})

    def close(self) -> None:
        """Close all connections and let the file go."""
        for engine in (getattr(self, "_readers", None), getattr(self, "_engine", None)):
            if engine is not None:
                engine.dispose()
        if self._lock is not None:
            self._lock.close()
            self._lock = None


_NUMBERED = {
    table.name: table
    for table in (
        schema.channel,
        schema.routing,
        schema.alert,
        schema.episode,
        schema.alert_group,
        schema.message,
        schema.attempt,
        schema.departure,
        schema.mute,
        schema.notice,
    )
}


def describe(error: BaseException) -> str:
    """What went wrong in the store, in the database's own words, without the statement and its values."""
    original = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return str(original)


def _next_id(connection: Connection, table: Table) -> int:
    highest: int | None = connection.execute(select(func.max(table.c.id))).scalar()
    return (highest or 0) + 1


def _lock(path: Path) -> IO[str]:
    try:
        handle = Path(f"{path}.lock").open("w")  # noqa: SIM115 - held for the life of the store
    except OSError as error:
        raise StoreUnavailable(f"can't open the store: {error.strerror}: {path}") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        raise StoreUnavailable(
            f"another process uses the store {path}: stop it, or give this one its own storage.url"
        ) from None
    return handle


def _engine(url: str, *, in_memory: bool = False, read_only: bool = False) -> Engine:
    if in_memory:
        engine = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
    else:
        engine = create_engine(url, hide_parameters=True, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _settings(connection: sqlite3.Connection, _record: object) -> None:
        # The driver's own transactions would commit before DDL; ours are begun below.
        connection.isolation_level = None
        wanted: dict[str, tuple[str, str | int]] = {"busy_timeout": (str(BUSY_TIMEOUT), BUSY_TIMEOUT)}
        if read_only:
            wanted["query_only"] = ("ON", 1)
        elif not in_memory:
            wanted |= {"journal_mode": ("WAL", "wal"), "synchronous": ("FULL", 2)}
            # In a storm the same pages change again and again: 32 MB before they are copied back, 64 MB at hand.
            wanted |= {"wal_autocheckpoint": ("8000", 8_000), "cache_size": ("-65536", -65_536)}
        for name, (value, expected) in wanted.items():
            connection.execute(f"PRAGMA {name} = {value}")
            found = connection.execute(f"PRAGMA {name}").fetchone()[0]
            if found != expected:
                raise sqlite3.OperationalError(f"{name} is {found!r}, must be {expected!r}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # IMMEDIATE: take the write lock now and wait for it, rather than fail at the first write.
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine
