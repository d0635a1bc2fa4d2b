"""Opening the store: one process a file, durable settings set and read back, the schema brought up to date."""

import fcntl
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import IO, Any, TypeVar

from sqlalchemy import Connection, Engine, Executable, Table, create_engine, event, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from receiver.store import migrations, schema
from receiver.store.prepared import Prepare, preparing
from receiver.store.upserts import Bulk

# Long enough for a checkpoint or a backup that holds the file, far below Alertmanager's patience.
BUSY_TIMEOUT = 5_000
NONE: Mapping[str, Any] = MappingProxyType({})
T = TypeVar("T")


class StoreUnavailable(Exception):
    """The store can't be opened, read or written; the text says what to do and holds no row."""


class Tx:
    """One transaction: what transitions read and write through.

    It speaks to the driver itself: the connection is SQLAlchemy's for what begins and ends the transaction.
    """

    def __init__(self, connection: Connection, prepare: Prepare, ids: Mapping[str, Iterator[int]]) -> None:
        """Wrap a connection that is within a transaction; ``ids`` hands out new row ids by table."""
        self._dialect = connection.dialect
        self._cursor = connection.connection.cursor()
        self._prepare = prepare
        self._ids = ids

    def rows(self, statement: Executable, parameters: Mapping[str, Any] = NONE) -> Sequence[Any]:
        """All rows of a query, each a mapping by the names of its columns."""
        found = self.tuples(statement, parameters)
        names = [column[0] for column in self._cursor.description]
        return [dict(zip(names, row, strict=True)) for row in found]

    def tuples(self, statement: Executable, parameters: Mapping[str, Any] = NONE) -> Sequence[Any]:
        """All rows of a query as tuples, for where there are many."""
        prepared = self._prepare(statement, tuple(parameters))
        self._ask(self._cursor.execute, *prepared.bound(parameters))
        return prepared.rows(self._ask(self._cursor.fetchall))

    def scalar(self, statement: Executable, parameters: Mapping[str, Any] = NONE) -> Any:
        """The first column of the first row; None when there is no row."""
        found = self.tuples(statement, parameters)
        return found[0][0] if found else None

    def run(self, statement: Executable, parameters: Mapping[str, Any] = NONE) -> int:
        """Carry out a statement; how many rows it touched."""
        self._ask(self._cursor.execute, *self._prepare(statement, tuple(parameters)).bound(parameters))
        return self._cursor.rowcount

    def bulk(self, bulk: Bulk, rows: Sequence[tuple[Any, ...]]) -> None:
        """Carry out a statement for every row."""
        if rows:
            sql = self._prepare(bulk.statement, bulk.columns).many(bulk.columns)
            self._ask(self._cursor.executemany, sql, rows)

    def _ask(self, driver: Callable[..., T], *asked: Any) -> T:
        """What the driver answers; its errors are SQLAlchemy's, without the values."""
        errors = self._dialect.loaded_dbapi.Error
        try:
            return driver(*asked)
        except errors as error:
            sql = asked[0] if asked else None
            raise DBAPIError.instance(sql, None, error, errors, hide_parameters=True, dialect=self._dialect) from error

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
        # Taking a connection from the pool costs more than most transactions.
        self._writing: Connection | None = None
        self._turn = Lock()
        try:
            self._engine = _engine(url, in_memory=self._path is None)
            self._prepare = preparing(self._engine.dialect)
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
        if not self._turn.acquire(blocking=False):
            # Somebody else writes: the database lets one of the two wait.
            with self._engine.begin() as connection:
                yield Tx(connection, self._prepare, self._ids)
            return
        try:
            if self._writing is None:
                self._writing = self._engine.connect()
            with self._writing.begin():
                yield Tx(self._writing, self._prepare, self._ids)
        except BaseException:
            # Whatever a failure has left behind ends with its connection.
            self._let_go()
            raise
        finally:
            self._turn.release()

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """A consistent snapshot for reading."""
        with self._readers.begin() as connection:
            yield Tx(connection, self._prepare, {})

    def close(self) -> None:
        """Close all connections and let the file go."""
        self._let_go()
        for engine in (getattr(self, "_readers", None), getattr(self, "_engine", None)):
            if engine is not None:
                engine.dispose()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _let_go(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.close()


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
