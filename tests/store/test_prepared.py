"""What a transaction reads and writes by the driver is what SQLAlchemy itself would."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import JSON, bindparam, func, insert, literal, select, text, type_coerce, union_all, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from receiver.core.entries import Phase
from receiver.store import prepared, schema
from receiver.store.connect import Store, Tx
from receiver.store.upserts import CHUNK
from tests.timeline import MINUTE, Timeline, channel, firing, policy

_d, _g = schema.delivery, schema.alert_group


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store in which something was told, and something waits."""
    timeline = Timeline(tmp_path_factory.mktemp("store") / "books.db", policy(channel()))
    timeline.receive(firing("Disk", severity="critical"), firing("Näme", pod="1"), firing("Disk", pod="2"))
    timeline.now += MINUTE
    timeline.send()
    timeline.receive(firing("Later"))
    yield timeline.store
    timeline.store.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty one."""
    store = Store(f"sqlite:///{tmp_path / 'books.db'}", lambda: 1_000)
    yield store
    store.close()


def insert_twice(tx: Tx, row: dict[str, Any]) -> None:
    tx.run(insert(schema.ledger), row)
    tx.run(insert(schema.ledger), row)


def insert_and_fail(tx: Tx, error: BaseException) -> None:
    tx.run(insert(schema.commit_probe), {"id": 1, "at": 1})
    raise error


QUERIES: dict[str, tuple[Any, dict[str, Any]]] = {
    "booleans": (select(_d.c.urgent, (_d.c.phase == Phase.IDLE).label("idle"), _d.c.told.is_(None).label("new")), {}),
    "booleans of two queries": (union_all(select(_d.c.urgent), select(_d.c.muted)), {}),
    "a boolean given": (select(_d.c.episode_id).where(_d.c.urgent == bindparam("urgent")), {"urgent": True}),
    "values of its own": (select(_d).where(_d.c.phase.in_([*Phase]), _d.c.version >= 1).limit(2), {}),
    "a value twice": (select(_g).where(_g.c.id >= bindparam("id"), _g.c.id <= bindparam("id")), {"id": 1}),
    "JSON": (select(type_coerce(schema.alert.c.labels, JSON)["alertname"].as_string().label("name")), {}),
    "two columns of a name": (select(_d.c.group_id, _g.c.id, literal("é").label("id_")).join(_g, _g.c.id > 0), {}),
    "no row": (select(_g).where(_g.c.id == bindparam("id")), {"id": -1}),
    "text": (text("SELECT name, 1 AS n FROM channel WHERE name <> :name"), {"name": "x"}),
    "an aggregate": (select(func.max(_d.c.told_at), func.count().label("n")), {}),
}
QUERIES |= {table.name: (select(table), {}) for table in schema.metadata.sorted_tables}
QUERIES |= {
    f"a list of {len(ids)}": (select(_d).where(_d.c.episode_id.in_(bindparam("ids", expanding=True))), {"ids": ids})
    for ids in ([], [1], [1, 2, 3], range(2, 7), range(CHUNK))
}


def typed(value: object) -> tuple[object, type]:
    return value, type(value)


@pytest.mark.parametrize("name", QUERIES)
def test_rows_have_the_values_and_types_that_sqlalchemy_gives(books: Store, name: str) -> None:
    query, parameters = QUERIES[name]
    with books._engine.connect() as connection:
        expected = connection.execute(query, parameters).all()
    with books.read() as tx:
        found, rows, first = (ask(query, parameters) for ask in (tx.tuples, tx.rows, tx.scalar))
    assert [list(map(typed, row)) for row in found] == [list(map(typed, row)) for row in expected]
    assert [dict(row) for row in rows] == [dict(row._mapping) for row in expected]
    assert first == (expected[0][0] if expected else None)


def test_the_queries_above_find_something(books: Store) -> None:
    with books.read() as tx:
        assert {row["urgent"] for row in tx.rows(select(_d))} == {True, False}
        assert len(tx.rows(select(schema.message))) == 1
        assert [len(tx.rows(*QUERIES[f"a list of {n}"])) for n in (0, 1, 3, 5, CHUNK)] == [0, 1, 3, 3, 4]


def test_an_insert_has_the_columns_that_are_given(store: Store) -> None:
    row = {"address": "a@example.com", "state": "awaited"}
    statement = insert(schema.recipient)
    with store.write() as tx:
        assert tx.run(statement, row | {"message_id": 7}) == 1
        assert tx.run(statement, row | {"message_id": 8, "code": 250}) == 1
        assert tx.tuples(select(schema.recipient.c.code).order_by(schema.recipient.c.message_id)) == [(None,), (250,)]


def test_how_many_rows_were_touched_is_told(books: Store) -> None:
    put_off = update(_d).values(told_at=bindparam("at")).where(_d.c.episode_id.in_(bindparam("ids", expanding=True)))
    with books.write() as tx:
        assert [tx.run(put_off, {"at": 5, "ids": ids}) for ids in ([], [1], [1, 2, 4], [1, 2, 99])] == [0, 1, 3, 2]


def test_a_statement_composed_for_one_question_is_forgotten(store: Store) -> None:
    with store.read() as tx:
        for n in range(prepared.KEPT + 1):
            assert tx.scalar(text(f"SELECT {n}")) == n
    info = prepared.preparing(store._engine.dialect).cache_info()  # type: ignore[attr-defined]
    assert info.currsize == prepared.KEPT


def test_lists_of_many_lengths_have_few_shapes(store: Store) -> None:
    query, _ = QUERIES["a list of 1"]
    with store.read() as tx:
        for n in range(CHUNK + 1):
            tx.rows(query, {"ids": range(n)})
    statement = prepared.preparing(store._engine.dialect)(query, ("ids",))
    assert len({statement.bound({"ids": range(n)})[0] for n in range(CHUNK + 1)}) == 11


def test_a_value_that_was_not_given_is_missed(store: Store) -> None:
    query, _ = QUERIES["a value twice"]
    with store.read() as tx, pytest.raises(KeyError, match="id"):
        tx.rows(query)


def test_errors_are_sqlalchemys_and_keep_the_values_to_themselves(store: Store) -> None:
    row = {"channel_id": 1, "side": "test", "account": "a label's value", "n": 1}
    with pytest.raises(IntegrityError) as refused, store.write() as tx:
        insert_twice(tx, row)
    assert "INSERT INTO ledger" in str(refused.value)
    assert "a label's value" not in repr(refused.value) + str(refused.value)
    with pytest.raises(OperationalError, match="no such table"), store.read() as tx:
        tx.rows(text("SELECT * FROM missing"))


def test_what_a_failed_transaction_wrote_is_gone_and_the_next_one_works(store: Store) -> None:
    for error in (DBAPIError("", None, Exception()), ValueError(), KeyboardInterrupt()):
        with pytest.raises(type(error)), store.write() as tx:
            insert_and_fail(tx, error)
    with store.write() as tx:
        tx.run(insert(schema.commit_probe), {"id": 2, "at": 2})
    with store.read() as tx:
        assert tx.tuples(select(schema.commit_probe)) == [(2, 2)]


def test_after_a_commit_that_was_refused_the_next_transaction_works(store: Store) -> None:
    with store.write() as tx:
        tx.run(text("CREATE TABLE part (of_id INTEGER REFERENCES channel (id) DEFERRABLE INITIALLY DEFERRED)"))
    assert store._writing is not None
    driver = store._writing.connection.driver_connection
    assert driver is not None
    # The one thing that SQLite looks at when it commits; it then leaves the transaction open.
    driver.execute("PRAGMA foreign_keys = ON")
    with pytest.raises(IntegrityError, match="FOREIGN KEY"), store.write() as tx:
        tx.run(text("INSERT INTO part VALUES (:of_id)"), {"of_id": 99})
    with store.write() as tx:
        assert tx.tuples(text("SELECT of_id FROM part")) == []
