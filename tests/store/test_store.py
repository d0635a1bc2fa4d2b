"""Opening the store, and the one thread that writes to it."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from receiver.store import connect, migrations, probe, schema
from receiver.store.connect import Store, StoreUnavailable, Tx
from receiver.store.writer import StoreFull, Writer, WriterWatch

AT = 1_000


def opened(path: Path) -> Store:
    return Store(f"sqlite:///{path}", lambda: AT)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A fresh store."""
    store = opened(tmp_path / "books.db")
    yield store
    store.close()


@pytest.fixture
def writer(store: Store) -> Iterator[Writer]:
    """A running writer on a fresh store."""
    writer = Writer(store, capacity=100)
    writer.start()
    yield writer
    writer.stop()


def insert(tx: Tx, account: str) -> None:
    tx.run(schema.ledger.insert(), {"channel_id": 1, "side": "test", "account": account, "n": 1})


def accounts(store: Store) -> list[str]:
    with store.read() as tx:
        return [row["account"] for row in tx.rows(select(schema.ledger.c.account).order_by(schema.ledger.c.account))]


def test_a_commit_survives_the_power_going_off_because_the_settings_say_so(store: Store) -> None:
    with store.write() as tx:
        assert tx.scalar(text("PRAGMA journal_mode")) == "wal"
        assert tx.scalar(text("PRAGMA synchronous")) == 2


def test_a_second_process_is_refused_the_same_file(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="another process uses the store"):
        opened(tmp_path / "books.db")


def test_a_closed_store_can_be_opened_again_with_what_was_committed(tmp_path: Path) -> None:
    first = opened(tmp_path / "books.db")
    with first.write() as tx:
        insert(tx, "kept")
    first.close()
    second = opened(tmp_path / "books.db")
    assert accounts(second) == ["kept"]
    second.close()


def test_ids_go_on_where_they_were(tmp_path: Path) -> None:
    first = opened(tmp_path / "books.db")
    with first.write() as tx:
        first_id = tx.new_id(schema.routing)
        tx.run(schema.routing.insert(), {"id": first_id, "verdicts": "{}"})
    first.close()
    second = opened(tmp_path / "books.db")
    with second.write() as tx:
        assert tx.new_id(schema.routing) == first_id + 1
    second.close()


def test_a_store_written_by_a_newer_program_is_refused(tmp_path: Path) -> None:
    opened(tmp_path / "books.db").close()
    with sqlite3.connect(tmp_path / "books.db") as connection:
        connection.execute("INSERT INTO schema_version VALUES (99, 0)")
    connection.close()
    with pytest.raises(StoreUnavailable, match="run the newer program"):
        opened(tmp_path / "books.db")


def test_a_store_from_before_the_first_release_is_refused(tmp_path: Path) -> None:
    opened(tmp_path / "books.db").close()
    with sqlite3.connect(tmp_path / "books.db") as connection:
        connection.execute("UPDATE schema_version SET version = 1")
    connection.close()
    with pytest.raises(StoreUnavailable, match="begin with a new file"):
        opened(tmp_path / "books.db")


def test_a_migration_that_breaks_half_way_leaves_the_old_schema(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(tmp_path / "books.db").close()

    def breaks(connection: object) -> None:
        assert hasattr(connection, "exec_driver_sql")
        connection.exec_driver_sql("CREATE TABLE half (id INTEGER)")
        connection.exec_driver_sql("not SQL")

    monkeypatch.setattr(migrations, "STEPS", (*migrations.STEPS, breaks))
    with pytest.raises(StoreUnavailable):
        opened(tmp_path / "books.db")
    with sqlite3.connect(tmp_path / "books.db") as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        versions = connection.execute("SELECT version FROM schema_version").fetchall()
    connection.close()
    assert "half" not in tables
    assert versions == [(migrations.UNRELEASED + 1,)]


@pytest.mark.parametrize("path", ["missing/books.db", "."])
def test_a_path_that_can_not_be_opened_is_said_plainly(tmp_path: Path, path: str) -> None:
    with pytest.raises(StoreUnavailable, match="can't open the store"):
        opened(tmp_path / path)


def test_a_file_that_is_no_store_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "books.db").write_text("these are not the books you are looking for, and they are long enough")
    with pytest.raises(StoreUnavailable, match="file is not a database"):
        opened(tmp_path / "books.db")


def test_readers_can_not_write(store: Store) -> None:
    with pytest.raises(DBAPIError, match="readonly"), store.read() as tx:
        insert(tx, "sneaked in")


async def test_jobs_that_wait_together_share_a_commit(writer: Writer) -> None:
    commits: list[int] = []

    def work(tx: Tx, items: Sequence[str]) -> list[str]:
        commits.append(len(items))
        for item in items:
            insert(tx, item)
        return [f"did {item}" for item in items]

    gate = asyncio.get_running_loop().create_future()
    waiting = writer.run(lambda _tx: asyncio.run_coroutine_threadsafe(_wait(gate), loop).result())
    loop = asyncio.get_running_loop()
    first = asyncio.create_task(waiting)
    jobs = [asyncio.create_task(writer.submit(work, str(n))) for n in range(5)]
    await asyncio.sleep(0)
    gate.set_result(None)
    await first
    assert await asyncio.gather(*jobs) == [f"did {n}" for n in range(5)]
    assert commits == [5]


async def _wait(gate: "asyncio.Future[None]") -> None:
    await gate


async def test_one_job_that_fails_harms_no_other_in_its_commit(store: Store, tmp_path: Path) -> None:
    errors: list[str] = []
    writer = Writer(store, WriterWatch(failed=errors.append))

    def work(tx: Tx, items: Sequence[str]) -> list[str]:
        for item in items:
            if item == "odd":
                raise ValueError("odd")
            insert(tx, item)
        return list(items)

    jobs = [asyncio.create_task(writer.submit(work, item)) for item in ("a", "odd", "b")]
    await asyncio.sleep(0)
    writer.start()
    results = await asyncio.gather(*jobs, return_exceptions=True)
    writer.stop()
    assert results[0] == "a"
    assert isinstance(results[1], ValueError)
    assert results[2] == "b"
    assert accounts(store) == ["a", "b"]
    assert errors == ["work", "work"]


async def test_a_database_that_refuses_is_asked_once_for_all_that_wait(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "BUSY_TIMEOUT", 200)
    errors: list[str] = []
    impatient = opened(tmp_path / "other.db")
    writer = Writer(impatient, WriterWatch(failed=errors.append))
    jobs = [asyncio.create_task(writer.run(lambda tx: insert(tx, "a"))) for _ in range(20)]
    await asyncio.sleep(0)
    with closing(sqlite3.connect(tmp_path / "other.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writer.start()
        results = await asyncio.gather(*jobs, return_exceptions=True)
    assert all(isinstance(result, StoreUnavailable) for result in results)
    assert errors == ["database"]
    writer.stop()
    impatient.close()


async def test_jobs_that_are_tried_alone_do_not_wait_for_each_others_answer(store: Store) -> None:
    writer = Writer(store)
    going_on = threading.Event()

    def odd(tx: Tx) -> None:
        raise ValueError

    alone = iter((False, True))

    def slow(tx: Tx) -> None:
        if next(alone):
            going_on.wait(10)

    first, second, third = (asyncio.create_task(writer.run(work)) for work in (lambda tx: insert(tx, "a"), slow, odd))
    await asyncio.sleep(0)
    writer.start()
    async with asyncio.timeout(5):
        await first
    assert not second.done()
    going_on.set()
    await second
    with pytest.raises(ValueError, match=r"^$"):
        await third
    writer.stop()


async def test_an_error_of_the_database_is_told_without_the_statement_and_its_values(writer: Writer) -> None:
    def work(tx: Tx) -> None:
        insert(tx, "a label's value")
        insert(tx, "a label's value")

    with pytest.raises(StoreUnavailable) as failure:
        await writer.run(work)
    assert "UNIQUE constraint failed" in str(failure.value)
    assert "a label's value" not in str(failure.value)


async def test_more_than_the_writer_will_hold_is_refused_but_one_large_notification_is_not(store: Store) -> None:
    writer = Writer(store, capacity=100)
    large = asyncio.create_task(writer.submit(lambda _tx, items: list(items), "large", weight=1_000))
    await asyncio.sleep(0)
    with pytest.raises(StoreFull):
        await writer.submit(lambda _tx, items: list(items), "more")
    writer.start()
    assert await large == "large"
    assert await writer.submit(lambda _tx, items: list(items), "later") == "later"
    writer.stop()


async def test_what_waits_is_committed_before_the_writer_stops(store: Store) -> None:
    writer = Writer(store)
    job = asyncio.create_task(writer.run(lambda tx: insert(tx, "last")))
    await asyncio.sleep(0)
    writer.start()
    writer.stop()
    await job
    assert accounts(store) == ["last"]


async def test_ready_means_that_a_commit_succeeds(store: Store, writer: Writer) -> None:
    await writer.run(lambda tx: probe.probe(tx, 7))
    with store.read() as tx:
        assert tx.scalar(select(schema.commit_probe.c.at)) == 7
